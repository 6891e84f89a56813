//go:build mutants

package mutants_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryMutantIsFound by the tests that it names, each of which fails. -run
// TestEveryMutantIsFound/NAME builds one alone.
func TestEveryMutantIsFound(t *testing.T) {
	whole, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range read(t) {
		t.Run(m.Name, func(t *testing.T) {
			files, err := m.Apply(root)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			replace := map[string]string{}
			for name, text := range files {
				path := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				replace[filepath.Join(whole, name)] = path
			}
			overlay, err := json.Marshal(map[string]any{"Replace": replace})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "overlay.json")
			if err := os.WriteFile(path, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, test := range m.Tests {
				pkg, name, _ := strings.Cut(test, ".")
				cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", "-overlay", path, "-run", "^"+name+"$", "./"+pkg)
				cmd.Dir = whole
				said, err := cmd.CombinedOutput()
				if err == nil || !strings.Contains(string(said), "--- FAIL: "+name+" ") {
					t.Errorf("%s does not find this build, in which %s\n%v\n%s", test, m.Breaks, err, said)
				}
			}
		})
	}
}
