//go:build unix

package catalog

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
)

// openFlags open a file for reading. Without O_NONBLOCK a named pipe would wait
// for a writer. With O_NOFOLLOW nobody can swap a link in after it was resolved.
const openFlags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW

// StampOf identifies the content of an open file without reading it.
func StampOf(f *os.File) (anchorhold.Stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return anchorhold.Stamp{}, anchorhold.Errorf(anchorhold.Unavailable, "check the file system that holds it", "the state of the file cannot be read").Because(err)
	}
	return anchorhold.Stamp{
		Device: uint64(st.Dev), //nolint:unconvert // narrower on other systems than Linux
		Inode:  st.Ino, Size: st.Size,
		MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano(),
	}, nil
}
