//go:build linux

package pyenv

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/internal/plaintar/plaintartest"
	"github.com/anchorhold/anchorhold/sandbox"
)

// plainBox stands for the sandbox where no boundary is tested: it starts the
// tool as a process of this machine, with paths of the guest put in place. What
// it starts is this package's own tool and the tests' own packages.
type plainBox struct {
	t      *testing.T
	answer []byte // sent instead of running anything
}

func (p plainBox) Probe(context.Context) (sandbox.Boundary, error) { return sandbox.Boundary{}, nil }
func (p plainBox) Close() error                                    { return nil }

func (p plainBox) Start(ctx context.Context, s sandbox.Spec) (sandbox.Session, error) {
	if err := s.Validate(); err != nil {
		p.t.Errorf("the sandbox would refuse it: %v", err)
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	host, guest := os.NewFile(uintptr(fds[0]), "host"), os.NewFile(uintptr(fds[1]), "guest")
	conn, err := net.FileConn(host)
	host.Close()
	if err != nil {
		return nil, err
	}
	session := &plainSession{conn: conn.(*net.UnixConn), done: make(chan struct{})}
	if p.answer != nil {
		go func() { // take the whole question, as any guest that is up to no good
			head := make([]byte, 8)
			_, err := io.ReadFull(guest, head)
			if err == nil {
				_, err = io.CopyN(io.Discard, guest, int64(binary.BigEndian.Uint64(head)))
			}
			if err == nil {
				_, _ = guest.Write(p.answer) // the host may have hung up
			}
			_ = guest.Close()
		}()
		close(session.done)
		return session, nil
	}
	tmp := p.t.TempDir()
	code := bytes.ReplaceAll(s.Files[toolPath], []byte("/env/"), []byte(s.Binds[0].Host+"/"))
	tool := filepath.Join(tmp, "tool.py")
	if err := os.WriteFile(tool, code, 0o600); err != nil {
		return nil, err
	}
	session.cmd = exec.CommandContext(ctx, s.Argv[0], append(s.Argv[1:5:5], tool, s.Argv[6])...)
	for _, e := range s.Env {
		session.cmd.Env = append(session.cmd.Env, strings.NewReplacer("=/tmp", "="+tmp, "=/env", "="+s.Binds[0].Host).Replace(e))
	}
	session.cmd.Stdout, session.cmd.Stderr = &session.log, &session.log
	session.cmd.ExtraFiles = []*os.File{guest}
	err = session.cmd.Start()
	guest.Close()
	if err == nil {
		go func() { session.err = session.cmd.Wait(); close(session.done) }()
	}
	return session, err
}

type plainSession struct {
	conn *net.UnixConn
	cmd  *exec.Cmd
	log  bytes.Buffer
	err  error
	done chan struct{}
}

func (s *plainSession) Conn() *net.UnixConn { return s.conn }

// Begin is for sessions that are held; a build is not.
func (s *plainSession) Begin(context.Context, sandbox.Limits) error {
	return errors.New("this session has begun")
}

func (s *plainSession) Finish() { s.Kill() }

func (s *plainSession) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
	}
}

func (s *plainSession) Wait(context.Context) (sandbox.Result, error) {
	<-s.done
	if s.err != nil {
		return sandbox.Result{Status: sandbox.Failed, Reason: "the program ended with exit code 1", Log: s.log.Bytes()}, nil //nolint:nilerr // that is what the result says
	}
	return sandbox.Result{Status: sandbox.OK}, nil
}

// sources makes a source archive that builds itself, as a back end of its own,
// into a wheel with what wheel() makes.
func sources(t *testing.T, name, version, setup string) []byte {
	t.Helper()
	made := wheel(t, name, version, nil)
	backend := fmt.Sprintf("import os, tiny_two\n%s\nWHEEL = bytes.fromhex(%q)\n\ndef build_wheel(folder, *_):\n"+
		"    open(os.path.join(folder, 'x.whl'), 'wb').write(WHEEL)\n    return 'x.whl'\n", setup, fmt.Sprintf("%x", made))
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for file, text := range map[string]string{
		"pyproject.toml": "[build-system]\nrequires = [\"tiny-two\"]\nbuild-backend = \"own\"\nbackend-path = [\".\"]\n",
		"own.py":         backend,
		"PKG-INFO":       "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n",
		"setup.py":       "raise SystemExit('nothing of a package runs outside of the sandbox')\n",
	} {
		if err := w.WriteHeader(&tar.Header{Name: name + "-" + version + "/" + file, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sourceLock locks tiny_two as a wheel and made as sources that need it.
func sourceLock(t *testing.T, files map[string][]byte) Lock {
	t.Helper()
	l, err := ParseLock([]byte("# python: 3." + minorHere(t) + "\n# build: made\n" + lockOf(t, files).String()))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func minorHere(t *testing.T) string {
	t.Helper()
	py, err := (&Store{}).interpreter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(py.minor(), "3.")
}

func boxed(t *testing.T, s *Store, answer []byte) *Store {
	t.Helper()
	s.NewSandbox = func() (sandbox.Sandbox, func(), error) { return plainBox{t, answer}, func() {}, nil }
	return s
}

// A package that has no wheel is fetched by its hash, built with what the lock
// has, and becomes a part of the environment. Outside of the sandbox nothing of
// it runs: its setup.py would end the build.
func TestBuildFromSources(t *testing.T) {
	files := map[string][]byte{
		"tiny_two-2.5-py3-none-any.whl": wheel(t, "tiny_two", "2.5", nil),
		"made-1.0.tar.gz":               sources(t, "made", "1.0", ""),
	}
	index(t, files)
	l := sourceLock(t, files)
	e := build(t, boxed(t, newStore(t), nil), l)
	if len(e.Packages) != 2 || e.Packages[0] != (Package{"made", "1.0"}) {
		t.Errorf("packages: %v", e.Packages)
	}
	text, err := os.ReadFile(filepath.Join(e.SysPath(), "made", "__init__.py"))
	if err != nil || string(text) != "VERSION = \"1.0\"\n" {
		t.Errorf("%q, %v", text, err)
	}
	checkModes(t, e.Dir)
	if _, err := newStore(t).Build(t.Context(), l, nil); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Errorf("without a sandbox: %v", err)
	}
}

// Sources that are not those of the lock are not built, nor those whose build
// fails; and nothing is left.
func TestBuildFromSourcesFails(t *testing.T) {
	good := map[string][]byte{
		"tiny_two-2.5-py3-none-any.whl": wheel(t, "tiny_two", "2.5", nil),
		"made-1.0.tar.gz":               sources(t, "made", "1.0", ""),
	}
	failing := map[string][]byte{
		"tiny_two-2.5-py3-none-any.whl": good["tiny_two-2.5-py3-none-any.whl"],
		"made-1.0.tar.gz":               sources(t, "made", "1.0", "raise RuntimeError('hunter2')"),
	}
	for _, c := range []struct {
		name         string
		lock, served map[string][]byte
		answer       []byte
		says         string
	}{
		{"other sources", good, failing, nil, "not those that the lock names"},
		{"build fails", failing, failing, nil, "cannot be built from its sources"},
		{"no tar comes back", good, good, []byte("nonsense"), "cannot be built from its sources"},
		{"no wheel comes back", good, good, tarOf(t, "wheel.whl", []byte("PK nonsense")), "is not a wheel of it"},
		{"another file comes back", good, good, tarOf(t, "other", wheel(t, "made", "1.0", nil)), "is not a wheel of it"},
		{"another package comes back", good, good, tarOf(t, "wheel.whl", wheel(t, "tiny_six", "1.0", nil)), "is not a wheel of it"},
		{"another version comes back", good, good, tarOf(t, "wheel.whl", wheel(t, "made", "1.1", nil)), "is not a wheel of it"},
		{"it replaces another's file", good, good, tarOf(t, "wheel.whl", wheel(t, "made", "1.0", map[string]string{"tiny_two/__init__.py": ""})), "there already"},
		{"it has a start-up file", good, good, tarOf(t, "wheel.whl", wheel(t, "made", "1.0", map[string]string{"evil.pth": "import os"})), "is not a wheel of it"},
		{"it climbs out", good, good, tarOf(t, "wheel.whl", wheel(t, "made", "1.0", map[string]string{"../evil.py": ""})), "is not a wheel of it"},
		{"it climbs out of its data", good, good, tarOf(t, "wheel.whl", wheel(t, "made", "1.0", map[string]string{"made-1.0.data/purelib/../../../evil.py": ""})), "is not a wheel of it"},
		{"it has an absolute path", good, good, tarOf(t, "wheel.whl", wheel(t, "made", "1.0", map[string]string{"/evil.py": ""})), "is not a wheel of it"},
		{"it has a link", good, good, tarOf(t, "wheel.whl", linkWheel(t)), "is not a wheel of it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			index(t, c.served)
			s := boxed(t, newStore(t), c.answer)
			_, err := s.Build(t.Context(), sourceLock(t, c.lock), nil)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Build: %v (%v), want one that says %q", err, errors.Unwrap(err), c.says)
			}
			checkEmpty(t, s)
		})
	}
}

func tarOf(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}); err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// linkWheel is a wheel with a symbolic link.
func linkWheel(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, mode := range map[string]os.FileMode{"made-1.0.dist-info/METADATA": 0o644, "made/link.py": 0o777 | os.ModeSymlink} {
		h := &zip.FileHeader{Name: name}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, "/etc/passwd")
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A lock says for which interpreter and platform it resolves, and is refused
// elsewhere; its digest covers what it says.
func TestLockIsForAnInterpreter(t *testing.T) {
	files := tinyWheels(t)
	index(t, files)
	plain := lockOf(t, files)
	s := newStore(t)
	for _, c := range []struct{ heading, says string }{
		{"# python: 3.99\n", "no Python at /usr/bin/python3.99"},
		{"# platform: plan9-mips\n", "the platform plan9-mips"},
	} {
		l, err := ParseLock([]byte(c.heading + plain.String()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Build(t.Context(), l, nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.heading, err)
		}
	}
	l, err := ParseLock([]byte("# python: 3." + minorHere(t) + "\n" + plain.String()))
	if err != nil {
		t.Fatal(err)
	}
	e := build(t, s, l)
	if e.LockDigest == plain.Digest() || e.LockDigest != l.Digest() || l.Python() != "3."+minorHere(t) {
		t.Errorf("%+v", e)
	}
	if found, err := s.Lock(l.Digest()); err != nil || found.String() != l.String() {
		t.Errorf("Lock: %v", err)
	}
}

func TestLockHeadings(t *testing.T) {
	body := "tiny-one==1.0 \\\n" + someHash + "\n"
	for text, ok := range map[string]bool{
		"# python: 3.11\n# platform: linux-x86_64\n# build: tiny-one\n" + body: true,
		"# build: tiny-one\n" + body:                        true,
		"# platform: linux-x86_64\n# python: 3.11\n" + body: false,
		"# python: 3.11\n# python: 3.12\n" + body:           false,
		"# python: 2.7\n" + body:                            false,
		"# build: other\n" + body:                           false,
		"# build: tiny-one\n# build: tiny-one\n" + body:     false,
		"# build: Tiny-One\n" + body:                        false,
		"# comment\n" + body:                                false,
		body + "# python: 3.11\n":                           false,
		"# build: tiny-one\n" + body + body:                 false,
	} {
		if _, err := ParseLock([]byte(text)); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// An archive carries an environment, sources and all, to a machine without a
// network.
func TestExportAndImport(t *testing.T) {
	files := map[string][]byte{
		"tiny_two-2.5-py3-none-any.whl": wheel(t, "tiny_two", "2.5", nil),
		"made-1.0.tar.gz":               sources(t, "made", "1.0", ""),
	}
	index(t, files)
	l := sourceLock(t, files)
	var archive, again bytes.Buffer
	s := boxed(t, newStore(t), nil)
	for _, out := range []*bytes.Buffer{&archive, &again} {
		if err := s.Export(t.Context(), l, out, nil); err != nil {
			t.Fatalf("Export: %v (%v)", err, errors.Unwrap(err))
		}
	}
	if !bytes.Equal(archive.Bytes(), again.Bytes()) {
		t.Error("two exports of the same differ")
	}
	useIndex(t, "http://127.0.0.1:1/simple")
	e, err := boxed(t, newStore(t), nil).Import(t.Context(), bytes.NewReader(archive.Bytes()), nil)
	if err != nil || e.LockDigest != l.Digest() || len(e.Packages) != 2 {
		t.Fatalf("Import: %+v, %v (%v)", e, err, errors.Unwrap(err))
	}
}

// A file that the lock does not name is not even kept, and a damaged archive
// leaves nothing.
func TestImportRefuses(t *testing.T) {
	files := tinyWheels(t)
	index(t, files)
	l := lockOf(t, files)
	var archive bytes.Buffer
	if err := newStore(t).Export(t.Context(), l, &archive, nil); err != nil {
		t.Fatalf("Export: %v (%v)", err, errors.Unwrap(err))
	}
	good := archive.Bytes()
	two := files["tiny_two-2.5-py3-none-any.whl"]
	sum := fmt.Sprintf("%x", sha256.Sum256(two))
	bad := map[string][]byte{
		"cut off":            good[:len(good)-len(two)],
		"empty":              {},
		"changed wheel":      bytes.Replace(good, two[:64], append([]byte("XX"), two[2:64]...), 1),
		"changed lock":       bytes.Replace(good, []byte(sum), []byte(strings.Repeat("0", 64)), 1),
		"a name that climbs": bytes.ReplaceAll(good, []byte("tiny_two-2.5-py3-none-any.whl"), []byte("../../wo-2.5-py3-none-any.whl")),
	}
	at := 0 // where the wheel's entry begins
	for next := bytes.Index(good, []byte("tiny_two-2.5")); at == 0 || at%512 != 0; next = bytes.Index(good[at+1:], []byte("tiny_two-2.5")) + 1 {
		at += next
	}
	bad["a file twice"] = slices.Concat(good[:at], good[at:at+512], two, make([]byte, -len(two)&511), good[at:])
	for form, entry := range plaintartest.Sparse("tiny_two-2.5-py3-none-any.whl", 1<<30) {
		bad["sparse, "+form] = slices.Concat(good[:at], entry, good[at:])
	}
	for name, h := range map[string]tar.Header{
		"a link": {Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, "a hard link": {Typeflag: tar.TypeLink, Linkname: "environment.json"},
		"a device": {Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5}, "a folder": {Typeflag: tar.TypeDir}, "in GNU's format": {Format: tar.FormatGNU},
		"with attributes": {PAXRecords: map[string]string{"SCHILY.xattr.user.x": "y"}},
	} {
		var entry bytes.Buffer
		h.Name = "tiny_two-2.5-py3-none-any.whl"
		if err := tar.NewWriter(&entry).WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		bad[name] = slices.Concat(good[:at], entry.Bytes(), good[at:])
	}
	for name, data := range bad {
		s := newStore(t)
		if _, err := s.Import(t.Context(), bytes.NewReader(data), nil); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := os.ReadDir(s.Dir); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
}

func FuzzUnpackWheel(f *testing.F) {
	f.Add([]byte("PK"))
	var t testing.T
	f.Add(wheel(&t, "made", "1.0", map[string]string{"made-1.0.data/purelib/x.py": "1", "made-1.0.data/scripts/x": "1"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		inside := filepath.Join(dir, "packages")
		if err := os.Mkdir(inside, 0o700); err != nil {
			t.Fatal(err)
		}
		_ = unpackWheel(data, pin{name: "made", version: "1.0"}, inside)
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Fatalf("%v, %v", left, err)
		}
	})
}
