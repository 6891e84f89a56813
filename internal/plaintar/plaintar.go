// Package plaintar says which entries of a tar archive are plain files.
//
// Archives come to a site from a sandbox, from a backup, from another machine's
// environments, and whoever wrote them is not trusted. It promises that what it
// lets through is a file whose bytes lie in the archive, as many as its size
// says: no link, folder or device, no sparse file (whose size costs its writer
// nothing), and no extended header beyond name, size, owner and times. It looks
// at no name, and must never make an exception for who sent an archive.
package plaintar

import "archive/tar"

// Odd says what makes an entry more than a plain file; empty: nothing.
func Odd(h *tar.Header) string {
	if h.Typeflag != tar.TypeReg || h.Linkname != "" || h.Devmajor != 0 || h.Devminor != 0 {
		return "is not a regular file"
	}
	if h.Format&(tar.FormatUSTAR|tar.FormatPAX) == 0 {
		return "is in a format other than ustar or pax"
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
