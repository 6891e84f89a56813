//go:build linux && (amd64 || arm64)

package gvisor

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// probePlan tells the hostile program of Probe where to try.
type probePlan struct {
	TCP, Abstract, Socket string   // listeners of the host that really listen
	Files                 []string // files of the host that really exist
	Bound                 string   // a file that is bound read-only
	OutBytes              int64
	Processes             int
}

// escape is one attempt to get out: it says what it reached, or "" when it was
// kept in.
type escape struct {
	name string
	try  func(probePlan) string
}

// escapes are the attempts of one guest, in order. Those that use something up
// come last.
func escapes() []escape {
	return []escape{
		{"network", tryNetwork},
		{"sockets of the host", trySockets},
		{"files of the host", tryFiles},
		{"read-only files", tryBound},
		{"passed descriptors", tryDescriptor},
		{"processes of the host", tryProcesses},
		{"privileges", tryPrivileges},
		{"environment", tryEnvironment},
		{"disk", tryDisk},
		{"fork bomb", tryForks},
	}
}

// probeHold is how long a guest that waits to be ended would wait.
const probeHold = time.Hour

// probeHeld makes a guest wait for its first byte: its session waits for Begin.
const probeHeld = "held"

// runProbeGuest is the guest's side of Probe.
func runProbeGuest(args []string) int {
	if len(args) == 0 {
		return exitUsage
	}
	if len(args) == 2 && args[1] == probeHeld {
		_, _ = os.NewFile(3, "site").Read(make([]byte, 1)) // the end of the waiting, whatever it brings
	}
	switch args[0] {
	case "look":
		return probeLook(args[1:])
	case "memory":
		return probeMemory()
	case "eat":
		return probeEat()
	case "stay":
		signal.Ignore() // every signal that can be ignored
		time.Sleep(probeHold)
	case "nothing":
		return 0
	}
	return exitUsage
}

// probeLook makes every attempt and answers with what each reached.
func probeLook(args []string) int {
	var p probePlan
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &p) != nil {
		return exitUsage
	}
	reached := map[string]string{}
	for _, e := range escapes() {
		reached[e.name] = e.try(p)
	}
	b, err := json.Marshal(reached)
	if err != nil {
		return 1
	}
	out := os.NewFile(3, "site")
	defer out.Close()
	if _, err := out.Write(b); err != nil {
		return 1
	}
	return 0
}

func tryNetwork(p probePlan) string {
	for _, to := range []struct{ network, address string }{{"tcp", p.TCP}, {"tcp", "192.0.2.1:80"}} {
		if c, err := net.DialTimeout(to.network, to.address, 300*time.Millisecond); err == nil {
			c.Close()
			return "connected to " + to.address
		}
	}
	links, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, l := range links {
		if l.Flags&net.FlagLoopback == 0 {
			return "has a network interface"
		}
	}
	return ""
}

func trySockets(p probePlan) string {
	for _, address := range []string{p.Abstract, p.Socket} {
		if c, err := net.DialTimeout("unix", address, 300*time.Millisecond); err == nil {
			c.Close()
			return "connected to " + address
		}
	}
	return ""
}

func tryFiles(p probePlan) string {
	for _, f := range p.Files {
		if _, err := os.Lstat(f); err == nil {
			return "sees " + f
		}
		if _, err := os.Lstat("/proc/1/root" + f); err == nil {
			return "sees " + f + " through /proc"
		}
	}
	known := []string{strings.TrimPrefix(probePath, "/"), "dev", "in", "out", "proc", "sys", "tmp"}
	entries, _ := os.ReadDir("/")
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			return "sees /" + e.Name()
		}
	}
	return ""
}

func tryBound(p probePlan) string {
	dir := filepath.Dir(p.Bound)
	for name, err := range map[string]error{
		"wrote":   os.WriteFile(p.Bound, []byte("x"), 0o600),
		"created": os.WriteFile(filepath.Join(dir, "new"), nil, 0o600),
		"removed": os.Remove(p.Bound),
		"renamed": os.Rename(p.Bound, p.Bound+"2"),
		"linked":  os.Link(p.Bound, filepath.Join(dir, "link")),
		"chmod":   os.Chmod(p.Bound, 0o777), //nolint:gosec // G302: an attack
		"times":   os.Chtimes(p.Bound, time.Unix(1, 0), time.Unix(1, 0)),
		"root":    os.WriteFile("/new", nil, 0o600),
		"remount": unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND, ""),
		"unmount": unix.Unmount(dir, 0),
	} {
		if err == nil {
			return name
		}
	}
	return ""
}

// tryDescriptor attacks the open file that the site passes after the start.
func tryDescriptor(probePlan) string {
	buf, oob := make([]byte, 16), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(3, buf, oob, 0)
	if err != nil {
		return "no input arrived"
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return "no input arrived"
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return "no input arrived"
	}
	fd := fds[0]
	if n, err := unix.Pread(fd, buf, 0); err != nil || string(buf[:n]) != probeInput {
		return "the input cannot be read"
	}
	times := []unix.Timeval{{Sec: 1}, {Sec: 1}}
	for name, err := range map[string]error{
		"wrote":    discard(unix.Pwrite(fd, []byte("x"), 0)),
		"truncate": unix.Ftruncate(fd, 0),
		"chmod":    unix.Fchmod(fd, 0o777),
		"chown":    unix.Fchown(fd, 1, 1),
		"times":    unix.Futimes(fd, times),
		"reopened": reopenAndWrite(fd),
	} {
		if err == nil {
			return name
		}
	}
	return ""
}

func discard(_ int, err error) error { return err }

func reopenAndWrite(fd int) error {
	f, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(fd), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return discard(f.WriteString("x"))
}

func tryProcesses(probePlan) string {
	pids, _ := filepath.Glob("/proc/[0-9]*")
	if len(pids) != 1 {
		return "sees " + strconv.Itoa(len(pids)) + " processes"
	}
	return ""
}

func tryPrivileges(probePlan) string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "cannot tell"
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok && strings.TrimSpace(v) != capDACReadSearch {
			return "has capabilities"
		}
	}
	for name, err := range map[string]error{
		"mounted":    unix.Mount("tmpfs", "/in", "tmpfs", 0, ""),
		"chroot":     unix.Chroot("/in"),
		"setuid":     unix.Setuid(1),
		"device":     unix.Mknod("/tmp/device", unix.S_IFBLK|0o600, 0x0800),
		"host name":  unix.Sethostname([]byte("x")),
		"net admin":  netAdmin(),
		"host clock": unix.Settimeofday(&unix.Timeval{Sec: 1}),
	} {
		if err == nil {
			return name
		}
	}
	return ""
}

// netAdmin tries to bring a network interface up.
func netAdmin() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(ifr))) //nolint:gosec // G103: this request has no wrapper
	if errno != 0 {
		return errno
	}
	return nil
}

func tryEnvironment(probePlan) string {
	for _, e := range os.Environ() {
		if e != "PROBE=1" && !strings.HasPrefix(e, "HOME=") { // gVisor adds HOME=/
			return "sees a variable of the site"
		}
	}
	return ""
}

func tryDisk(p probePlan) string {
	f, err := os.Create("/out/fill")
	if err != nil {
		return "cannot write its own /out"
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer shut(f)
	chunk := make([]byte, 1<<20)
	for written := int64(0); ; {
		n, err := f.Write(chunk)
		written += int64(n)
		if written > p.OutBytes {
			return "wrote more than its /out holds"
		}
		if err != nil {
			return ""
		}
	}
}

// tryForks starts processes that only wait, until it may not. They are started
// by the bare system call: a fork bomb has no time for a runtime.
func tryForks(p probePlan) string {
	var children []int
	defer func() {
		for _, pid := range children {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
	}()
	runtime.LockOSThread()
	for {
		pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			if errors.Is(errno, unix.EAGAIN) {
				return ""
			}
			return errno.Error()
		}
		if pid == 0 {
			for {
				_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
			}
		}
		children = append(children, int(pid))
		if len(children) > p.Processes {
			return "started " + strconv.Itoa(len(children)) + " processes"
		}
	}
}

// probeMemory starts two processes that together take more than the job may
// have, though neither does alone.
func probeMemory() int {
	for range 2 {
		c := exec.Command(probePath, "eat")
		c.SysProcAttr = &syscall.SysProcAttr{}
		if err := c.Start(); err != nil {
			return 1
		}
	}
	time.Sleep(probeHold)
	return 0
}

func probeEat() int {
	b := make([]byte, probeMemoryLimit/4*3)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	time.Sleep(probeHold)
	runtime.KeepAlive(b)
	return 0
}
