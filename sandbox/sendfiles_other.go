//go:build !unix

package sandbox

import (
	"net"
	"os"

	"github.com/anchorhold/anchorhold"
)

// MaxFiles is the largest number of descriptors in one message.
const MaxFiles = 0

// SendFiles needs a Unix system; sandboxes run on Linux only.
func SendFiles(*net.UnixConn, []byte, ...*os.File) error {
	return anchorhold.Errorf(anchorhold.Unavailable, "use Linux", "descriptors cannot be passed on this system")
}

// Heard needs a Unix system; sandboxes run on Linux only.
func Heard(*net.UnixConn) error {
	return anchorhold.Errorf(anchorhold.Unavailable, "use Linux", "sandboxes cannot be heard on this system")
}
