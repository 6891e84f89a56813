package pyenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Store keeps environments in one directory. It is safe for use by several
// goroutines and several processes at once.
type Store struct {
	Dir    string // created by Build; should belong to an account that runs no jobs
	Shared string // a further directory to find environments in, which is never written; may be empty
	Python string // interpreter to build for; empty: /usr/bin/python3
	UV     string // program that installs; empty: ANCHORHOLD_UV, then uv on PATH, then python3 -m uv
	// NewSandbox makes the place in which packages' own code may run while an
	// environment is built, and what ends it; nil where there is none, and then
	// nothing is built from sources.
	NewSandbox func() (sandbox.Sandbox, func(), error)

	mu     sync.Mutex
	probed map[string]probe // of each interpreter, until it changes
}

// Find gives the environment of a lock, built for an interpreter that is
// installed now; the store's own goes before others. It costs a few small reads.
func (s *Store) Find(lockDigest string) (Env, bool) {
	py, err := s.interpreter(context.Background())
	if err != nil {
		return Env{}, false
	}
	if e, ok := s.find(lockDigest, py); ok {
		return e, true
	}
	hex, ok := strings.CutPrefix(lockDigest, "sha256:")
	if !ok || !isHex256(hex) {
		return Env{}, false
	}
	for _, dir := range s.dirs() {
		others, _ := filepath.Glob(filepath.Join(dir, hex+"-py*"))
		for _, path := range others {
			if e, ok := s.open(path); ok && e.LockDigest == lockDigest {
				return e, true
			}
		}
	}
	return Env{}, false
}

// dirs are the directories to look in, in their order.
func (s *Store) dirs() []string {
	if s.Shared == "" {
		return []string{s.Dir}
	}
	return []string{s.Dir, s.Shared}
}

func (s *Store) find(lockDigest string, py interpreter) (Env, bool) {
	name, err := dirName(lockDigest, py)
	if err != nil {
		return Env{}, false
	}
	for _, dir := range s.dirs() {
		if e, ok := s.open(filepath.Join(dir, name)); ok {
			return e, true
		}
	}
	return Env{}, false
}

// open reads what lies in a directory: it must have the name that its record
// gives it, and its interpreter must still be the one that it was built for.
func (s *Store) open(dir string) (Env, bool) {
	r, err := readRecord(dir)
	if err != nil {
		return Env{}, false
	}
	py, err := s.interpreterAt(context.Background(), r.Python)
	if err != nil || r.PythonVersion != py.Version || r.Platform != py.Platform {
		return Env{}, false
	}
	name, err := dirName(r.Lock, py)
	return r.env(dir), err == nil && name == filepath.Base(dir)
}

// List gives every environment for an interpreter that is installed now, by
// lock digest. What cannot be read is left out: Build makes it anew.
func (s *Store) List() []Env {
	var out []Env
	seen := map[string]bool{}
	for _, dir := range s.dirs() {
		entries, _ := os.ReadDir(dir) // no directory means no environments
		for _, entry := range entries {
			lock, _, _ := strings.Cut(entry.Name(), "-py")
			if !isHex256(lock) || seen[lock] {
				continue
			}
			if e, ok := s.Find("sha256:" + lock); ok {
				seen[lock] = true
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b Env) int { return strings.Compare(a.LockDigest, b.LockDigest) })
	return out
}

// Lock gives the lock of an environment that is built here, by its digest, or
// one that the program has by its name.
func (s *Store) Lock(name string) (Lock, error) {
	if l, ok := Named(name); ok {
		return l, nil
	}
	if l, ok := Named(NameOf(name)); ok {
		return l, nil
	}
	e, ok := s.Find(name)
	if !ok {
		return Lock{}, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold env ls`", "there is no such environment on this machine")
	}
	data, err := os.ReadFile(filepath.Join(e.Dir, lockFile))
	if err != nil {
		return Lock{}, damaged(e).Because(err)
	}
	l, err := ParseLock(data)
	if err != nil || l.Digest() != e.LockDigest {
		return Lock{}, damaged(e).Because(err)
	}
	return l, nil
}

// Verify computes the digests of an environment's files again. The error says
// whether a file was changed, added or removed since it was built.
func (s *Store) Verify(ctx context.Context, e Env) error {
	r, err := readRecord(e.Dir)
	if err != nil {
		return damaged(e).Because(err)
	}
	sums, err := sumFiles(ctx, e.Dir)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return damaged(e).Because(err)
	}
	built := builtDigest(sums, interpreter{Version: e.PythonVersion, Platform: e.Platform})
	if built != e.BuiltDigest || built != r.Built || bytecodeDigest(sums) != r.Bytecode || r.Lock != e.LockDigest {
		return damaged(e)
	}
	return nil
}

func damaged(e Env) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Conflict, "find out who can write to it, remove the directory, and build it again",
		"the environment in %s is not as it was built", e.Dir)
}

// dirName names an environment's directory: the lock alone does not say for
// which interpreter it was built.
func dirName(lockDigest string, py interpreter) (string, error) {
	hex, ok := strings.CutPrefix(lockDigest, "sha256:")
	if !ok || !isHex256(hex) {
		return "", anchorhold.Errorf(anchorhold.Invalid, "write sha256: and 64 hexadecimal digits", "that is not the digest of a lock")
	}
	return hex + py.suffix(), nil
}

func isHex256(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

func (py interpreter) suffix() string { return fmt.Sprintf("-py%s-%s", py.Version, py.Platform) }
