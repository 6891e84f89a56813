package sandbox

import (
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// DefaultLimits is what one job may use where its owner has said nothing: two
// processors, two gigabytes, ten minutes.
func DefaultLimits() Limits {
	return Limits{
		CPUs: 2, Memory: 2 << 30, TmpBytes: 512 << 20, OutBytes: 256 << 20, LogBytes: 1 << 20,
		Processes: 256, OpenFiles: 1024, CPUTime: 20 * time.Minute, Wall: 10 * time.Minute,
	}
}

// AddressHeadroom is how much more address space than memory one process may
// map. It turns most attempts of one process to take too much into a plain
// error of its allocator; allocators and the Go runtime reserve about this much
// without using it. What bounds the job as a whole is measured from outside.
const AddressHeadroom = 2 << 30

// maxFileBytes bounds Spec.Files as a whole: they are copied once per session.
const maxFileBytes = 16 << 20

// maxTexts bounds how many arguments, variables, binds or files a Spec has.
const maxTexts = 4096

var sessionID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// reserved are the guest paths that the sandbox makes itself: nothing may be
// placed on, above or below them.
var reserved = []string{"/proc", "/sys", "/dev", "/tmp", "/out"}

// system are the guest paths of the host's own programs; a Spec that is not
// Bare has them already.
var system = []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives"}

// Validate finds what is wrong with a Spec before anything is started.
func (s Spec) Validate() error {
	if !sessionID.MatchString(s.ID) {
		return invalid("use letters, digits, '-' and '_', at most 64", "the session's id is not usable as a name")
	}
	if len(s.Argv) == 0 || !cleanPath(s.Argv[0]) {
		return invalid("name the program by its absolute path in the guest", "the session has no program")
	}
	if len(s.Argv) > maxTexts || len(s.Env) > maxTexts || len(s.Binds) > maxTexts || len(s.Files) > maxTexts {
		return invalid("pass larger things over the session's connection", "the session's description is too long")
	}
	if err := s.validateTexts(); err != nil {
		return err
	}
	if err := s.validatePaths(); err != nil {
		return err
	}
	if err := s.Limits.validate(); err != nil {
		return err
	}
	return s.Hold.validate(s.Limits)
}

func (s Spec) validateTexts() error {
	for _, a := range s.Argv {
		if strings.ContainsRune(a, 0) {
			return invalid("remove it", "an argument holds a zero byte")
		}
	}
	for _, e := range s.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" || strings.ContainsRune(e, 0) {
			return invalid("write NAME=value", "an environment entry is malformed")
		}
	}
	return nil
}

func (h *Hold) validate(most Limits) error {
	if h != nil && (h.Memory < 32<<20 || h.Memory > most.Memory || h.CPUTime <= 0 || h.Wall <= 0) {
		return invalid("set every limit of it; its memory is at least 32 MiB and at most the session's own",
			"the limits of the session's waiting are missing or out of range")
	}
	return nil
}

func (s Spec) validatePaths() error {
	total := 0
	taken := append([]string{}, reserved...)
	if !s.Bare {
		taken = append(taken, system...)
	}
	add := func(p string) error {
		if !cleanPath(p) {
			return invalid("give an absolute path without dot segments", "%q is not a path in the guest", p)
		}
		for _, t := range taken {
			if p == t || strings.HasPrefix(p, t+"/") || strings.HasPrefix(t, p+"/") {
				return invalid("choose another path in the guest", "%q collides with %q", p, t)
			}
		}
		taken = append(taken, p)
		return nil
	}
	for _, b := range s.Binds {
		if !cleanPath(b.Host) {
			return invalid("give an absolute path without dot segments", "%q is not a path of the host", b.Host)
		}
		if err := add(b.Guest); err != nil {
			return err
		}
	}
	for p, data := range s.Files {
		if err := add(p); err != nil {
			return err
		}
		total += len(data)
	}
	if total > maxFileBytes {
		return invalid("pass larger files as descriptors or binds", "the session's files are larger than %d MiB", maxFileBytes>>20)
	}
	return nil
}

// Within says whether a session that was started for the limits most may begin
// work under l: less memory and time, and else the same.
func (l Limits) Within(most Limits) error {
	if err := l.validate(); err != nil {
		return err
	}
	if l.Memory > most.Memory || l.CPUTime > most.CPUTime || l.Wall > most.Wall {
		return invalid("start a session for these limits", "the work may use more than the session was started for")
	}
	l.Memory, l.CPUTime, l.Wall = most.Memory, most.CPUTime, most.Wall
	if l != most {
		return invalid("start a session for these limits", "the work needs a limit that cannot change after a session's start")
	}
	return nil
}

func (l Limits) validate() error {
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"CPUs", l.CPUs > 0 && l.CPUs <= 4096},
		{"Memory", l.Memory >= 32<<20},
		{"TmpBytes", l.TmpBytes > 0},
		{"OutBytes", l.OutBytes > 0},
		{"LogBytes", l.LogBytes > 0},
		{"Processes", l.Processes > 0},
		{"OpenFiles", l.OpenFiles > 0},
		{"CPUTime", l.CPUTime > 0},
		{"Wall", l.Wall > 0},
	} {
		if !c.ok {
			return invalid("set every limit; DefaultLimits has usable values, and memory is at least 32 MiB",
				"the limit %s is missing or out of range", c.name)
		}
	}
	return nil
}

func cleanPath(p string) bool {
	return strings.HasPrefix(p, "/") && p != "/" && path.Clean(p) == p && !strings.ContainsRune(p, 0)
}

func invalid(remedy, format string, args ...any) error {
	return anchorhold.Errorf(anchorhold.Invalid, remedy, format, args...)
}
