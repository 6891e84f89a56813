//go:build linux && (amd64 || arm64)

package gvisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// gib is the step in which gVisor grows the file that holds a guest's memory,
// and so the step of the file size limit.
const gib = 1 << 30

// jobConfig is what a job process is told in argv.
type jobConfig struct {
	Bundle   string   `json:"bundle"`
	Memory   int64    `json:"memory"`
	Cgroups  []string `json:"cgroups"`
	DirectFS bool     `json:"direct_fs"`
}

// runJob is the process of one session: it takes on the session's limits and
// becomes "runsc run". Its exit code is the guest's; when the sandbox itself
// fails, runsc.log says why.
func runJob(args []string) int {
	var c jobConfig
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &c) != nil {
		return exitUsage
	}
	b := bundle{c.Bundle}
	if err := takeLimits(c); err != nil {
		_ = os.WriteFile(b.log(), []byte(err.Error()), 0o600)
		return exitRunsc
	}
	os.Args = append([]string{"runsc"}, runscArgs(b, c.DirectFS)...)
	return runsc()
}

// exitRunsc is what runsc exits with when the sandbox does not work.
const exitRunsc = 128

// containerID names the container within its own state directory.
const containerID = "j"

func runscArgs(b bundle, directFS bool) []string {
	return []string{
		"--root=" + b.state(), "--log=" + b.log(),
		"--network=none", "--ignore-cgroups", "--overlay2=none", "--platform=systrap",
		"--file-access-mounts=exclusive", "--host-uds=none", "--host-fifo=none", "--host-settings=ignore",
		"--sidecar-usage-policy=STRICT", "--directfs=" + strconv.FormatBool(directFS),
		"run", "-pass-fd", "3:3", "-pid-file", b.pidFile(), "-bundle", b.dir, containerID,
	}
}

// hardCap is the file size limit for a job's memory. A guest's memory and its
// memory file systems are one file, which grows in steps of a GiB: this limit is
// the hard cap of the whole job.
func hardCap(memory int64) uint64 { return uint64((memory + gib - 1) / gib * gib) }

// takeLimits bounds this process and everything that it will start.
func takeLimits(c jobConfig) error {
	for _, dir := range c.Cgroups {
		if err := write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(os.Getpid())); err != nil {
			return fmt.Errorf("entering the control group: %w", err)
		}
	}
	size := hardCap(c.Memory)
	var files unix.Rlimit
	err := errors.Join(
		unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: size}),
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Getrlimit(unix.RLIMIT_NOFILE, &files),
	)
	files.Cur = files.Max
	err = errors.Join(err, unix.Setrlimit(unix.RLIMIT_NOFILE, &files))
	if err != nil {
		return fmt.Errorf("setting limits: %w", err)
	}
	return nil
}
