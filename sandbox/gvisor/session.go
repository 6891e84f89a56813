//go:build linux && (amd64 || arm64)

package gvisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

// How often a session is looked at. Memory can grow by gigabytes in a second,
// so it is looked at often; processor time needs a walk through the host's
// process table, so it is looked at every few times.
const (
	meterInterval = 50 * time.Millisecond
	cpuEvery      = 5
	blindMost     = 40 // times in a row that the meter may find nothing
	// A session that waits runs nothing of others, and there may be many: each
	// look is twice as long after the one before.
	heldFirst, heldMost = 250 * time.Millisecond, 5 * time.Second
)

// bootMost is how long a guest's setting up may take, which is a tenth of a
// second on a host that is not busy.
const bootMost = time.Minute

// job is one session at the launcher.
type job struct {
	l       *launcher
	spec    sandbox.Spec
	limits  sandbox.Limits // that are in force now
	held    bool           // waits for its work
	began   time.Time      // its work, where it waited; else its start
	bundle  bundle
	pidFile *os.File
	cgroup  jobCgroup
	cmd     *exec.Cmd
	exited  chan struct{} // closed when cmd has been waited for
	asked   chan struct{} // closed when the site wants the end
	begins  chan sandbox.Limits
	done    chan struct{} // takes one word that its work is done

	meter meter
}

// meter holds what was measured of a job from outside.
type meter struct {
	sandbox int      // process of the guest's kernel
	below   []int    // processes that the job has started
	all     []int    // processes of the job, when last looked for
	files   []string // where the guest's memory is
	blind   int      // times in a row that it was not found
	looks   int
	peak    int64
	cpu     time.Duration
	before  time.Duration // processor time that was used before the work began
}

// runSession plays one session from its start packet to its end.
func (l *launcher) runSession(files []*os.File) {
	j := &job{l: l, began: time.Now(), asked: make(chan struct{}), begins: make(chan sandbox.Limits, 1), done: make(chan struct{}, 1)}
	control, err := unixConn(files[startControl])
	if err != nil {
		closeAll(files)
		return
	}
	defer shut(control)
	err = readMemoryFile(files[startSpec], &j.spec)
	if err == nil {
		err = j.spec.Validate()
	}
	if err == nil {
		j.bundle = bundle{filepath.Join(l.c.Run, j.spec.ID)}
		j.hold()
		err = j.start(files)
	}
	closeAll(files)
	if err == nil {
		go j.listen(control)
		err = j.boot()
	}
	if err != nil {
		_ = send(control, report{Error: toWire(err)})
		return
	}
	_ = send(control, report{Started: true})
	broke := j.watch(control)
	if broke == sandbox.OK { // somebody waits for its result: it is cleared away after that
		end := j.finish()
		_ = send(control, report{Ending: &end})
		j.clean()
		j.l.takeSpent(j.meter.below)
		return
	}
	end := j.end(broke)
	_ = send(control, report{Ending: &end})
}

// hold puts the limits in force under which the session starts.
func (j *job) hold() {
	j.limits = j.spec.Limits
	if h := j.spec.Hold; h != nil {
		j.held = true
		j.limits.Memory, j.limits.CPUTime, j.limits.Wall = h.Memory, h.CPUTime, h.Wall
	}
}

// begin puts the limits of its work in force in a session that waits. What was
// set at its start was the most of each, so there is nothing to raise.
func (j *job) begin(l sandbox.Limits) error {
	if !j.held {
		return errors.New("the session does not wait")
	}
	if err := l.Within(j.spec.Limits); err != nil {
		return err
	}
	size := hardCap(l.Memory)
	if err := unix.Prlimit(j.meter.sandbox, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: size}, nil); err != nil {
		return fmt.Errorf("limiting the session's memory: %w", err)
	}
	if err := j.cgroup.limitMemory(l.Memory); err != nil {
		return fmt.Errorf("limiting the session's control group: %w", err)
	}
	// No walk through the whole process table here: somebody waits for this.
	j.meter.before = max(j.meter.cpu, cpuTime(processes(j.meter.all), j.meter.all))
	j.held, j.limits, j.began = false, l, time.Now()
	return nil
}

// start makes the session's directory and starts its process.
func (j *job) start(files []*os.File) error {
	if _, err := os.Lstat(j.bundle.dir); err == nil {
		return anchorhold.Errorf(anchorhold.Conflict, "choose another id", "a session of this id is running")
	}
	err := j.bundle.write(j.spec)
	if err == nil {
		err = j.prepare()
	}
	if err == nil {
		err = j.spawn(files)
	}
	if err != nil {
		j.clean()
	}
	return err
}

// prepare makes what is neither files nor processes.
func (j *job) prepare() error {
	err := unix.Mkfifo(j.bundle.pidFile(), 0o600)
	if err == nil {
		// Open for both, so that reading waits instead of seeing the end.
		j.pidFile, err = os.OpenFile(j.bundle.pidFile(), os.O_RDWR|unix.O_NONBLOCK, 0)
	}
	if err == nil {
		j.cgroup, err = j.l.c.Cgroups.job(j.spec.ID, j.spec.Limits)
	}
	if err != nil {
		return startError("see its cause", "its limits cannot be set up").Because(err)
	}
	return nil
}

func (j *job) spawn(files []*os.File) error {
	config, err := json.Marshal(jobConfig{
		Bundle: j.bundle.dir, Memory: j.spec.Limits.Memory, Cgroups: j.cgroup.dirs, DirectFS: j.l.c.DirectFS,
	})
	if err != nil {
		return err
	}
	// A pipe that is closed at once: gVisor must never see a regular file here.
	nothing, end, err := os.Pipe()
	if err != nil {
		return err
	}
	defer nothing.Close()
	end.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{roleJob, string(config)}, Env: []string{}, Dir: "/",
		Stdin: nothing, Stdout: files[startOut], Stderr: files[startErr], ExtraFiles: []*os.File{files[startConn]},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	if err := j.l.spawn(cmd, int(math.Ceil(j.spec.Limits.CPUs))); err != nil {
		return startError("see its cause", "its process does not start").Because(err)
	}
	j.cmd, j.exited = cmd, make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is read from ProcessState
		j.l.finished(cmd.Process.Pid)
		close(j.exited)
	}()
	return nil
}

// listen takes the site's one order to begin and its word that the work is done,
// and waits for the site to close its end, which means: kill. So does any other
// failure of the pair, and any other word.
func (j *job) listen(control *net.UnixConn) {
	defer close(j.asked)
	for taken := true; taken; {
		var o order
		files, err := receive(control, &o)
		closeAll(files)
		taken = false
		switch {
		case err != nil:
		case o.Begin != nil:
			taken = offer(j.begins, *o.Begin)
		case o.Finish:
			taken = offer(j.done, struct{}{})
		}
	}
}

// offer puts something into a channel that has room for it.
func offer[T any](to chan<- T, it T) bool {
	select {
	case to <- it:
		return true
	default:
		return false
	}
}

// boot waits until the guest's kernel has been set up, which is when gVisor
// writes its process id.
func (j *job) boot() error {
	pid := make(chan int, 1)
	go func() {
		var buf [32]byte
		n, _ := j.pidFile.Read(buf[:])
		p, _ := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
		pid <- p
	}()
	defer j.pidFile.Close()
	most := time.NewTimer(bootMost)
	defer most.Stop()
	var err error
	select {
	case j.meter.sandbox = <-pid:
		j.meter.below = j.l.expect(j.cmd.Process.Pid)
		return nil
	case <-j.exited:
		// A short guest may have come and gone: then its process id is in the
		// pipe. The line is there to read when it is not.
		_, _ = j.pidFile.WriteString("\n")
		if j.meter.sandbox = <-pid; j.meter.sandbox != 0 {
			return nil
		}
		err = explainStart(j.runscLog())
	case <-most.C:
		err = startError("try again when the host is less busy", "it was not ready within %v", bootMost)
	case <-j.asked:
		err = startError("start it again", "the session was ended before it was ready")
	case <-j.l.stop:
		err = startError("start the site again", "the site has ended")
	}
	j.clean()
	return err
}

// watch looks at the job until it ends or breaks a limit, and says which; ""
// means that it ended by itself, OK that its work is done.
func (j *job) watch(control *net.UnixConn) sandbox.Status {
	pause := heldFirst
	tick := time.NewTicker(meterInterval)
	defer tick.Stop()
	wall := time.NewTimer(j.limits.Wall)
	defer wall.Stop()
	for {
		if s := j.look(); s != "" {
			return s
		}
		if j.held {
			tick.Reset(pause)
			pause = min(2*pause, heldMost)
		}
		select {
		case <-j.exited:
			return ""
		case l := <-j.begins:
			if j.begin(l) != nil || send(control, report{Begun: true}) != nil {
				return sandbox.SandboxError
			}
			wall.Reset(l.Wall)
			tick.Reset(meterInterval)
		case <-j.done:
			return sandbox.OK
		case <-wall.C:
			return sandbox.Timeout
		case <-j.asked:
			return sandbox.Killed
		case <-j.l.stop:
			return sandbox.Killed
		case <-tick.C:
		}
	}
}

// look takes one measurement and says which limit is broken, if any.
func (j *job) look() sandbox.Status {
	m := &j.meter
	if len(m.files) == 0 {
		m.files = memoryFiles(m.sandbox)
	}
	use, ok := memoryUse(m.files)
	if ok || isEnding(m.sandbox) {
		m.blind, m.peak = 0, max(m.peak, use)
	} else {
		m.blind++
		m.files = nil // look for them anew: they may have moved
	}
	if j.held || m.looks%cpuEvery == 0 {
		table := processTable()
		m.all = family(table, j.cmd.Process.Pid)
		m.cpu = max(m.cpu, cpuTime(table, m.all))
	}
	m.looks++
	switch {
	case use > j.limits.Memory:
		return sandbox.OutOfMemory
	case m.cpu-m.before > j.limits.CPUTime:
		return sandbox.CPUTime
	case m.blind > blindMost:
		return sandbox.SandboxError
	}
	return ""
}

// finish kills a job whose work is done, and says what it used until then. What
// it leaves is still to be cleaned.
func (j *job) finish() ending {
	m := &j.meter
	e := ending{Status: sandbox.OK, Boundary: j.l.boundary.String()}
	e.Usage.WallSeconds = time.Since(j.began).Seconds()
	use, _ := memoryUse(m.files)
	m.peak = max(m.peak, use)
	// No walk through the whole process table here: somebody waits for this.
	cpu := max(m.cpu, cpuTime(processes(m.all), m.all)) - m.before
	_ = unix.Kill(m.sandbox, unix.SIGKILL)
	_ = j.cmd.Process.Kill()
	switch {
	case use > j.limits.Memory:
		e.Status = sandbox.OutOfMemory
	case cpu > j.limits.CPUTime:
		e.Status = sandbox.CPUTime
	}
	e.Usage.CPUSeconds, e.Usage.PeakBytes = cpu.Seconds(), m.peak
	e.Reason = j.reason(e)
	return e
}

// end ends what still lives, removes what is left, and says how it went. When
// it returns, nothing of the session is there any more.
func (j *job) end(broke sandbox.Status) ending {
	wall := time.Since(j.began)
	kills := 0
	log := ""
	j.stop()
	if broke == "" {
		kills, log = j.cgroup.oomKills(), j.runscLog()
	}
	j.remove()
	cpu := max(j.meter.cpu, j.cmd.ProcessState.UserTime()+j.cmd.ProcessState.SystemTime()+j.l.takeSpent(j.meter.below))
	cpu = max(0, cpu-j.meter.before)
	e := ending{
		ExitCode: exitCode(j.cmd.ProcessState), Boundary: j.l.boundary.String(),
		Usage: anchorhold.Usage{CPUSeconds: cpu.Seconds(), WallSeconds: wall.Seconds(), PeakBytes: j.meter.peak},
	}
	e.Status = broke
	if broke == "" {
		e.Status = j.judge(e.ExitCode, kills, log, cpu)
	}
	e.Reason = j.reason(e)
	return e
}

// judge reads the status of a job that ended by itself.
func (j *job) judge(code, kills int, log string, cpu time.Duration) sandbox.Status {
	// The guest's kernel ends a process that hits the hard cap with a signal;
	// so do bugs, so the signal counts only when the memory was nearly used up.
	nearly := j.meter.peak > j.limits.Memory/8*7
	signalled := slices.Contains([]int{128 + int(unix.SIGKILL), 128 + int(unix.SIGSEGV), 128 + int(unix.SIGBUS), 128 + int(unix.SIGABRT)}, code)
	switch {
	case code == exitRunsc && log != "":
		return sandbox.SandboxError
	case kills > 0, signalled && nearly:
		return sandbox.OutOfMemory
	case code == 0:
		return sandbox.OK
	case code == 128+int(unix.SIGKILL) && cpu > j.limits.CPUTime, code == 128+int(unix.SIGXCPU):
		return sandbox.CPUTime
	}
	return sandbox.Failed
}

// reason says the status in a sentence.
func (j *job) reason(e ending) string {
	l := j.limits
	switch e.Status {
	case sandbox.OK:
		return "the program ended normally"
	case sandbox.OutOfMemory:
		return "the job needed more than its " + anchorhold.Bytes(l.Memory) + " of memory"
	case sandbox.Timeout:
		return fmt.Sprintf("the job was stopped after its %v of time", l.Wall)
	case sandbox.CPUTime:
		return fmt.Sprintf("the job used up its %v of processor time", l.CPUTime)
	case sandbox.Killed:
		return "the job was stopped on request"
	case sandbox.Failed:
		return fmt.Sprintf("the program ended with exit code %d", e.ExitCode)
	}
	if j.meter.blind > blindMost {
		return "the job was stopped because its memory could not be measured"
	}
	return "the sandbox failed; nothing of the job may be trusted"
}

// stop ends the job's processes; what they leave behind is swept.
func (j *job) stop() {
	if j.cmd != nil {
		_ = j.cmd.Process.Kill()
		<-j.exited
	}
	j.l.sweep()
}

// clean ends the job and removes all that it had.
func (j *job) clean() {
	j.stop()
	j.remove()
}

func (j *job) remove() {
	if j.pidFile != nil {
		j.pidFile.Close()
	}
	// The kernel gives a group free a moment after its last process is gone.
	poll(time.Second, func() bool { return j.cgroup.remove() == nil })
	_ = os.RemoveAll(j.bundle.dir)
}

// runscLog is what gVisor said about itself; empty when all went well.
func (j *job) runscLog() string {
	b, _ := os.ReadFile(j.bundle.log())
	return string(b)
}

// exitCode is 128 + signal for a process that a signal ended, as in a shell.
func exitCode(p *os.ProcessState) int {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return p.ExitCode()
}
