package blob

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// unnamed makes a file without a name, in memory or in a folder.
func unnamed(dir string, inMemory bool) (*os.File, error) {
	if inMemory {
		fd, err := unix.MemfdCreate("blob", unix.MFD_CLOEXEC)
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), "blob"), nil
	}
	return os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
}

// readOnly opens a file once more, for reading alone.
func readOnly(f *os.File) (*os.File, error) {
	return os.Open("/proc/self/fd/" + strconv.FormatUint(uint64(f.Fd()), 10))
}
