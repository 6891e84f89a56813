package failpoint_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/anchorhold/anchorhold/failpoint"
)

// TestSteps builds the small program in both ways and lets the environment name
// the step.
func TestSteps(t *testing.T) {
	dir := t.TempDir()
	build := func(name string, flags ...string) string {
		bin := filepath.Join(dir, name)
		args := append([]string{"build", "-trimpath", "-o", bin}, flags...)
		if out, err := exec.Command("go", append(args, "./testdata/steps")...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return bin
	}
	normal, failing := build("normal"), build("failing", "-tags", "failpoints")
	const all = "before 0\nbefore 1\nbefore 2\nend\ndeferred\n"
	for _, c := range []struct {
		name, bin, env, want string
		killed               bool
	}{
		{"normal build", normal, "", all, false},
		{"normal build, step named", normal, "step", all, false},
		{"no step named", failing, "", all, false},
		{"another step named", failing, "nothing", all, false},
		{"part of the name", failing, "ste", all, false},
		{"first time", failing, "step", "before 0\n", true},
		{"second time", failing, "step:2", "before 0\nbefore 1\n", true},
		{"third time of the second step", failing, "other:3", "before 0\nbefore 1\nbefore 2\n", true},
		{"never that often", failing, "step:4", all, false},
		{"unreadable count", failing, "step:x", "before 0\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(c.bin)
			cmd.Env = append(os.Environ(), failpoint.Variable+"="+c.env)
			out, err := cmd.Output()
			if string(out) != c.want {
				t.Errorf("printed %q, want %q", out, c.want)
			}
			if killed(err) != c.killed {
				t.Errorf("ended with %v", err)
			}
		})
	}
	bin, err := os.ReadFile(normal)
	if err != nil || strings.Contains(string(bin), "could not be killed") {
		t.Error("a normal build holds the code that kills", err)
	}
}

// killed says whether a program was ended by SIGKILL.
func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
