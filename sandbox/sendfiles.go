//go:build unix

package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
)

// MaxFiles is the largest number of descriptors in one message (Linux:
// SCM_MAX_FD).
const MaxFiles = 253

// SendFiles writes data to the guest and attaches open files to its first
// byte. The guest receives descriptors of the same open files, so each file
// MUST be opened anew for one session, read-only: the position is shared, and
// so are rights. The files stay open here and are the caller's to close.
//
// A file that the run account itself owns may have its times changed by a
// guest; pass files of another account, as an installed site does.
func SendFiles(c *net.UnixConn, data []byte, files ...*os.File) error {
	if len(data) == 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "send at least one byte", "descriptors need a message to travel with")
	}
	if len(files) > MaxFiles {
		return anchorhold.Errorf(anchorhold.TooLarge, fmt.Sprintf("send at most %d", MaxFiles), "too many files for one session")
	}
	fds := make([]int, len(files))
	for i, f := range files {
		fd, err := readOnlyFD(f)
		if err != nil {
			return err
		}
		fds[i] = fd
	}
	var rights []byte
	if len(fds) > 0 {
		rights = syscall.UnixRights(fds...)
	}
	n, _, err := c.WriteMsgUnix(data, rights, nil)
	runtime.KeepAlive(files)
	if err == nil && n < len(data) {
		_, err = c.Write(data[n:])
	}
	if err != nil {
		return anchorhold.Errorf(anchorhold.Unavailable, "see how the session ended", "the session does not take input").Because(err)
	}
	return nil
}

// Heard waits until the guest has said something, and leaves it to be read: a
// session that waits for work says so with its first byte. The connection's
// read deadline applies.
func Heard(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	n := 0
	var peekErr error
	err = raw.Read(func(fd uintptr) bool {
		n, _, peekErr = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK)
		return !errors.Is(peekErr, unix.EAGAIN)
	})
	switch {
	case err != nil:
		return err
	case peekErr != nil:
		return peekErr
	case n == 0:
		return io.EOF
	}
	return nil
}

// readOnlyFD refuses what could be written through: a descriptor carries the
// rights it was opened with into the guest.
func readOnlyFD(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, anchorhold.Errorf(anchorhold.Invalid, "open it again", "an input file is not open").Because(err)
	}
	fd, flags := -1, 0
	var st unix.Stat_t
	var flagsErr, statErr error
	if err := raw.Control(func(p uintptr) {
		fd = int(p)
		flags, flagsErr = unix.FcntlInt(p, unix.F_GETFL, 0)
		statErr = unix.Fstat(fd, &st)
	}); err != nil || flagsErr != nil || statErr != nil {
		return 0, anchorhold.Errorf(anchorhold.Invalid, "open it again", "an input file is not open")
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY {
		return 0, anchorhold.Errorf(anchorhold.Invalid, "open it read-only", "an input file is open for writing")
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, anchorhold.Errorf(anchorhold.Invalid, "pass regular files only", "an input is not a regular file")
	}
	return fd, nil
}
