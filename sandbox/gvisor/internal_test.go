//go:build linux && (amd64 || arm64)

package gvisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold/sandbox"
)

func TestParseStat(t *testing.T) {
	const line = "42 (a) b) c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 30 4 20 0 1 0 5 6 7 8\n"
	p, ok := parseStat([]byte(line))
	if !ok || p.parent != 7 || p.ticks != 154 {
		t.Errorf("%+v, %v", p, ok)
	}
	for _, bad := range []string{"", "42", "42 (a)", "42 (a) S 7", strings.Replace(line, " 100 ", " x ", 1), strings.Replace(line, "S 7", "S x", 1)} {
		if p, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q: %+v", bad, p)
		}
	}
	if me := processTable()[os.Getpid()]; me.parent != os.Getppid() {
		t.Errorf("this process: %+v", me)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 30 4 20 0 1 0 5 6 7 8\n"))
	f.Add([]byte(") )"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parseStat(b); !ok && p != (process{}) {
			t.Fatal("a value with a failure")
		}
	})
}

func TestCPUTimeOfTree(t *testing.T) {
	table := map[int]process{1: {0, 1000}, 2: {1, 10}, 3: {2, 20}, 4: {3, 30}, 5: {1, 40}}
	if got := cpuTime(table, family(table, 2)); got != 600*time.Millisecond {
		t.Errorf("got %v", got)
	}
	if got := children(table, 1); len(got) != 2 {
		t.Errorf("children %v", got)
	}
}

func TestExplain(t *testing.T) {
	setting := func(path, value string) func(string) ([]byte, error) {
		return func(p string) ([]byte, error) {
			if p == path {
				return []byte(value + "\n"), nil
			}
			return nil, os.ErrNotExist
		}
	}
	for name, c := range map[string]struct {
		log  string
		read func(string) ([]byte, error)
		says string
	}{
		"namespaces off":       {"fork/exec: no space left on device", setting("/proc/sys/user/max_user_namespaces", "0"), "sysctl user.max_user_namespaces"},
		"namespaces for root":  {"operation not permitted", setting("/proc/sys/kernel/unprivileged_userns_clone", "0"), "unprivileged_userns_clone=1"},
		"AppArmor":             {"permission denied", setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"), "AppArmor profile"},
		"AppArmor, another":    {"exploded", setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"), "kernel did not come up"},
		"sidecar":              {`sidecar "gvisor_sentry" not usable`, setting("", ""), "gvisor-bin"},
		"disk":                 {"write: no space left on device", setting("", ""), "full"},
		"seccomp of container": {"fork/exec: operation not permitted", setting("", ""), "in a container"},
		"unknown":              {"exploded", setting("", ""), "kernel did not come up"},
		"silence":              {"", setting("", ""), "kernel did not come up"},
	} {
		err := explain(c.log, c.read)
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if c.log != "" && strings.Contains(err.Error(), c.log) {
			t.Errorf("%s: gVisor's words are in the message: %v", name, err)
		}
	}
}

func TestMayExecute(t *testing.T) {
	who := account{100, 200}
	for _, c := range []struct {
		uid, gid uint32
		mode     uint32
		want     bool
	}{
		{100, 1, 0o100, true},
		{100, 1, 0o011, false}, // an owner does not count as another
		{1, 200, 0o010, true},
		{1, 200, 0o101, false},
		{1, 1, 0o001, true},
		{1, 1, 0o110, false},
	} {
		if got := mayExecute(&unix.Stat_t{Uid: c.uid, Gid: c.gid, Mode: c.mode}, who); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestHeadTakesEverythingAndKeepsTheBeginning(t *testing.T) {
	h := head{most: 5}
	for _, s := range []string{"abc", "", "def", "ghi"} {
		if n, err := h.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if string(h.bytes()) != "abcde" || !h.cut {
		t.Errorf("%q, %v", h.bytes(), h.cut)
	}
	exact := head{most: 3}
	_, _ = exact.Write([]byte("abc"))
	if exact.cut {
		t.Error("nothing was cut")
	}
}

// TestPackets: what comes over a socket pair is bounded and complete, or an error.
func TestPackets(t *testing.T) {
	here, there, err := socketPair(unix.SOCK_SEQPACKET)
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	peer, err := unixConn(there)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := send(here, report{Started: true}, file, file); err != nil {
		t.Fatal(err)
	}
	var r report
	files, err := receive(peer, &r)
	if err != nil || !r.Started || len(files) != 2 {
		t.Fatalf("%+v, %d files, %v", r, len(files), err)
	}
	closeAll(files)
	for _, bad := range [][]byte{[]byte("{"), []byte("null{}"), make([]byte, packetLimit+1)} {
		if _, err := here.Write(bad); err != nil {
			t.Fatal(err)
		}
		if files, err := receive(peer, &r); err == nil || files != nil {
			t.Errorf("%.10q accepted", bad)
		}
	}
	if err := send(here, wireError{Message: strings.Repeat("x", packetLimit)}); err == nil {
		t.Error("a packet that nobody would take was sent")
	}
	here.Close()
	if _, err := receive(peer, &r); err == nil {
		t.Error("no end")
	}
}

func TestErrorsCrossTheWire(t *testing.T) {
	in := startError("do this", "that is wrong").Because(errors.New("deep"))
	out := toWire(fmt.Errorf("wrapped: %w", in)).err()
	if out.Error() != in.Error() || out.Kind != in.Kind || out.Unwrap().Error() != "deep" {
		t.Errorf("%v (%v)", out, out.Unwrap())
	}
	if e := toWire(errors.New("raw detail")).err(); strings.Contains(e.Error(), "raw") {
		t.Errorf("a cause became a message: %v", e)
	}
}

// fakeCgroups writes a tree of files that look like a control group file
// system; /proc/self/cgroup lies beside it.
func fakeCgroups(t *testing.T, own string, files ...string) (root, proc string) {
	t.Helper()
	root = t.TempDir()
	for _, f := range files {
		name, content, _ := strings.Cut(f, "=")
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	proc = filepath.Join(root, "proc-self-cgroup")
	if err := os.WriteFile(proc, []byte(own), 0o644); err != nil {
		t.Fatal(err)
	}
	return root, proc
}

func TestCgroupsNone(t *testing.T) {
	me := account{os.Geteuid(), os.Getegid()}
	for name, c := range map[string]struct {
		own   string
		files []string
	}{
		"no hierarchy":         {"0::/\n", nil},
		"garbage":              {"garbage\n:\n::\n", nil},
		"v2 without memory":    {"0::/site\n", []string{"site/cgroup.controllers=cpu hugetlb\n", "site/cgroup.subtree_control="}},
		"v1 knobs not there":   {"4:memory:/site\n", []string{"memory/site/tasks="}},
		"v1 path is elsewhere": {"4:memory:/other\n", []string{"memory/site/tasks="}},
	} {
		root, proc := fakeCgroups(t, c.own, c.files...)
		b := prepareCgroups(root, proc, "anchorhold-x", me)
		if b.V2 != "" || b.Memory != "" || b.CPU != "" || !strings.Contains(b.String(), "no usable cgroup") {
			t.Errorf("%s: %+v", name, b)
		}
		if left, _ := filepath.Glob(filepath.Join(root, "*", "*", "anchorhold-x*")); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
		if j, err := b.job("a", sandbox.DefaultLimits()); err != nil || len(j.dirs) != 0 {
			t.Errorf("%s: %+v, %v", name, j, err)
		}
	}
}

func TestCgroupJobs(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	l := sandbox.DefaultLimits()
	l.CPUs, l.Memory = 1.5, 1<<30
	// The kernel fills a new group with its knobs; here they are there already.
	v1, _ := fakeCgroups(t, "", "memory/a/memory.limit_in_bytes=", "cpu/a/cpu.cfs_quota_us=", "memory/a/memory.oom_control=oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
	b := cgroupBase{Memory: filepath.Join(v1, "memory"), CPU: filepath.Join(v1, "cpu")}
	j, err := b.job("a", l)
	if err != nil || len(j.dirs) != 2 || j.oomKills() != 5 {
		t.Fatalf("%+v, %d kills, %v", j, j.oomKills(), err)
	}
	if got := read(filepath.Join(v1, "memory/a/memory.limit_in_bytes")); got != "1342177280" {
		t.Errorf("memory %s", got)
	}
	if got := read(filepath.Join(v1, "cpu/a/cpu.cfs_quota_us")); got != "150000" {
		t.Errorf("quota %s", got)
	}
	v2, _ := fakeCgroups(t, "", "a/memory.max=", "a/memory.oom.group=", "a/cpu.max=", "a/memory.events=oom 7\noom_kill 2\noom_group_kill 1\n")
	b = cgroupBase{V2: v2}
	if j, err = b.job("a", l); err != nil || j.oomKills() != 2 {
		t.Fatalf("%+v, %v", j, err)
	}
	if got := read(filepath.Join(v2, "a/cpu.max")); got != "150000 100000" {
		t.Errorf("cpu.max %s", got)
	}
	if got := read(filepath.Join(v2, "a/memory.max")); got != "1342177280" {
		t.Errorf("memory.max %s", got)
	}
	// A limit that cannot be set is an error, never a job without it.
	if _, err := b.job("b", l); err == nil {
		t.Error("a job without its limits")
	}
	if _, err := os.Stat(filepath.Join(v2, "b")); err == nil {
		t.Error("the failed group is left")
	}
}

// TestCgroupsOfAKilledSite: the next start finds them by the note, wherever
// they are.
func TestCgroupsOfAKilledSite(t *testing.T) {
	root, note := t.TempDir(), filepath.Join(t.TempDir(), "note")
	removeNoted(note) // there is none yet
	b := cgroupBase{Memory: filepath.Join(root, "memory"), CPU: filepath.Join(root, "cpu"), V2: filepath.Join(root, "v2")}
	for _, dir := range []string{b.Memory, b.CPU, b.V2, b.V2 + "-site"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.keepNote(note); err != nil {
		t.Fatal(err)
	}
	removeNoted(note)
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	if err := os.WriteFile(note, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	removeNoted(note)
}

// TestCgroupsV2Delegated walks the delegation of version 2 on a tree of files,
// as an ordinary owner sees it and as root does after systemd has marked it.
func TestCgroupsV2Delegated(t *testing.T) {
	root, proc := fakeCgroups(t, "0::/service\n",
		"service/cgroup.controllers=cpuset cpu memory pids\n", "service/cgroup.subtree_control=", "service/cgroup.procs=",
		"service/anchorhold-x-site/cgroup.procs=", "service/anchorhold-x/cgroup.procs=", "service/anchorhold-x/cgroup.subtree_control=",
		"service/anchorhold-x/launcher/cgroup.procs=")
	if os.Geteuid() == 0 {
		if b := prepareCgroups(root, proc, "anchorhold-x", account{1, 1}); b.V2 != "" {
			t.Error("root took a group that was not delegated")
		}
		if err := unix.Setxattr(filepath.Join(root, "service"), "trusted.delegate", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
	}
	run := account{os.Geteuid(), os.Getegid()}
	b := prepareCgroups(root, proc, "anchorhold-x", run)
	if b.V2 != filepath.Join(root, "service/anchorhold-x") || !strings.Contains(b.String(), "cgroup v2") {
		t.Fatalf("%+v", b)
	}
	if err := b.enterLauncher(77); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"service/anchorhold-x-site/cgroup.procs":      "0",
		"service/cgroup.subtree_control":              "+memory +cpu +pids",
		"service/anchorhold-x/cgroup.subtree_control": "+memory +cpu +pids",
		"service/anchorhold-x/launcher/cgroup.procs":  "77",
	} {
		if got, err := os.ReadFile(filepath.Join(root, path)); string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

// TestJudge: what an exit code means depends on what was seen from outside.
func TestJudge(t *testing.T) {
	l := sandbox.DefaultLimits()
	for name, c := range map[string]struct {
		code, kills int
		log         string
		peak        int64
		cpu         time.Duration
		want        sandbox.Status
	}{
		"ok":                           {0, 0, "", 0, 0, sandbox.OK},
		"ok, but parts were killed":    {0, 1, "", 0, 0, sandbox.OutOfMemory},
		"a signal without much memory": {139, 0, "", l.Memory / 2, 0, sandbox.Failed},
		"a signal at the hard cap":     {139, 0, "", l.Memory, 0, sandbox.OutOfMemory},
		"an exception at the hard cap": {1, 0, "", l.Memory, 0, sandbox.Failed},
		"killed for time":              {137, 0, "", 0, l.CPUTime + 1, sandbox.CPUTime},
		"SIGXCPU":                      {152, 0, "", 0, 0, sandbox.CPUTime},
		"gVisor failed":                {128, 0, "it broke", 0, 0, sandbox.SandboxError},
		"the guest says 128":           {128, 0, "", 0, 0, sandbox.Failed},
		"gVisor grumbled but went on":  {3, 0, "a warning", 0, 0, sandbox.Failed},
	} {
		j := &job{limits: l, meter: meter{peak: c.peak}}
		if got := j.judge(c.code, c.kills, c.log, c.cpu); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestBlindMeter: a guest whose memory cannot be seen is not let run on.
func TestBlindMeter(t *testing.T) {
	j := &job{spec: sandbox.Spec{Limits: sandbox.DefaultLimits()}, meter: meter{sandbox: os.Getpid(), looks: 1}}
	for range blindMost {
		j.meter.looks = 1
		if s := j.look(); s != "" {
			t.Fatalf("%s too early", s)
		}
	}
	j.meter.looks = 1
	if s := j.look(); s != sandbox.SandboxError {
		t.Errorf("status %q", s)
	}
}

// TestUnmountBelow: what a gVisor that ran as root left mounted is detached, so
// that the directory can be cleared. Only root can make the leftover.
func TestUnmountBelow(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "state", "null-netns")
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	err := unix.Mount("/proc/self/ns/net", at, "", unix.MS_BIND, "")
	if err != nil && !errors.Is(err, unix.EPERM) {
		t.Fatal(err)
	}
	unmountBelow(dir)
	if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil {
		t.Errorf("still mounted: %v", err)
	}
}
