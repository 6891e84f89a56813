package pyenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fileSum is one file of an environment.
type fileSum struct {
	path       string // relative, slash-separated
	executable bool
	sum        [sha256.Size]byte
}

// sumFiles hashes every file of an environment but its record, sorted by path.
// Anything that is neither file nor directory is an error: wheels hold nothing
// else.
func sumFiles(ctx context.Context, dir string) ([]fileSum, error) {
	var sums []fileSum
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == recordFile {
			return err
		}
		if !d.Type().IsRegular() || strings.ContainsAny(rel, "\n\x00") {
			return fmt.Errorf("%q is not a plain file with a plain name", rel)
		}
		s := fileSum{path: filepath.ToSlash(rel)}
		if err := s.read(path); err != nil {
			return err
		}
		sums = append(sums, s)
		return nil
	})
	slices.SortFunc(sums, func(a, b fileSum) int { return strings.Compare(a.path, b.path) })
	return sums, err
}

func (s *fileSum) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	s.executable = info.Mode()&0o111 != 0
	s.sum = [sha256.Size]byte(h.Sum(nil))
	return nil
}

// builtDigest names what was built, so that a receipt can say with what a
// result was computed: "sha256:" and the SHA-256 of these lines, each ended by
// a newline:
//
//	anchorhold/environment/v1
//	python VERSION
//	platform PLATFORM
//	HEX-SHA-256 x|- PATH      one for each file, sorted by path; x: executable
//
// Compiled bytecode (.pyc) is left out: it follows from the files and the
// interpreter, but not to the byte. Two sites with the same lock, interpreter
// version and platform get the same digest.
func builtDigest(sums []fileSum, py interpreter) string {
	return digestLines(fmt.Sprintf("anchorhold/environment/v1\npython %s\nplatform %s\n", py.Version, py.Platform), sums, false)
}

// bytecodeDigest covers what builtDigest leaves out, on this machine alone.
func bytecodeDigest(sums []fileSum) string {
	return digestLines("anchorhold/environment-bytecode/v1\n", sums, true)
}

func digestLines(head string, sums []fileSum, bytecode bool) string {
	h := sha256.New()
	h.Write([]byte(head))
	for _, s := range sums {
		if strings.HasSuffix(s.path, ".pyc") != bytecode {
			continue
		}
		mode := "-"
		if s.executable {
			mode = "x"
		}
		h.Write(fmt.Appendf(nil, "%x %s %s\n", s.sum, mode, s.path))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
