package pyenv

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/anchorhold/anchorhold"
)

// Store keeps environments in one directory. It is safe for use by several
// goroutines and several processes at once.
type Store struct {
	Dir    string // created by Build; should belong to an account that runs no jobs
	Shared string // a further directory to find environments in, which is never written; may be empty
	Python string // interpreter to build for; empty: /usr/bin/python3
	UV     string // program that installs; empty: ANCHORHOLD_UV, then uv on PATH, then python3 -m uv

	mu     sync.Mutex
	probed probe // of the interpreter, until it changes
}

// Find gives the environment of a lock, built for the interpreter that is
// installed now. It costs two small reads.
func (s *Store) Find(lockDigest string) (Env, bool) {
	py, err := s.interpreter(context.Background())
	if err != nil {
		return Env{}, false
	}
	return s.find(lockDigest, py)
}

func (s *Store) find(lockDigest string, py interpreter) (Env, bool) {
	e, ok := s.open(s.Dir, lockDigest, py)
	if !ok && s.Shared != "" {
		e, ok = s.open(s.Shared, lockDigest, py)
	}
	return e, ok
}

func (s *Store) open(in, lockDigest string, py interpreter) (Env, bool) {
	name, err := dirName(lockDigest, py)
	if err != nil {
		return Env{}, false
	}
	dir := filepath.Join(in, name)
	r, err := readRecord(dir)
	if err != nil || r.Lock != lockDigest || r.PythonVersion != py.Version || r.Platform != py.Platform {
		return Env{}, false
	}
	return r.env(dir), true
}

// List gives every environment for the interpreter that is installed now, by
// lock digest. What cannot be read is left out: Build makes it anew.
func (s *Store) List() []Env {
	py, err := s.interpreter(context.Background())
	if err != nil {
		return nil
	}
	found := map[string]Env{}
	for _, dir := range []string{s.Shared, s.Dir} {
		entries, _ := os.ReadDir(dir) // no directory means no environments
		for _, entry := range entries {
			lock, ok := strings.CutSuffix(entry.Name(), py.suffix())
			if !ok {
				continue
			}
			if e, ok := s.open(dir, "sha256:"+lock, py); ok {
				found[lock] = e
			}
		}
	}
	var out []Env
	for _, lock := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[lock])
	}
	return out
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
	if !ok || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", anchorhold.Errorf(anchorhold.Invalid, "write sha256: and 64 hexadecimal digits", "that is not the digest of a lock")
	}
	return hex + py.suffix(), nil
}

func (py interpreter) suffix() string { return fmt.Sprintf("-py%s-%s", py.Version, py.Platform) }
