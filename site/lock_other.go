//go:build !unix

package site

import (
	"os"

	"github.com/anchorhold/anchorhold"
)

// checkOwner has nothing to look at: lock refuses every directory here.
func checkOwner(string) error { return nil }

// lock cannot keep other processes out here, so no site is opened.
func lock(dir string) (*os.File, error) {
	return nil, anchorhold.Errorf(anchorhold.Unavailable, "keep the site on a Linux machine and use --url from here",
		"a site's directory cannot be opened on this system")
}

// sameDisk cannot be told here.
func sameDisk(string, string) bool { return true }
