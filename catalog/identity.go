package catalog

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/anchorhold/anchorhold"
)

// settled is how long a file must have been left alone before its stamp alone
// identifies its content: within one tick of a file system's clock, a second
// write leaves the same times behind.
const settled = 2 * time.Second

// Identity is what a version remembers of its file.
type Identity struct {
	Stamp      anchorhold.Stamp
	Secret     []byte
	Label      string // "DATASET/ASSET"
	Commitment string
}

// CheckIdentity says whether an open file still holds what was registered. An
// equal stamp is enough. Where only the times, the inode or the device differ
// (a file that was touched, copied back or restored), the whole file is read
// and compared with the commitment; the stamp to remember from then on is
// returned. A file that changed is a Conflict. The descriptor's offset is left
// alone.
//
// Call it before and after a run, on the descriptor that the run reads from.
func CheckIdentity(ctx context.Context, f *os.File, id Identity) (anchorhold.Stamp, error) {
	return (&Content{path: "the file", file: f}).Check(ctx, id)
}

func changed() error {
	return anchorhold.Errorf(anchorhold.Conflict,
		"put the registered file back, or register it as a new version: anchorhold dataset version NAME --asset ASSET=FILE",
		"the file has changed since it was registered")
}

// settle makes a stamp that was taken too soon after a write equal to none, so
// that the next check reads the file.
func settle(s anchorhold.Stamp) anchorhold.Stamp {
	if time.Since(time.Unix(0, max(s.CTime, s.MTime))) < settled {
		s.CTime = 0
	}
	return s
}

// readerFunc is a function as an io.Reader.
type readerFunc func(p []byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// cancellable stops reading once the context has ended.
func cancellable(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}
