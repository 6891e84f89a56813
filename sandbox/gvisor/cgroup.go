//go:build linux && (amd64 || arm64)

package gvisor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold/sandbox"
)

// cgroupOverhead is what the gVisor kernel and its helpers may use beside the
// job itself: the control group counts them, Limits.Memory does not.
const cgroupOverhead = 256 << 20

// cpuPeriod is the length over which a processor quota is counted, in
// microseconds: the kernel's default.
const cpuPeriod = 100_000

// cgroupBase names the directories below which the launcher may make one
// control group per job; empty ones are not usable here.
type cgroupBase struct {
	V2     string `json:"v2,omitempty"`
	Memory string `json:"memory,omitempty"` // version 1
	CPU    string `json:"cpu,omitempty"`    // version 1
}

// String says what bounds memory, for people.
func (b cgroupBase) String() string {
	switch {
	case b.V2 != "":
		return "cgroup v2, file size limit and a meter"
	case b.Memory != "":
		return "cgroup v1, file size limit and a meter"
	}
	return "file size limit and a meter (no usable cgroup)"
}

// prepareCgroups finds the best hierarchy that the run account can be given:
// a delegated version 2 group, else writable version 1 ones, else none. It
// never fails: the file size limit and the meter hold without any.
func prepareCgroups(fsRoot, procCgroup, name string, run account) cgroupBase {
	own := ownCgroups(procCgroup)
	if base, ok := prepareV2(fsRoot, own[""], name, run); ok {
		return base
	}
	var b cgroupBase
	b.Memory = prepareV1(filepath.Join(fsRoot, "memory", own["memory"], name), "memory.limit_in_bytes", run)
	b.CPU = prepareV1(filepath.Join(fsRoot, "cpu", own["cpu"], name), "cpu.cfs_quota_us", run)
	return b
}

// ownCgroups reads /proc/self/cgroup: controller to path; "" is version 2.
func ownCgroups(procCgroup string) map[string]string {
	own := map[string]string{}
	f, err := os.Open(procCgroup)
	if err != nil {
		return own
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		parts := strings.SplitN(sc.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			own[controller] = filepath.Clean("/" + parts[2])
		}
	}
	return own
}

func prepareV1(dir, knob string, run account) string {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return ""
	}
	if err := chownIfOther(dir, run); err != nil || !writable(filepath.Join(dir, knob)) {
		_ = os.Remove(dir)
		return ""
	}
	return dir
}

// prepareV2 needs a group that was delegated to us: marked so by the service
// manager, or owned by our own account. The kernel allows processes only in
// leaves, so the site moves into a leaf of its own.
func prepareV2(fsRoot, own, name string, run account) (cgroupBase, bool) {
	home := filepath.Join(fsRoot, own)
	controllers, err := os.ReadFile(filepath.Join(home, "cgroup.controllers"))
	if own == "" || err != nil || !strings.Contains(" "+strings.TrimSpace(string(controllers))+" ", " memory ") || !delegated(home) {
		return cgroupBase{}, false
	}
	b := cgroupBase{V2: filepath.Join(home, name)}
	site := filepath.Join(home, name+"-site")
	err = errors.Join(
		mkdir(site), write(filepath.Join(site, "cgroup.procs"), "0"),
		enable(home, string(controllers)), mkdir(b.V2), enable(b.V2, string(controllers)),
		mkdir(filepath.Join(b.V2, "launcher")),
		chownIfOther(b.V2, run),
		chownIfOther(filepath.Join(b.V2, "cgroup.procs"), run),
		chownIfOther(filepath.Join(b.V2, "cgroup.subtree_control"), run),
	)
	if err != nil {
		b.close()
		return cgroupBase{}, false
	}
	return b, true
}

// enterLauncher moves the launcher into its leaf of version 2, so that it may
// move jobs into theirs.
func (b cgroupBase) enterLauncher(pid int) error {
	if b.V2 == "" {
		return nil
	}
	return write(filepath.Join(b.V2, "launcher", "cgroup.procs"), strconv.Itoa(pid))
}

// close takes this process out of version 2 and removes what prepareCgroups
// made; groups of jobs are gone by then.
func (b cgroupBase) close() {
	if b.V2 != "" {
		home := filepath.Dir(b.V2)
		_ = write(filepath.Join(home, "cgroup.subtree_control"), "-memory -cpu -pids")
		_ = write(filepath.Join(home, "cgroup.procs"), "0")
	}
	b.remove()
}

// remove deletes the groups as far as nothing is in them.
func (b cgroupBase) remove() {
	if b.V2 != "" {
		_ = os.Remove(b.V2 + "-site")
	}
	for _, dir := range []string{b.V2, b.Memory, b.CPU} {
		if dir != "" {
			removeGroups(dir)
		}
	}
}

// keepNote writes down where the groups are. A site that is killed leaves them,
// and the next one may have been started elsewhere in the tree.
func (b cgroupBase) keepNote(path string) error {
	note, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return os.WriteFile(path, note, 0o600)
}

// removeNoted removes the groups of a site that was killed.
func removeNoted(path string) {
	var b cgroupBase
	if note, err := os.ReadFile(path); err == nil && json.Unmarshal(note, &b) == nil {
		b.remove()
	}
}

// removeGroups removes a group and the groups directly below it.
func removeGroups(dir string) {
	below, _ := filepath.Glob(filepath.Join(dir, "*", "cgroup.procs"))
	for _, p := range below {
		_ = os.Remove(filepath.Dir(p))
	}
	_ = os.Remove(dir)
}

// jobCgroup is the control groups of one job.
type jobCgroup struct{ dirs []string }

// job creates the groups of one job with its limits. A group that cannot be
// made is an error: the boundary was announced with it.
func (b cgroupBase) job(id string, l sandbox.Limits) (jobCgroup, error) {
	quota := strconv.Itoa(int(math.Ceil(l.CPUs * cpuPeriod)))
	memory := groupMemory(l.Memory)
	var j jobCgroup
	add := func(base string, knobs map[string]string) error {
		if base == "" {
			return nil
		}
		dir := filepath.Join(base, id)
		if err := mkdir(dir); err != nil {
			return err
		}
		j.dirs = append(j.dirs, dir)
		for name, value := range knobs {
			if err := write(filepath.Join(dir, name), value); err != nil {
				return err
			}
		}
		return nil
	}
	err := errors.Join(
		add(b.V2, map[string]string{"memory.max": memory, "memory.oom.group": "1", "cpu.max": quota + " " + strconv.Itoa(cpuPeriod)}),
		add(b.Memory, map[string]string{"memory.limit_in_bytes": memory}),
		add(b.CPU, map[string]string{"cpu.cfs_quota_us": quota}),
	)
	if err != nil {
		_ = j.remove() // nothing is in it yet
		return jobCgroup{}, fmt.Errorf("control group of a job: %w", err)
	}
	return j, nil
}

// limitMemory lowers the job's memory to a limit that is given after its start.
func (j jobCgroup) limitMemory(memory int64) error {
	for _, dir := range j.dirs {
		for _, name := range memoryKnobs() {
			if path := filepath.Join(dir, name); writable(path) {
				if err := write(path, groupMemory(memory)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// memoryKnobs are the names of the memory limit in version 2 and in version 1.
func memoryKnobs() []string { return []string{"memory.max", "memory.limit_in_bytes"} }

// groupMemory is a job's memory limit as a control group is told.
func groupMemory(memory int64) string { return strconv.FormatInt(memory+cgroupOverhead, 10) }

// oomKills says how often the kernel killed a process of the job for memory:
// several processes in one group are killed one by one, and the first process
// may live on, so the exit code does not tell.
func (j jobCgroup) oomKills() int {
	kills := 0
	for _, dir := range j.dirs {
		for _, name := range []string{"memory.events", "memory.oom_control"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(b)) {
				if v, ok := strings.CutPrefix(line, "oom_kill "); ok {
					n, _ := strconv.Atoi(strings.TrimSpace(v))
					kills += n
				}
			}
		}
	}
	return kills
}

// remove deletes the job's groups; the kernel refuses while a process lives.
func (j jobCgroup) remove() error {
	var errs []error
	for _, dir := range j.dirs {
		if err := os.Remove(dir); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// delegated says whether a service manager has handed the group over (systemd
// marks it so), or we own it without being root.
func delegated(dir string) bool {
	var mark [8]byte
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		if n, err := unix.Getxattr(dir, name, mark[:]); err == nil && string(mark[:n]) == "1" {
			return true
		}
	}
	var st unix.Stat_t
	return os.Geteuid() != 0 && unix.Stat(dir, &st) == nil && int(st.Uid) == os.Geteuid()
}

// enable turns on for the groups below dir what of memory, cpu and pids dir has.
func enable(dir, controllers string) error {
	var on []string
	for _, c := range []string{"memory", "cpu", "pids"} {
		if strings.Contains(" "+strings.TrimSpace(controllers)+" ", " "+c+" ") {
			on = append(on, "+"+c)
		}
	}
	return write(filepath.Join(dir, "cgroup.subtree_control"), strings.Join(on, " "))
}

func mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// write sets a knob; unlike os.WriteFile it never creates a file.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

func writable(path string) bool { return unix.Access(path, unix.W_OK) == nil }

// chownIfOther gives path to the run account where that is another one.
func chownIfOther(path string, run account) error {
	if run.uid == os.Geteuid() {
		return nil
	}
	return os.Lchown(path, run.uid, run.gid)
}
