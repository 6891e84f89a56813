//go:build !unix

package keys

import (
	"os"

	"github.com/anchorhold/anchorhold"
)

// openPlain refuses: this system keeps files from other accounts by means that
// the mode does not show, and no site's keys lie here.
func openPlain(string) (*os.File, error) {
	return nil, anchorhold.Errorf(anchorhold.Unavailable, "keep the site on a Linux machine", "a site's keys are not opened on this system")
}
