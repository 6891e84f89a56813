//go:build linux && (amd64 || arm64)

package gvisor_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/internal/exectest"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
)

// TestLauncher looks at the launcher from outside: its account, environment,
// descriptors and rights.
func TestLauncher(t *testing.T) {
	t.Parallel()
	state := filepath.Join(openDir(t), "state")
	s, err := gvisor.New(options(state))
	if err != nil {
		t.Fatal(full(err))
	}
	defer s.Close()
	pid, _ := processes(state, "")
	proc := "/proc/" + strconv.Itoa(pid)
	env, err := os.ReadFile(proc + "/environ")
	if err != nil || len(env) != 0 {
		t.Errorf("environment %q, %v", env, err)
	}
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		t.Fatal(err)
	}
	uid := os.Geteuid()
	if installed() {
		uid = runUID
	}
	for _, want := range []string{fmt.Sprintf("Uid:\t%d\t%d\t%d\t%d\n", uid, uid, uid, uid), "NoNewPrivs:\t1\n", "CapEff:\t0000000000000000\n", "Groups:\t \n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("status lacks %q:\n%s", want, status)
		}
	}
	fds, err := os.ReadDir(proc + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		target, _ := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
		known := false
		// The Go runtime keeps its control group's processor quota open.
		for _, own := range []string{"/dev/null", "pipe:", "socket:", "anon_inode:", "/sys/fs/cgroup/", filepath.Join(state, "lock")} {
			known = known || strings.HasPrefix(target, own)
		}
		if !known {
			t.Errorf("descriptor %s is %s", fd.Name(), target)
		}
	}
}

// TestKilled kills site and launcher with SIGKILL: guests die with them, and
// the next start removes what they left.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, victim := range []string{"site", "launcher"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			state := filepath.Join(openDir(t), "state")
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			c := exec.Command(self)
			c.Env = []string{envPart + "=hold", envState + "=" + state, envProgram + "=" + program}
			stdin, _ := c.StdinPipe()
			defer stdin.Close()
			stdout, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
			if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "holding\n" {
				t.Fatalf("%q, %v", line, err)
			}
			launcher, guests := processes(state, "")
			if launcher == 0 || len(guests) < 3 {
				t.Fatalf("launcher %d, guests %v", launcher, guests)
			}
			pid := c.Process.Pid
			if victim == "launcher" {
				pid = launcher
			}
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			within(t, 2*time.Second, "every process is gone", func() bool {
				launcher, guests := processes(state, "")
				return launcher == 0 && len(guests) == 0
			})
			_ = c.Process.Kill()
			_ = c.Wait()
			s, err := gvisor.New(options(state))
			if err != nil {
				t.Fatal(full(err))
			}
			defer s.Close()
			nothingLeft(t, state, "")
			if _, err := os.Stat(filepath.Join(state, "run")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLauncherComesBack: the sessions of a launcher that died are lost, and
// say so; the next session has a new one.
func TestLauncherComesBack(t *testing.T) {
	t.Parallel()
	state := filepath.Join(openDir(t), "state")
	s, err := gvisor.New(options(state))
	if err != nil {
		t.Fatal(full(err))
	}
	defer s.Close()
	g, err := s.Start(t.Context(), python("import time; time.sleep(3600)"))
	if err != nil {
		t.Fatal(full(err))
	}
	defer g.Conn().Close()
	launcher, _ := processes(state, "")
	if err := unix.Kill(launcher, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := wait(t, g); r.Status != sandbox.SandboxError {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
	g, err = s.Start(t.Context(), python("print(1)"))
	if err != nil {
		t.Fatal(full(err))
	}
	defer g.Conn().Close()
	if r := wait(t, g); r.Status != sandbox.OK {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	state := filepath.Join(openDir(t), "state")
	s, err := gvisor.New(options(state))
	if err != nil {
		t.Fatal(full(err))
	}
	defer s.Close()
	g, err := s.Start(t.Context(), python("import time; time.sleep(3600)"))
	if err != nil {
		t.Fatal(full(err))
	}
	defer g.Conn().Close()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r := wait(t, g); r.Status != sandbox.Killed {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
	if _, err := s.Start(t.Context(), python("")); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Errorf("%v", err)
	}
	if launcher, _ := processes(state, ""); launcher != 0 {
		t.Errorf("launcher %d is left", launcher)
	}
	if _, err := os.Stat(filepath.Join(state, "run")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the launcher's directory is left: %v", err)
	}
	nothingLeft(t, state, "")
}

// TestNoSidecar: without gVisor's links nothing starts, and the error says so.
func TestNoSidecar(t *testing.T) {
	t.Parallel()
	state := filepath.Join(openDir(t), "state")
	s, err := gvisor.New(options(state))
	if err != nil {
		t.Fatal(full(err))
	}
	defer s.Close()
	for _, name := range []string{"gvisor_sentry", "gvisor-sentry-prewarmer"} {
		link := filepath.Join(filepath.Dir(s.Program()), "gvisor-bin", name)
		if err := os.Rename(link, link+".away"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Start(t.Context(), python("")); err == nil || !strings.Contains(err.Error(), "gvisor-bin") {
			t.Errorf("without %s: %v", name, err)
		}
		if err := os.Rename(link+".away", link); err != nil {
			t.Fatal(err)
		}
	}
	nothingLeft(t, state, "")
}

// TestNew refuses what would be unsafe or could not work, with a remedy.
func TestNew(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	theSandbox(t)
	ok := options(filepath.Join(dir, "state"))
	with := func(f func(*gvisor.Options)) gvisor.Options {
		o := ok
		f(&o)
		return o
	}
	cases := map[string]struct {
		o    gvisor.Options
		says string
	}{
		"no directory":              {with(func(o *gvisor.Options) { o.StateDir = "" }), "state directory"},
		"a file for a directory":    {with(func(o *gvisor.Options) { o.StateDir = program }), "cannot be made"},
		"a group but no user":       {with(func(o *gvisor.Options) { o.RunUID, o.RunGID = 0, runUID }), "user and a group"},
		"a main that does not call": {with(func(o *gvisor.Options) { o.Executable = "/usr/bin/true" }), "gvisor.Main"},
		"no program":                {with(func(o *gvisor.Options) { o.Executable = "/no/such/program" }), "read itself"},
		"a directory in use":        {with(func(o *gvisor.Options) { o.StateDir = shared.state }), "another site"},
	}
	if installed() {
		cases["guests as root"] = struct {
			o    gvisor.Options
			says string
		}{with(func(o *gvisor.Options) { o.RunUID, o.RunGID = 0, 0 }), "must not run as root"}
		cases["a directory behind a closed one"] = struct {
			o    gvisor.Options
			says string
		}{with(func(o *gvisor.Options) { o.StateDir = filepath.Join(closed, "state") }), "may not enter " + closed}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := gvisor.New(c.o)
			if err == nil {
				s.Close()
				t.Fatal("accepted")
			}
			var e *anchorhold.Error
			if !errors.As(err, &e) || e.Remedy == "" || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q with a remedy", err, c.says)
			}
		})
	}
}

// TestProgramInPlace: an installed program with its links is used where it is,
// one that the run account cannot reach is copied.
func TestProgramInPlace(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	exe := filepath.Join(dir, "anchorhold")
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	exectest.Write(t, exe, b)
	at := func() string {
		t.Helper()
		o := options(filepath.Join(dir, "state"))
		o.Executable = exe
		s, err := gvisor.New(o)
		if err != nil {
			t.Fatal(full(err))
		}
		defer s.Close()
		got, err := os.ReadFile(s.Program())
		if err != nil || !bytes.Equal(got, b) {
			t.Fatal("another program")
		}
		return s.Program()
	}
	if got := at(); !strings.HasPrefix(got, filepath.Join(dir, "state", "bin-")) {
		t.Errorf("without links it runs from %s", got)
	}
	side := filepath.Join(dir, "gvisor-bin")
	err = errors.Join(os.Mkdir(side, 0o755), os.Link(exe, filepath.Join(side, "gvisor_sentry")), os.Link(exe, filepath.Join(side, "gvisor-sentry-prewarmer")))
	if err != nil {
		t.Fatal(err)
	}
	if got := at(); got != exe {
		t.Errorf("with links it runs from %s", got)
	}
	if installed() {
		if err := os.Chmod(exe, 0o700); err != nil {
			t.Fatal(err)
		}
		if got := at(); got == exe {
			t.Error("the run account cannot execute it there")
		}
	}
}
