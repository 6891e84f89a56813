package pyenv

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"regexp"
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
type Lock struct {
	text     string
	packages int
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
	hashLine    = regexp.MustCompile(`^    --hash=sha256:[0-9a-f]{64}( \\)?$`)
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
	if p.packages == 0 {
		return Lock{}, anchorhold.Errorf(anchorhold.Invalid, lockRemedy, "the lock names no package")
	}
	return Lock{text: p.text.String(), packages: p.packages}, nil
}

// lockParser checks a lock line by line.
type lockParser struct {
	text     strings.Builder
	packages int
	open     bool // the last line goes on with a hash
}

func (p *lockParser) line(line string) (why string) {
	p.text.WriteString(line + "\n")
	if p.open {
		m := hashLine.FindStringSubmatch(line)
		if m == nil {
			return "is not a hash, though the line before promises one"
		}
		p.open = m[1] != ""
		return ""
	}
	if !packageLine.MatchString(line) {
		return lineProblem(line)
	}
	p.open = true
	if p.packages++; p.packages > maxLockPackages {
		return "is one package too many"
	}
	return ""
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
