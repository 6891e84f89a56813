// Package plaintartest writes tar entries that no honest program sends to a
// site, for tests of those who read archives. The standard library reads sparse
// files and does not write them, so they are put together by hand. It promises
// nothing to production code, which must not import it.
package plaintartest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strconv"
)

const block = 512

// Sparse gives one entry in each form in which a file of a name can claim a
// size and hold nothing: at most 4 GiB - 1, by some hundred bytes, without an
// end of the archive.
func Sparse(name string, size int64) map[string][]byte {
	octal := fmt.Sprintf("%011o", size)
	old := entry(name, nil)
	old[156] = tar.TypeGNUSparse
	copy(old[257:], "ustar  \x00")
	copy(old[386:], "00000000000\x0000000000000\x00") // nothing at the beginning
	copy(old[483:], octal)
	checksum(old)
	sized := strconv.FormatInt(size, 10)
	return map[string][]byte{
		"old GNU": old,
		"pax 0.1": append(extended("GNU.sparse.size", sized, "GNU.sparse.numblocks", "1", "GNU.sparse.map", "0,0", "GNU.sparse.name", name), entry(name, nil)...),
		"pax 1.0": append(extended("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", sized, "GNU.sparse.name", name),
			entry(name, append([]byte("1\n0\n0\n"), make([]byte, block-6)...))...),
	}
}

// extended is an extended header with records.
func extended(pairs ...string) []byte {
	var records bytes.Buffer
	for i := 0; i+1 < len(pairs); i += 2 {
		rest := " " + pairs[i] + "=" + pairs[i+1] + "\n"
		n := len(rest)
		for len(strconv.Itoa(n))+len(rest) != n {
			n = len(strconv.Itoa(n)) + len(rest)
		}
		records.WriteString(strconv.Itoa(n) + rest)
	}
	out := entry("extended", records.Bytes())
	out[156] = tar.TypeXHeader
	checksum(out)
	return out
}

// entry is a plain file.
func entry(name string, content []byte) []byte {
	out := make([]byte, block, 2*block+len(content))
	copy(out, name)
	copy(out[100:], "0000600\x000000000\x000000000\x00")
	copy(out[124:], fmt.Sprintf("%011o", len(content)))
	copy(out[136:], "00000000000")
	out[156] = tar.TypeReg
	copy(out[257:], "ustar\x0000")
	checksum(out)
	out = append(out, content...)
	return append(out, make([]byte, -len(content)&(block-1))...)
}

// checksum makes the first block's sum right.
func checksum(b []byte) {
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:block] {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
}
