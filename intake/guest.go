//go:build unix

package intake

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/catalog/codec"
)

// guestFD is the file descriptor of the guest's socket in every sandbox.
const guestFD = 3

// GuestMain is the whole program inside the sandbox: it reads one file and ends.
func GuestMain() error {
	f := os.NewFile(guestFD, "host")
	if f == nil {
		return errors.New("intake: file descriptor 3 is not open")
	}
	c, err := net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return errors.New("intake: file descriptor 3 is no socket")
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
		if _, err := out.Write(frame(frameRefused, text)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// receive takes the question and the open file.
func receive(conn *net.UnixConn) (q question, file *os.File, err error) {
	head, rights := make([]byte, frameHead), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := conn.ReadMsgUnix(head, rights)
	if err != nil {
		return q, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:oobn])
	if err != nil || len(messages) != 1 {
		return q, nil, errors.Join(errors.New("intake: no file came with the question"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return q, nil, errors.Join(errors.New("intake: not one file came with the question"), err)
	}
	file = os.NewFile(uintptr(fds[0]), "asset")
	if _, err := io.ReadFull(conn, head[n:]); err != nil {
		return q, file, err
	}
	text := make([]byte, binary.BigEndian.Uint32(head[1:]))
	if _, err := io.ReadFull(conn, text); err != nil {
		return q, file, err
	}
	err = json.Unmarshal(text, &q)
	return q, file, err
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
		_, err = out.Write(frame(kind, text))
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
		start := frame(frameRows, head)
		binary.BigEndian.PutUint32(start[1:], uint32(len(head)+len(buf)))
		for _, part := range [][]byte{start, buf} {
			if _, err := out.Write(part); err != nil {
				return buf, err
			}
		}
		rows = rows[n:]
	}
	return buf, nil
}
