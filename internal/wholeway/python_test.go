package wholeway

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// A script and a folder with several outputs, one of them of single people, take
// the whole way from Python as they do from a terminal, where
// testdata/whole/declared.txtar takes it: tried, limited, approved, held for a
// person, released, and verified with nothing but the key.
func TestAskedFromPython(t *testing.T) {
	python := os.Getenv("ANCHORHOLD_TEST_PYTHON")
	if python == "" {
		python = filepath.Join("..", "..", ".venv", "bin", "python")
	}
	python, err := filepath.Abs(python)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v: `make test` makes it, or set ANCHORHOLD_TEST_PYTHON", err)
	}
	script, err := filepath.Abs(filepath.Join("testdata", "asks.py"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, heart(120))
	s.run("dataset", "add", "tried", "--dir", s.dir, "--asset", "patients="+s.file, "--mock", "patients=generate", "--confirm-facts", "--json")
	token := func(email string, role anchorhold.Role) string {
		u, err := s.owner().AddUser(context.Background(), client.NewUser{Email: email, Role: role, Scope: anchorhold.ScopeStudy("s1")})
		if err != nil {
			t.Fatal(err)
		}
		return u.Token
	}
	cmd := exec.Command(python, script, "http://"+s.addr, s.key.String(),
		token("ada@example.org", anchorhold.RoleResearcher), token("eva@example.org", anchorhold.RoleReviewer))
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "answered\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
