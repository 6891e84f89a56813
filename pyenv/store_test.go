//go:build linux

package pyenv

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
)

// wheel makes a wheel of one pure package, with extra files and requirements.
func wheel(t *testing.T, name, version string, extra map[string]string, requires ...string) []byte {
	t.Helper()
	info := fmt.Sprintf("%s-%s.dist-info/", name, version)
	metadata := "Metadata-Version: 2.1\nName: " + strings.ReplaceAll(name, "_", "-") + "\nVersion: " + version + "\n"
	for _, r := range requires {
		metadata += "Requires-Dist: " + r + "\n"
	}
	files := map[string]string{
		name + "/__init__.py": "VERSION = " + fmt.Sprintf("%q", version) + "\n",
		info + "METADATA":     metadata,
		info + "WHEEL":        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
	}
	for path, text := range extra {
		files[path] = text
	}
	var paths []string
	for path := range files {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	var out bytes.Buffer
	var recorded string
	z := zip.NewWriter(&out)
	add := func(path, text string) {
		h := &zip.FileHeader{Name: path, Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasSuffix(path, ".so") {
			h.SetMode(0o755)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, text)
	}
	for _, path := range paths {
		sum := sha256.Sum256([]byte(files[path]))
		recorded += fmt.Sprintf("%s,sha256=%s,%d\n", path, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[path]))
		add(path, files[path])
	}
	add(info+"RECORD", recorded+info+"RECORD,,\n")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// index serves files as a package index on loopback and makes uv use it alone.
func index(t *testing.T, files map[string][]byte) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/simple/{name}/", func(w http.ResponseWriter, r *http.Request) {
		links := ""
		for file := range files {
			if strings.HasPrefix(strings.ReplaceAll(file, "_", "-"), r.PathValue("name")+"-") {
				links += fmt.Sprintf(`<a href="/files/%s">%s</a>`, file, file)
			}
		}
		if links == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><html><body>"+links)
	})
	mux.HandleFunc("/files/{file}", func(w http.ResponseWriter, r *http.Request) { w.Write(files[r.PathValue("file")]) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	useIndex(t, strings.Replace(server.URL, "http://", "http://someone:hunter2@", 1)+"/simple")
}

func useIndex(t *testing.T, url string) {
	t.Helper()
	t.Setenv("UV_DEFAULT_INDEX", url)
	t.Setenv("UV_CACHE_DIR", t.TempDir())
	t.Setenv("UV_NO_CONFIG", "1")
	t.Setenv("UV_HTTP_RETRIES", "0")
}

func lockOf(t *testing.T, files map[string][]byte) Lock {
	t.Helper()
	var names []string
	for file := range files {
		names = append(names, file)
	}
	sort.Strings(names)
	var text strings.Builder
	for _, file := range names {
		name, rest, _ := strings.Cut(strings.TrimSuffix(file, ".tar.gz"), "-")
		version, _, _ := strings.Cut(rest, "-")
		fmt.Fprintf(&text, "%s==%s \\\n    --hash=sha256:%x\n", strings.ReplaceAll(name, "_", "-"), version, sha256.Sum256(files[file]))
	}
	l, err := ParseLock([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func tinyWheels(t *testing.T) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		"tiny_one-1.0-py3-none-any.whl": wheel(t, "tiny_one", "1.0", map[string]string{"tiny_one/fast.so": "\x7fELF"}, "tiny-two"),
		"tiny_two-2.5-py3-none-any.whl": wheel(t, "tiny_two", "2.5", nil),
	}
}

// newStore makes a store that removes its read-only trees after the test.
func newStore(t *testing.T) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "envs")
	t.Cleanup(func() {
		if err := removeReadOnly(dir); err != nil {
			t.Error(err)
		}
	})
	s := &Store{Dir: dir}
	if _, err := s.uv(); err != nil {
		t.Fatalf("these tests need uv: %v", err)
	}
	return s
}

func build(t *testing.T, s *Store, l Lock) Env {
	t.Helper()
	e, err := s.Build(t.Context(), l, nil)
	if err != nil {
		t.Fatalf("Build: %v (%v)", err, errors.Unwrap(err))
	}
	return e
}

func TestBuild(t *testing.T) {
	files := tinyWheels(t)
	index(t, files)
	s, l := newStore(t), lockOf(t, files)
	var steps []string
	e, err := s.Build(t.Context(), l, func(step string) { steps = append(steps, step) })
	if err != nil {
		t.Fatalf("Build: %v (%v)", err, errors.Unwrap(err))
	}
	if len(steps) < 2 {
		t.Errorf("progress told %q, want a sentence per step", steps)
	}
	want := []Package{{"tiny-one", "1.0"}, {"tiny-two", "2.5"}}
	if !slices.Equal(e.Packages, want) || e.LockDigest != l.Digest() || e.Python != "/usr/bin/python3" || !strings.HasPrefix(e.PythonVersion, "3.") {
		t.Errorf("Build gave %+v", e)
	}
	out, err := exec.Command(e.Python, "-I", "-S", "-B", "-c",
		"import sys; sys.path.append(sys.argv[1]); import tiny_one, tiny_two; print(tiny_one.VERSION, tiny_two.VERSION, tiny_one.__cached__)", e.SysPath()).Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) != 3 || fields[0] != "1.0" || fields[1] != "2.5" {
		t.Fatalf("the environment's packages cannot be imported: %v %q", err, out)
	}
	if _, err := os.Stat(fields[2]); err != nil {
		t.Errorf("the bytecode is not there: %v", err)
	}
	checkModes(t, e.Dir)
	if err := s.Verify(t.Context(), e); err != nil {
		t.Errorf("Verify of a fresh environment: %v", err)
	}

	// What is there needs no uv and no network any more.
	again := &Store{Dir: s.Dir, UV: "/nonexistent"}
	if got, err := again.Build(t.Context(), l, nil); err != nil || got.BuiltDigest != e.BuiltDigest {
		t.Errorf("the second Build: %v %v", got, err)
	}
	if got, ok := again.Find(l.Digest()); !ok || got.Dir != e.Dir || !got.Built.Equal(e.Built) {
		t.Errorf("Find = %+v, %v", got, ok)
	}
	if list := again.List(); len(list) != 1 || list[0].LockDigest != l.Digest() {
		t.Errorf("List = %+v", list)
	}
	for _, unknown := range []string{Default().Digest(), "", "sha256:../../etc", "sha256:" + strings.Repeat("g", 64)} {
		if _, ok := again.Find(unknown); ok {
			t.Errorf("Find(%q) found something", unknown)
		}
	}
}

// checkModes: every account can read, none can write, libraries stay executable.
func checkModes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o444)
		if d.IsDir() || strings.HasSuffix(path, ".so") {
			want = 0o555
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Two sites that build the same lock get the same digest, and it is the one
// that the documentation of builtDigest describes.
func TestBuiltDigest(t *testing.T) {
	files := tinyWheels(t)
	index(t, files)
	l := lockOf(t, files)
	a, b := build(t, newStore(t), l), build(t, newStore(t), l)
	if a.BuiltDigest != b.BuiltDigest {
		t.Errorf("two builds of one lock: %s and %s", a.BuiltDigest, b.BuiltDigest)
	}
	out, err := exec.Command("/bin/sh", "-c", `cd "$1" && { printf 'anchorhold/environment/v1\npython %s\nplatform %s\n' "$2" "$3"
		find . -type f ! -name '*.pyc' ! -path ./environment.json | cut -c3- | LC_ALL=C sort | while read -r f; do
			sum=$(sha256sum "$f"); mode=-; case $(stat -c %a "$f") in 555) mode=x;; esac
			printf '%s %s %s\n' "${sum%% *}" $mode "$f"; done; } | sha256sum`, "sh", a.Dir, a.PythonVersion, a.Platform).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "sha256:" + strings.Fields(string(out))[0]; a.BuiltDigest != want {
		t.Errorf("BuiltDigest = %s, want %s as documented", a.BuiltDigest, want)
	}
}

// Whoever changes a file behind the store's back is found out.
func TestVerify(t *testing.T) {
	files := tinyWheels(t)
	index(t, files)
	s := newStore(t)
	e := build(t, s, lockOf(t, files))
	one := filepath.Join(e.SysPath(), "tiny_one")
	compiled, err := filepath.Glob(filepath.Join(one, "__pycache__", "*.pyc"))
	if err != nil || len(compiled) != 1 {
		t.Fatal(compiled, err)
	}
	writable := func(path string) {
		for _, p := range []string{filepath.Dir(path), path} {
			if err := os.Chmod(p, 0o755); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	write := func(path, text string) func() {
		return func() {
			writable(path)
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, path string
		change     func()
	}{
		{"source changed", "", write(filepath.Join(one, "__init__.py"), "VERSION = 'evil'\n")},
		{"bytecode changed", "", write(compiled[0], "evil")},
		{"file added", "", write(filepath.Join(one, "sitecustomize.py"), "")},
		{"file removed", "", func() { writable(one); os.Remove(filepath.Join(one, "__init__.py")) }},
		{"made executable", "", func() { os.Chmod(filepath.Join(one, "__init__.py"), 0o755) }},
		{"link added", "", func() { writable(one); os.Symlink("/etc/passwd", filepath.Join(one, "x")) }},
		{"record removed", "", func() { writable(filepath.Join(e.Dir, recordFile)); os.Remove(filepath.Join(e.Dir, recordFile)) }},
	} {
		c.change()
		err := s.Verify(t.Context(), e)
		if anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "build it again") {
			t.Errorf("%s: Verify = %v, want a conflict with a remedy", c.name, err)
		}
		if err := removeReadOnly(e.Dir); err != nil {
			t.Fatal(err)
		}
		if fresh := build(t, s, lockOf(t, files)); fresh.BuiltDigest != e.BuiltDigest || s.Verify(t.Context(), fresh) != nil {
			t.Errorf("%s: building again did not repair it", c.name)
		}
	}
}

// A damaged record is no environment, and does not stop a new build.
func TestDamagedRecord(t *testing.T) {
	files := tinyWheels(t)
	index(t, files)
	s, l := newStore(t), lockOf(t, files)
	e := build(t, s, l)
	for _, text := range []string{"", "{", `{"v":2}`, `{"v":1,"lock":"` + Default().Digest() + `","built":"sha256:00"}`, `{"unknown":1}`} {
		if err := errors.Join(os.Chmod(e.Dir, 0o755), os.Chmod(filepath.Join(e.Dir, recordFile), 0o644),
			os.WriteFile(filepath.Join(e.Dir, recordFile), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Find(l.Digest()); ok || len(s.List()) != 0 {
			t.Errorf("record %q: taken for an environment: %+v", text, got)
		}
		if got := build(t, s, l); got.BuiltDigest != e.BuiltDigest {
			t.Errorf("record %q: built %s", text, got.BuiltDigest)
		}
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("ANCHORHOLD_ENVS", "relative")
	if _, err := DefaultDir(); err == nil {
		t.Error("a relative ANCHORHOLD_ENVS was taken")
	}
	t.Setenv("ANCHORHOLD_ENVS", "/srv/envs/")
	if dir, err := DefaultDir(); err != nil || dir != "/srv/envs" {
		t.Errorf("DefaultDir() = %q, %v", dir, err)
	}
	t.Setenv("ANCHORHOLD_ENVS", "")
	t.Setenv("XDG_DATA_HOME", "/home/someone/data")
	want := "/home/someone/data/anchorhold/envs"
	if os.Geteuid() == 0 {
		want = "/var/lib/anchorhold/envs"
	}
	if dir, err := DefaultDir(); err != nil || dir != want {
		t.Errorf("DefaultDir() = %q, %v, want %q", dir, err, want)
	}
}

func FuzzReadRecord(f *testing.F) {
	sum := sha256.Sum256(nil)
	f.Add([]byte(`{"v":1,"lock":"sha256:` + hex.EncodeToString(sum[:]) + `","built":"sha256:00","packages":[{"name":"a","version":"1"}]}`))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, recordFile), data, 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := readRecord(dir); err == nil && (r.V != 1 || !strings.HasPrefix(r.Lock, "sha256:")) {
			t.Fatalf("accepted %+v", r)
		}
	})
}
