package pythonsdk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	pythonsdk "github.com/anchorhold/anchorhold/sdk/python"
)

// answer is what the collector prints.
type answer struct {
	Code  anchorhold.Code `json:"code"`
	Error struct {
		Message string `json:"message"`
		Remedy  string `json:"remedy"`
	} `json:"error"`
}

const analysis = `import math

FACTOR = math.tau  # größer
unused = open("nowhere")

def scaled(x: float) -> float:
    return x * FACTOR

def mean_age(patients, k: int = 3) -> float:
    return scaled(patients["age"].mean()) + k

def reads(patients):
    return unused.read()
`

// collect pipes the program into a Python that sees nothing but its own library.
func collect(t *testing.T, entry string) (answer, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "analysis.py")
	if err := os.WriteFile(file, []byte(analysis), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("python3", "-I", "-", file, "--entry", entry, "--asset", "patients", "--environment", "sha256:"+strings.Repeat("0", 64))
	c.Stdin = strings.NewReader(pythonsdk.Collector())
	var problems bytes.Buffer
	c.Stderr = &problems
	out, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("the collector answered %q, and said %s", out, problems.String())
	}
	return a, c.ProcessState.ExitCode()
}

func TestCollectorGathers(t *testing.T) {
	a, code := collect(t, "mean_age")
	if code != 0 || a.Code.Entry != "main.py:mean_age" || len(a.Code.Files) != 1 {
		t.Fatalf("exit %d, %+v", code, a)
	}
	text := a.Code.Files[0].Text
	for _, want := range []string{"import math\n", "FACTOR = math.tau  # größer\n", "def scaled(", "def mean_age("} {
		if !strings.Contains(text, want) {
			t.Errorf("the gathered code lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "unused") {
		t.Errorf("the gathered code holds what the function does not use:\n%s", text)
	}
	if n := len(a.Code.Parameters); n != 2 || a.Code.Parameters[0].Type != "dataframe" || string(a.Code.Parameters[1].Default) != "3" {
		t.Errorf("parameters: %+v", a.Code.Parameters)
	}
}

func TestCollectorRefuses(t *testing.T) {
	a, code := collect(t, "reads")
	if code != 1 || !strings.Contains(a.Error.Message, "unused") || a.Error.Remedy == "" {
		t.Errorf("exit %d, %+v", code, a.Error)
	}
}

// TestCollectorIsWhole compares the list of modules with the folder.
func TestCollectorIsWhole(t *testing.T) {
	found, err := filepath.Glob("anchorhold/_collect/*.py")
	if err != nil || len(found) == 0 {
		t.Fatal(err, found)
	}
	program := pythonsdk.Collector()
	for _, path := range found {
		name := strings.TrimSuffix(filepath.Base(path), ".py")
		if strings.HasPrefix(name, "__") {
			continue // the package's own comment and its entry from Python
		}
		if !strings.Contains(program, `load("`+name+`", `) {
			t.Errorf("%s is not part of the program", path)
		}
	}
}
