package pyenv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// defaultPython is the distribution's interpreter. What "python3" means on
// somebody's PATH may be a shim in a home directory, which no job would see.
const defaultPython = "/usr/bin/python3"

// minMinor is the least Python 3 that runs jobs: the runner's safe path (-P)
// exists from 3.11 on.
const minMinor = 11

// interpreter is what an environment depends on beside its packages.
type interpreter struct {
	Path     string `json:"-"`
	Version  string `json:"version"`
	Platform string `json:"platform"`
}

// probe remembers an interpreter as long as its file stays the same.
type probe struct {
	interpreter
	file os.FileInfo
}

const probeCode = `import json, platform, sys, sysconfig
print(json.dumps({"version": platform.python_version(), "platform": sysconfig.get_platform()}))`

var plainVersion = regexp.MustCompile(`^3\.([0-9]{1,3})\.[0-9]{1,3}[0-9a-z.+]{0,32}$`)

var plainPlatform = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

// interpreter finds and asks the store's interpreter.
func (s *Store) interpreter(ctx context.Context) (interpreter, error) {
	return s.interpreterAt(ctx, cmp.Or(s.Python, defaultPython))
}

// interpreterFor finds the interpreter that a lock is for: the store's own, or
// the distribution's of the minor version that the lock names.
func (s *Store) interpreterFor(ctx context.Context, l Lock) (interpreter, error) {
	py, err := s.interpreter(ctx)
	if err != nil || l.python == "" || l.python == py.minor() {
		return py, err
	}
	other, err := s.interpreterAt(ctx, versionedPython+l.python)
	var known *anchorhold.Error
	if errors.As(err, &known) {
		return other, anchorhold.Errorf(known.Kind, "install it, where the distribution has it: apt-get install python"+l.python+"; or make the lock for Python "+py.minor(),
			"the lock is for Python %s, and %s", l.python, known.Message).Because(err)
	}
	return other, err
}

// versionedPython and a minor version are where a distribution keeps others.
const versionedPython = "/usr/bin/python"

// interpreterAt asks an interpreter about itself; only a changed file is asked
// again.
func (s *Store) interpreterAt(ctx context.Context, path string) (interpreter, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return interpreter{}, pythonError("there is no Python at %s", path).Because(err)
	}
	if !strings.HasPrefix(target, "/usr/") {
		return interpreter{}, pythonError("%s is not below /usr, and jobs see nothing else of this machine", path)
	}
	info, err := os.Stat(target)
	if err != nil {
		return interpreter{}, pythonError("%s cannot be read", path).Because(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.probed[path]; ok && unchanged(known.file, info) {
		return known.interpreter, nil
	}
	py, err := ask(ctx, path)
	if err != nil {
		return interpreter{}, err
	}
	if s.probed == nil {
		s.probed = map[string]probe{}
	}
	s.probed[path] = probe{interpreter: py, file: info}
	return py, nil
}

// minor is the interpreter's minor version, such as "3.11".
func (py interpreter) minor() string {
	major, rest, _ := strings.Cut(py.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return major + "." + minor
}

func unchanged(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func ask(ctx context.Context, path string) (interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-I", "-S", "-c", probeCode).Output()
	py := interpreter{Path: path}
	if err == nil {
		err = json.Unmarshal(out, &py)
	}
	if err != nil {
		return py, pythonError("%s does not work", path).Because(err)
	}
	m := plainVersion.FindStringSubmatch(py.Version)
	if m == nil || !plainPlatform.MatchString(py.Platform) {
		return py, pythonError("%s is not a Python 3 that can be used", path)
	}
	var minor int
	if _, err := fmt.Sscan(m[1], &minor); err != nil || minor < minMinor {
		return py, pythonError("%s is Python %s, and jobs need 3.%d or newer", path, py.Version, minMinor)
	}
	return py, nil
}

func pythonError(format string, args ...any) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Unavailable, fmt.Sprintf("install the distribution's Python 3.%d or newer: apt-get install python3", minMinor),
		format, args...)
}

// uv gives the command that starts uv, without its arguments.
func (s *Store) uv() ([]string, error) {
	for _, path := range []string{s.UV, os.Getenv("ANCHORHOLD_UV")} {
		if path == "" {
			continue
		}
		if found, err := exec.LookPath(path); err == nil {
			return []string{found}, nil
		}
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "correct ANCHORHOLD_UV, or unset it and run: "+installUV, "there is no program %s", path)
	}
	if found, err := exec.LookPath("uv"); err == nil {
		return []string{found}, nil
	}
	if python, err := exec.LookPath("python3"); err == nil && exec.Command(python, "-m", "uv", "--version").Run() == nil {
		return []string{python, "-m", "uv"}, nil
	}
	return nil, anchorhold.Errorf(anchorhold.Unavailable, "run: "+installUV, "uv, which installs Python packages, is missing")
}

const installUV = "python3 -m pip install uv==0.13.8"

// uvError turns what uv said into what a person can do. Its output stays in the
// cause: it may name indexes with their passwords.
func uvError(runErr error, output string) error {
	cause := errors.Join(runErr, errors.New(output))
	for _, known := range []struct {
		kind            anchorhold.Kind
		signs           []string
		message, remedy string
	}{
		{
			anchorhold.Unavailable,
			[]string{"No space left on device", "Disk quota exceeded", "File too large"},
			"the disk is full", "free about 2 GB where environments and uv's cache lie, or set ANCHORHOLD_ENVS and UV_CACHE_DIR to another disk",
		},
		{
			anchorhold.Invalid,
			[]string{"Hash mismatch"},
			"a downloaded package is not the one that the lock names", "do not use it; make the lock again if you trust the index, or use another index",
		},
		{
			anchorhold.Invalid,
			[]string{"no wheels with a matching", "has no usable wheels", "no compatible wheels", "were found with a matching"},
			"a package of the lock has no ready-made wheel for this Python and platform", "use another version of Python, or lock other versions",
		},
		{
			anchorhold.Unavailable,
			[]string{
				"Failed to fetch", "error sending request", "dns error", "Connection refused", "operation timed out",
				"client error", "Network is unreachable", "Could not connect",
			},
			"the packages cannot be downloaded", "check the network and uv's settings (UV_DEFAULT_INDEX, HTTPS_PROXY), then try again",
		},
		{
			anchorhold.Invalid,
			[]string{"Hash-checking is required", "In `--require-hashes` mode", "not found in the package registry", "was not found in", "No solution found"},
			"the lock is not complete, or the index lacks a package of it", "make the lock again with --generate-hashes, or use another index",
		},
	} {
		for _, sign := range known.signs {
			if strings.Contains(output, sign) {
				return anchorhold.Errorf(known.kind, known.remedy, "the environment cannot be built: %s", known.message).Because(cause)
			}
		}
	}
	return anchorhold.Errorf(anchorhold.Unavailable, "try again; see the details for what uv said", "the environment cannot be built: uv failed").Because(cause)
}
