package pyenv

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// Limits of a wheel that was built from sources: what comes out of the sandbox
// claims what it likes.
const (
	maxWheelFiles = 50_000
	maxWheelBytes = 2 << 30
	maxWheelPath  = 400
)

func notAWheel(p pin) error {
	return anchorhold.Errorf(anchorhold.Invalid, "use a ready-made wheel of it, or another version", "what was built of %s %s is not a wheel of it", p.name, p.version)
}

// unpackWheel writes the files of a built wheel among the packages: plain files
// with plain paths, none of which is there already, under exactly one
// description, which names the package and version of the lock. Scripts and
// other data of a wheel are left out: no job could use them.
func unpackWheel(data []byte, p pin, packages string) error {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(z.File) > maxWheelFiles {
		return notAWheel(p)
	}
	root, err := os.OpenRoot(packages)
	if err != nil {
		return storeError(packages, err)
	}
	defer func() { _ = root.Close() }()
	w := wheelWriter{root: root, pin: p, left: maxWheelBytes}
	for _, f := range z.File {
		if err := w.add(f); err != nil {
			return err
		}
	}
	if !w.described {
		return notAWheel(p)
	}
	return nil
}

type wheelWriter struct {
	root      *os.Root
	pin       pin
	left      int64
	described bool
}

// target says where a file of a wheel goes; empty for one that is left out.
func (w *wheelWriter) target(name string) (string, bool) {
	plain := name != "" && len(name) <= maxWheelPath && path.Clean(name) == name && !path.IsAbs(name) && !strings.HasPrefix(name, "..") &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' || r == ':' })
	if !plain {
		return "", false
	}
	top, rest, _ := strings.Cut(name, "/")
	if !strings.HasSuffix(top, ".data") {
		return name, !strings.HasSuffix(top, ".pth")
	}
	scheme, inner, _ := strings.Cut(rest, "/")
	if scheme != "purelib" && scheme != "platlib" {
		return "", true
	}
	return inner, inner != "" && !strings.HasSuffix(inner, ".pth")
}

func (w *wheelWriter) add(f *zip.File) error {
	name := strings.TrimSuffix(f.Name, "/")
	target, ok := w.target(name)
	if !ok || f.Mode().Type()&^fs.ModeDir != 0 {
		return notAWheel(w.pin)
	}
	if target == "" || f.Mode().IsDir() {
		return nil
	}
	top, rest, _ := strings.Cut(target, "/")
	if strings.HasSuffix(top, ".dist-info") && !w.own(top) {
		return notAWheel(w.pin)
	}
	w.described = w.described || w.own(top) && rest == "METADATA"
	if err := w.root.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return notAWheel(w.pin)
	}
	out, err := w.root.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return anchorhold.Errorf(anchorhold.Invalid, "lock packages that do not share files",
			"a file of %s %s is there already, or cannot be written", w.pin.name, w.pin.version).Because(err)
	}
	in, err := f.Open()
	if err != nil {
		_ = out.Close()
		return notAWheel(w.pin)
	}
	defer func() { _ = in.Close() }()
	n, err := io.Copy(out, io.LimitReader(in, w.left+1))
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if w.left -= n; err != nil || w.left < 0 {
		return notAWheel(w.pin)
	}
	return nil
}

// own says whether a folder describes the package of the lock.
func (w *wheelWriter) own(top string) bool {
	m := distInfo.FindStringSubmatch(top)
	return len(m) == 3 && normal(m[1]) == normal(w.pin.name) && m[2] == w.pin.version
}
