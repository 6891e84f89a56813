// Package sandbox says what a place for untrusted programs must be: sealed,
// bounded, watched from outside. It has the words (Spec, Session, Result), the
// passing of open descriptors, and the unpacking of the hostile archive that
// comes out. It promises to take nothing that a guest wrote at its word, and
// never offers a second, weaker way to run. Package gvisor implements Sandbox;
// its abuse suite proves the boundary, the fuzz target here proves Unpack.
package sandbox

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// Bind shows a file or directory of the host to the guest, read-only.
type Bind struct {
	Host  string `json:"host"`  // absolute path at the host, readable by the run account
	Guest string `json:"guest"` // absolute path in the guest
}

// Limits bounds everything that a session may use. All of them must be set: a
// limit that was forgotten is an error, not "unlimited".
type Limits struct {
	CPUs      float64       `json:"cpus"`       // processors, e.g. 1.5
	Memory    int64         `json:"memory"`     // bytes of the whole job, its /tmp and /out included
	TmpBytes  int64         `json:"tmp_bytes"`  // size of /tmp
	OutBytes  int64         `json:"out_bytes"`  // size of /out
	LogBytes  int64         `json:"log_bytes"`  // how much of stdout and stderr is kept
	Processes int           `json:"processes"`  // processes and threads
	OpenFiles int           `json:"open_files"` // descriptors per process
	CPUTime   time.Duration `json:"cpu_time"`   // processor time of the whole job
	Wall      time.Duration `json:"wall"`       // time from the return of Start, or of Begin, to the end
}

// Hold bounds a session that is started before there is work for it, until
// Begin: nothing runs in it meanwhile but what gets it ready.
type Hold struct {
	Memory  int64         `json:"memory"`   // bytes of the whole session
	CPUTime time.Duration `json:"cpu_time"` // processor time of getting ready
	Wall    time.Duration `json:"wall"`     // time from the return of Start to Begin
}

// Spec describes one session. Nothing else of the host is visible in it, and
// it has no network.
type Spec struct {
	ID    string   `json:"id"`   // letters, digits, '-' and '_'; unique among running sessions
	Argv  []string `json:"argv"` // Argv[0] is an absolute path in the guest
	Env   []string `json:"env"`  // the whole environment, NAME=value
	Binds []Bind   `json:"binds"`
	// Bare leaves out the host's /usr, /etc/ld.so.cache and /etc/alternatives,
	// which every other session sees read-only. It is for static programs that
	// need nothing but themselves, such as the parser of hostile results.
	Bare   bool              `json:"bare"`
	Files  map[string][]byte `json:"files"` // small read-only files of the root file system, by absolute guest path
	Limits Limits            `json:"limits"`
	// Hold makes a session that waits for Begin under these limits. Limits is
	// then the most that Begin may give. Nil: the session begins at once.
	Hold *Hold `json:"hold,omitempty"`
}

// Sandbox starts sessions behind one kind of boundary.
type Sandbox interface {
	// Start begins a session and returns once the guest has been set up, from
	// when its wall time counts (that of its Hold where it has one). A context that ends while Start waits kills
	// what was begun; it has no effect afterwards. An error means that nothing
	// ran: there is no other, weaker way to run it.
	Start(ctx context.Context, s Spec) (Session, error)
	// Probe runs hostile programs in real sessions and says what each found.
	// The error is not nil when any check failed; the Boundary is complete
	// either way.
	Probe(ctx context.Context) (Boundary, error)
	// Close ends every session and removes what the sandbox left on disk.
	Close() error
}

// Session is one running guest.
type Session interface {
	// Conn is the host's end of the guest's descriptor 3, a stream socket that
	// carries bytes both ways. SendFiles passes open files over it. It is the
	// caller's to close, and stays readable after the end of the session.
	Conn() *net.UnixConn
	// Begin puts the limits of its work in force in a session that was started
	// with Spec.Hold. Memory, CPUTime and Wall are at most those of the Spec and
	// count from here; the others MUST be those of the Spec, to which the guest
	// was built. Only after Begin has returned nil may a session be given
	// anything of others, and it MUST be given one job in its life. After an
	// error the session is of no further use.
	Begin(ctx context.Context, l Limits) error
	// Wait waits for the end and MAY be called several times. A context that
	// ends first makes it return the context's error; the session runs on.
	Wait(ctx context.Context) (Result, error)
	// Finish ends a session whose work is done, as Kill does, but as its own good
	// end: a Result that is OK, unless a limit was broken before. Wait then returns
	// as soon as what the session used is known and its processes are being killed;
	// clearing them away, which takes a busy host a while, goes on without it.
	Finish()
	// Kill ends every process of the session within two seconds. It MAY be
	// called at any time and more than once, and does not wait.
	Kill()
}

// Status says how a session ended.
type Status string

// The statuses. Only OK means that the program said of itself that it worked.
const (
	OK           Status = "ok"            // or the session was finished
	Failed       Status = "failed"        // the program ended with an exit code other than 0
	OutOfMemory  Status = "out-of-memory" // over Limits.Memory
	Timeout      Status = "timeout"       // over Limits.Wall
	CPUTime      Status = "cpu-time"      // over Limits.CPUTime
	Killed       Status = "killed"        // Kill was called, or the sandbox was closed
	SandboxError Status = "sandbox-error" // the boundary itself did not work
)

// Result is what is known of a session after its end.
type Result struct {
	Status Status
	// Reason is one sentence for people. It holds nothing that the guest could
	// have chosen, the exit code excepted.
	Reason       string
	ExitCode     int    // of the guest's first process; 128 + signal when a signal ended it
	Log          []byte // the beginning of stdout and stderr; hostile bytes
	LogTruncated bool
	Usage        anchorhold.Usage
	Boundary     string // which isolation and limits held
}

// Check is one attempt of Probe to get out, and how it went.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Boundary describes what keeps guests in.
type Boundary struct {
	Kind     string  `json:"kind"`     // "gvisor"
	Platform string  `json:"platform"` // how the guest's system calls are caught: "systrap"
	Mode     string  `json:"mode"`     // "installed": guests run under an account of their own; "user": under the site's own, which is weaker
	Memory   string  `json:"memory"`   // what bounds the memory of a whole job
	Checks   []Check `json:"checks,omitempty"`
}

// The modes of a boundary.
const (
	ModeInstalled = "installed"
	ModeUser      = "user"
)

// String gives the boundary in one line, as runs record it.
func (b Boundary) String() string {
	mode := "own run account"
	if b.Mode == ModeUser {
		mode = "the site's own account (weaker: an escape has the site's rights)"
	}
	return b.Kind + " (" + b.Platform + "), " + mode + ", memory by " + b.Memory
}

// Failed names the checks that did not hold.
func (b Boundary) Failed() []string {
	var names []string
	for _, c := range b.Checks {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	return names
}

// Err is nil when every check held and there was at least one.
func (b Boundary) Err() error {
	if len(b.Checks) == 0 {
		return anchorhold.Errorf(anchorhold.Unavailable, "run the checks again", "the boundary was not tested")
	}
	if failed := b.Failed(); len(failed) > 0 {
		return anchorhold.Errorf(anchorhold.Unavailable, "do not run anybody's code until every check holds",
			"the sandbox does not hold: %s", strings.Join(failed, ", "))
	}
	return nil
}
