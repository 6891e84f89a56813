//go:build linux && (amd64 || arm64)

package sandboxed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/run/job"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
)

// runUID needs no entry in the user database.
const runUID = 60710

// This very test program becomes launcher and guest kernel: it must be built
// without cgo.
func TestMain(m *testing.M) {
	if code, ok := gvisor.Main(); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func TestSandboxed(t *testing.T) {
	env := environment(t)
	state := t.TempDir() // which other accounts may not enter
	if err := errors.Join(os.Chmod(state, 0o755), os.Chmod(filepath.Dir(state), 0o755)); err != nil {
		t.Fatal(err)
	}
	o := gvisor.Options{StateDir: filepath.Join(state, "state")}
	if os.Geteuid() == 0 {
		o.RunUID, o.RunGID = runUID, runUID
	}
	box, err := gvisor.New(o)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	t.Cleanup(func() { box.Close() })
	b := bench{box: box, env: env, ids: make(chan int, 1)}
	b.ids <- 0
	t.Run("group by", b.groupBy)
	t.Run("figure", b.figure)
	t.Run("parameters", b.parameters)
	t.Run("error", b.raises)
	t.Run("result too large", b.tooLarge)
	t.Run("endless loop", b.endless)
	t.Run("memory", b.memory)
	t.Run("forged answer", b.forged)
}

// environment finds the default environment, which is built before the tests.
func environment(t *testing.T) pyenv.Env {
	t.Helper()
	dir, err := pyenv.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	e, ok := (&pyenv.Store{Dir: dir}).Find(pyenv.Default().Digest())
	if !ok {
		t.Fatalf("this test needs the default environment in %s: build it with `anchorhold env add`", dir)
	}
	return e
}

// bench runs jobs in one sandbox.
type bench struct {
	box sandbox.Sandbox
	env pyenv.Env
	ids chan int
}

func limits() sandbox.Limits {
	l := sandbox.DefaultLimits()
	l.Memory, l.OutBytes, l.Wall = 1<<30, 8<<20, 2*time.Minute
	return l
}

func (b bench) run(t *testing.T, l sandbox.Limits, j job.Job) (job.Answer, sandbox.Result, error) {
	t.Helper()
	n := <-b.ids + 1
	b.ids <- n
	var files []*os.File
	for range j.Inputs {
		f, err := os.Open("../../testdata/patients.csv")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	begin := time.Now()
	s, err := b.box.Start(t.Context(), job.Spec(fmt.Sprintf("job-%d", n), b.env, l))
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	defer s.Kill()
	a, runErr := job.Run(t.Context(), s, j, files)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := s.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v, %s, %.2f CPU s, peak %d MB", time.Since(begin).Round(time.Millisecond), r.Status, r.Usage.CPUSeconds, r.Usage.PeakBytes>>20)
	return a, r, runErr
}

func call(code string, types ...string) job.Job {
	j := job.Job{
		Files: []anchorhold.File{{Path: "main.py", Text: code}}, Entry: "main.py:f",
		Outputs: []output.Declared{{Name: "result", Kind: "any"}},
	}
	for i, kind := range types {
		in := job.Input{Parameter: fmt.Sprintf("p%d", i), Type: kind, Format: "csv", FD: i, Missing: []string{"?"}}
		for _, c := range [][2]string{{"age", "int"}, {"sex", "string"}, {"chol", "int"}, {"smokes", "bool"}, {"seen", "date"}, {"site", "string"}} {
			in.Columns = append(in.Columns, job.Column{Name: c[0], Type: anchorhold.ColumnType(c[1])})
		}
		j.Inputs = append(j.Inputs, in)
	}
	return j
}

// value runs a job that must succeed, and takes its output all the way: parsed
// as hostile bytes, decoded as the researcher's package does, shown.
func (b bench) value(t *testing.T, j job.Job, show string) string {
	t.Helper()
	a, r, err := b.run(t, limits(), j)
	if err != nil || !a.Manifest.OK || r.Status != sandbox.OK {
		t.Fatalf("Run: %v, %+v, %s: %s\n%s", err, a.Manifest, r.Status, r.Reason, r.Log)
	}
	if len(r.Log) > 0 {
		t.Errorf("the job printed %q", r.Log)
	}
	e := a.Manifest.Outputs[0]
	c, _, err := output.Parse(e, a.Files[e.File], j.Outputs[0], output.Limits{})
	if err != nil {
		t.Fatalf("the output is refused: %v", err)
	}
	cmd := exec.Command(b.env.Python, "-P", "-s", "-S", "-B", "-c", "import importlib.util, sys\n"+
		"sys.path.append(sys.argv[1])\n"+
		"spec = importlib.util.spec_from_file_location('codec', '../../codec.py'); codec = importlib.util.module_from_spec(spec); spec.loader.exec_module(codec)\n"+
		"x = codec.decode_result(sys.argv[2], sys.argv[3], sys.stdin.buffer.read())\nprint("+show+")", b.env.SysPath(), c.Kind, c.Python)
	cmd.Stdin = bytes.NewReader(c.Data)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func (b bench) groupBy(t *testing.T) {
	got := b.value(t, call("def f(p0):\n    return p0.groupby('sex')['age'].mean()\n", "dataframe"), "type(x), x.name, x.index.name, x.to_dict()")
	if want := "<class 'pandas.Series'> age sex {'f': 53.333333333333336, 'm': 62.0}"; got != want {
		t.Errorf("the researcher has %s, want %s", got, want)
	}
}

func (b bench) figure(t *testing.T) {
	code := "def f(p0):\n    import matplotlib.pyplot as plt\n    plt.hist(p0.age)\n    return plt.gcf()\n"
	if got := b.value(t, call(code, "dataframe"), "type(x), x[:4], len(x) > 1000"); got != `<class 'bytes'> b'\x89PNG' True` {
		t.Errorf("the researcher has %s", got)
	}
}

// Four inputs in four ways, each an open descriptor and nothing else.
func (b bench) parameters(t *testing.T) {
	code := "import os\ndef f(p0, p1, p2):\n" +
		"    lines = [len(p2.read_text().splitlines()), len(open(p2).readlines())]\n" +
		"    return [len(p0), p1.num_rows, p2.suffix, lines, sorted(os.listdir('/')), os.listdir('/out')]\n"
	got := b.value(t, call(code, "dataframe", "arrow", "path"), "x")
	if !strings.HasPrefix(got, "[6, 6, '.csv', [7, 7], [") || strings.Contains(got, "root") || strings.Contains(got, "'var'") {
		t.Errorf("the job saw %s", got)
	}
}

func (b bench) raises(t *testing.T) {
	a, r, err := b.run(t, limits(), call("def f(p0):\n    print('so far', flush=True)\n    return p0.nowhere\n", "dataframe"))
	if err != nil || a.Manifest.OK || a.Manifest.Failure.Type != "AttributeError" || !strings.Contains(a.Manifest.Failure.Traceback, "main.py\", line 3") {
		t.Errorf("Run: %v %+v", err, a.Manifest)
	}
	if r.Status != sandbox.Failed || string(r.Log) != "so far\n" {
		t.Errorf("the session: %s, %q", r.Status, r.Log)
	}
}

// Each library says in its own way that /out is full.
func (b bench) tooLarge(t *testing.T) {
	for _, value := range []string{"numpy.random.rand(2 << 20)", "pandas.DataFrame({'x': numpy.random.rand(2 << 20)})", "'two\\nlines' * (2 << 20)"} {
		a, _, err := b.run(t, limits(), call("import numpy, pandas\ndef f():\n    return "+value+"\n"))
		if err != nil || a.Manifest.OK || !strings.Contains(a.Manifest.Failure.Message, "the result is larger than results may be") {
			t.Errorf("%s: %v %+v", value, err, a.Manifest)
		}
	}
}

func (b bench) endless(t *testing.T) {
	l := limits()
	l.Wall = 3 * time.Second
	_, r, err := b.run(t, l, call("def f():\n    while True: pass\n"))
	if err == nil || r.Status != sandbox.Timeout {
		t.Errorf("Run: %v, %s: %s", err, r.Status, r.Reason)
	}
}

func (b bench) memory(t *testing.T) {
	a, r, err := b.run(t, limits(), call("def f():\n    x = []\n    while True: x.append(bytearray(64 << 20))\n"))
	if a.Manifest.OK || r.Status == sandbox.OK || err == nil && a.Manifest.Failure.Type != "MemoryError" {
		t.Errorf("Run: %v %+v, %s: %s", err, a.Manifest, r.Status, r.Reason)
	}
}

// The author's code answers in the runner's place.
func (b bench) forged(t *testing.T) {
	code := "import os, socket\ndef f():\n    s = socket.socket(fileno=3)\n    s.sendall(b'not a tar' * 200)\n    os._exit(0)\n"
	a, _, err := b.run(t, limits(), call(code))
	var known *anchorhold.Error
	if !errors.As(err, &known) || known.Kind != anchorhold.Invalid || len(a.Files) != 0 {
		t.Errorf("Run: %v %+v", err, a)
	}
}
