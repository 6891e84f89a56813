// Package mutants has builds of this program that are broken on purpose, each open
// to an attack that a test plays. A test of an attack shows nothing before it was
// seen to succeed.
//
// It promises that each test of an attack has a build in which it fails: those
// builds are kept as the few lines that differ, in testdata, and no longer apply
// when these lines change, which a test notices. It must never touch the tree: a
// build is made with an overlay. `make test-mutants` builds and attacks them all.
package mutants

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// Mutant is one broken build.
type Mutant struct {
	Name   string
	Tests  []string // that find it, as package.Test
	Breaks string   // what is wrong with it, in words
	Edits  []Edit
}

// Edit replaces a text that occurs once in a file by another.
type Edit struct{ File, This, ByThis string }

// Read reads the mutants of a folder. Each is a txtar archive: the tests that find
// it on the first line, what is broken after that, then pairs of sections whose
// names are a file and "this" or "by this".
func Read(dir string) ([]Mutant, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var out []Mutant
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			return nil, err
		}
		m, err := parse(strings.TrimSuffix(filepath.Base(path), ".txt"), a)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func parse(name string, a *txtar.Archive) (Mutant, error) {
	tests, breaks, _ := strings.Cut(string(a.Comment), "\n")
	m := Mutant{Name: name, Tests: strings.Fields(tests), Breaks: strings.TrimSpace(breaks)}
	if len(m.Tests) == 0 || m.Breaks == "" || len(a.Files) == 0 || len(a.Files)%2 != 0 {
		return m, fmt.Errorf("mutant %s does not say which tests find it, what is broken, and pairs of texts", name)
	}
	for pair := range slices.Chunk(a.Files, 2) {
		file, this, _ := strings.Cut(pair[0].Name, ": ")
		if this != "this" || pair[1].Name != file+": by this" {
			return m, fmt.Errorf("mutant %s: sections %q and %q are no pair", name, pair[0].Name, pair[1].Name)
		}
		m.Edits = append(m.Edits, Edit{file, string(pair[0].Data), string(pair[1].Data)})
	}
	return m, nil
}

// Apply gives the files that differ, as they are in the mutant.
func (m Mutant) Apply(root string) (map[string]string, error) {
	out := map[string]string{}
	for _, e := range m.Edits {
		text, ok := out[e.File]
		if !ok {
			data, err := os.ReadFile(filepath.Join(root, e.File))
			if err != nil {
				return nil, fmt.Errorf("mutant %s: %w", m.Name, err)
			}
			text = string(data)
		}
		if n := strings.Count(text, e.This); n != 1 {
			return nil, fmt.Errorf("mutant %s: %s has %d times what it replaces; write the mutant anew, so that the same is broken:\n%s", m.Name, e.File, n, e.This)
		}
		out[e.File] = strings.Replace(text, e.This, e.ByThis, 1)
	}
	return out, nil
}
