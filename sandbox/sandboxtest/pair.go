//go:build unix

// Package sandboxtest makes what tests play a sandbox with.
//
// It promises a connection as a session has it, with a guest's end in the same
// process. Nothing but tests may use it. The tests of sandbox and intake run on it.
package sandboxtest

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Pair makes two connected sockets; whoever asks closes both.
func Pair() (host, guest *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	host, err = end(fds[0])
	guest, err2 := end(fds[1])
	return host, guest, errors.Join(err, err2)
}

// end takes a descriptor over as a connection.
func end(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	c, err := net.FileConn(f) // duplicates the descriptor
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("no Unix socket")
	}
	return u, nil
}
