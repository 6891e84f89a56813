//go:build linux

package pyenv

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/internal/exectest"
)

// script writes an executable shell script.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	exectest.Write(t, path, []byte("#!/bin/sh\n"+text))
	return path
}

// Each thing that goes wrong is a sentence with a remedy, and nothing that uv
// said (it may name an index with its password) is in it.
func TestBuildErrors(t *testing.T) {
	files := tinyWheels(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := "http://someone:hunter2@" + closed.Addr().String() + "/simple"
	closed.Close()
	changed := tinyWheels(t)
	changed["tiny_two-2.5-py3-none-any.whl"] = wheel(t, "tiny_two", "2.5", map[string]string{"tiny_two/evil.py": ""})
	source := map[string][]byte{"tiny_two-2.5.tar.gz": []byte("not even a tar")}
	part := map[string][]byte{"tiny_one-1.0-py3-none-any.whl": files["tiny_one-1.0-py3-none-any.whl"]}

	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, s *Store) Lock
		kind    anchorhold.Kind
		says    []string
	}{
		{"uv missing", func(t *testing.T, s *Store) Lock {
			t.Setenv("PATH", t.TempDir())
			t.Setenv("ANCHORHOLD_UV", "")
			return lockOf(t, files)
		}, anchorhold.Unavailable, []string{"uv", "python3 -m pip install uv==0.13.8"}},
		{"uv named wrongly", func(t *testing.T, s *Store) Lock {
			t.Setenv("ANCHORHOLD_UV", "/nonexistent/uv")
			return lockOf(t, files)
		}, anchorhold.Unavailable, []string{"/nonexistent/uv", "correct ANCHORHOLD_UV"}},
		{"Python missing", func(t *testing.T, s *Store) Lock {
			s.Python = "/usr/bin/python3.99"
			return lockOf(t, files)
		}, anchorhold.Unavailable, []string{"no Python at /usr/bin/python3.99", "apt-get install python3"}},
		{"another Python missing", func(t *testing.T, s *Store) Lock {
			l := lockOf(t, files)
			l.python = "3.98"
			return l
		}, anchorhold.Unavailable, []string{"for Python 3.98, and there is no Python at /usr/bin/python3.98", "apt-get install python3.98;", "or make the lock for Python 3."}},
		{"Python in a home directory", func(t *testing.T, s *Store) Lock {
			s.Python = script(t, "exec /usr/bin/python3 \"$@\"\n")
			return lockOf(t, files)
		}, anchorhold.Unavailable, []string{"not below /usr", "apt-get install python3"}},
		{"no network", func(t *testing.T, s *Store) Lock {
			useIndex(t, nowhere)
			return lockOf(t, files)
		}, anchorhold.Unavailable, []string{"cannot be downloaded", "check the network"}},
		{"another file under the same name", func(t *testing.T, s *Store) Lock {
			index(t, changed)
			return lockOf(t, files)
		}, anchorhold.Invalid, []string{"not the one that the lock names", "do not use it"}},
		{"source only", func(t *testing.T, s *Store) Lock {
			index(t, source)
			return lockOf(t, source)
		}, anchorhold.Invalid, []string{"no ready-made wheel", "lock other versions"}},
		{"incomplete lock", func(t *testing.T, s *Store) Lock {
			index(t, files)
			return lockOf(t, part)
		}, anchorhold.Invalid, []string{"the lock is not complete", "make the lock again"}},
		{"package not in the index", func(t *testing.T, s *Store) Lock {
			index(t, part)
			return lockOf(t, files)
		}, anchorhold.Invalid, []string{"the index lacks a package", "use another index"}},
		{"disk full", func(t *testing.T, s *Store) Lock {
			s.UV = script(t, "echo 'error: Failed to extract: failed to write to file: No space left on device (os error 28)' >&2\nexit 2\n")
			return lockOf(t, files)
		}, anchorhold.Unavailable, []string{"the disk is full", "UV_CACHE_DIR"}},
		{"store not writable", func(t *testing.T, s *Store) Lock {
			s.Dir = "/proc/envs"
			return lockOf(t, files)
		}, anchorhold.Unavailable, []string{"cannot be written to /proc/envs", "ANCHORHOLD_ENVS"}},
		{"no lock", func(*testing.T, *Store) Lock { return Lock{} }, anchorhold.Invalid, []string{"no lock", "uv pip compile"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			l := c.prepare(t, s)
			_, err := s.Build(t.Context(), l, nil)
			if anchorhold.KindOf(err) != c.kind {
				t.Errorf("Build: %v (kind %s, want %s; cause %v)", err, anchorhold.KindOf(err), c.kind, errors.Unwrap(err))
			}
			for _, want := range c.says {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Build: %v does not say %q", err, want)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "127.0.0.1")) {
				t.Errorf("the message repeats what uv said: %v", err)
			}
			checkEmpty(t, s)
		})
	}
}

// checkEmpty: nothing is in the store but its lock.
func checkEmpty(t *testing.T, s *Store) {
	t.Helper()
	entries, _ := os.ReadDir(s.Dir) // the test may have made none
	for _, e := range entries {
		if e.Name() != ".lock" {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

func TestInterpreter(t *testing.T) {
	answer := func(text string) string { return script(t, "echo '"+text+"'\n") }
	for _, c := range []struct{ name, path, says string }{
		{"too old", answer(`{"version": "3.10.12", "platform": "linux-x86_64"}`), "is Python 3.10.12, and jobs need 3.11"},
		{"Python 2", answer(`{"version": "2.7.18", "platform": "linux-x86_64"}`), "not a Python 3"},
		{"a path as platform", answer(`{"version": "3.11.2", "platform": "../x"}`), "not a Python 3"},
		{"not Python", answer("hello"), "does not work"},
		{"fails", script(t, "exit 3\n"), "does not work"},
	} {
		_, err := ask(t.Context(), c.path)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "apt-get install python3") {
			t.Errorf("%s: %v, want %q and a remedy", c.name, err, c.says)
		}
	}
}

// hanging is a uv that begins to install and then never ends, nor does its child.
const hanging = `mkdir -p "$4/tiny_one" && echo half > "$4/tiny_one/__init__.py"
sleep 600 &
echo $$ $! > "$PIDS.new" && mv "$PIDS.new" "$PIDS"
wait
`

// A build whose process is killed with SIGKILL leaves nothing that is taken for
// an environment; uv dies with it, and the next build cleans up and succeeds.
func TestKilledBuild(t *testing.T) {
	files := tinyWheels(t)
	index(t, files)
	s, l := newStore(t), lockOf(t, files)
	pids := filepath.Join(t.TempDir(), "pids")
	t.Setenv("PIDS", pids)
	cmd := exec.Command(os.Args[0], "-test.run=^TestBuildInChild$")
	cmd.Env = append(os.Environ(), "PYENV_CHILD_DIR="+s.Dir, "PYENV_CHILD_LOCK="+l.String(), "PYENV_CHILD_UV="+script(t, hanging))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	uv, child := waitForPids(t, pids)
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) }) // one that uv itself left behind
	if _, ok := s.Find(l.Digest()); ok {
		t.Error("half an environment was found")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	waitForEnd(t, uv)
	if left, _ := filepath.Glob(filepath.Join(s.Dir, tmpPrefix+"*")); len(left) != 1 {
		t.Fatalf("the killed build left %v: the test shows nothing", left)
	}
	if _, ok := s.Find(l.Digest()); ok || len(s.List()) != 0 {
		t.Error("half an environment was found after the kill")
	}
	if e := build(t, s, l); s.Verify(t.Context(), e) != nil {
		t.Error("the next build is not whole")
	}
	if left, _ := filepath.Glob(filepath.Join(s.Dir, tmpPrefix+"*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestBuildInChild is the process that TestKilledBuild kills.
func TestBuildInChild(t *testing.T) {
	dir := os.Getenv("PYENV_CHILD_DIR")
	if dir == "" {
		return // run by TestKilledBuild alone
	}
	l, err := ParseLock([]byte(os.Getenv("PYENV_CHILD_LOCK")))
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{Dir: dir, UV: os.Getenv("PYENV_CHILD_UV")}
	if _, err := s.Build(t.Context(), l, nil); err == nil {
		t.Fatal("a uv that hangs has built an environment")
	}
}

func waitForPids(t *testing.T, path string) (uv, child int) {
	t.Helper()
	waitFor(t, "uv to start", func() bool {
		data, err := os.ReadFile(path)
		fields := strings.Fields(string(data))
		if err != nil || len(fields) != 2 {
			return false
		}
		uv, _ = strconv.Atoi(fields[0])
		child, _ = strconv.Atoi(fields[1])
		return true
	})
	return uv, child
}

func waitForEnd(t *testing.T, pid int) {
	t.Helper()
	waitFor(t, "uv to end", func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func waitFor(t *testing.T, what string, ready func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !ready() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A context that ends stops uv and everything that it started.
func TestCancelledBuild(t *testing.T) {
	files := tinyWheels(t)
	s := newStore(t)
	s.UV = script(t, hanging)
	pids := filepath.Join(t.TempDir(), "pids")
	t.Setenv("PIDS", pids)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.Build(ctx, lockOf(t, files), nil)
		done <- err
	}()
	uv, child := waitForPids(t, pids)

	// Another builder waits its turn, says so, and can be stopped too.
	waiting, stop := context.WithCancel(t.Context())
	_, err := (&Store{Dir: s.Dir, UV: s.UV}).Build(waiting, lockOf(t, files), func(string) { stop() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the waiting builder: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled builder: %v", err)
	}
	waitForEnd(t, uv)
	waitForEnd(t, child)
	checkEmpty(t, s)
}

// Two builders at once make one environment.
func TestTwoBuilders(t *testing.T) {
	files := tinyWheels(t)
	index(t, files)
	s, l := newStore(t), lockOf(t, files)
	uv, err := s.uv()
	if err != nil {
		t.Fatal(err)
	}
	count := filepath.Join(t.TempDir(), "count")
	counting := script(t, "echo x >>"+count+"\nexec "+strings.Join(uv, " ")+" \"$@\"\n")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := (&Store{Dir: s.Dir, UV: counting}).Build(t.Context(), l, nil); err != nil {
				t.Errorf("Build: %v", err)
			}
		})
	}
	wg.Wait()
	if data, err := os.ReadFile(count); err != nil || string(data) != "x\n" {
		t.Errorf("uv ran %d times (%v), want once", strings.Count(string(data), "x"), err)
	}
}
