package output

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/disclosure"
)

// maxStream bounds the bytes of a cell stream.
const maxStream = 256 << 20

// Client hands files to a parser in a sandbox. Its answers are those of a process
// that read hostile bytes: sizes are capped, numbers checked, and what is not a
// number or the canonical file itself is taken from the host's own arguments.
// One file at a time; after an error other than a refusal the connection is of no
// further use.
type Client struct {
	conn net.Conn
}

// NewClient makes a client of a connection to GuestMain or Serve.
func NewClient(conn net.Conn) *Client { return &Client{conn: conn} }

// noAnswer is the error for a parser that ended, hung or answered nonsense: the
// file made it do so.
func noAnswer(cause error) error {
	return anchorhold.Errorf(anchorhold.Invalid, "return a smaller or simpler value",
		"the output could not be read within the limits of the sandbox").Because(cause)
}

// Parse has one output read. The error is a refusal as that of the function
// Parse, or says that there was no answer. When ctx ends, so does the waiting.
func (c *Client) Parse(ctx context.Context, entry ManifestEntry, data []byte, declared Declared, lim Limits) (Canonical, disclosure.Cells, error) {
	lim = lim.withDefaults()
	f, err := admit(entry, declared, int64(len(data)), lim)
	if err != nil {
		return Canonical{}, disclosure.Cells{}, err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = c.conn.SetDeadline(time.Unix(1, 0)) // a closed connection ends the waiting as well
	})
	defer stop()
	if err := c.ask(question{Entry: entry, Declared: declared, Limits: lim, Bytes: int64(len(data))}, data); err != nil {
		return Canonical{}, disclosure.Cells{}, noAnswer(err)
	}
	out := Canonical{Name: entry.Name, Kind: entry.Kind, Python: entry.Python, Media: f.media, File: entry.Name + f.extension}
	cells, err := c.answer(&out, lim)
	cells.Kind = entry.Kind
	return out, cells, err
}

// tryTable is a table of two rows, as a runner writes one.
//
//go:embed try.parquet
var tryTable []byte

// Try has a parser read a value and a table of our own and checks what it makes of
// them: then it is ready, and warm. What it has done once it does many times faster.
func (c *Client) Try(ctx context.Context) error {
	number := ManifestEntry{Name: "try", Kind: KindJSON, Python: "int", File: "try.json"}
	got, _, err := c.Parse(ctx, number, []byte("1"), Declared{Name: "try", Kind: KindJSON}, Limits{})
	if err == nil && string(got.Data) != "1" {
		err = noAnswer(nil)
	}
	if err != nil {
		return err
	}
	table := ManifestEntry{Name: "try", Kind: KindTable, Python: "pandas.DataFrame", File: "try.parquet"}
	got, _, err = c.Parse(ctx, table, tryTable, Declared{Name: "try", Kind: KindTable}, Limits{})
	if err == nil && got.Rows != 2 {
		err = noAnswer(nil)
	}
	return err
}

func (c *Client) ask(q question, data []byte) error {
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint32([]byte(protocolMagic), uint32(len(text)))
	for _, part := range [][]byte{head, text, data} {
		if _, err := c.conn.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// answer reads what the guest says.
func (c *Client) answer(out *Canonical, lim Limits) (disclosure.Cells, error) {
	status := make([]byte, 1)
	if _, err := io.ReadFull(c.conn, status); err != nil {
		return disclosure.Cells{}, noAnswer(err)
	}
	switch status[0] {
	case answerRefused:
		return disclosure.Cells{}, c.refused()
	case answerOK:
		return c.accepted(out, lim)
	}
	return disclosure.Cells{}, noAnswer(nil)
}

func (c *Client) refused() error {
	b := make([]byte, 2)
	if _, err := io.ReadFull(c.conn, b); err != nil {
		return noAnswer(err)
	}
	r := reason(binary.BigEndian.Uint16(b))
	if r >= lastReason {
		return noAnswer(nil)
	}
	return refuse(r)
}

func (c *Client) accepted(out *Canonical, lim Limits) (disclosure.Cells, error) {
	head := make([]byte, answerHead)
	if _, err := io.ReadFull(c.conn, head); err != nil {
		return disclosure.Cells{}, noAnswer(err)
	}
	rows, columns := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
	size, stream := binary.BigEndian.Uint64(head[8:]), binary.BigEndian.Uint64(head[16:])
	switch {
	case size > uint64(lim.Bytes) || stream > maxStream:
		return disclosure.Cells{}, noAnswer(nil)
	case int64(rows) > max(lim.Rows, lim.Bytes) || int64(columns) > int64(lim.Columns):
		return disclosure.Cells{}, noAnswer(nil)
	}
	data, err := readExactly(c.conn, int64(size))
	if err != nil {
		return disclosure.Cells{}, noAnswer(err)
	}
	encoded, err := readExactly(c.conn, int64(stream))
	if err != nil {
		return disclosure.Cells{}, noAnswer(err)
	}
	cells, err := ReadCells(bytes.NewReader(encoded))
	if err != nil {
		return disclosure.Cells{}, noAnswer(err)
	}
	out.Rows, out.Columns, out.Data = int(rows), int(columns), data
	return cells, nil
}

// readExactly reads n bytes into memory that grows as they come: a claim alone
// costs nothing.
func readExactly(r io.Reader, n int64) ([]byte, error) {
	var b bytes.Buffer
	m, err := io.Copy(&b, io.LimitReader(r, n))
	if err == nil && m != n {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}
