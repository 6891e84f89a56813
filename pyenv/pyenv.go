// Package pyenv builds Python environments: immutable directories named by the
// lock that they were made from, so that code whose digest names a lock finds
// the same packages at every site.
//
// It promises that a directory which is there is complete (a build that was
// killed leaves nothing that is taken for an environment), that every file in
// it has a hash in the lock, and that the digest of what was built is computed
// from the files themselves. It never runs a package's own code outside of the
// sandbox, never installs anything while a job runs, and never uses an
// interpreter that the sandbox would not see. The tests build real wheels from an index of their
// own, kill builds half-way, and change files behind its back.
package pyenv

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// Env is one built environment.
type Env struct {
	LockDigest    string    // of the lock it was made from: the same at every site
	BuiltDigest   string    // of what was built: see builtDigest
	Dir           string    // read-only directory, to be shown to jobs as a whole
	Python        string    // path of the interpreter that it belongs to
	PythonVersion string    // of that interpreter, such as 3.11.2
	Platform      string    // such as linux-x86_64
	Packages      []Package // by name
	Built         time.Time
}

// Package is one installed package.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// SysPath is the directory that belongs on Python's module path.
func (e Env) SysPath() string { return filepath.Join(e.Dir, packagesDir) }

// The parts of an environment's directory.
const (
	packagesDir = "packages"         // what the wheels held
	fontsDir    = "matplotlib"       // the list of fonts, where Matplotlib is a package
	lockFile    = "lock"             // the lock, byte for byte
	recordFile  = "environment.json" // what Env says; written last
)

// record is the form of recordFile.
type record struct {
	V             int       `json:"v"`
	Lock          string    `json:"lock"`
	Built         string    `json:"built"`
	Bytecode      string    `json:"bytecode"` // digest of the compiled files, for Verify alone
	Python        string    `json:"python"`
	PythonVersion string    `json:"python_version"`
	Platform      string    `json:"platform"`
	Packages      []Package `json:"packages"`
	Time          time.Time `json:"time"`
}

const maxRecordBytes = 4 << 20

func (r record) env(dir string) Env {
	return Env{
		LockDigest: r.Lock, BuiltDigest: r.Built, Dir: dir, Python: r.Python, PythonVersion: r.PythonVersion,
		Platform: r.Platform, Packages: r.Packages, Built: r.Time,
	}
}

func readRecord(dir string) (record, error) {
	var r record
	f, err := os.Open(filepath.Join(dir, recordFile))
	if err != nil {
		return r, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecordBytes))
	if err != nil {
		return r, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	if r.V != 1 || !strings.HasPrefix(r.Lock, "sha256:") || !strings.HasPrefix(r.Built, "sha256:") {
		return r, anchorhold.Errorf(anchorhold.Invalid, "build the environment again", "the record of an environment is damaged")
	}
	return r, nil
}

// systemDir is where root's environments lie, for every account to read.
const systemDir = "/var/lib/anchorhold/envs"

// DefaultStore finds and builds environments in DefaultDir. An ordinary user's
// also finds those that root built, unless ANCHORHOLD_ENVS names one place.
func DefaultStore() (*Store, error) {
	dir, err := DefaultDir()
	if err != nil {
		return nil, err
	}
	s := &Store{Dir: dir}
	if os.Getenv("ANCHORHOLD_ENVS") == "" && dir != systemDir {
		s.Shared = systemDir
	}
	return s, nil
}

// DefaultDir is where environments lie unless told otherwise: the value of
// ANCHORHOLD_ENVS; for root /var/lib/anchorhold/envs, which other accounts can
// read; else anchorhold/envs in the user's data directory (XDG_DATA_HOME).
func DefaultDir() (string, error) {
	if dir := os.Getenv("ANCHORHOLD_ENVS"); dir != "" {
		if !filepath.IsAbs(dir) {
			return "", anchorhold.Errorf(anchorhold.Invalid, "give the full path, from /", "ANCHORHOLD_ENVS is not an absolute path")
		}
		return filepath.Clean(dir), nil
	}
	if os.Geteuid() == 0 {
		return systemDir, nil
	}
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) { // the XDG specification: a relative path is to be ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", anchorhold.Errorf(anchorhold.Invalid, "set ANCHORHOLD_ENVS to a directory for environments",
				"this account has no home directory").Because(err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "anchorhold", "envs"), nil
}
