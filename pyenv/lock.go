package pyenv

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/anchorhold/anchorhold"
)

// Limits of a lock: hundreds of times what real ones need.
const (
	maxLockBytes    = 8 << 20
	maxLockLine     = 2048
	maxLockPackages = 5000
)

// Lock names exactly the packages of an environment: name, version, and the
// SHA-256 of every file that may be installed. It names no place to get them
// from. The zero Lock is none; ParseLock and Default make real ones.
//
// Before its packages a lock may say, one line each and in this order, for which
// minor version of Python and for which platform it resolves, and which of its
// packages are built from their sources, in the order in which that happens:
//
//	# python: 3.12
//	# platform: linux-aarch64
//	# build: some-package
//
// A lock without these lines resolves wherever its markers say, from wheels.
type Lock struct {
	text     string
	packages int
	python   string // such as "3.12"; empty: any
	platform string // such as "linux-x86_64"; empty: any
	builds   []string
	pins     []pin
}

// pin is one package of a lock.
type pin struct {
	line          string // the package's own lines, hashes and all
	name, version string
	marked        bool // it has a marker: not for every interpreter
	hashes        []string
}

// Python is the minor version that the lock is for, such as "3.12"; empty for any.
func (l Lock) Python() string { return l.python }

// Platform is what the lock is for, such as "linux-x86_64"; empty for any.
func (l Lock) Platform() string { return l.platform }

// Builds names the packages that are built from their sources.
func (l Lock) Builds() []string { return slices.Clone(l.builds) }

// Packages lists the packages as name==version, in the lock's order; one that
// only some interpreters get is among them.
func (l Lock) Packages() []string {
	out := make([]string, 0, len(l.pins))
	for _, p := range l.pins {
		out = append(out, p.name+"=="+p.version)
	}
	return out
}

// holds says whether a file's SHA-256 (hexadecimal) is one that the lock names.
func (l Lock) holds(sum string) bool {
	return slices.ContainsFunc(l.pins, func(p pin) bool { return slices.Contains(p.hashes, sum) })
}

// fits says why the lock is not for an interpreter; nil when it is.
func (l Lock) fits(py interpreter) error {
	if l.python != "" && l.python != py.minor() {
		return anchorhold.Errorf(anchorhold.Invalid, "install Python "+l.python+", or make the lock for "+py.minor(),
			"the lock is for Python %s, and this is %s", l.python, py.minor())
	}
	if l.platform != "" && l.platform != py.Platform {
		return anchorhold.Errorf(anchorhold.Invalid, "use the lock on such a machine, or make one for this",
			"the lock is for the platform %s, and this is %s", l.platform, py.Platform)
	}
	return nil
}

// Digest is "sha256:" and the hexadecimal SHA-256 of the lock's bytes: the name
// of the environment in code digests, the same at every site.
func (l Lock) Digest() string {
	sum := sha256.Sum256([]byte(l.text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// String is the lock as a requirements file, byte for byte as it was parsed.
func (l Lock) String() string { return l.text }

//go:embed default.lock
var defaultLock string

// Default is the lock of the environment that every site offers: NumPy, pandas,
// Polars, PyArrow, SciPy, scikit-learn, statsmodels and Matplotlib, for Python
// 3.11 and later. It is made from default.in by
//
//	uv pip compile --generate-hashes --universal --no-header --no-annotate --python-version 3.11 default.in -o default.lock
func Default() Lock { return parsedDefault() }

var parsedDefault = sync.OnceValue(func() Lock {
	l, err := ParseLock([]byte(defaultLock))
	if err != nil {
		panic("pyenv: the built-in lock is damaged: " + err.Error())
	}
	return l
})

//go:embed default-0.1.lock
var defaultLock01 string

// Named gives an earlier default lock by its name, such as default-0.1, and the
// present one by "default": code that was written for one goes on naming it.
func Named(name string) (Lock, bool) {
	switch name {
	case "default":
		return Default(), true
	case "default-0.1":
		return earlierLock(), true
	}
	return Lock{}, false
}

// Names lists the names that Named knows, the present default first.
func Names() []string { return []string{"default", "default-0.1"} }

// NameOf gives the name of a digest that Named knows; empty for any other.
func NameOf(lockDigest string) string {
	for _, name := range Names() {
		if l, _ := Named(name); l.Digest() == lockDigest {
			return name
		}
	}
	return ""
}

var earlierLock = sync.OnceValue(func() Lock {
	l, err := ParseLock([]byte(defaultLock01))
	if err != nil {
		panic("pyenv: a built-in lock is damaged: " + err.Error())
	}
	return l
})

var (
	// "name==version" or "name==version ; marker", to be continued.
	packageLine = regexp.MustCompile(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)( ; [A-Za-z0-9_ .'"<>=!()+*,~-]+)? \\$`)
	pythonLine  = regexp.MustCompile(`^# python: (3\.[0-9]{1,3})$`)
	systemLine  = regexp.MustCompile(`^# platform: ([a-z0-9][a-z0-9_.-]{0,63})$`)
	buildLine   = regexp.MustCompile(`^# build: ([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)$`)
	hashLine    = regexp.MustCompile(`^    --hash=sha256:([0-9a-f]{64})( \\)?$`)
)

// ParseLock reads a lock in the form that uv writes: for each package one line
// "name==version ; marker", then one line for each hash. Everything else that a
// requirements file can hold is refused, above all addresses, options, folders
// and packages without a hash: a lock must mean the same at every site, and
// must not be able to send an installer anywhere.
func ParseLock(data []byte) (Lock, error) {
	if len(data) > maxLockBytes {
		return Lock{}, anchorhold.Errorf(anchorhold.TooLarge, "lock fewer packages", "the lock is larger than %d MiB", maxLockBytes>>20)
	}
	p := lockParser{}
	for n := 1; len(data) > 0; n++ {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		if !ended || len(line) > maxLockLine {
			return Lock{}, badLine(n, "does not end, or is too long")
		}
		if why := p.line(string(line)); why != "" {
			return Lock{}, badLine(n, why)
		}
		data = rest
	}
	if p.open {
		return Lock{}, anchorhold.Errorf(anchorhold.Invalid, lockRemedy, "the lock ends in the middle of a package")
	}
	if p.lock.packages == 0 {
		return Lock{}, anchorhold.Errorf(anchorhold.Invalid, lockRemedy, "the lock names no package")
	}
	if err := p.checkBuilds(); err != nil {
		return Lock{}, err
	}
	p.lock.text = p.text.String()
	return p.lock, nil
}

// checkBuilds: what is built is one package of the lock, whatever the interpreter.
func (p *lockParser) checkBuilds() error {
	for i, name := range p.lock.builds {
		n := 0
		for _, k := range p.lock.pins {
			if normal(k.name) == name {
				n++
			}
		}
		if n != 1 || slices.Contains(p.lock.builds[:i], name) {
			return anchorhold.Errorf(anchorhold.Invalid, "name each package that is built once, and lock one version of it",
				"the lock builds a package that it does not name exactly once")
		}
	}
	return nil
}

// normal is a package's name as indexes compare it.
func normal(name string) string {
	return strings.ToLower(separators.ReplaceAllString(name, "-"))
}

var separators = regexp.MustCompile(`[-_.]+`)

// lockParser checks a lock line by line.
type lockParser struct {
	text strings.Builder
	lock Lock
	open bool // the last line goes on with a hash
}

func (p *lockParser) line(line string) (why string) {
	p.text.WriteString(line + "\n")
	if p.open {
		m := hashLine.FindStringSubmatch(line)
		if m == nil {
			return "is not a hash, though the line before promises one"
		}
		last := &p.lock.pins[len(p.lock.pins)-1]
		last.line += line + "\n"
		last.hashes = append(last.hashes, m[1])
		p.open = m[2] != ""
		return ""
	}
	if p.lock.packages == 0 && p.heading(line) {
		return ""
	}
	m := packageLine.FindStringSubmatch(line)
	if m == nil {
		return lineProblem(line)
	}
	p.open = true
	p.lock.pins = append(p.lock.pins, pin{line: line + "\n", name: m[1], version: m[2], marked: m[3] != ""})
	if p.lock.packages++; p.lock.packages > maxLockPackages {
		return "is one package too many"
	}
	return ""
}

// heading takes a line that stands before the packages, each kind in its turn.
func (p *lockParser) heading(line string) bool {
	l := &p.lock
	if m := pythonLine.FindStringSubmatch(line); m != nil && l.python == "" && l.platform == "" && len(l.builds) == 0 {
		l.python = m[1]
		return true
	}
	if m := systemLine.FindStringSubmatch(line); m != nil && l.platform == "" && len(l.builds) == 0 {
		l.platform = m[1]
		return true
	}
	if m := buildLine.FindStringSubmatch(line); m != nil && len(l.builds) < maxLockPackages {
		l.builds = append(l.builds, m[1])
		return true
	}
	return false
}

// lineProblem says in words what a line has that a lock may not have.
func lineProblem(line string) string {
	trimmed := strings.TrimSpace(line)
	switch {
	case strings.Contains(line, "://") || strings.Contains(line, " @ "):
		return "holds an address"
	case strings.HasPrefix(trimmed, "-"):
		return "is an option"
	case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		return "is empty or a comment"
	case strings.Contains(line, "==") && !strings.HasSuffix(line, `\`):
		return "names a package without a hash"
	}
	return "is not of the form name==version"
}

const lockRemedy = "make it with: uv pip compile --generate-hashes --universal --no-header --no-annotate"

func badLine(n int, why string) error {
	return anchorhold.Errorf(anchorhold.Invalid, lockRemedy, "the lock cannot be used: line %d %s", n, why)
}
