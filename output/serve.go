package output

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// The protocol between the process that holds keys (host) and the one that
// parses (guest), over a stream socket. All integers are big-endian.
//
//	host   4 bytes "AHO1", u32 length, JSON of question, the file's bytes
//	guest  u8 0 refused, u16 reason
//	       u8 1 accepted, u32 rows, u32 columns, u64 length of the canonical file,
//	         u64 length of the cell stream, the file, the stream
//
// and again, until the host closes. No text goes from guest to host but the
// canonical file and the cells: names, kinds and media types are the host's own.
const (
	protocolMagic = "AHO1"
	maxQuestion   = 64 << 10
	answerRefused = 0
	answerOK      = 1
	answerHead    = 4 + 4 + 8 + 8
)

// question is what the host asks about a file.
type question struct {
	Entry    ManifestEntry `json:"entry"`
	Declared Declared      `json:"declared"`
	Limits   Limits        `json:"limits"`
	Bytes    int64         `json:"bytes"`
}

// guestFD is the file descriptor of the guest's socket in every sandbox.
const guestFD = 3

// GuestMain is the whole program inside the sandbox: it serves the socket that it
// was started with, until the host closes it.
func GuestMain() error {
	conn := os.NewFile(guestFD, "host")
	if conn == nil {
		return errors.New("output: file descriptor 3 is not open")
	}
	return errors.Join(Serve(conn), conn.Close())
}

// Serve answers questions on a connection until its end.
func Serve(conn io.ReadWriter) error {
	for {
		q, data, err := readQuestion(conn)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("output: reading a question: %w", err)
		}
		if err := writeAnswer(conn, q, data); err != nil {
			return fmt.Errorf("output: answering: %w", err)
		}
	}
}

// readQuestion gives io.EOF only between questions.
func readQuestion(r io.Reader) (question, []byte, error) {
	var q question
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return q, nil, err
	}
	n := binary.BigEndian.Uint32(head[4:])
	if string(head[:4]) != protocolMagic || n > maxQuestion {
		return q, nil, errors.New("not a question")
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return q, nil, notEOF(err)
	}
	if err := json.Unmarshal(text, &q); err != nil {
		return q, nil, err
	}
	if q.Bytes < 0 || q.Bytes > q.Limits.withDefaults().Bytes {
		return q, nil, errors.New("more bytes than the question's own limit")
	}
	data := make([]byte, q.Bytes)
	_, err := io.ReadFull(r, data)
	return q, data, notEOF(err)
}

// notEOF keeps an end in the middle from looking like an orderly end.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func writeAnswer(w io.Writer, q question, data []byte) error {
	c, cells, err := Parse(q.Entry, data, q.Declared, q.Limits)
	var stream bytes.Buffer
	if err == nil {
		err = WriteCells(&stream, cells)
	}
	if err != nil {
		var r refusal
		errors.As(err, &r) // the zero reason is a good answer too
		_, err = w.Write(binary.BigEndian.AppendUint16([]byte{answerRefused}, uint16(r.number)))
		return err
	}
	head := binary.BigEndian.AppendUint32([]byte{answerOK}, uint32(c.Rows))
	head = binary.BigEndian.AppendUint32(head, uint32(c.Columns))
	head = binary.BigEndian.AppendUint64(head, uint64(len(c.Data)))
	head = binary.BigEndian.AppendUint64(head, uint64(stream.Len()))
	for _, part := range [][]byte{head, c.Data, stream.Bytes()} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}
