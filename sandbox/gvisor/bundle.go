//go:build linux && (amd64 || arm64)

package gvisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/anchorhold/anchorhold/sandbox"
)

// bundle is a session's directory: DIR/config.json and DIR/rootfs are what
// gVisor reads, DIR/state and DIR/runsc.log what it writes.
type bundle struct{ dir string }

func (b bundle) rootfs() string  { return filepath.Join(b.dir, "rootfs") }
func (b bundle) state() string   { return filepath.Join(b.dir, "state") }
func (b bundle) log() string     { return filepath.Join(b.dir, "runsc.log") }
func (b bundle) pidFile() string { return filepath.Join(b.dir, "pid") }

// write fills the directory, which must not exist.
func (b bundle) write(s sandbox.Spec) error {
	for _, dir := range []string{b.dir, b.rootfs(), b.state()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return startError("check the state directory's disk and rights", "its directory cannot be written").Because(err)
		}
	}
	root, err := os.OpenRoot(b.rootfs())
	if err != nil {
		return startError("check the state directory's disk and rights", "its directory cannot be written").Because(err)
	}
	defer shut(root)
	binds := slices.Clone(s.Binds)
	if !s.Bare {
		system, err := systemBinds(root)
		if err != nil {
			return err
		}
		binds = append(system, binds...)
	}
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "out"} {
		if err := root.Mkdir(dir, 0o755); err != nil {
			return startError("check the state directory's disk and rights", "its directory cannot be written").Because(err)
		}
	}
	if err := mountPoints(root, binds); err != nil {
		return err
	}
	for path, data := range s.Files {
		if err := writeFile(root, path, data, 0o444); err != nil {
			return startError("check the state directory's disk and rights", "%s cannot be written into it", path).Because(err)
		}
	}
	config, err := json.Marshal(ociSpec(s, binds))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "config.json"), config, 0o600)
}

// systemBinds shows the host's programs and libraries and makes the links that
// a merged /usr has (Debian, Ubuntu, Fedora, Arch).
func systemBinds(root *os.Root) ([]sandbox.Bind, error) {
	const remedy = "install a distribution with a merged /usr, such as Debian 12 or later"
	if st, err := os.Stat("/usr/bin"); err != nil || !st.IsDir() {
		return nil, startError(remedy, "the host has no /usr/bin")
	}
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		st, err := os.Lstat("/" + name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil || st.Mode()&os.ModeSymlink == 0 {
			return nil, startError(remedy, "/%s is not a link into /usr", name)
		}
		if err := root.Symlink("usr/"+name, name); err != nil {
			return nil, startError("check the state directory's disk and rights", "its directory cannot be written").Because(err)
		}
	}
	binds := []sandbox.Bind{{Host: "/usr", Guest: "/usr"}}
	for _, path := range []string{"/etc/ld.so.cache", "/etc/alternatives"} {
		if _, err := os.Stat(path); err == nil {
			binds = append(binds, sandbox.Bind{Host: path, Guest: path})
		}
	}
	return binds, nil
}

// mountPoints makes what binds are mounted on: a directory or an empty file.
func mountPoints(root *os.Root, binds []sandbox.Bind) error {
	for _, b := range binds {
		st, err := os.Stat(b.Host)
		if err != nil {
			return startError("let the run account read it, or name another path", "%s cannot be shown to the guest", b.Host).Because(err)
		}
		switch {
		case st.IsDir():
			err = root.MkdirAll(strings.TrimPrefix(b.Guest, "/"), 0o755)
		case st.Mode().IsRegular():
			err = writeFile(root, b.Guest, nil, 0o444)
		default:
			return startError("bind directories and regular files only", "%s is neither a directory nor a regular file", b.Host)
		}
		if err != nil {
			return startError("check the paths of the session's binds", "%s cannot be placed in it", b.Guest).Because(err)
		}
	}
	return nil
}

func writeFile(root *os.Root, path string, data []byte, mode os.FileMode) error {
	name := strings.TrimPrefix(path, "/")
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// guestCapabilities is the one right that a guest has before its own kernel:
// to read what it can name. Without it a guest could read a passed descriptor
// of somebody else's private file, but not open it again as /dev/fd/N. It gives
// no right at the host: there the run account's own rights decide, and what a
// descriptor was opened for.
func guestCapabilities() []string { return []string{"CAP_DAC_READ_SEARCH"} }

// capDACReadSearch is that capability in /proc/PID/status (capabilities(7)).
const capDACReadSearch = "0000000000000004"

// ociSpec is the session in the words of the OCI runtime specification 1.2:
// every namespace of its own, next to no capabilities, nothing writable but two
// sized memory file systems.
func ociSpec(s sandbox.Spec, binds []sandbox.Bind) *specs.Spec {
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "nodev", "noexec"}},
		memoryMount("/tmp", s.Limits.TmpBytes, "mode=1777"),
		memoryMount("/out", s.Limits.OutBytes, "mode=0755", "noexec"),
	}
	for _, b := range binds {
		mounts = append(mounts, specs.Mount{
			Destination: b.Guest, Type: "bind", Source: b.Host,
			Options: []string{"rbind", "ro", "nosuid", "nodev"},
		})
	}
	caps := guestCapabilities()
	return &specs.Spec{
		Version:  specs.Version,
		Hostname: "sandbox",
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Mounts:   mounts,
		Process: &specs.Process{
			Args: s.Argv, Env: append([]string{}, s.Env...), Cwd: "/tmp",
			NoNewPrivileges: true,
			Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps, Inheritable: []string{}, Ambient: []string{}},
			Rlimits:         rlimits(s),
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace},
				{Type: specs.MountNamespace},
				{Type: specs.UTSNamespace},
				{Type: specs.IPCNamespace},
				{Type: specs.NetworkNamespace},
				{Type: specs.UserNamespace},
			},
			// One id is all that an ordinary account may map without help.
			UIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: uint32(os.Geteuid()), Size: 1}},
			GIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: uint32(os.Getegid()), Size: 1}},
		},
	}
}

func memoryMount(at string, size int64, options ...string) specs.Mount {
	return specs.Mount{
		Destination: at, Type: "tmpfs", Source: "tmpfs",
		Options: append([]string{"nosuid", "nodev", fmt.Sprintf("size=%d", size)}, options...),
	}
}

// rlimits are the per-process limits that the guest's kernel enforces. The
// processor time here is a second line, some way behind the meter: it counts each
// process alone, and on a busy machine also time in which the process only waited
// for a processor.
func rlimits(s sandbox.Spec) []specs.POSIXRlimit {
	l, time := s.Limits, s.Limits.CPUTime
	if s.Hold != nil {
		time += s.Hold.CPUTime // of getting ready, which the guest's kernel counts along
	}
	seconds := 4*uint64(math.Ceil(time.Seconds())) + 1
	var r []specs.POSIXRlimit
	for _, v := range []struct {
		name  string
		value uint64
	}{
		{"RLIMIT_AS", uint64(l.Memory) + sandbox.AddressHeadroom},
		{"RLIMIT_CPU", seconds},
		{"RLIMIT_NPROC", uint64(l.Processes)},
		{"RLIMIT_NOFILE", uint64(l.OpenFiles)},
		{"RLIMIT_CORE", 0},
	} {
		r = append(r, specs.POSIXRlimit{Type: v.name, Soft: v.value, Hard: v.value})
	}
	return r
}
