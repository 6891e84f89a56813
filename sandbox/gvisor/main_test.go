//go:build linux && (amd64 || arm64)

package gvisor_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/internal/exectest"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
)

// The accounts of the tests need no entry in the user database.
const (
	runUID      = 60700 // guests of the installed mode
	ordinaryUID = 60701 // whole site of the ordinary-user mode
)

// What the test binary is told through its environment.
const (
	envProgram = "ANCHORHOLD_TEST_BIN"  // a built program to test; made when unset
	envPart    = "ANCHORHOLD_TEST_PART" // "hold": be a site that is going to be killed
	envState   = "ANCHORHOLD_TEST_STATE"
	envSecret  = "ANCHORHOLD_TEST_SECRET" // something that guests must not see
)

// program is the binary under test; workDir is open to every account.
var program, workDir string

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envPart) == "hold":
		os.Exit(hold())
	case flagGiven("-test.fuzz"):
		os.Exit(m.Run()) // fuzzing starts this program many times, and needs no sandbox
	default:
		os.Exit(run(m))
	}
}

func flagGiven(prefix string) bool {
	return slices.ContainsFunc(os.Args[1:], func(a string) bool { return strings.HasPrefix(a, prefix) })
}

func run(m *testing.M) int {
	err := prepare()
	defer os.RemoveAll(workDir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.close()
	return m.Run()
}

// prepare builds the program under test, unless one is given: the sandbox
// starts only from a program without cgo, which a test binary may not be.
func prepare() (err error) {
	if workDir, err = os.MkdirTemp("", "anchorhold-test-"); err != nil {
		return err
	}
	// Tests wait most of the time: more of them fit than there are processors.
	flag.Parse()
	err = errors.Join(
		os.Chmod(workDir, 0o755), os.Setenv(envSecret, "the-site-knows-this"), flag.Set("test.parallel", "5"),
	)
	if program = os.Getenv(envProgram); program == "" && err == nil {
		program = filepath.Join(workDir, "testhost")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./internal/testhost")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, berr := build.CombinedOutput(); berr != nil {
			err = fmt.Errorf("building the program under test: %w\n%s", berr, out)
		}
	}
	return err
}

// shared is the sandbox that most tests use: as root the installed mode, else
// the ordinary-user mode. TestOrdinaryUser runs everything once more as such.
var shared sharedSandbox

type sharedSandbox struct {
	once  sync.Once
	state string
	s     *gvisor.Sandbox
	err   error
}

func (s *sharedSandbox) close() {
	if s.s != nil {
		s.s.Close()
	}
}

func theSandbox(t testing.TB) *gvisor.Sandbox {
	t.Helper()
	shared.once.Do(func() {
		shared.state = filepath.Join(workDir, "shared")
		shared.s, shared.err = gvisor.New(options(shared.state))
	})
	if shared.err != nil {
		t.Fatal(full(shared.err))
	}
	return shared.s
}

func installed() bool { return os.Geteuid() == 0 }

func options(state string) gvisor.Options {
	o := gvisor.Options{StateDir: state, Executable: program}
	if installed() {
		o.RunUID, o.RunGID = runUID, runUID
	}
	return o
}

// full is an error with its causes.
func full(err error) string {
	s := err.Error()
	for err = errors.Unwrap(err); err != nil; err = errors.Unwrap(err) {
		s += ": " + err.Error()
	}
	return s
}

func limits() sandbox.Limits {
	return sandbox.Limits{
		CPUs: 2, Memory: 512 << 20, TmpBytes: 16 << 20, OutBytes: 8 << 20, LogBytes: 64 << 10,
		Processes: 64, OpenFiles: 256, CPUTime: time.Minute, Wall: 2 * time.Minute,
	}
}

var ids struct {
	sync.Mutex
	n int
}

// python is a session that runs a script.
func python(script string) sandbox.Spec {
	ids.Lock()
	defer ids.Unlock()
	ids.n++
	return sandbox.Spec{
		ID:     fmt.Sprintf("test-%d-", ids.n),
		Argv:   []string{"/usr/bin/python3", "-I", "/script.py"},
		Files:  map[string][]byte{"/script.py": []byte(script)},
		Limits: limits(),
	}
}

func start(t testing.TB, spec sandbox.Spec) sandbox.Session {
	t.Helper()
	g, err := theSandbox(t).Start(t.Context(), spec)
	if err != nil {
		t.Fatal(full(err))
	}
	t.Cleanup(func() { g.Kill(); g.Conn().Close() })
	return g
}

func wait(t testing.TB, g sandbox.Session) sandbox.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	r, err := g.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// processes finds processes that belong to the sandbox of a state directory, or
// to some of its sessions: the launcher is one of them, guests are the others.
func processes(state, sessions string) (launcher int, guests []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range dirs {
		b, err := os.ReadFile(f)
		pid, perr := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil || perr != nil || !bytes.Contains(b, []byte(filepath.Join(state, "run")+sessions)) {
			continue
		}
		if bytes.HasPrefix(b, []byte("anchorhold-launcher")) {
			launcher = pid
		} else {
			guests = append(guests, pid)
		}
	}
	return launcher, guests
}

// within polls until f holds.
func within(t testing.TB, most time.Duration, what string, f func() bool) {
	t.Helper()
	deadline := time.After(most)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", most, what)
		case <-tick.C:
		}
	}
}

// nothingLeft fails unless every guest of a state directory is gone for good,
// or those sessions whose id begins so.
func nothingLeft(t testing.TB, state, sessions string) {
	t.Helper()
	if _, guests := processes(state, "/"+sessions); len(guests) > 0 {
		t.Errorf("processes %v are left", guests)
	}
	left, err := filepath.Glob(filepath.Join(state, "run", sessions+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// hold is a site that starts one long job, says so, and waits to be killed.
func hold() int {
	program = os.Getenv(envProgram)
	s, err := gvisor.New(options(os.Getenv(envState)))
	if err != nil {
		fmt.Println(full(err))
		return 1
	}
	if _, err := s.Start(context.Background(), python("import os\nif os.fork(): os.wait()\nelse:\n  while True: pass")); err != nil {
		fmt.Println(full(err))
		return 1
	}
	fmt.Println("holding")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// TestOrdinaryUser runs every test again as an ordinary user, for whom
// everything happens under one account.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	if !installed() {
		t.Run("installed mode needs rights", func(t *testing.T) {
			o := options(filepath.Join(t.TempDir(), "state"))
			o.RunUID, o.RunGID = runUID, runUID
			if _, err := gvisor.New(o); err == nil || !strings.Contains(err.Error(), "CAP_SETUID") {
				t.Fatalf("error %v", err)
			}
		})
		return
	}
	dir := filepath.Join(workDir, "ordinary")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, ordinaryUID, ordinaryUID)); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(workDir, "ordinary.test")
	exectest.Write(t, exe, self)
	args := []string{"-test.timeout=5m"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	c := exec.Command(exe, args...)
	c.Dir = "/"
	c.Env = []string{"TMPDIR=" + dir, "PATH=" + os.Getenv("PATH"), envProgram + "=" + program}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinaryUID, Gid: ordinaryUID, Groups: []uint32{}}}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
