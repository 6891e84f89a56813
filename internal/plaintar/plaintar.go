// Package plaintar says which entries of a tar archive are plain files.
//
// Archives come to a site from a sandbox, from a backup, from another machine's
// environments, and whoever wrote them is not trusted. It promises that what it
// lets through is a file whose bytes lie in the archive, as many as its size
// says: no link, folder or device, no sparse file (whose size costs its writer
// nothing), and no extended header beyond name, size, owner and times. An archive
// that an owner offers may be as plain tar writes it; in exchange every byte of
// its headers is accounted for. Whether a name is a good one is not asked here,
// and no exception may ever be made for who sent an archive.
package plaintar

import "archive/tar"

// Odd says what makes an entry more than a plain file; empty: nothing.
func Odd(h *tar.Header) string {
	if odd := oddKind(h); odd != "" {
		return odd
	}
	if h.Format&(tar.FormatUSTAR|tar.FormatPAX) == 0 {
		return "is in a format other than ustar or pax"
	}
	return ""
}

// oddKind is what no format excuses.
func oddKind(h *tar.Header) string {
	if h.Typeflag != tar.TypeReg || h.Linkname != "" || h.Devmajor != 0 || h.Devminor != 0 {
		return "is not a regular file"
	}
	for key := range h.PAXRecords {
		switch key {
		case "path", "size", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname":
		default: // GNU.sparse.* among them, which archive/tar would expand
			return "has an extended header that is not allowed"
		}
	}
	if h.Size < 0 {
		return "has no size"
	}
	return ""
}
