package plaintar_test

import (
	"archive/tar"
	"bytes"
	"testing"

	"github.com/anchorhold/anchorhold/internal/plaintar"
	"github.com/anchorhold/anchorhold/internal/plaintar/plaintartest"
)

func TestOdd(t *testing.T) {
	for name, c := range map[string]struct {
		h   tar.Header
		odd bool
	}{
		"a file":              {tar.Header{Name: "a", Size: 1}, false},
		"a pax file":          {tar.Header{Name: "a", Size: 1, Format: tar.FormatPAX}, false},
		"a long name":         {tar.Header{Name: string(bytes.Repeat([]byte("n"), 300)), Size: 1, Format: tar.FormatPAX}, false},
		"a folder":            {tar.Header{Name: "a/", Typeflag: tar.TypeDir}, true},
		"a link":              {tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}, true},
		"a symbolic link":     {tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}, true},
		"a file with a link":  {tar.Header{Name: "a", Size: 1, Linkname: "b"}, true},
		"a device":            {tar.Header{Name: "a", Typeflag: tar.TypeChar, Devmajor: 1}, true},
		"a pipe":              {tar.Header{Name: "a", Typeflag: tar.TypeFifo}, true},
		"GNU's own format":    {tar.Header{Name: "a", Size: 1, Format: tar.FormatGNU}, true},
		"extended attributes": {tar.Header{Name: "a", Size: 1, PAXRecords: map[string]string{"SCHILY.xattr.user.x": "y"}}, true},
		"a comment":           {tar.Header{Name: "a", Size: 1, PAXRecords: map[string]string{"comment": "y"}}, true},
		"a character set":     {tar.Header{Name: "a", Size: 1, PAXRecords: map[string]string{"hdrcharset": "BINARY"}}, true},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&c.h); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, _ = w.Write(make([]byte, c.h.Size))
		_ = w.Close()
		h, err := tar.NewReader(&b).Next()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := plaintar.Odd(h); (got != "") != c.odd {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A sparse file of four gigabytes takes few blocks of an archive: in none of its
// forms it passes.
func TestSparse(t *testing.T) {
	for version, archive := range plaintartest.Sparse("a", 1<<32-1) {
		h, err := tar.NewReader(bytes.NewReader(archive)).Next()
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		if h.Size != 1<<32-1 {
			t.Errorf("%s: %d bytes, so this is not the attack that is meant", version, h.Size)
		}
		if plaintar.Odd(h) == "" {
			t.Errorf("%s passes", version)
		}
	}
}
