//go:build linux && (amd64 || arm64)

package gvisor_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/sandbox"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	b, err := theSandbox(t).Probe(t.Context())
	for _, c := range b.Checks {
		t.Logf("%-30s %v %s", c.Name, c.OK, c.Detail)
	}
	if err != nil {
		t.Fatal(full(err))
	}
	if len(b.Checks) < 12 || b.Kind != "gvisor" || b.Memory == "" {
		t.Fatalf("%+v", b)
	}
	mode := sandbox.ModeUser
	if installed() {
		mode = sandbox.ModeInstalled
	}
	if b.Mode != mode || strings.Contains(b.String(), "weaker") == installed() {
		t.Fatalf("mode %s, %q", b.Mode, b)
	}
	nothingLeft(t, shared.state, "probe-")
}

// conversation answers lines until an input arrives, then attacks it in every
// way that a descriptor allows, and answers with what worked.
const conversation = `
import json, mmap, os, socket

s = socket.socket(fileno=3)
s.sendall(b"R")

def line():  # byte by byte: a descriptor is lost when its byte is read without it
    got = b""
    while not got.endswith(b"\n"):
        got += s.recv(1)
    return got

while (heard := line()) != b"input\n":
    s.sendall(b"heard " + heard)
_, fds, _, _ = socket.recv_fds(s, 1, 1)
fd = fds[0]
content = os.pread(fd, 100, 0).decode()
again = open(f"/dev/fd/{fd}").read()
worked = []

def reopen(flags):
    n = os.open(f"/proc/self/fd/{fd}", flags)
    try:
        os.write(n, b"x")
    finally:
        os.close(n)

def mapped():
    m = mmap.mmap(fd, 4, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    m[0] = 0x78

for name, attempt in {
    "write": lambda: os.pwrite(fd, b"x", 0),
    "truncate": lambda: os.ftruncate(fd, 0),
    "allocate": lambda: os.posix_fallocate(fd, 0, 100),
    "chmod": lambda: os.fchmod(fd, 0o777),
    "chown": lambda: os.fchown(fd, 1, 1),
    "utime": lambda: os.utime(fd, (1, 1)),
    "xattr": lambda: os.setxattr(fd, "user.x", b"x"),
    "map": mapped,
    "link": lambda: os.link(f"/proc/self/fd/{fd}", "/out/link"),
    "reopen rw": lambda: reopen(os.O_RDWR),
    "reopen w": lambda: reopen(os.O_WRONLY),
    "reopen trunc": lambda: reopen(os.O_WRONLY | os.O_TRUNC),
    "reopen append": lambda: reopen(os.O_WRONLY | os.O_APPEND),
    "utime path": lambda: os.utime(f"/proc/self/fd/{fd}", (1, 1)),
    "chmod path": lambda: os.chmod(f"/proc/self/fd/{fd}", 0o777),
    "truncate path": lambda: os.truncate(f"/proc/self/fd/{fd}", 0),
}.items():
    try:
        attempt()
        worked.append(name)
    except OSError:
        pass
s.sendall(json.dumps({"content": content, "again": again, "worked": worked}).encode() + b"\n")
`

// TestConversation speaks with a running guest both ways and hands in an input
// after the start that the run account could not open itself.
func TestConversation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(openDir(t), "private.csv")
	if err := os.WriteFile(path, []byte("a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, python(conversation))
	r := bufio.NewReader(g.Conn())
	if b, err := r.ReadByte(); err != nil || b != 'R' {
		t.Fatalf("%q, %v", b, err)
	}
	for _, word := range []string{"one", "two"} {
		if _, err := fmt.Fprintln(g.Conn(), word); err != nil {
			t.Fatal(err)
		}
		if line, err := r.ReadString('\n'); err != nil || line != "heard "+word+"\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	if _, err := fmt.Fprintln(g.Conn(), "input"); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := sandbox.SendFiles(g.Conn(), []byte("x"), f); err != nil {
		t.Fatal(full(err))
	}
	line, err := r.ReadString('\n')
	if want := `{"content": "a,b\n", "again": "a,b\n", "worked": []}` + "\n"; err != nil || line != want {
		t.Errorf("%q, %v; want %q", line, err, want)
	}
	if res := wait(t, g); res.Status != sandbox.OK {
		t.Errorf("%s: %s\n%s", res.Status, res.Reason, res.Log)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !after.ModTime().Equal(before.ModTime()) || after.Mode() != before.Mode() || after.Size() != before.Size() {
		t.Errorf("the input was changed: %v", after)
	}
}

// TestHostileArchive lets guests send what they can make in /out, and unpacks
// it as the site does.
func TestHostileArchive(t *testing.T) {
	t.Parallel()
	const send = `
import io, os, socket, tarfile
os.chdir("/out")
out = socket.socket(fileno=3).makefile("wb")
t = tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT)
def plain(name, data=b"{}"):
    i = tarfile.TarInfo(name)
    i.size = len(data)
    t.addfile(i, io.BytesIO(data))
plain("manifest.json")
%s
t.close()
out.close()
`
	for name, c := range map[string]struct{ script, says string }{
		"plain files":        {`plain("result.json", b"1" * 100000)`, ""},
		"set-user-ID file":   {`open("result.json", "w"); os.chmod("result.json", 0o6777); t.add("result.json")`, ""},
		"symbolic link":      {`os.symlink("/etc/shadow", "result.json"); t.add("result.json")`, "not a regular file"},
		"hard link":          {`open("a", "w"); os.link("a", "b"); t.add("a"); t.add("b")`, "not a regular file"},
		"fifo":               {`os.mkfifo("result.json"); t.add("result.json")`, "not a regular file"},
		"directory":          {`os.mkdir("result.json"); t.add("result.json")`, "not a regular file"},
		"device":             {`i = tarfile.TarInfo("result.json"); i.type = tarfile.BLKTYPE; i.devmajor = 8; t.addfile(i)`, "not a regular file"},
		"control characters": {`open("a\x1b]0;owned\x07\n", "w"); t.add("a\x1b]0;owned\x07\n")`, "name"},
		"climbing name":      {`plain("../../../etc/cron.d/x")`, "name"},
		"sparse terabyte":    {`i = tarfile.TarInfo("result.json"); i.size = 1 << 40; t.addfile(i, open("/dev/zero", "rb"))`, "larger"},
		"too many files":     {"for n in range(1000): plain(str(n))", "more than"},
		"cut off":            {`plain("result.json"); out.flush(); os._exit(0)`, "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, python(fmt.Sprintf(send, c.script)))
			files, err := sandbox.Unpack(g.Conn(), sandbox.UnpackLimits{Dir: t.TempDir(), MemoryBytes: 1000})
			g.Kill()
			wait(t, g)
			switch {
			case c.says == "" && (err != nil || len(files) != 2):
				t.Errorf("%d files, %v", len(files), err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("error %v, want %q", err, c.says)
			}
		})
	}
}

// TestSeenFromInside checks what a guest is told of its limits and its world.
func TestSeenFromInside(t *testing.T) {
	t.Parallel()
	spec := python(`
import os, resource, socket
print(sorted(os.environ), os.getcwd(), socket.gethostname())
print(len(os.sched_getaffinity(0)), resource.getrlimit(resource.RLIMIT_NPROC), resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE))
print(os.statvfs("/out").f_blocks * os.statvfs("/out").f_frsize, os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize)
`)
	spec.Env = []string{"A=1"}
	spec.Limits.CPUs = 1
	r := wait(t, start(t, spec))
	want := "['A', 'HOME', 'LC_CTYPE'] /tmp sandbox\n1 (64, 64) (256, 256) (0, 0)\n8388608 16777216\n"
	if string(r.Log) != want || r.LogTruncated {
		t.Errorf("%q, want %q", r.Log, want)
	}
	if r.Usage.CPUSeconds <= 0 || r.Usage.WallSeconds <= 0 || r.Boundary == "" {
		t.Errorf("%+v", r)
	}
}

// TestStatuses maps ends to statuses and reasons.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		status sandbox.Status
		code   int
		reason string
	}{
		"zero":           {"", sandbox.OK, 0, "normally"},
		"one":            {"raise SystemExit(1)", sandbox.Failed, 1, "exit code 1"},
		"gVisor's own":   {"raise SystemExit(128)", sandbox.Failed, 128, "exit code 128"},
		"segmentation":   {"import os; os.kill(os.getpid(), 11)", sandbox.Failed, 139, "exit code 139"},
		"its own SIGKIL": {"import os; os.kill(os.getpid(), 9)", sandbox.Failed, 137, "exit code 137"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := wait(t, start(t, python(c.script)))
			if r.Status != c.status || r.ExitCode != c.code || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("%s, %d, %q", r.Status, r.ExitCode, r.Reason)
			}
		})
	}
}

// TestMemoryAndUsage: what a job used is measured from outside, its files
// included.
func TestMemoryAndUsage(t *testing.T) {
	t.Parallel()
	r := wait(t, start(t, python(`
import time
kept = b"x" * (100 << 20)
open("/out/f", "wb").write(b"x" * (7 << 20))
sum(range(40_000_000)) # a second's work or so, however busy the host is
time.sleep(0.2)
`)))
	if r.Status != sandbox.OK {
		t.Fatalf("%s\n%s", r.Reason, r.Log)
	}
	if r.Usage.PeakBytes < 107<<20 || r.Usage.PeakBytes > 160<<20 || r.Usage.CPUSeconds < 0.3 || r.Usage.WallSeconds < 0.5 {
		t.Errorf("%+v", r.Usage)
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	spec := python("import signal, time\nfor s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(3600)")
	g := start(t, spec)
	if _, err := g.Wait(canceled()); !errors.Is(err, context.Canceled) {
		t.Fatalf("Wait: %v", err)
	}
	began := time.Now()
	for range 3 {
		g.Kill()
	}
	r := wait(t, g)
	// Two seconds are promised; what comes on top is slack for a host whose
	// processors are all taken, as they are while tests run side by side.
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("took %v", took)
	}
	if r.Status != sandbox.Killed || !strings.Contains(r.Reason, "on request") {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
	if again := wait(t, g); again.Status != r.Status {
		t.Errorf("second Wait: %s", again.Status)
	}
	g.Kill()
	nothingLeft(t, shared.state, spec.ID)
}

// TestFinish: a session whose work is done ends well, with all that it printed and
// used, and its processes go.
func TestFinish(t *testing.T) {
	t.Parallel()
	const script = `
import os, time
os.read(3, 1) # what came before is no work
sum(i * i for i in range(10_000_000))
print("x" * 5000, flush=True)
if os.fork() == 0: time.sleep(3600)
os.write(3, b"R")
time.sleep(3600)
`
	for name, begin := range map[string]func(testing.TB, sandbox.Spec) sandbox.Session{"cold": start, "held": startHeld} {
		t.Run(name, func(t *testing.T) {
			spec := python(script)
			g := begin(t, spec)
			if _, err := g.Conn().Write([]byte("G")); err != nil {
				t.Fatal(err)
			}
			heard(t, g)
			g.Finish()
			r := wait(t, g)
			if r.Status != sandbox.OK || string(r.Log) != strings.Repeat("x", 5000)+"\n" || r.LogTruncated {
				t.Errorf("%s (%s), and %d bytes of log", r.Status, r.Reason, len(r.Log))
			}
			if r.Usage.CPUSeconds < 0.2 || r.Usage.PeakBytes == 0 || r.Usage.WallSeconds < 0.2 || r.Boundary == "" {
				t.Errorf("it used %+v behind %q", r.Usage, r.Boundary)
			}
			g.Finish() // nothing more
			within(t, time.Minute, "nothing of it is left", func() bool {
				_, guests := processes(shared.state, "/"+spec.ID)
				left, _ := filepath.Glob(filepath.Join(shared.state, "run", spec.ID+"*"))
				return len(guests) == 0 && len(left) == 0
			})
		})
	}
	g := start(t, python("import os; os._exit(3)"))
	wait(t, g)
	g.Finish()
	if r := wait(t, g); r.Status != sandbox.Failed || r.ExitCode != 3 {
		t.Errorf("finished after its end: %s, %d", r.Status, r.ExitCode)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestSideBySide runs more sessions than there are processors, which end in
// different ways and do not disturb each other.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for i := range 9 {
		all.Go(func() {
			spec := python(fmt.Sprintf("print(%d)\nraise SystemExit(%d)", i, i%3))
			g, err := theSandbox(t).Start(t.Context(), spec)
			if err != nil {
				t.Error(full(err))
				return
			}
			defer g.Conn().Close()
			if i%3 == 2 {
				g.Kill()
			}
			r := wait(t, g)
			if i%3 < 2 && (r.ExitCode != i%3 || string(r.Log) != fmt.Sprintln(i)) {
				t.Errorf("session %d: exit %d, log %q", i, r.ExitCode, r.Log)
			}
			nothingLeft(t, shared.state, spec.ID)
		})
	}
	all.Wait()
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	running := python("import time; time.sleep(3600)")
	start(t, running)
	same := python("")
	same.ID = running.ID
	bind := python("")
	bind.Binds = []sandbox.Bind{{Host: "/nonexistent-directory", Guest: "/in"}}
	device := python("")
	device.Binds = []sandbox.Bind{{Host: "/dev/null", Guest: "/in"}}
	unlimited := python("")
	unlimited.Limits.Memory = 0
	missing := python("")
	missing.Argv = []string{"/usr/bin/no-such-program"}
	for name, c := range map[string]struct {
		spec sandbox.Spec
		says string
	}{
		"an id in use":      {same, "of this id"},
		"a missing bind":    {bind, "/nonexistent-directory"},
		"a device":          {device, "neither a directory nor a regular file"},
		"a forgotten limit": {unlimited, "Memory"},
	} {
		t.Run(name, func(t *testing.T) { // not in parallel: that would wait for the others
			if g, err := theSandbox(t).Start(t.Context(), c.spec); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, %v", g, err)
			}
		})
	}
	t.Run("a context that has ended", func(t *testing.T) {
		if _, err := theSandbox(t).Start(canceled(), python("")); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a program that does not exist", func(t *testing.T) {
		g, err := theSandbox(t).Start(t.Context(), missing)
		if err != nil {
			return // gVisor noticed before its kernel was up
		}
		defer g.Conn().Close()
		if r := wait(t, g); r.Status != sandbox.SandboxError {
			t.Errorf("%s: %s", r.Status, r.Reason)
		}
	})
}

// TestBare: a static program gets nothing of the host but itself.
func TestBare(t *testing.T) {
	t.Parallel()
	s := theSandbox(t)
	spec := python("")
	spec.Bare, spec.Argv = true, []string{"/anchorhold-probe", "nothing"}
	spec.Binds = []sandbox.Bind{{Host: s.Program(), Guest: "/anchorhold-probe"}}
	if r := wait(t, start(t, spec)); r.Status != sandbox.OK {
		t.Errorf("%s\n%s", r.Reason, r.Log)
	}
	spec.ID, spec.Argv = spec.ID+"b", []string{"/usr/bin/python3"}
	g, err := s.Start(t.Context(), spec)
	if err == nil {
		defer g.Conn().Close()
		if r := wait(t, g); r.Status != sandbox.SandboxError {
			t.Errorf("the host's programs are there: %s", r.Status)
		}
	}
}

// TestArchiveOfRealFiles closes the loop: what Python writes, Go reads.
func TestArchiveOfRealFiles(t *testing.T) {
	t.Parallel()
	g := start(t, python(`
import os, socket, tarfile
with open("/out/result.csv", "w") as f: f.write("a,b\n" * 50000)
out = socket.socket(fileno=3).makefile("wb")
with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as t: t.add("/out/result.csv", "result.csv")
out.close()
`))
	files, err := sandbox.Unpack(g.Conn(), sandbox.UnpackLimits{Dir: t.TempDir(), MemoryBytes: 1})
	if err != nil || len(files) != 1 || files[0].Size != 200000 {
		t.Fatalf("%v, %v", files, err)
	}
	r, err := files[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || string(b) != strings.Repeat("a,b\n", 50000) {
		t.Fatal("another content")
	}
	if res := wait(t, g); res.Status != sandbox.OK {
		t.Error(res.Reason)
	}
}

func BenchmarkStart(b *testing.B) {
	s := theSandbox(b)
	bare := python("")
	bare.Bare, bare.Argv = true, []string{"/anchorhold-probe", "nothing"}
	bare.Binds = []sandbox.Bind{{Host: s.Program(), Guest: "/anchorhold-probe"}}
	pass := python("")
	pass.Argv = []string{"/usr/bin/python3", "-c", "pass"}
	for name, spec := range map[string]sandbox.Spec{"python": pass, "static": bare} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if r := wait(b, start(b, spec)); r.Status != sandbox.OK {
					b.Fatal(r.Reason)
				}
			}
		})
	}
}
