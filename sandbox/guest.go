//go:build unix

package sandbox

import (
	"errors"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// guestFD is the file descriptor of the guest's socket in every session.
const guestFD = 3

// GuestConn is the guest's end of Session.Conn, for a guest that is a Go program.
func GuestConn() (*net.UnixConn, error) {
	f := os.NewFile(guestFD, "host")
	if f == nil {
		return nil, errors.New("file descriptor 3 is not open")
	}
	c, err := net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("file descriptor 3 is no socket"), c.Close())
	}
	return conn, nil
}

// ReceiveFrame reads a frame of at most as many bytes, and the open files that
// came with its first byte, for a guest that hears its host.
func ReceiveFrame(conn *net.UnixConn, most int) (kind byte, content []byte, files []*os.File, err error) {
	var head [FrameHead]byte
	rights := make([]byte, unix.CmsgSpace(4*MaxFiles))
	n, oobn, _, _, err := conn.ReadMsgUnix(head[:], rights)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() {
		if err != nil {
			closeFiles(files)
			files = nil
		}
	}()
	if files, err = received(rights[:oobn]); err != nil {
		return 0, nil, files, err
	}
	if n == 0 {
		return 0, nil, files, io.EOF
	}
	if _, err = io.ReadFull(conn, head[n:]); err != nil {
		return 0, nil, files, err
	}
	content, err = readContent(conn, head, nil, most)
	return head[0], content, files, err
}

// received are the open files of a message's rights.
func received(rights []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // read only
	}
}
