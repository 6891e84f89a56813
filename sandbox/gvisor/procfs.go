//go:build linux && (amd64 || arm64)

package gvisor

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of times in /proc/PID/stat: fixed at 100 in the
// kernel's interface with programs on the architectures that gVisor knows.
const ticksPerSecond = 100

// process is one line of the process table.
type process struct {
	parent int
	ticks  int64 // processor time of the process and the children it has waited for
}

// processTable reads the host's process table.
func processTable() map[int]process {
	table := map[int]process{}
	dir, err := os.Open("/proc")
	if err != nil {
		return table
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return processes(pids)
}

// processes reads the lines of some processes, as far as they live.
func processes(pids []int) map[int]process {
	table := make(map[int]process, len(pids))
	for _, pid := range pids {
		if b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
			if p, ok := parseStat(b); ok {
				table[pid] = p
			}
		}
	}
	return table
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The name in brackets is
// the process's own choice, so the fields are counted from the last bracket.
func parseStat(b []byte) (process, bool) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return process{}, false
	}
	f := strings.Fields(string(b[i+1:])) // f[0] is field 3, the state
	const parent, utime, cstime = 1, 11, 14
	if len(f) <= cstime {
		return process{}, false
	}
	var p process
	var err error
	if p.parent, err = strconv.Atoi(f[parent]); err != nil {
		return process{}, false
	}
	for _, v := range f[utime : cstime+1] {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return process{}, false
		}
		p.ticks += n
	}
	return p, true
}

// family lists pid and everything below it.
func family(table map[int]process, pid int) []int {
	below := map[int]bool{pid: true}
	for grew := true; grew; {
		grew = false
		for p, e := range table {
			if below[e.parent] && !below[p] {
				below[p], grew = true, true
			}
		}
	}
	return slices.Collect(maps.Keys(below))
}

// cpuTime adds up the processor time of some processes.
func cpuTime(table map[int]process, pids []int) time.Duration {
	var ticks int64
	for _, p := range pids {
		ticks += table[p].ticks
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// children lists the direct children of a process.
func children(table map[int]process, pid int) []int {
	var pids []int
	for p, e := range table {
		if e.parent == pid {
			pids = append(pids, p)
		}
	}
	return pids
}

// memoryFileName is how the file that holds a guest's memory looks in the
// kernel process's descriptors. gVisor's name for it is not an interface; the
// meter refuses to run a job whose file it cannot find.
const memoryFileName = "/memfd:runsc-memory (deleted)"

// memoryFiles finds the descriptors of a sandbox that hold its guest's memory.
func memoryFiles(pid int) []string {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	fds, _ := os.ReadDir(dir) // what cannot be read cannot be metered: the same
	var found []string
	for _, fd := range fds {
		path := filepath.Join(dir, fd.Name())
		if target, err := os.Readlink(path); err == nil && target == memoryFileName {
			found = append(found, path)
		}
	}
	return found
}

// isEnding says that a process is gone or on its way: it has given back its
// memory, so there is nothing to meter any more. On a busy host it can stay so
// for seconds, while the kernel ends what ran inside it. The file is described in
// proc_pid_statm(5).
func isEnding(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	return err != nil || bytes.HasPrefix(b, []byte("0 "))
}

// memoryUse is what these files really occupy: the job's memory, its /tmp and
// /out included.
func memoryUse(files []string) (int64, bool) {
	var total int64
	seen := map[uint64]bool{}
	for _, f := range files {
		var st unix.Stat_t
		if err := unix.Stat(f, &st); err != nil {
			return 0, false
		}
		if !seen[st.Ino] {
			seen[st.Ino] = true
			total += st.Blocks * 512
		}
	}
	return total, len(files) > 0
}
