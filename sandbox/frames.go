package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// FrameHead is the length of what stands before a frame's content.
const FrameHead = 5

// Frame is one message of a conversation over a session's connection: a byte that
// says what it is, its length in four bytes, big-endian, and as many bytes.
func Frame(kind byte, content []byte) []byte {
	return append(frameHead(kind, len(content)), content...)
}

// WriteFrame writes a frame whose content lies in parts.
func WriteFrame(w io.Writer, kind byte, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if _, err := w.Write(frameHead(kind, n)); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

func frameHead(kind byte, n int) []byte {
	head := make([]byte, FrameHead, FrameHead+n)
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(n))
	return head
}

// ReadFrame reads a frame of at most as many bytes into memory that is used
// again. The other side is hostile: what it announces is bounded before any
// memory is taken.
func ReadFrame(r io.Reader, buf []byte, most int) (kind byte, content []byte, err error) {
	var head [FrameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, buf, err
	}
	content, err = readContent(r, head, buf, most)
	return head[0], content, err
}

func readContent(r io.Reader, head [FrameHead]byte, buf []byte, most int) ([]byte, error) {
	n := int(binary.BigEndian.Uint32(head[1:]))
	if n > most {
		return buf, fmt.Errorf("a frame of %d bytes, of which none has more than %d", n, most)
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return buf, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return buf, nil
}
