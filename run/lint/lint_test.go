package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
)

// answer runs the reader as the job does, outside of a sandbox: it only parses.
func answer(t *testing.T, of anchorhold.Code) []byte {
	t.Helper()
	code, entry, values, err := Job(of)
	if err != nil || len(code) != 1 || entry != code[0].Path+":lint" {
		t.Fatal(code, entry, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, code[0].Path), []byte(code[0].Text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("python3", "-c", "import anchorhold_lint, json, sys; json.dump(anchorhold_lint.lint(**json.load(sys.stdin)), sys.stdout)")
	c.Env = append(os.Environ(), "PYTHONPATH="+dir)
	given, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	c.Stdin = bytes.NewReader(given)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func lint(t *testing.T, text string) anchorhold.Lint {
	t.Helper()
	return lintCode(t, anchorhold.Code{Files: []anchorhold.File{{Path: "main.py", Text: text}}, Entry: "main.py:f"})
}

func lintCode(t *testing.T, code anchorhold.Code) anchorhold.Lint {
	t.Helper()
	l, err := Parse(answer(t, code), code.Files)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What a script leaves in its outputs is what a function returns; each file is
// read by itself, and a text that is no code is pointed at.
func TestScriptsAndFolders(t *testing.T) {
	script := func(text string) anchorhold.Code {
		return anchorhold.Code{
			Files: []anchorhold.File{
				{Path: "codes.csv", Text: "a,b\n" + strings.Repeat("1,2\n", 1000)},
				{Path: "main.py", Text: text},
				{Path: "parts/helper.py", Text: "import socket\n"},
			},
			Entry: "main.py:" + anchorhold.ScriptEntry, Outputs: []anchorhold.OutputDecl{{Name: "result", Kind: "any"}},
			Parameters: []anchorhold.Parameter{{Name: "patients", Kind: "asset", Type: "dataframe"}, {Name: "k", Kind: "value", Type: "int"}},
		}
	}
	for text, want := range map[string]string{
		"old = patients[patients['age'] > k]\nresult = old.head(20)\n":    "main.py:2 row level",
		"result = patients.head()\nresult = patients['age'].mean() + k\n": "",
		"kept = patients\nresult = {'n': len(kept)}\n":                    "",
	} {
		var got []string
		for _, f := range lintCode(t, script(text)).Findings {
			got = append(got, fmt.Sprintf("%s:%d %s", f.File, f.Line, f.Category))
		}
		wanted := []string{"parts/helper.py:1 network"} // and nothing of what is no code
		if want != "" {
			wanted = []string{want, wanted[0]}
		}
		if !slices.Equal(got, wanted) {
			t.Errorf("%s: %v, want %v", text, got, wanted)
		}
	}
}

func TestSample(t *testing.T) {
	text, err := os.ReadFile("testdata/sample.py")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, f := range lint(t, string(text)).Findings {
		fmt.Fprintf(&got, "%d %s: %s\n", f.Line, f.Category, f.What)
		if f.Why == "" || f.File != "main.py" {
			t.Errorf("%+v", f)
		}
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s", got.String())
	}
}

// Honest analyses have nothing to answer for.
func TestHonestCodeHasNoFindings(t *testing.T) {
	for _, text := range []string{
		"def f(patients):\n    return patients.groupby('num')['age'].mean()\n",
		"import numpy as np\ndef f(patients, k: int = 5):\n    rng = np.random.default_rng(7)\n    return float(patients['age'].mean() + rng.normal())\n",
		"def f(a, b):\n    both = a.merge(b, on='id')\n    return {'n': len(both), 'mean': both['age'].mean()}\n",
		"def f(patients):\n    counts = patients['sex'].value_counts()\n    return counts[counts > 5]\n",
		"import pandas as pd\ndef f(patients):\n    return pd.crosstab(patients['sex'], patients['num'])\n",
	} {
		if l := lint(t, text); len(l.Findings) != 0 {
			t.Errorf("%s: %+v", text, l.Findings)
		}
	}
}

// The code is parsed and nothing else: what it would do when imported, or when a
// parser is careless, does not happen.
func TestHostileSources(t *testing.T) {
	for name, text := range map[string]string{
		"does something when imported": "raise SystemExit('imported')\n",
		"no Python":                    "def f(:\n",
		"nested deeply":                strings.Repeat("(", 5000) + strings.Repeat(")", 5000),
		"nested less":                  "x = " + strings.Repeat("[", 90) + strings.Repeat("]", 90) + "\n",
		"a chain":                      "x = a" + strings.Repeat(".b", 20000) + "\n",
		"many":                         strings.Repeat("eval('1')\n", 2000),
		"control characters":           "def f(x):\n    return x['\x1b[2J']\n",
		"nothing":                      "",
	} {
		l := lint(t, text)
		for _, f := range l.Findings {
			if strings.ContainsRune(f.What, '\x1b') {
				t.Errorf("%s: %q", name, f.What)
			}
		}
		if name == "many" && (len(l.Findings) != maxFindings || l.More != 2000-maxFindings) {
			t.Errorf("%d findings and %d more", len(l.Findings), l.More)
		}
		if (name == "no Python" || name == "nested deeply") && (len(l.Findings) != 1 || l.Findings[0].Category != "unreadable") {
			t.Errorf("%s: %+v", name, l.Findings)
		}
	}
}

// Whatever answers, what it says is about this code, in our words.
func TestAnswersThatLie(t *testing.T) {
	files := []anchorhold.File{{Path: "main.py", Text: "x = 1\n"}}
	for _, bad := range []string{
		``, `[]`, `{"findings":{}}`, `{"findings":[{"file":"main.py","line":1,"category":"harmless","what":""}]}`,
		`{"findings":[{"file":"other.py","line":1,"category":"files","what":""}]}`,
		`{"findings":[{"file":"main.py","line":3,"category":"files","what":""}]}`,
		`{"findings":[{"file":"main.py","line":0,"category":"files","what":""}]}`, `{"findings":[],"more":-1}`,
		`{"findings":[` + strings.Repeat(`{"file":"main.py","line":1,"category":"files"},`, maxFindings) + `{"file":"main.py","line":1,"category":"files"}]}`,
	} {
		if l, err := Parse([]byte(bad), files); err == nil {
			t.Errorf("%s: %+v", bad, l)
		}
	}
	long, err := json.Marshal(strings.Repeat("\u202e", 500))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Parse([]byte(`{"findings":[{"file":"main.py","line":1,"category":"files","what":`+string(long)+`}]}`), files)
	if err != nil || l.Findings[0].What != strings.Repeat("\uFFFD", maxWhat) {
		t.Errorf("%+v, %v", l, err)
	}
}
