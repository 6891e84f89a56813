//go:build unix

package intake

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/sandbox"
)

// GuestMain is the whole program inside the sandbox: it reads one file and ends.
func GuestMain() error {
	conn, err := sandbox.GuestConn()
	if err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	return errors.Join(Serve(conn), conn.Close())
}

// Serve answers one question on a connection.
func Serve(conn *net.UnixConn) error {
	q, file, err := receive(conn)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriterSize(conn, 256<<10)
	if err := answer(out, q, file); err != nil {
		text, err := json.Marshal(refusal(err))
		if err != nil {
			return err
		}
		if _, err := out.Write(sandbox.Frame(frameRefused, text)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// receive takes the question and the open file.
func receive(conn *net.UnixConn) (q question, file *os.File, err error) {
	_, text, files, err := sandbox.ReceiveFrame(conn, maxFrame)
	if err == nil && len(files) != 1 {
		err = errors.New("intake: not one file came with the question")
	}
	if err == nil {
		err = json.Unmarshal(text, &q)
	}
	if err != nil {
		for _, f := range files {
			_ = f.Close() // nothing was read from it
		}
		return q, nil, err
	}
	return q, files[0], nil
}

// answer reads the file to its end; an error is what is wrong with the file.
func answer(out io.Writer, q question, file *os.File) error {
	c, ok := catalog.FormatNamed(q.Format)
	if !ok {
		return anchorhold.Errorf(anchorhold.Invalid, "", "there is no such format")
	}
	in := codec.Input{Name: q.Name, Size: q.Size, At: file, Stream: io.NewSectionReader(file, 0, q.Size)}
	r, err := c.Open(in, codec.Options{Columns: q.Columns, Missing: q.Missing, Beside: q.Beside})
	if err != nil {
		return err
	}
	defer r.Close()
	h := header{Columns: r.Columns(), Width: r.Width()}
	if known, ok := r.(codec.Identifier); ok {
		h.Identifiers = known.Identifiers()
	}
	if err := say(out, frameHeader, h); err != nil {
		return err
	}
	var buf []byte
	for {
		rows, err := r.Next()
		if errors.Is(err, io.EOF) {
			return say(out, frameEnd, tailOf(r))
		}
		if err != nil {
			return err
		}
		if buf, err = sendRows(out, buf, r, rows); err != nil {
			return err
		}
	}
}

func tailOf(r codec.Reader) tail {
	t := tail{Columns: r.Columns(), Rows: r.Rows()}
	if a, ok := r.(codec.Accepter); ok {
		t.Accepts = a.Accepts()
	} else {
		for _, c := range t.Columns {
			t.Accepts = append(t.Accepts, codec.SetOf(c.Type))
		}
	}
	if o, ok := r.(interface{ Opaque() bool }); ok {
		t.Opaque = o.Opaque()
	}
	if b, ok := r.(codec.Besider); ok {
		t.Beside = b.Beside()
	}
	return t
}

func say(out io.Writer, kind byte, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = out.Write(sandbox.Frame(kind, text))
	}
	return err
}

// sendRows writes rows in frames of a usual size; one row can make a longer one.
func sendRows(out io.Writer, buf []byte, r codec.Reader, rows [][]codec.Cell) ([]byte, error) {
	most := max(1, min(maxRows, maxCells/r.Width()))
	for len(rows) > 0 {
		buf = buf[:0]
		n := 0
		for n < len(rows) && n < most && len(buf) < rowsBytes {
			for _, c := range rows[n] {
				buf = appendCell(buf, c)
			}
			n++
		}
		head := binary.AppendUvarint(nil, uint64(n))
		for _, v := range []int64{int64(r.Of()), r.Rows(), r.Position()} {
			head = binary.AppendVarint(head, v)
		}
		if len(head)+len(buf) > maxFrame {
			return buf, anchorhold.Errorf(anchorhold.TooLarge, "write large texts as files", "a row holds more than %d MiB", maxFrame>>20)
		}
		if err := sandbox.WriteFrame(out, frameRows, head, buf); err != nil {
			return buf, err
		}
		rows = rows[n:]
	}
	return buf, nil
}
