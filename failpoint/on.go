//go:build failpoints

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// hits counts the hits of the one step that the environment names. It is the
// only state, and it exists in test builds only.
var hits atomic.Int64

// Hit kills the process with SIGKILL if the environment says so for this name.
// A count that cannot be read means the first time.
func Hit(name string) {
	want, count, _ := strings.Cut(os.Getenv(Variable), ":")
	if want != name {
		return
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 {
		n = 1
	}
	if hits.Add(1) != n {
		return
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic("failpoint: the process could not be killed: " + err.Error()) // a test would pass for nothing
	}
	select {} // the signal ends every thread; nothing after the step may run
}
