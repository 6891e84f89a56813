//go:build !unix

package catalog

import (
	"os"

	"github.com/anchorhold/anchorhold"
)

const openFlags = os.O_RDONLY

// StampOf fails: a stamp needs the change time of a file, which nobody can set,
// and other systems than Unix do not tell it. Sites run on Linux.
func StampOf(*os.File) (anchorhold.Stamp, error) {
	return anchorhold.Stamp{}, anchorhold.Errorf(anchorhold.Unavailable, "offer tables from a site on Linux", "this system cannot tell whether a file has changed")
}
