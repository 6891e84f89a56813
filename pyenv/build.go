package pyenv

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/anchorhold/anchorhold"
)

// tmpPrefix marks directories that are being built; nothing takes them for
// environments, and the next build removes them.
const tmpPrefix = ".build-"

// Build gives the environment of a lock and makes it where it is not there yet,
// which needs uv and the packages (from the network or uv's cache). progress,
// which may be nil, is called with one sentence per step. A second builder
// waits for the first. Each error says what to do: uv or Python is missing or
// too old, the packages cannot be reached, a package is not the locked one,
// the disk is full.
func (s *Store) Build(ctx context.Context, l Lock, progress func(string)) (Env, error) {
	return s.BuildFrom(ctx, l, "", progress)
}

// BuildFrom is Build with the packages' files from a folder and nothing from
// the network; an empty name means the network.
func (s *Store) BuildFrom(ctx context.Context, l Lock, files string, progress func(string)) (Env, error) {
	if progress == nil {
		progress = func(string) {}
	}
	if l.packages == 0 {
		return Env{}, anchorhold.Errorf(anchorhold.Invalid, lockRemedy, "there is no lock to build from")
	}
	py, err := s.interpreterFor(ctx, l)
	if err == nil {
		err = l.fits(py)
	}
	if err != nil {
		return Env{}, err
	}
	if e, ok := s.find(l.Digest(), py); ok {
		return e, nil
	}
	uv, err := s.uv()
	if err != nil {
		return Env{}, err
	}
	unlock, err := s.lock(ctx, progress)
	if err != nil {
		return Env{}, err
	}
	defer unlock()
	if e, ok := s.find(l.Digest(), py); ok {
		return e, nil // the builder before us made it
	}
	if err := s.removeLeftovers(l.Digest(), py); err != nil {
		return Env{}, storeError(s.Dir, err)
	}
	b := builder{store: s, lock: l, py: py, uv: uv, files: files, progress: progress}
	return b.build(ctx)
}

// lock takes the store's lock, which ends with the process however it ends.
func (s *Store) lock(ctx context.Context, progress func(string)) (unlock func(), err error) {
	if err := mkdirPublic(s.Dir); err != nil {
		return nil, storeError(s.Dir, err)
	}
	f, err := os.OpenFile(filepath.Join(s.Dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, storeError(s.Dir, err)
	}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for told := false; ; told = true {
		held, err := tryLock(f)
		if held {
			return func() { f.Close() }, nil
		}
		if err != nil {
			f.Close()
			return nil, storeError(s.Dir, err)
		}
		if !told {
			progress("waiting for another build of an environment to end")
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		}
	}
}

// mkdirPublic makes a directory and its parents so that other accounts can
// enter them, whatever the umask: jobs run under an account of their own.
func mkdirPublic(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := mkdirPublic(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // environments hold no secrets, and jobs must read them
}

// removeLeftovers removes what killed builds left, and a damaged directory in
// the place of the one that is to be built. The caller holds the lock.
func (s *Store) removeLeftovers(lockDigest string, py interpreter) error {
	name, err := dirName(lockDigest, py)
	if err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(s.Dir, tmpPrefix+"*"))
	for _, dir := range append(left, filepath.Join(s.Dir, name)) {
		err = errors.Join(err, removeReadOnly(dir))
	}
	return err
}

// removeReadOnly removes a tree whose directories nobody may write to.
func removeReadOnly(dir string) error {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700) //nolint:gosec // directories must be entered
		}
		return err
	})
	return os.RemoveAll(dir)
}

// builder makes one environment.
type builder struct {
	store    *Store
	lock     Lock
	py       interpreter
	uv       []string
	files    string // folder with the packages' files; empty: from the network
	progress func(string)
}

func (b *builder) build(ctx context.Context) (Env, error) {
	name, err := dirName(b.lock.Digest(), b.py)
	if err != nil {
		return Env{}, err
	}
	tmp, err := os.MkdirTemp(b.store.Dir, tmpPrefix)
	if err != nil {
		return Env{}, storeError(b.store.Dir, err)
	}
	defer func() { _ = removeReadOnly(tmp) }() // nothing is there after the rename, and the next build tries again
	r, err := b.fill(ctx, tmp)
	if err != nil {
		if ctx.Err() != nil {
			return Env{}, ctx.Err()
		}
		return Env{}, err
	}
	dir := filepath.Join(b.store.Dir, name)
	if err := publish(tmp, dir); err != nil {
		return Env{}, storeError(b.store.Dir, err)
	}
	return r.env(dir), nil
}

// fill makes everything in tmp, the record last.
func (b *builder) fill(ctx context.Context, tmp string) (record, error) {
	if err := os.WriteFile(filepath.Join(tmp, lockFile), []byte(b.lock.String()), 0o644); err != nil {
		return record{}, storeError(tmp, err)
	}
	b.progress(fmt.Sprintf("installing packages for Python %s from a lock of %d lines", b.py.Version, b.lock.packages))
	if err := b.install(ctx, tmp); err != nil {
		return record{}, err
	}
	if err := b.buildSources(ctx, tmp); err != nil {
		return record{}, err
	}
	if err := b.listFonts(ctx, tmp); err != nil {
		return record{}, err
	}
	b.progress("computing the environment's digest")
	packages, err := installed(filepath.Join(tmp, packagesDir))
	if err == nil {
		err = makeReadOnly(tmp)
	}
	if err != nil {
		return record{}, storeError(tmp, err)
	}
	sums, err := sumFiles(ctx, tmp)
	if err != nil {
		return record{}, storeError(tmp, err)
	}
	r := record{
		V: 1, Lock: b.lock.Digest(), Built: builtDigest(sums, b.py), Bytecode: bytecodeDigest(sums), Python: b.py.Path,
		PythonVersion: b.py.Version, Platform: b.py.Platform, Packages: packages, Time: time.Now().UTC().Truncate(time.Second),
	}
	return r, writeRecord(tmp, r)
}

// install runs uv. Only wheels are unpacked, so no package's code runs; what is
// built from sources comes later, and is what the lock says: uv cannot know what
// it needs, and is told not to ask.
func (b *builder) install(ctx context.Context, tmp string) error {
	target := filepath.Join(tmp, packagesDir)
	wheels := filepath.Join(tmp, lockFile)
	args := append(slices.Clone(b.uv[1:]), "pip", "install", "--target", target, "--python", b.py.Path,
		"--require-hashes", "--only-binary", ":all:", "--link-mode", "copy", "--compile-bytecode",
		"--no-python-downloads", "--no-progress", "--color", "never")
	if b.files != "" {
		args = append(args, "--offline", "--no-index", "--find-links", b.files)
	}
	if len(b.lock.builds) > 0 {
		wheels = filepath.Join(tmp, ".wheels")
		if err := os.WriteFile(wheels, []byte(b.lock.ready()), 0o600); err != nil {
			return storeError(tmp, err)
		}
		defer func() { _ = os.Remove(wheels) }()
		args = append(args, "--no-deps")
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return storeError(tmp, err)
	}
	args = append(args, "-r", wheels)
	cmd := exec.CommandContext(ctx, b.uv[0], args...)
	cmd.Dir = tmp // no project's settings
	// The user's own environment names indexes and proxies. Bytecode that is not
	// checked against the files' times survives a copy and saves a look at each.
	cmd.Env = append(os.Environ(), "PYC_INVALIDATION_MODE=UNCHECKED_HASH")
	out, err := runAll(cmd)
	if err != nil {
		return uvError(err, out)
	}
	err = os.Remove(filepath.Join(target, ".lock")) // uv's own
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storeError(tmp, err)
	}
	return nil
}

// maxOutput is how much of a program's words is kept for the cause of an error.
const maxOutput = 64 << 10

// runAll runs a command that ends with us, with all that it starts, and gives
// the beginning of what it printed.
func runAll(cmd *exec.Cmd) (string, error) {
	out := &head{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = 10 * time.Second
	err := runBound(cmd)
	return out.String(), err
}

// head keeps the beginning of what is written to it.
type head struct{ bytes.Buffer }

// Write implements io.Writer and never fails.
func (h *head) Write(p []byte) (int, error) {
	h.Buffer.Write(p[:min(len(p), maxOutput-h.Len())])
	return len(p), nil
}

var fontList = regexp.MustCompile(`^fontlist-v[0-9]{1,9}\.json$`)

// maxFontList bounds the list of fonts.
const maxFontList = 4 << 20

// listFonts writes the list of Matplotlib's own fonts, so that no job searches
// for fonts and a figure does not depend on those of the machine. That takes
// running Matplotlib, or what calls itself so, in the sandbox. Matplotlib makes
// the list itself where this fails or there is no sandbox; that only costs time.
func (b *builder) listFonts(ctx context.Context, tmp string) error {
	if _, err := os.Stat(filepath.Join(tmp, packagesDir, "matplotlib")); err != nil || b.store.NewSandbox == nil {
		return nil
	}
	b.progress("preparing the list of fonts")
	box, end, err := b.store.NewSandbox()
	if err != nil {
		b.progress("the list of fonts could not be made: first figures will take longer")
		return nil //nolint:nilerr // said
	}
	defer end()
	files, err := b.inSandbox(ctx, box, tmp, "fonts", nil)
	if err != nil || len(files) != 1 || !fontList.MatchString(files[0].Name) || files[0].Size > maxFontList {
		b.progress("the list of fonts could not be made: first figures will take longer")
		return ctx.Err()
	}
	fonts := filepath.Join(tmp, fontsDir)
	if err := os.Mkdir(fonts, 0o755); err != nil { //nolint:gosec // as in mkdirPublic
		return storeError(fonts, err)
	}
	if err := os.WriteFile(filepath.Join(fonts, files[0].Name), files[0].Bytes(), 0o644); err != nil { //nolint:gosec // the same
		return storeError(fonts, err)
	}
	return nil
}

var distInfo = regexp.MustCompile(`^([A-Za-z0-9._]+)-([A-Za-z0-9.!+_]+)\.dist-info$`)

// installed lists packages by the names that their own metadata has.
func installed(packages string) ([]Package, error) {
	entries, err := os.ReadDir(packages)
	if err != nil {
		return nil, err
	}
	var out []Package
	for _, entry := range entries {
		m := distInfo.FindStringSubmatch(entry.Name())
		if m == nil {
			continue
		}
		p := Package{Name: m[1], Version: m[2]}
		if name := metadataName(filepath.Join(packages, entry.Name(), "METADATA")); name != "" {
			p.Name = name
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Package) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return out, nil
}

// metadataName reads the name that a package gives itself: that of its folder
// has underscores for hyphens.
func metadataName(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() && lines.Text() != "" {
		if name, ok := strings.CutPrefix(lines.Text(), "Name: "); ok {
			return name
		}
	}
	return ""
}

// makeReadOnly lets every account read and none write, whatever the umask.
func makeReadOnly(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir { // the record is still to be written
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o444)
		if d.IsDir() || info.Mode()&0o111 != 0 {
			mode = 0o555
		}
		return os.Chmod(path, mode) //nolint:gosec // the tree is ours alone until it has its name
	})
}

func writeRecord(dir string, r record) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, recordFile), append(data, '\n'), 0o444)
	}
	if err == nil {
		err = os.Chmod(dir, 0o555) //nolint:gosec // as in mkdirPublic
	}
	if err != nil {
		return storeError(dir, err)
	}
	return nil
}

// publish makes a finished directory durable and gives it its name.
func publish(tmp, dir string) error {
	if err := syncTree(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Sync()
}

// storeError is about the store's own directory.
func storeError(dir string, err error) error {
	var known *anchorhold.Error
	if errors.As(err, &known) {
		return known
	}
	remedy := "check the directory, or set ANCHORHOLD_ENVS to another"
	message := "the environment cannot be written to %s"
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		message, remedy = "the disk that holds %s is full", "free about 2 GB, or set ANCHORHOLD_ENVS to a directory on another disk"
	case errors.Is(err, errors.ErrUnsupported):
		message, remedy = "environments cannot be built in %s on this system", "use a Linux machine, as sites do"
	case errors.Is(err, fs.ErrPermission):
		message, remedy = "this account may not write to %s", "set ANCHORHOLD_ENVS to a directory of your own, or run the command as the site's account"
	}
	return anchorhold.Errorf(anchorhold.Unavailable, remedy, message, dir).Because(err)
}
