//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/anchorhold/anchorhold/pyenv"
)

// TestWhole runs the scripts with the built program, real runs in the real
// sandbox among them. ANCHORHOLD_TEST_BINARY names the program; without it one
// is built, without cgo, from which the sandbox does not start.
func TestWhole(t *testing.T) {
	program := os.Getenv("ANCHORHOLD_TEST_BINARY")
	if program == "" {
		program = filepath.Join(t.TempDir(), "anchorhold")
		build := exec.Command("go", "build", "-trimpath", "-o", program, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("the program cannot be built: %v\n%s", err, out)
		}
	}
	envs, err := pyenv.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	libraries, err := (&pyenv.Store{Dir: envs}).Build(t.Context(), pyenv.Default(), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := commands()
	all["up"], all["down"], all["crash"] = up, down, crash
	all["postgres"], all["sql"] = startPostgres, sql
	testscript.Run(t, testscript.Params{
		Dir: "testdata/whole", Cmds: all, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[processKey{}] = &process{}
			e.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("ANCHORHOLD_ENVS", envs)
			e.Setenv("LIBRARIES", libraries.SysPath()) // for scripts that play a person with pandas
			return setup(e)
		},
	})
}

// processKey finds the site that a script has started.
type processKey struct{}

// process is a site that serves in a process of its own.
type process struct {
	cmd *exec.Cmd
	log bytes.Buffer
}

// up DIR serves a site and sets SITE_URL once it is ready.
func up(ts *testscript.TestScript, _ bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	path, err := exec.LookPath(filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], "anchorhold"))
	ts.Check(err)
	p.cmd = exec.Command(path, "serve", "--dir", ts.MkAbs(args[0]), "--listen", "127.0.0.1:0")
	p.cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("WORK"), "ANCHORHOLD_ENVS=" + ts.Getenv("ANCHORHOLD_ENVS")}
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	ts.Defer(func() { p.end(syscall.SIGKILL) })
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		p.end(syscall.SIGKILL)
		ts.Fatalf("the site says %q (%v)\n%s", line, err, p.log.String())
	}
	ts.Setenv("SITE_URL", url)
}

func (p *process) end(how syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	defer func() { p.cmd = nil }()
	return errors.Join(p.cmd.Process.Signal(how), p.cmd.Wait())
}

// down stops the site as a service manager does, and expects a good end. What it
// wrote into its log lies in the file log then.
func down(ts *testscript.TestScript, _ bool, _ []string) {
	p := ts.Value(processKey{}).(*process)
	if err := p.end(syscall.SIGTERM); err != nil {
		ts.Fatalf("the site ended with: %v\n%s", err, p.log.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("log"), p.log.Bytes(), 0o600))
}

// crash kills the site.
func crash(ts *testscript.TestScript, _ bool, _ []string) {
	if err := ts.Value(processKey{}).(*process).end(syscall.SIGKILL); err == nil {
		ts.Fatalf("a killed site ended well")
	}
}
