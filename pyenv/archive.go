package pyenv

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/internal/plaintar"
)

// An archive of an environment is one tar stream for a machine without a
// network: first archiveHead, then the lock, then the files that the lock names
// for one interpreter and platform, by name. It holds no set-up instructions:
// importing is building, from these files alone, and each is looked up in the
// lock by its hash before anything is done with it.
const (
	archiveHead    = "anchorhold-environment.json"
	archiveLock    = "lock"
	maxArchiveFile = 4 << 30
	maxArchive     = 32 << 30
	importPrefix   = ".import-"
)

// heading is what an archive says of itself.
type heading struct {
	V        int    `json:"v"`
	Lock     string `json:"lock"`
	Python   string `json:"python"` // minor version
	Platform string `json:"platform"`
}

// archived is what a file in an archive may be called: a wheel or a source
// archive, as indexes name them.
var archived = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+!-]{0,250}(\.whl|\.tar\.gz)$`)

// Export writes the archive of a lock for this machine's interpreter. It gets the
// files anew, from the network or a cache, and writes nothing that the lock does
// not name.
func (s *Store) Export(ctx context.Context, l Lock, w io.Writer, progress func(string)) error {
	if progress == nil {
		progress = func(string) {}
	}
	py, err := s.interpreterFor(ctx, l)
	if err == nil {
		err = l.fits(py)
	}
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "anchorhold-export-")
	if err != nil {
		return storeError(os.TempDir(), err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := builder{store: s, lock: l, py: py, progress: progress}
	progress("fetching the files of the lock")
	if err := b.download(ctx, dir); err != nil {
		return err
	}
	progress("writing the archive")
	return writeArchive(w, l, py, dir)
}

// download puts the wheels and source archives of a lock into a folder. pip
// takes only wheels here, so no package's code runs.
func (b *builder) download(ctx context.Context, dir string) error {
	wheels := filepath.Join(dir, ".wheels")
	if err := os.WriteFile(wheels, []byte(b.lock.ready()), 0o600); err != nil {
		return storeError(dir, err)
	}
	pip, err := b.pip(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, pip, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes",
		"--disable-pip-version-check", "--no-input", "-d", dir, "-r", wheels)
	cmd.Dir = dir
	cmd.Env = os.Environ()
	if index := cmp.Or(os.Getenv("UV_DEFAULT_INDEX"), os.Getenv("UV_INDEX_URL")); index != "" && os.Getenv("PIP_INDEX_URL") == "" {
		cmd.Env = append(cmd.Env, "PIP_INDEX_URL="+index)
	}
	if out, err := runAll(cmd); err != nil {
		return anchorhold.Errorf(anchorhold.Unavailable, "check the network and pip's settings (PIP_INDEX_URL, HTTPS_PROXY), then try again",
			"the files of the lock cannot be downloaded").Because(errors.Join(err, errors.New(out)))
	}
	if err := os.Remove(wheels); err != nil {
		return storeError(dir, err)
	}
	return b.downloadSources(ctx, dir)
}

func (b *builder) downloadSources(ctx context.Context, dir string) (err error) {
	if len(b.lock.builds) == 0 {
		return nil
	}
	if b.uv, err = b.store.uv(); err != nil {
		return err
	}
	urls, err := b.findSources(ctx)
	if err != nil {
		return err
	}
	for _, name := range b.lock.builds {
		p := b.lock.pin(name)
		data, err := b.source(ctx, p, urls[name])
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s.tar.gz", name, p.version)), data, 0o600); err != nil {
			return storeError(dir, err)
		}
	}
	return nil
}

// pip finds an interpreter of the environment's minor version that has pip.
func (b *builder) pip(ctx context.Context) (string, error) {
	for _, path := range []string{b.py.Path, "python" + b.py.minor(), "python3"} {
		found, err := exec.LookPath(path)
		if err != nil || exec.CommandContext(ctx, found, "-m", "pip", "--version").Run() != nil {
			continue
		}
		if py, err := ask(ctx, found); err == nil && py.minor() == b.py.minor() && py.Platform == b.py.Platform {
			return found, nil
		}
	}
	return "", anchorhold.Errorf(anchorhold.Unavailable, "run: apt-get install python3-pip", "pip for Python %s, which downloads packages, is missing", b.py.minor())
}

func writeArchive(w io.Writer, l Lock, py interpreter, dir string) error {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return storeError(dir, err)
	}
	about, err := json.Marshal(heading{V: 1, Lock: l.Digest(), Python: py.minor(), Platform: py.Platform})
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	add := func(name string, size int64, from io.Reader) error {
		h := &tar.Header{Name: name, Mode: 0o644, Size: size, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(out, from)
		return err
	}
	err = errors.Join(add(archiveHead, int64(len(about)), bytes.NewReader(about)), add(archiveLock, int64(len(l.text)), bytes.NewReader([]byte(l.text))))
	for _, e := range entries {
		if err == nil {
			err = addFile(add, l, filepath.Join(dir, e.Name()))
		}
	}
	if err == nil {
		err = out.Close()
	}
	var known *anchorhold.Error
	if err != nil && !errors.As(err, &known) {
		err = anchorhold.Errorf(anchorhold.Unavailable, "check the disk that it is written to", "the archive cannot be written").Because(err)
	}
	return err
}

func addFile(add func(string, int64, io.Reader) error, l Lock, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err == nil && (!l.holds(hex.EncodeToString(sum.Sum(nil))) || !archived.MatchString(filepath.Base(path))) {
		return anchorhold.Errorf(anchorhold.Invalid, "use another index", "a downloaded file is not one that the lock names")
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	return add(filepath.Base(path), n, f)
}

// Import builds the environment of an archive, from the files in it alone.
func (s *Store) Import(ctx context.Context, r io.Reader, progress func(string)) (Env, error) {
	if err := mkdirPublic(s.Dir); err != nil {
		return Env{}, storeError(s.Dir, err)
	}
	s.removeOldImports()
	dir, err := os.MkdirTemp(s.Dir, importPrefix)
	if err != nil {
		return Env{}, storeError(s.Dir, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := readArchive(ctx, r, dir)
	if err != nil {
		return Env{}, err
	}
	return s.BuildFrom(ctx, l, dir, progress)
}

// removeOldImports removes what killed imports left a day ago or more.
func (s *Store) removeOldImports() {
	left, _ := filepath.Glob(filepath.Join(s.Dir, importPrefix+"*"))
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(dir) // the next import tries again
		}
	}
}

func badArchive(cause error) error {
	return anchorhold.Errorf(anchorhold.Invalid, "make it anew with `anchorhold env export`", "the file is not the whole archive of an environment").Because(cause)
}

// readArchive writes the files of an archive into a folder. Whoever made it is
// not trusted: a file that the lock does not name by its hash ends the reading.
func readArchive(ctx context.Context, r io.Reader, dir string) (Lock, error) {
	in := tar.NewReader(&io.LimitedReader{R: r, N: maxArchive})
	l, err := archiveBegin(in)
	if err != nil {
		return Lock{}, err
	}
	var names []string
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) && len(names) > 0 {
			return l, nil
		}
		plain := err == nil && plaintar.Odd(h) == "" && archived.MatchString(h.Name) && h.Size <= maxArchiveFile && !slices.Contains(names, h.Name)
		if !plain || len(names) > maxLockPackages {
			return Lock{}, badArchive(err)
		}
		names = append(names, h.Name)
		if err := keepFile(ctx, in, l, filepath.Join(dir, filepath.Base(h.Name))); err != nil {
			return Lock{}, err
		}
	}
}

// archiveBegin reads what an archive says of itself, and its lock.
func archiveBegin(in *tar.Reader) (Lock, error) {
	var about heading
	data, err := archiveText(in, archiveHead, 64<<10)
	if err == nil {
		err = json.Unmarshal(data, &about)
	}
	if err != nil || about.V != 1 {
		return Lock{}, badArchive(err)
	}
	if data, err = archiveText(in, archiveLock, maxLockBytes); err != nil {
		return Lock{}, badArchive(err)
	}
	l, err := ParseLock(data)
	if err == nil && l.Digest() != about.Lock {
		err = badArchive(nil)
	}
	return l, err
}

// archiveText reads one of the two texts at the beginning.
func archiveText(in *tar.Reader, name string, most int64) ([]byte, error) {
	h, err := in.Next()
	if err != nil {
		return nil, err
	}
	if h.Name != name || plaintar.Odd(h) != "" || h.Size > most {
		return nil, errors.New("another entry is in its place")
	}
	return io.ReadAll(in)
}

func keepFile(ctx context.Context, in io.Reader, l Lock, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return storeError(filepath.Dir(path), err)
	}
	sum := sha256.New()
	_, readErr := io.Copy(io.MultiWriter(f, sum), in)
	if err := f.Close(); err != nil {
		return storeError(filepath.Dir(path), err)
	}
	if readErr != nil {
		return badArchive(readErr)
	}
	if !l.holds(hex.EncodeToString(sum.Sum(nil))) {
		return anchorhold.Errorf(anchorhold.Invalid, "do not use it; get the archive anew from a source that you trust",
			"the archive holds a file that its lock does not name")
	}
	return nil
}
