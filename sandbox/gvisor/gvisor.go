//go:build linux && (amd64 || arm64)

package gvisor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Sandbox starts sessions behind gVisor, through a launcher process of its own.
type Sandbox struct {
	o       Options
	run     account
	mode    string
	runDir  string
	program string
	lock    *os.File
	cgroups cgroupBase

	mu     sync.Mutex
	l      *launching // nil when the launcher has ended
	closed bool
}

var _ sandbox.Sandbox = (*Sandbox)(nil)

// launching is one life of the launcher.
type launching struct {
	control  *net.UnixConn
	boundary sandbox.Boundary
	process  *os.Process
	ended    chan struct{}
}

// New prepares the boundary and starts the launcher. One directory serves one
// Sandbox at a time; what an earlier one left there is ended and removed. All
// of this process's descriptors are marked close-on-exec, so that none is born
// into the launcher.
func New(o Options) (*Sandbox, error) {
	s := &Sandbox{o: o}
	if err := s.accounts(); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		s.release()
		return nil, err
	}
	if _, err := s.launcher(); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// accounts decides under which account guests run.
func (s *Sandbox) accounts() error {
	if builtWithCgo && s.o.Executable == "" {
		return startError("build it with CGO_ENABLED=0 and without -race", "the program was built with cgo, from which gVisor does not start")
	}
	me := account{os.Geteuid(), os.Getegid()}
	switch {
	case s.o.RunUID == 0 && s.o.RunGID == 0 && me.uid == 0:
		return startError("make an account for runs (useradd --system anchorhold-run) and name it, or start the site as an ordinary user",
			"guests must not run as root")
	case s.o.RunUID == 0 && s.o.RunGID == 0, s.o.RunUID == me.uid && s.o.RunGID == me.gid:
		s.run, s.mode = me, sandbox.ModeUser
	case s.o.RunUID <= 0 || s.o.RunGID <= 0:
		return startError("name both; neither may be root's", "the run account needs a user and a group of its own")
	case !mayChangeAccount():
		return startError("start the site as root, or with the capabilities CAP_SETUID, CAP_SETGID and CAP_CHOWN, or leave the run account out",
			"this process may not start anything under another account")
	default:
		s.run, s.mode = account{s.o.RunUID, s.o.RunGID}, sandbox.ModeInstalled
	}
	return nil
}

// mayChangeAccount says whether this process has the capabilities that
// starting and equipping another account's process needs.
func mayChangeAccount() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	const need = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_CHOWN
	return data[0].Effective&need == need
}

// prepare takes the state directory and makes what the launcher needs in it.
func (s *Sandbox) prepare() error {
	state, err := filepath.Abs(s.o.StateDir)
	if s.o.StateDir == "" || err != nil {
		return startError("name one", "no state directory was given")
	}
	if err := os.MkdirAll(state, 0o755); err != nil {
		return startError("make it, or choose another", "the state directory %s cannot be made", state).Because(err)
	}
	if s.lock, err = lock(filepath.Join(state, "lock")); err != nil {
		return err
	}
	executable := s.o.Executable
	if executable == "" {
		executable = "/proc/self/exe" // also when the file has been replaced
	}
	if s.program, err = prepareProgram(executable, state, s.run); err != nil {
		return err
	}
	s.runDir = filepath.Join(state, "run")
	if err := s.prepareRunDir(); err != nil {
		return err
	}
	if err := reachable(s.runDir, s.run); err != nil {
		return err
	}
	note := filepath.Join(state, "cgroups.json")
	removeNoted(note)
	name := sha256.Sum256([]byte(state))
	s.cgroups = prepareCgroups("/sys/fs/cgroup", "/proc/self/cgroup", "anchorhold-"+hex.EncodeToString(name[:6]), s.run)
	if err := s.cgroups.keepNote(note); err != nil {
		return startError("check the state directory's disk", "%s cannot be written", note).Because(err)
	}
	return nil
}

// prepareRunDir makes the one directory that belongs to the run account.
func (s *Sandbox) prepareRunDir() error {
	unmountBelow(s.runDir)
	if st, err := os.Lstat(s.runDir); err == nil {
		owner, ok := st.Sys().(*syscall.Stat_t)
		if ok && st.IsDir() && int(owner.Uid) == s.run.uid {
			return nil
		}
		if err := os.RemoveAll(s.runDir); err != nil {
			return startError("remove it by hand", "%s belongs to another account", s.runDir).Because(err)
		}
	}
	if err := errors.Join(os.Mkdir(s.runDir, 0o700), chownIfOther(s.runDir, s.run)); err != nil {
		return startError("check the state directory's disk and rights", "%s cannot be made", s.runDir).Because(err)
	}
	return nil
}

// unmountBelow detaches what is mounted below dir. Our launcher leaves nothing
// there; a gVisor that once ran as root leaves STATE/null-netns, and then the
// directory cannot be removed.
func unmountBelow(dir string) {
	if os.Geteuid() != 0 {
		return
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			_ = unix.Unmount(f[4], unix.MNT_DETACH)
		}
	}
}

// lock takes the state directory for this process and its launcher. A launcher
// whose site was killed needs a moment to end.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, startError("check the state directory's rights", "%s cannot be opened", path).Because(err)
	}
	if !poll(5*time.Second, func() bool { return unix.Flock(rawFD(f), unix.LOCK_EX|unix.LOCK_NB) == nil }) {
		f.Close()
		return nil, anchorhold.Errorf(anchorhold.Conflict, "end the other one, or choose another directory",
			"another site uses the directory %s", filepath.Dir(path))
	}
	return f, nil
}

// launcher gives the running launcher, and starts it when there is none.
func (s *Sandbox) launcher() (*launching, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "start the site again", "the sandbox is closed")
	}
	if s.l != nil {
		select {
		case <-s.l.ended:
		default:
			return s.l, nil
		}
	}
	l, err := s.launch()
	if err != nil {
		return nil, err
	}
	s.l = l
	return l, nil
}

// launch starts a launcher and waits until it is ready.
func (s *Sandbox) launch() (*launching, error) {
	config, err := json.Marshal(launchConfig{
		Run: s.runDir, Mode: s.mode, DirectFS: s.mode == sandbox.ModeInstalled, Cgroups: s.cgroups,
	})
	if err != nil {
		return nil, err
	}
	closeOnExec()
	control, there, err := socketPair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, startError("see its cause", "no socket pair").Because(err)
	}
	defer there.Close()
	stderr := &head{most: 16 << 10}
	var cmd *exec.Cmd
	// A program that was just copied is "busy" while any thread of this process
	// is between fork and exec, for then a child still has it open for writing.
	poll(2*time.Second, func() bool {
		cmd = s.launcherCommand(string(config), stderr, there)
		err = cmd.Start()
		return !errors.Is(err, unix.ETXTBSY)
	})
	if err != nil {
		shut(control)
		return nil, startError("check that the state directory's file system may run programs (not noexec), and see the cause",
			"its launcher does not start").Because(err)
	}
	l := &launching{control: control, process: cmd.Process, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // that it ended is all that matters
		shut(control)
		close(l.ended)
	}()
	if err := s.greet(l); err != nil {
		shut(control)
		<-l.ended
		if text := strings.TrimSpace(string(stderr.bytes())); text != "" {
			return nil, err.Because(errors.New(text))
		}
		return nil, err
	}
	return l, nil
}

// launcherCommand is the launcher's start: under the run account, with nothing
// of this process but its socket and the lock.
func (s *Sandbox) launcherCommand(config string, stderr io.Writer, control *os.File) *exec.Cmd {
	cmd := &exec.Cmd{
		Path: s.program, Args: []string{roleLauncher, config}, Env: []string{}, Dir: "/",
		Stderr: stderr, ExtraFiles: []*os.File{control, s.lock}, WaitDelay: time.Second,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if s.mode == sandbox.ModeInstalled {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.run.uid), Gid: uint32(s.run.gid), Groups: []uint32{}}
	}
	return cmd
}

// greet waits for the launcher's first packet.
func (s *Sandbox) greet(l *launching) *anchorhold.Error {
	_ = s.cgroups.enterLauncher(l.process.Pid) // without it jobs cannot be moved and fail, closed
	_ = l.control.SetReadDeadline(time.Now().Add(20 * time.Second))
	var h hello
	files, err := receive(l.control, &h)
	closeAll(files)
	if err != nil {
		return startError("check that main calls gvisor.Main first, and see the cause", "its launcher does not answer").Because(err)
	}
	if h.Error != nil {
		return h.Error.err()
	}
	l.boundary = h.Boundary
	return nil
}

// closeOnExec keeps descriptors that this process was born with from being
// born into the launcher, too.
func closeOnExec() {
	names, _ := os.ReadDir("/proc/self/fd")
	for _, n := range names {
		if fd, err := strconv.Atoi(n.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// Start begins a session; see sandbox.Sandbox. A launcher that has just ended
// is replaced once: nothing of the session can have run on without it.
func (s *Sandbox) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Session, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	g, err := s.start(ctx, spec)
	if errors.Is(err, errLauncherGone) {
		g, err = s.start(ctx, spec)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// errLauncherGone marks a start that failed because the launcher had ended.
var errLauncherGone = errors.New("the launcher has ended")

func (s *Sandbox) start(ctx context.Context, spec sandbox.Spec) (*guest, error) {
	l, err := s.launcher()
	if err != nil {
		return nil, err
	}
	g, err := l.begin(spec)
	if err != nil {
		return nil, l.lost(err)
	}
	stop := context.AfterFunc(ctx, g.Kill)
	defer stop()
	r, err := g.hear()
	if err == nil && r.Started {
		go g.follow()
		return g, nil
	}
	shut(g.conn, g.control)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, l.lost(err)
	case r.Error != nil:
		return nil, g.explained(r.Error.err())
	}
	return nil, startError("install the program anew", "its launcher speaks another language")
}

// lost ends a launcher that does not answer and waits for its end.
func (l *launching) lost(err error) error {
	shut(l.control)
	select {
	case <-l.ended:
		return startError("try again", "its launcher has ended").Because(errors.Join(errLauncherGone, err))
	case <-time.After(5 * time.Second):
		return startError("start the site again", "its launcher neither answers nor ends").Because(err)
	}
}

// Program is the path of this program as the run account can read it. Bind it
// into a Bare session to run a part of the program itself there.
func (s *Sandbox) Program() string { return s.program }

// Boundary says what keeps guests in, without testing it.
func (s *Sandbox) Boundary() (sandbox.Boundary, error) {
	l, err := s.launcher()
	if err != nil {
		return sandbox.Boundary{}, err
	}
	return l.boundary, nil
}

// Close ends every session and the launcher, and removes what they had on
// disk. The program's copy stays for the next start.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.l != nil {
		shut(s.l.control)
		select {
		case <-s.l.ended:
		case <-time.After(10 * time.Second):
			_ = s.l.process.Kill() // it has the lock, so that a next New waits for it
		}
	}
	s.release()
	return nil
}

// release gives back what New took.
func (s *Sandbox) release() {
	s.cgroups.close()
	if s.runDir != "" {
		_ = os.Remove(s.runDir) // empty, unless the launcher was killed: the next New sees to it
	}
	if s.lock != nil {
		s.lock.Close()
	}
}

// head keeps the beginning of what is written to it and takes the rest.
type head struct {
	most int64
	mu   sync.Mutex
	b    bytes.Buffer
	cut  bool
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	keep := p
	if left := h.most - int64(h.b.Len()); int64(len(p)) > left {
		keep, h.cut = p[:left], true
	}
	h.b.Write(keep)
	return len(p), nil
}

func (h *head) bytes() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Clone(h.b.Bytes())
}

var _ io.Writer = (*head)(nil)
