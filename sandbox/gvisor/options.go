// Package gvisor keeps untrusted programs behind gVisor, linked into this very
// program. The process that holds keys starts a launcher, under an account of
// its own where it can, and only the launcher starts guests: own kernel, no
// network, two sized memory file systems, limits metered from outside. Nothing
// runs as root, nothing falls back, nothing stays behind, even after kill -9.
// The abuse suite (testdata/abuse) tries to get out in both modes; Probe does
// the same on a user's own host.
package gvisor

// Options says where and as whom guests run.
type Options struct {
	// StateDir holds a copy of the program and the launcher's directory. The run
	// account must be able to enter it: below /var/lib, say, not below a home
	// directory that is closed to others.
	StateDir string
	// RunUID and RunGID are the run account. When both are 0 guests run under
	// the site's own account, which is weaker and must not be root's.
	RunUID, RunGID int
	// Executable is the program that becomes launcher and guest kernel: this
	// very program when empty. Its main must call Main first.
	Executable string
}
