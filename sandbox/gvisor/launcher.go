//go:build linux && (amd64 || arm64)

package gvisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold/internal/pages"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Descriptors that the launcher is born with, beside stdio.
const (
	launcherControl = 3
	launcherLock    = 4 // held for as long as it lives
)

// launcher is the only process that starts sandboxes. It runs under the run
// account, never as root, and knows nothing of the site but its socket: when
// that closes, for whatever reason, it ends every session and itself.
type launcher struct {
	c        launchConfig
	boundary sandbox.Boundary
	stop     chan struct{} // closed when the site is gone
	spawns   chan func()
	sessions sync.WaitGroup

	mu     sync.Mutex
	jobs   map[int]bool          // live job processes
	spent  map[int]time.Duration // processor time of jobs' own children, once sweep has reaped them
	rotate int                   // where the next job's processors begin
}

func runLauncher(args []string) int {
	var c launchConfig
	control := os.NewFile(launcherControl, "control")
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &c) != nil || control == nil {
		return exitUsage
	}
	conn, err := unixConn(control)
	if err != nil {
		return exitUsage
	}
	defer shut(conn)
	l := &launcher{
		c: c, stop: make(chan struct{}), spawns: make(chan func()),
		jobs: map[int]bool{}, spent: map[int]time.Duration{},
		boundary: sandbox.Boundary{Kind: "gvisor", Platform: "systrap", Mode: c.Mode, Memory: c.Cgroups.String()},
	}
	if err := l.ready(); err != nil {
		_ = send(conn, hello{Error: toWire(err)})
		return 1
	}
	if err := send(conn, hello{Boundary: l.boundary}); err != nil {
		return 1
	}
	pages.Release() // from here on it mostly waits
	l.serve(conn)
	return 0
}

// ready makes this process safe to start sandboxes from and removes what an
// earlier one left.
func (l *launcher) ready() error {
	if os.Geteuid() == 0 {
		return startError("give a run account", "its launcher must not run as root")
	}
	unix.Umask(0o022)
	unix.CloseOnExec(launcherLock)
	// No new privileges: nothing started from here gains rights by a set-user-ID
	// file. Subreaper: what a dying job leaves behind becomes our child.
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		err = errno // unlike the others it is a setting of each thread
	}
	if err == nil && l.c.Mode == sandbox.ModeInstalled {
		// A guest that broke out has this account: it must not trace us.
		err = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	}
	if err != nil {
		return startError("use Linux 3.5 or later", "the launcher cannot be secured").Because(err)
	}
	go l.spawner()
	return l.reap()
}

// spawner starts jobs from one thread that lives as long as the process: the
// kernel kills a job when the thread that started it ends, not the process.
func (l *launcher) spawner() {
	runtime.LockOSThread()
	for f := range l.spawns {
		f()
	}
}

// reap ends processes and removes directories of an earlier launcher. The
// state directory's lock says that there is no other one.
func (l *launcher) reap() error {
	mark := []byte("--root=" + l.c.Run + "/")
	gone := func() bool {
		left := false
		for pid := range processTable() {
			cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
			if err == nil && bytes.Contains(cmdline, mark) && unix.Kill(pid, unix.SIGKILL) == nil {
				left = true
			}
		}
		return !left
	}
	if !poll(5*time.Second, gone) {
		return startError("end them by hand", "processes of an earlier start do not end")
	}
	old, err := os.ReadDir(l.c.Run)
	for _, e := range old {
		err = errors.Join(err, os.RemoveAll(filepath.Join(l.c.Run, e.Name())))
	}
	if err != nil {
		return startError("check its rights", "%s cannot be cleared", l.c.Run).Because(err)
	}
	return nil
}

// serve starts a session for each packet until the site is gone.
func (l *launcher) serve(conn *net.UnixConn) {
	for {
		var packet struct{}
		files, err := receive(conn, &packet)
		if err != nil {
			break
		}
		if len(files) != startFiles {
			closeAll(files)
			continue
		}
		l.sessions.Go(func() { l.runSession(files) })
	}
	close(l.stop)
	l.sessions.Wait()
	l.sweep()
}

// spawn starts a command from the spawner's thread, on so many processors.
func (l *launcher) spawn(cmd *exec.Cmd, processors int) error {
	done := make(chan error)
	l.spawns <- func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		err := l.pin(processors)
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			l.jobs[cmd.Process.Pid] = true
		}
		done <- err
	}
	return <-done
}

// pin limits the spawner's thread, and so what it starts, to some of the
// processors, beginning with another one each time.
func (l *launcher) pin(processors int) error {
	var all, some unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &all); err != nil {
		return err
	}
	var usable []int
	for i := range len(all) * strconv.IntSize {
		if all.IsSet(i) {
			usable = append(usable, i)
		}
	}
	if processors > len(usable) {
		processors = len(usable)
	}
	for i := range processors {
		some.Set(usable[(l.rotate+i)%len(usable)])
	}
	l.rotate += processors
	return unix.SchedSetaffinity(0, &some)
}

// finished takes a job off the books after it was waited for.
func (l *launcher) finished(pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.jobs, pid)
}

// sweep ends and reaps what dead jobs have left: every child of ours that is
// not a live job. A live job's processes are its own children.
func (l *launcher) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		var orphans []int
		for _, pid := range children(processTable(), os.Getpid()) {
			if !l.jobs[pid] {
				orphans = append(orphans, pid)
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		// Their own children become ours when they end: so look again.
		if len(orphans) == 0 || !poll(2*time.Second, func() bool { return l.reaped(orphans) }) {
			return
		}
	}
}

// reaped waits for processes without blocking and says whether all are gone.
func (l *launcher) reaped(pids []int) bool {
	all := true
	for _, pid := range pids {
		var ru unix.Rusage
		got, err := unix.Wait4(pid, nil, unix.WNOHANG, &ru)
		if _, expected := l.spent[pid]; expected && got == pid {
			l.spent[pid] = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
		}
		all = all && (got == pid || err != nil)
	}
	return all
}

// expect lists the processes that a job has started, so that their processor
// time is known even when the job dies before them.
func (l *launcher) expect(job int) []int {
	pids := children(processTable(), job)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, pid := range pids {
		l.spent[pid] = 0
	}
	return pids
}

// takeSpent is the processor time of expected processes that sweep has reaped.
func (l *launcher) takeSpent(pids []int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sum time.Duration
	for _, pid := range pids {
		sum += l.spent[pid]
		delete(l.spent, pid)
	}
	return sum
}

// poll repeats f until it holds or the time is over.
func poll(most time.Duration, f func() bool) bool {
	end := time.Now().Add(most)
	for !f() {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return true
}
