//go:build linux

package job

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Every type of value comes back as it was, or is refused with a remedy; files
// are read by their registered types; nothing is ever pickled.
func TestCodec(t *testing.T) {
	check(t, "codec_check.py")
	check(t, "reading_check.py")
}

// check runs a script of testdata in the environment of jobs.
func check(t *testing.T, script string, args ...string) {
	t.Helper()
	env := environment(t)
	cmd := exec.Command(env.Python, append([]string{"-P", "-s", "-S", "-B", "testdata/" + script, ".", env.SysPath()}, args...)...)
	cmd.Env = environ(t.TempDir(), 2, 1)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// What a site's parser makes of results still decodes to the same values of the
// same types.
func TestTypesSurviveTheSite(t *testing.T) {
	dir := t.TempDir()
	check(t, "codec_check.py", "encode", dir)
	entries, err := filepath.Glob(filepath.Join(dir, "*.entry"))
	if err != nil || len(entries) < 90 {
		t.Fatalf("%d values, %v", len(entries), err)
	}
	for _, path := range entries {
		var e output.ManifestEntry
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &e)
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, e.File))
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := output.Parse(e, data, output.Declared{Name: e.Name, Kind: e.Kind}, output.Limits{})
		if err != nil {
			t.Errorf("the site refuses %s: %v", text, err)
		}
		if err := os.WriteFile(strings.TrimSuffix(path, ".entry")+".canonical", c.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check(t, "codec_check.py", "decode", dir)
}

// decoded reads an answer's only output as package output does, and gives its
// canonical text where it is JSON.
func decoded(t testing.TB, a Answer) (output.Canonical, string) {
	t.Helper()
	if !a.Manifest.OK || len(a.Manifest.Outputs) != 1 {
		t.Fatalf("the job failed: %+v", a.Manifest)
	}
	e := a.Manifest.Outputs[0]
	c, _, err := output.Parse(e, a.Files[e.File], output.Declared{Name: e.Name, Kind: "any"}, output.Limits{})
	if err != nil {
		t.Fatalf("output refuses what the runner wrote: %v", err)
	}
	return c, strings.TrimSpace(string(c.Data))
}

// What each kind of parameter gets, as the code sees it.
func TestInputs(t *testing.T) {
	describe := "def f(patients):\n    return str(type(patients)), "
	for _, c := range []struct{ kind, code, want string }{
		{
			"dataframe", describe + "[str(d) for d in patients.dtypes], patients.chol.isna().sum().item()",
			`["<class 'pandas.DataFrame'>",["int64","str","float64","bool","datetime64[us]","str"],1]`,
		},
		{
			"arrow", describe + "[str(d) for d in patients.schema.types]",
			`["<class 'pyarrow.lib.Table'>",["int64","string","int64","bool","date32[day]","string"]]`,
		},
		{"numpy", describe + "patients.shape", `["<class 'numpy.ndarray'>",[6,2]]`},
		{
			"path", describe + "patients.name, patients.read_text().splitlines()[0], len(open(patients).read()) == len(patients.read_bytes())",
			`["<class 'pathlib.PosixPath'>","patients.csv","age,sex,chol,smokes,seen,site",true]`,
		},
	} {
		t.Run(c.kind, func(t *testing.T) {
			in, file := patients(c.kind), "testdata/patients.csv"
			if c.kind == "numpy" {
				in.Columns, file = []Column{{Name: "a", Type: anchorhold.TypeInt}, {Name: "b", Type: anchorhold.TypeFloat}}, "testdata/numbers.csv"
			}
			a, _ := runNative(t, call(c.code, in), open(t, file)...)
			if _, got := decoded(t, a); got != c.want {
				t.Errorf("the code saw %s, want %s", got, c.want)
			}
		})
	}
}

// Two inputs are not mixed up, values arrive as given, helpers can be imported.
func TestCall(t *testing.T) {
	second := patients("path")
	second.Parameter = "other"
	j := call("from lib.helper import double\nimport math\n\nK = 10\n\ndef f(patients, other, k, name, xs, flag, nothing=None):\n"+
		"    return [len(patients), other.read_text()[:3], double(k) + K, name, xs, flag, nothing, math.pi]\n", patients("dataframe"), second)
	j.Files = append(j.Files, anchorhold.File{Path: "lib/helper.py", Text: "def double(x):\n    return 2 * x\n"})
	j.Values = values("k", "5", "name", `"ünï"`, "xs", "[1,2.5]", "flag", "true")
	a, r := runNative(t, j, open(t, "testdata/patients.csv", "testdata/numbers.csv")...)
	c, got := decoded(t, a)
	if want := `[6,"a,b",20,"ünï",[1,2.5],true,null,3.141592653589793]`; got != want || c.Python != "list" {
		t.Errorf("got %s of type %s, want %s", got, c.Python, want)
	}
	if r.Status != sandbox.OK || len(r.Log) != 0 {
		t.Errorf("the session: %s %d %q", r.Status, r.ExitCode, r.Log)
	}
}

func TestSeveralOutputs(t *testing.T) {
	j := call("import pandas\n\ndef f():\n    print('hello')\n    return {'b': pandas.Series([1.5]), 'a': 3, 'c': 'two\\nlines'}\n")
	j.Outputs = []output.Declared{{Name: "a", Kind: "json"}, {Name: "b", Kind: "table"}, {Name: "c", Kind: "any"}}
	a, r := runNative(t, j)
	if !a.Manifest.OK || len(a.Manifest.Outputs) != 3 || len(a.Files) != 3 || string(a.Files["a.json"]) != "3" || string(a.Files["c.txt"]) != "two\nlines" {
		t.Errorf("the answer: %+v", a)
	}
	if string(r.Log) != "hello\n" {
		t.Errorf("the log: %q", r.Log)
	}
	for text, want := range map[string]string{
		"return {'a': 3}": "did not return the output 'b', which it declares; return {'a': ..., 'b': ..., 'c': ...}",
		"return {'a': 3, 'b': 1, 'c': 2, 'rows': 4}": "the function returned 'rows', which it does not declare; declare it as an output",
		"return 1, 2":                     "declares 3 outputs and returned 2",
		"return [1, 2, 3]":                "declares 3 outputs and returned something of the type list",
		"return {'a': 3, 'b': 1, 'c': 2}": "'b' was declared as table, but the function returned of the type int",
		"return collections.namedtuple('N', 'a b d')(1, 2, 3)":     "did not return the output 'c'",
		"return collections.namedtuple('N', 'c b a')('two', S, 3)": "",
		"return 3, S, 'two'": "",
		"return collections.OrderedDict(c='two', a=3, b=S.to_frame())": "",
	} {
		j.Files[0].Text = "import collections, pandas\nS = pandas.Series([1.5])\ndef f():\n    " + text + "\n"
		a, _ = runNative(t, j)
		if want == "" && (!a.Manifest.OK || string(a.Files["a.json"]) != "3" || len(a.Files) != 3) {
			t.Errorf("%s: %+v", text, a)
		}
		if want != "" && (a.Manifest.OK || !strings.Contains(a.Manifest.Failure.Message, want)) {
			t.Errorf("%s: %+v", text, a.Manifest)
		}
	}
	j.Outputs = j.Outputs[:1]
	j.Files[0].Text = "from typing import NamedTuple\nclass N(NamedTuple):\n    a: int\ndef f() -> N:\n    return N(3)\n"
	if a, _ = runNative(t, j); !a.Manifest.OK || string(a.Files["a.json"]) != "3" {
		t.Errorf("a tuple of one: %+v", a)
	}
	j.Files[0].Text = "import anchorhold as ah\ndef f() -> ah.Samples:\n    return 3\ndef g(x: ah.Files) -> ah.SVG: pass\n"
	if a, _ = runNative(t, j); !a.Manifest.OK {
		t.Errorf("the words for kinds: %+v", a)
	}
}

// A script finds what it is given as variables, and leaves its answer as one.
func TestScript(t *testing.T) {
	text := "import dataclasses, pathlib, helper\n\n@dataclasses.dataclass\nclass Row:\n    age: int\n\n" +
		"if __name__ == '__main__':\n    patients = helper.half(patients)\n" +
		"result = [len(patients), k, open('codes.csv').read(), (pathlib.Path(__file__).parent / 'codes.csv').exists(), Row(3).age]\n"
	script := func(text string) Job {
		j := call("", patients("dataframe"))
		j.Entry, j.Values = "main.py:"+anchorhold.ScriptEntry, values("k", "5")
		j.Files = []anchorhold.File{
			{Path: "main.py", Text: text},
			{Path: "helper.py", Text: "def half(x):\n    return x.head(len(x) // 2)\n"},
			{Path: "codes.csv", Text: "a"},
		}
		return j
	}
	a, _ := runNative(t, script(text), open(t, "testdata/patients.csv")...)
	if _, got := decoded(t, a); got != `[3,5,"a",true,3]` {
		t.Errorf("the script gave %s", got)
	}
	j := script("a = k + 1\nb = 'text'\nc = patients\n")
	j.Outputs = []output.Declared{{Name: "a", Kind: "json"}, {Name: "b", Kind: "any"}}
	a, _ = runNative(t, j, open(t, "testdata/patients.csv")...)
	if !a.Manifest.OK || len(a.Files) != 2 || string(a.Files["a.json"]) != "6" {
		t.Errorf("two outputs: %+v", a)
	}
	for text, want := range map[string]string{
		"answer = 3\n":                          "the script ended without a variable result; assign it: result = ...",
		"x = 1\nraise ValueError('bad ' * 2)\n": "File \"main.py\", line 2, in <module>\n    raise ValueError('bad ' * 2)",
		"import sys\nsys.exit()\n":              "the code called sys.exit",
	} {
		a, _ := runNative(t, script(text), open(t, "testdata/patients.csv")...)
		if f := a.Manifest.Failure; a.Manifest.OK || !strings.Contains(f.Message+f.Traceback, want) || strings.Contains(f.Traceback, "runner.py") {
			t.Errorf("%s: %+v", text, a.Manifest)
		}
	}
}

// Modules of a folder find each other, however they import each other.
func TestFolder(t *testing.T) {
	j := call("")
	j.Entry = "study/steps/last.py:f"
	j.Files = []anchorhold.File{
		{Path: "study/__init__.py", Text: "from .steps import last\n"},
		{Path: "study/steps/__init__.py", Text: "import study.common\nCOUNT = [0]\n"},
		{Path: "study/steps/last.py", Text: "from . import COUNT\nfrom study import common\nCOUNT[0] += 1\n\ndef f():\n    return [COUNT[0], common.codes(), common.last().f is f]\n"},
		{Path: "study/common.py", Text: "from pathlib import Path\n\ndef codes():\n    return Path(__file__).with_name('codes.txt').read_text()\n\ndef last():\n    from study.steps import last\n    return last\n"},
		{Path: "study/codes.txt", Text: "1;2"},
	}
	a, _ := runNative(t, j)
	if _, got := decoded(t, a); got != `[1,"1;2",true]` {
		t.Errorf("the folder gave %s", got)
	}
	j.Entry = "study/__init__.py:last"
	if a, _ = runNative(t, j); a.Manifest.OK || !strings.Contains(a.Manifest.Failure.Message, "study/__init__.py has no function last") {
		t.Errorf("a module for a function: %+v", a.Manifest)
	}
}

// Whatever goes wrong in the author's code is an answer that owners can read.
func TestFailures(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	for _, c := range []struct{ name, code, kind, message, trace string }{
		{"raises", "def f():\n    x = 1\n    raise ValueError('bad')\n", "ValueError", "bad", "File \"main.py\", line 3, in f\n    raise ValueError('bad')"},
		{"does not parse", "def f(:\n", "SyntaxError", "invalid syntax", "File \"main.py\", line 1"},
		{"fails on import", "import nowhere\n", "ModuleNotFoundError", "nowhere", "line 1, in <module>"},
		{"no such function", "def g(): pass\n", "CodeRefused", "no function f", ""},
		{"not a function", "f = 3\n", "CodeRefused", "no function f", ""},
		{"wrong parameters", "def f(x):\n    pass\n", "TypeError", "missing 1 required", ""},
		{"exits", "import sys\ndef f():\n    sys.exit(0)\n", "SystemExit", "return the result instead", "line 3, in f"},
		{"interrupts itself", "def f():\n    raise KeyboardInterrupt\n", "KeyboardInterrupt", "", "line 2"},
		{"recurses", "def f():\n    return f()\n", "RecursionError", "maximum recursion depth", "line 2"},
		{"its error fails", "class E(Exception):\n    def __str__(self):\n        raise E\ndef f():\n    raise E\n", "main.E", "cannot say what it is", ""},
		{"half a character", "def f():\n    raise ValueError('\\ud800')\n", "ValueError", "?", ""},
		{"endless message", "def f():\n    raise ValueError('" + long + "')\n", "ValueError", "xxx ...", ""},
		{"not a result", "def f():\n    return {1, 2}\n", "ResultRefused", "a result cannot be of the type set; return sorted(x), a list", ""},
		{"generator", "def f():\n    yield 1\n", "ResultRefused", "return list(x)", ""},
		{"coroutine", "async def f():\n    pass\n", "ResultRefused", "not async def", ""},
		{"model", "from sklearn.linear_model import LinearRegression\ndef f():\n    return LinearRegression()\n", "ResultRefused", "coefficients", ""},
		{"NaN in a dict", "def f():\n    return {'a': float('nan')}\n", "ResultRefused", "put None in its place", ""},
		{"prints on closed stdout", "import sys\ndef f():\n    sys.stdout.close()\n    raise ValueError('late')\n", "ValueError", "late", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, r := runNative(t, call(c.code))
			f := a.Manifest.Failure
			if a.Manifest.OK || f.Type != c.kind || !strings.Contains(f.Message, c.message) || !strings.Contains(f.Traceback, c.trace) {
				t.Errorf("the manifest: %+.2000v", a.Manifest)
			}
			if strings.Contains(f.Traceback, "runner.py") || strings.Contains(f.Traceback, t.TempDir()[:8]+"/job") && c.trace != "" {
				t.Errorf("the traceback shows the runner: %s", f.Traceback)
			}
			if len(f.Traceback) > 64<<10 || len(f.Message) > 4<<10 || r.Status != sandbox.Failed || r.ExitCode != 1 {
				t.Errorf("%d bytes of traceback, %d of message, status %s, exit %d", len(f.Traceback), len(f.Message), r.Status, r.ExitCode)
			}
		})
	}
}

// An input that is not what was registered ends the job with a clear sentence.
func TestWrongInput(t *testing.T) {
	in := patients("dataframe")
	in.Columns = in.Columns[1:]
	a, _ := runNative(t, call("def f(patients): pass\n", in), open(t, "testdata/patients.csv")...)
	if a.Manifest.OK || a.Manifest.Failure.Type != "InputRefused" || !strings.Contains(a.Manifest.Failure.Message, "register a new version") {
		t.Errorf("the manifest: %+v", a.Manifest)
	}
}

// Code cannot shadow what the runner needs, nor hide behind the names of Python.
func TestNames(t *testing.T) {
	j := call("")
	j.Files = []anchorhold.File{{Path: "json.py", Text: "def f():\n    return 1\n"}}
	j.Entry = "json.py:f"
	a, _ := runNative(t, j)
	if a.Manifest.OK || !strings.Contains(a.Manifest.Failure.Message, "give it another name") {
		t.Errorf("json.py: %+v", a.Manifest)
	}
	j.Files = []anchorhold.File{
		{Path: "study/main.py", Text: "from . import codec\n\ndef f():\n    return codec.answer\n"},
		{Path: "study/codec.py", Text: "answer = 42\n"},
	}
	j.Entry = "study/main.py:f"
	a, _ = runNative(t, j)
	if _, got := decoded(t, a); got != "42" {
		t.Errorf("study/main.py gave %s", got)
	}
}

// The environment is what its lock says: nothing of the host's own packages or
// of a home directory is importable, and runs repeat to the byte.
func TestIsolation(t *testing.T) {
	code := "import os, sys\ndef f():\n    return [[p for p in sys.path if 'dist-packages' in p or 'site-packages' in p], " +
		"list({'a', 'b', 'c', 'd', 'e'}), sorted(os.environ), sys.flags.safe_path, sys.flags.no_user_site]\n"
	first, _ := runNative(t, call(code))
	second, _ := runNative(t, call(code))
	_, got := decoded(t, first)
	if _, again := decoded(t, second); got != again {
		t.Errorf("two runs differ: %s, %s", got, again)
	}
	var seen []any
	if err := json.Unmarshal([]byte(got), &seen); err != nil {
		t.Fatal(err)
	}
	if paths := seen[0].([]any); len(paths) != 0 {
		t.Errorf("the host's packages are on the path: %v", paths)
	}
	for _, name := range seen[2].([]any) {
		if strings.HasPrefix(name.(string), "ANCHORHOLD") || name == "USER" {
			t.Errorf("the environment holds %s", name)
		}
	}
}

// Libraries whose threads never sleep have as many as there are processors for the
// job alone (one, in these tests); Arrow's may use all that the limits allow.
func TestThreads(t *testing.T) {
	code := "import numpy, pyarrow, threadpoolctl\ndef f():\n    numpy.ones((8, 8)) @ numpy.ones((8, 8))\n" +
		"    return [pyarrow.cpu_count(), [p['num_threads'] for p in threadpoolctl.threadpool_info()]]\n"
	a, _ := runNative(t, call(code))
	if _, got := decoded(t, a); got != "[2,[1]]" {
		t.Errorf("threads of Arrow, and of each pool that does not sleep: %s, want [2,[1]]", got)
	}
}

// Threads and children that the code leaves behind do not hold the job.
func TestLeftBehind(t *testing.T) {
	code := "import os, threading, time\ndef f():\n    threading.Thread(target=time.sleep, args=(600,)).start()\n" +
		"    if os.fork() == 0:\n        os.close(1); os.close(2)\n        time.sleep(2)\n        os._exit(0)\n    return 1\n"
	start := time.Now()
	a, r := runNative(t, call(code))
	if !a.Manifest.OK || r.Status != sandbox.OK {
		t.Errorf("the job: %+v, %+v", a.Manifest, r)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("the job took %v", took)
	}
}

// A figure leaves as a picture; the list of fonts comes from the environment.
func TestFigure(t *testing.T) {
	code := "import matplotlib.pyplot as plt\ndef f(patients):\n    fig, ax = plt.subplots()\n    patients.plot.scatter('age', 'chol', ax=ax)\n    return ax\n"
	a, r := runNative(t, call(code, patients("dataframe")), open(t, "testdata/patients.csv")...)
	if c, _ := decoded(t, a); c.Kind != "image" || !bytes.HasPrefix(c.Data, []byte("\x89PNG")) {
		t.Errorf("the output: %+v", c)
	}
	if len(r.Log) != 0 {
		t.Errorf("Matplotlib complains: %s", r.Log)
	}
}

// A connection that is closed before a job came ends the runner: nothing that
// waits for work outlives its site.
func TestClosedBeforeTheJob(t *testing.T) {
	for name, sent := range map[string][]byte{"at once": nil, "in the length": {0, 0}, "in the job": {0, 0, 0, 9, '{'}} {
		t.Run(name, func(t *testing.T) {
			s := startNative(t, environment(t))
			ready := make([]byte, 1)
			if _, err := s.conn.Read(ready); err != nil || ready[0] != 'R' {
				t.Fatalf("the runner said %q, %v", ready, err)
			}
			if len(sent) > 0 {
				if _, err := s.conn.Write(sent); err != nil {
					t.Fatal(err)
				}
			}
			s.conn.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			if r, err := s.Wait(ctx); err != nil || r.ExitCode != 2 {
				t.Errorf("the runner: %+v, %v", r, err)
			}
		})
	}
}

// Results larger than the room for them are refused with a remedy.
func TestResultTooLarge(t *testing.T) {
	code := "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\nimport signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" +
		"import numpy\ndef f():\n    return numpy.zeros(1 << 20)\n"
	a, _ := runNative(t, call(code))
	if a.Manifest.OK || !strings.Contains(a.Manifest.Failure.Message, "ask the owner for a higher limit") {
		t.Errorf("the manifest: %+v", a.Manifest)
	}
}

// The embedded files are those of this folder, and the runner needs no library
// before it knows what the job needs.
func TestRunnerStartsLean(t *testing.T) {
	code := "import sys\ndef f():\n    return sorted({'numpy', 'pandas', 'pyarrow', 'matplotlib', 'tarfile', 'typing'} & set(sys.modules))\n"
	a, _ := runNative(t, call(code))
	if _, got := decoded(t, a); got != "[]" {
		t.Errorf("the runner imported %s before the code asked for it", got)
	}
	for _, name := range []string{"runner.py", "inputs.py", "codec.py", "declared.py", "encode.py"} {
		if matches, err := filepath.Glob(name); err != nil || len(matches) != 1 {
			t.Errorf("%s: %v %v", name, matches, err)
		}
	}
}

// Every form of an input arrives as its parameter asks for it, a folder's files
// by their names, and the words for them can be imported.
func TestInputsOfEveryKind(t *testing.T) {
	dir := t.TempDir()
	packed := filepath.Join(dir, "packed")
	if err := os.WriteFile(packed, []byte("onetwo"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := Input{Parameter: "files", Type: "files", Format: "tar", Files: []File{{Name: "a/1.txt", FD: 1, Size: 3}, {Name: "b.txt", FD: 1, Offset: 3, Size: 3}}}
	folder := files
	folder.Parameter, folder.Type = "folder", "path"
	batches := patients("batches")
	code := `import anchorhold as ah

def f(patients: ah.Batches, files: ah.Files, folder):
    assert isinstance(patients, ah.Batches) and isinstance(files, ah.Files)
    rows = sum(batch.num_rows for batch in patients)
    texts = [files[name].read_text() for name in files]
    assert (folder / "a" / "1.txt").read_text() == "one" and sorted(p.name for p in folder.iterdir()) == ["a", "b.txt"]
    return [rows, *texts]
`
	j := Job{Files: []anchorhold.File{{Path: "main.py", Text: code}}, Entry: "main.py:f", Inputs: []Input{batches, files, folder}, Outputs: one}
	a, r := runNative(t, j, open(t, "testdata/patients.csv", packed)...)
	if _, got := decoded(t, a); !strings.HasSuffix(got, `,"one","two"]`) {
		t.Errorf("%s\n%s", got, r.Log)
	}
	files.Type, files.Files = "dataframe", files.Files[:1]
	files.Files[0].FD = 0
	a, _ = runNative(t, call("def f(files):\n    return len(files)\n", files), open(t, packed)...)
	if a.Manifest.OK || !strings.Contains(a.Manifest.Failure.Message, "annotate the parameter as anchorhold.Files") {
		t.Errorf("%+v", a.Manifest)
	}
}
