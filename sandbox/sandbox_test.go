package sandbox_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/sandboxtest"
)

func good() sandbox.Spec {
	return sandbox.Spec{
		ID: "run-1", Argv: []string{"/usr/bin/python3"}, Env: []string{"A=1"},
		Binds:  []sandbox.Bind{{Host: "/srv/env", Guest: "/env"}},
		Files:  map[string][]byte{"/runner.py": nil, "/etc/passwd": nil},
		Limits: sandbox.DefaultLimits(),
	}
}

func TestValidate(t *testing.T) {
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*sandbox.Spec){
		"no id":                  func(s *sandbox.Spec) { s.ID = "" },
		"climbing id":            func(s *sandbox.Spec) { s.ID = "../x" },
		"option as id":           func(s *sandbox.Spec) { s.ID = "-x" },
		"long id":                func(s *sandbox.Spec) { s.ID = strings.Repeat("x", 65) },
		"no program":             func(s *sandbox.Spec) { s.Argv = nil },
		"relative program":       func(s *sandbox.Spec) { s.Argv = []string{"python3"} },
		"zero byte in argument":  func(s *sandbox.Spec) { s.Argv = append(s.Argv, "a\x00b") },
		"zero byte in variable":  func(s *sandbox.Spec) { s.Env = []string{"A=\x00"} },
		"variable without name":  func(s *sandbox.Spec) { s.Env = []string{"=1"} },
		"variable without value": func(s *sandbox.Spec) { s.Env = []string{"A"} },
		"relative bind":          func(s *sandbox.Spec) { s.Binds[0].Host = "srv" },
		"climbing bind":          func(s *sandbox.Spec) { s.Binds[0].Host = "/srv/../etc" },
		"whole host":             func(s *sandbox.Spec) { s.Binds[0].Host = "/" },
		"bind over everything":   func(s *sandbox.Spec) { s.Binds[0].Guest = "/" },
		"bind over /usr":         func(s *sandbox.Spec) { s.Binds[0].Guest = "/usr" },
		"bind below /usr":        func(s *sandbox.Spec) { s.Binds[0].Guest = "/usr/local" },
		"bind over /out":         func(s *sandbox.Spec) { s.Binds[0].Guest = "/out" },
		"bind above another":     func(s *sandbox.Spec) { s.Binds = append(s.Binds, sandbox.Bind{Host: "/a", Guest: "/env/a"}) },
		"file below /proc":       func(s *sandbox.Spec) { s.Files["/proc/x"] = nil },
		"file in a bind":         func(s *sandbox.Spec) { s.Files["/env/x"] = nil },
		"files too large":        func(s *sandbox.Spec) { s.Files["/x"] = make([]byte, 17<<20) },
		"no processors":          func(s *sandbox.Spec) { s.Limits.CPUs = 0 },
		"no memory":              func(s *sandbox.Spec) { s.Limits.Memory = 0 },
		"too little memory":      func(s *sandbox.Spec) { s.Limits.Memory = 1 << 20 },
		"no /tmp":                func(s *sandbox.Spec) { s.Limits.TmpBytes = 0 },
		"no /out":                func(s *sandbox.Spec) { s.Limits.OutBytes = 0 },
		"no log":                 func(s *sandbox.Spec) { s.Limits.LogBytes = 0 },
		"no processes":           func(s *sandbox.Spec) { s.Limits.Processes = 0 },
		"no open files":          func(s *sandbox.Spec) { s.Limits.OpenFiles = 0 },
		"no processor time":      func(s *sandbox.Spec) { s.Limits.CPUTime = 0 },
		"negative wall time":     func(s *sandbox.Spec) { s.Limits.Wall = -1 },
	} {
		s := good()
		spoil(&s)
		if err := s.Validate(); anchorhold.KindOf(err) != anchorhold.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare := good()
	bare.Bare, bare.Binds[0].Guest = true, "/usr/lib/x"
	if err := bare.Validate(); err != nil {
		t.Errorf("a bare session may have its own /usr: %v", err)
	}
}

func pair(t *testing.T) (*net.UnixConn, *net.UnixConn) {
	t.Helper()
	a, b, err := sandboxtest.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func TestSendFiles(t *testing.T) {
	here, there := pair(t)
	path := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	// More than a socket holds, so that it takes several writes.
	data := strings.Repeat("0123456789", 100_000)
	sent := make(chan error, 1)
	go func() {
		sent <- sandbox.SendFiles(here, []byte(data), f, f)
		here.Close()
	}()
	first, oob := make([]byte, 10), make([]byte, syscall.CmsgSpace(8))
	n, oobn, _, _, err := there.ReadMsgUnix(first, oob)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 2 {
		t.Fatalf("%v, %v", fds, err)
	}
	rest, err := io.ReadAll(there)
	if err != nil || string(first[:n])+string(rest) != data {
		t.Fatalf("%d bytes arrived, %v", n+len(rest), err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	got := os.NewFile(uintptr(fds[1]), "received")
	defer got.Close()
	defer syscall.Close(fds[0])
	if b, err := io.ReadAll(got); string(b) != "content" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := f.Stat(); err != nil {
		t.Error("the caller's file was closed")
	}
	f.Close()
}

func TestSendFilesRefuses(t *testing.T) {
	here, there := pair(t)
	dir := t.TempDir()
	open := func(name string, flags int) *os.File {
		f, err := os.OpenFile(name, flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	plain := open(filepath.Join(dir, "a"), os.O_RDWR|os.O_CREATE)
	readonly := open(filepath.Join(dir, "a"), os.O_RDONLY)
	closed := open(filepath.Join(dir, "a"), os.O_RDONLY)
	closed.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	many := make([]*os.File, sandbox.MaxFiles+1)
	for i := range many {
		many[i] = readonly
	}
	for name, c := range map[string]struct {
		data  string
		files []*os.File
	}{
		"no data":          {"", []*os.File{readonly}},
		"open for writing": {"x", []*os.File{readonly, plain}},
		"write only":       {"x", []*os.File{open(filepath.Join(dir, "a"), os.O_WRONLY)}},
		"directory":        {"x", []*os.File{open(dir, os.O_RDONLY)}},
		"device":           {"x", []*os.File{open(os.DevNull, os.O_RDONLY)}},
		"pipe":             {"x", []*os.File{r}},
		"closed":           {"x", []*os.File{closed}},
		"too many":         {"x", many},
	} {
		var e *anchorhold.Error
		if err := sandbox.SendFiles(here, []byte(c.data), c.files...); !errors.As(err, &e) || e.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	there.Close()
	if err := sandbox.SendFiles(here, []byte("x"), readonly); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Errorf("a session that has ended: %v", err)
	}
}

func TestBoundary(t *testing.T) {
	b := sandbox.Boundary{Kind: "gvisor", Platform: "systrap", Mode: sandbox.ModeInstalled, Memory: "a meter"}
	if b.Err() == nil {
		t.Error("an untested boundary holds")
	}
	if s := b.String(); s != "gvisor (systrap), own run account, memory by a meter" {
		t.Error(s)
	}
	b.Mode = sandbox.ModeUser
	if !strings.Contains(b.String(), "weaker") {
		t.Error("the weaker mode is not called weaker")
	}
	b.Checks = []sandbox.Check{{Name: "one", OK: true}}
	if err := b.Err(); err != nil {
		t.Error(err)
	}
	b.Checks = append(b.Checks, sandbox.Check{Name: "two"}, sandbox.Check{Name: "three"})
	if err := b.Err(); err == nil || !strings.Contains(err.Error(), "two, three") {
		t.Errorf("%v", err)
	}
}
