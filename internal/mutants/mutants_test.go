package mutants_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/anchorhold/anchorhold/internal/mutants"
)

const root = "../.."

// attacks are the packages whose tests of this name each need a mutant.
var attacks = regexp.MustCompile(`(?m)^func (TestAttack[A-Za-z]+)\(`)

func read(t *testing.T) []mutants.Mutant {
	t.Helper()
	all, err := mutants.Read("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEveryMutantApplies to the tree as it is, and is Go.
func TestEveryMutantApplies(t *testing.T) {
	for _, m := range read(t) {
		files, err := m.Apply(root)
		if err != nil {
			t.Error(err)
		}
		for name, text := range files {
			if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution); err != nil {
				t.Errorf("mutant %s: %v", m.Name, err)
			}
		}
	}
}

// TestEveryAttackHasAMutant that it finds.
func TestEveryAttackHasAMutant(t *testing.T) {
	var found []string
	for _, m := range read(t) {
		found = append(found, m.Tests...)
	}
	there := 0
	for _, pkg := range []string{"question", "exposure"} {
		paths, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range attacks.FindAllStringSubmatch(string(text), -1) {
				there++
				if name := pkg + "." + match[1]; !slices.Contains(found, name) {
					t.Errorf("no mutant shows that %s finds anything: write one into internal/mutants/testdata", name)
				}
			}
		}
	}
	if there == 0 {
		t.Error("there is no attack")
	}
}

// TestWhatIsNoMutant is refused.
func TestWhatIsNoMutant(t *testing.T) {
	for what, text := range map[string]string{
		"nothing":                     "",
		"no words":                    "question.TestAttack\n-- a.go: this --\nx\n-- a.go: by this --\ny\n",
		"half of a pair":              "question.TestAttack\nbroken\n-- a.go: this --\nx\n",
		"another file":                "question.TestAttack\nbroken\n-- a.go: this --\nx\n-- b.go: by this --\ny\n",
		"a text that is not there":    "question.TestAttack\nbroken\n-- a.go: this --\nz\n-- a.go: by this --\ny\n",
		"a text that is there twice":  "question.TestAttack\nbroken\n-- a.go: this --\nx\n-- a.go: by this --\ny\n",
		"a file that is not there":    "question.TestAttack\nbroken\n-- c.go: this --\nx\n-- c.go: by this --\ny\n",
		"the other way round as well": "question.TestAttack\nbroken\n-- a.go: by this --\nx\n-- a.go: this --\ny\n",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "m.txt"), txtar.Format(txtar.Parse([]byte(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte(strings.Repeat("x\n", 2)), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := mutants.Read(dir)
		for _, m := range all {
			_, err = m.Apply(dir)
		}
		if err == nil {
			t.Errorf("%s is taken for a mutant", what)
		}
	}
}
