//go:build linux && (amd64 || arm64)

package gvisor

import (
	"os"
	"path/filepath"
	"syscall"

	"gvisor.dev/gvisor/runsc/cli"
	"gvisor.dev/gvisor/runsc/cmd"
	"gvisor.dev/gvisor/runsc/cmd/sentry/sentrycmd"
	"gvisor.dev/gvisor/runsc/cmd/util"
)

// The names under which the program starts itself again. The last element of
// argv[0] says which part a process plays.
const (
	roleLauncher = "anchorhold-launcher"
	roleJob      = "anchorhold-job"
	roleProbe    = "anchorhold-probe"
)

// Main plays the part that argv[0] names and says with which code the process
// must exit, or returns false when this is an ordinary start of the program. It
// MUST be called first in main, before flags are parsed or anything is opened:
//
//	if code, ok := gvisor.Main(); ok {
//		os.Exit(code)
//	}
//
// A program that links this package without calling Main cannot start a
// sandbox: New says so.
func Main() (code int, ok bool) {
	if len(os.Args) == 0 {
		return 0, false
	}
	switch filepath.Base(os.Args[0]) {
	case roleLauncher:
		return runLauncher(os.Args[1:]), true
	case roleJob:
		return runJob(os.Args[1:]), true
	case roleProbe:
		return runProbeGuest(os.Args[1:]), true
	case "gvisor-sentry-prewarmer":
		return runPrewarmer(os.Args[1:]), true
	case "runsc-sandbox", "runsc-gofer", "exe": // "exe" is /proc/self/exe
		return runsc(), true
	}
	return 0, false
}

// runPrewarmer stands in for gVisor's C program of that name, which readies the
// process and then starts the kernel: "prewarmer PROGRAM ARGV...".
func runPrewarmer(args []string) int {
	if len(args) >= 2 {
		_ = syscall.Exec(args[0], args[1:], os.Environ()) //nolint:gosec // G702: gVisor's arguments, behind our own argv[0]
	}
	return exitUsage
}

// exitUsage is the exit code of a part that was started with wrong arguments.
const exitUsage = 2

// runsc is gVisor's own command line with the few commands that a session
// needs; as a rule it ends the process itself. "runsc do" and everything else
// that would show more of the host is left out.
func runsc() int {
	cli.Run(nil, map[util.SubCommand]string{
		new(cmd.Run):          "",
		new(cmd.Gofer):        "internal",
		new(sentrycmd.Boot):   "internal",
		new(sentrycmd.Umount): "internal",
	}, nil)
	return exitUsage
}
