// Package gvisor keeps untrusted programs behind gVisor, whose kernel is linked
// into this program: there is nothing to install and no container engine.
//
// The process that holds keys never starts a guest. It starts a launcher, under
// an account of its own where it can, and the launcher starts every guest, each
// with its own kernel, no network, nothing writable but two sized memory file
// systems, and limits that are metered from outside. Nothing here runs as root,
// nothing falls back to a weaker boundary, and nothing is left behind: when
// site or launcher are killed, guests die with them, and the next New removes
// their files. The abuse suite in testdata/abuse tries to get out, in both
// modes; Probe does the same on a user's own host.
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
