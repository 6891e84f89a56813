//go:build linux && (amd64 || arm64)

package sandboxed

import (
	"bytes"
	"context"
	"encoding/json"
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
	for name, start := range map[string]func(*testing.T, string, sandbox.Limits) sandbox.Session{"cold": b.cold, "waiting": b.waiting} {
		t.Run(name, func(t *testing.T) {
			b := b
			b.start = start
			t.Run("group by", b.groupBy)
			t.Run("figure", b.figure)
			t.Run("parameters", b.parameters)
			t.Run("error", b.raises)
			t.Run("result too large", b.tooLarge)
			t.Run("endless loop", b.endless)
			t.Run("memory", b.memory)
			t.Run("forged answer", b.forged)
		})
	}
	t.Run("fresh", b.fresh)
	t.Run("many files", b.manyFiles)
}

// cold starts a session for one job.
func (b bench) cold(t *testing.T, id string, l sandbox.Limits) sandbox.Session {
	t.Helper()
	s, err := b.box.Start(t.Context(), job.Spec(id, b.env, l, 1))
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	return s
}

// waiting starts a session that warms up and waits, for larger limits, and then
// gives it those of the job: as package warm does.
func (b bench) waiting(t *testing.T, id string, l sandbox.Limits) sandbox.Session {
	t.Helper()
	most := l
	most.Memory, most.Wall, most.CPUTime = 4*l.Memory, 10*l.Wall, 10*l.CPUTime
	k := job.Kind(b.env, most, 1)
	spec := k.Spec
	spec.ID, spec.Argv, spec.Hold = id, k.Waiting, &k.Hold
	s, err := b.box.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	if err := errors.Join(k.Ready(t.Context(), s), s.Begin(t.Context(), l)); err != nil {
		s.Kill()
		t.Fatal(err, errors.Unwrap(err))
	}
	return s
}

// fresh: what a job draws by chance is another thing in every session, also in
// those that waited; all else that it can see is the same. The seed of hashes is
// fixed on purpose: see environ.
func (b bench) fresh(t *testing.T) {
	const code = `import gc, hashlib, os, random, resource, secrets, sys, uuid, warnings
import numpy, pandas
def f():
    chance = [random.random(), float(numpy.random.rand()), float(numpy.random.default_rng().random()),
        uuid.uuid4().hex, uuid.uuid1().hex, os.urandom(8).hex(), secrets.token_hex(8)]
    limits = [resource.getrlimit(r) for r in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE)]
    same = [hash("a"), sorted(os.listdir("/tmp")), os.listdir("/out"), sorted(os.environ), str(limits), gc.isenabled(), sys.path[1:],
        len(warnings.filters), len(os.listdir("/proc/self/fd")), str(numpy.geterr()), pandas.get_option("display.max_rows")]
    return {"chance": chance, "same": same}
`
	drawn := map[string]bool{}
	var first string
	for i, start := range []func(*testing.T, string, sandbox.Limits) sandbox.Session{b.cold, b.waiting, b.waiting, b.waiting} {
		b := b
		b.start = start
		got := b.value(t, call(code), "__import__('json').dumps(x)")
		var x struct {
			Chance []any           `json:"chance"`
			Same   json.RawMessage `json:"same"`
		}
		if err := json.Unmarshal([]byte(got), &x); err != nil || len(x.Chance) != 7 {
			t.Fatal(got, err)
		}
		for n, v := range x.Chance {
			key := fmt.Sprint(n, " ", v)
			if drawn[key] {
				t.Errorf("the %dth source of chance gave %v a second time", n+1, v)
			}
			drawn[key] = true
		}
		if i == 0 {
			first = string(x.Same)
		} else if string(x.Same) != first {
			t.Errorf("a session that waited differs:\n%s\nnot\n%s", x.Same, first)
		}
	}
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
	// start starts a session for one job.
	start func(t *testing.T, id string, l sandbox.Limits) sandbox.Session
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
	s := b.start(t, fmt.Sprintf("job-%d", n), l)
	defer s.Kill()
	j.Limits = l
	a, runErr := job.Run(t.Context(), s, j, files)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
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
	// What the code raised is in its answer; with that the session was done.
	if r.Status != sandbox.OK || string(r.Log) != "so far\n" {
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

// manyFiles passes as many open files as a job may have, in several messages.
func (b bench) manyFiles(t *testing.T) {
	dir := t.TempDir()
	in := job.Input{Parameter: "files", Type: "files", Format: "folder"}
	var files []*os.File
	for i := range job.MaxDescriptors {
		name := fmt.Sprintf("part/%04d.txt", i)
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
		in.Files = append(in.Files, job.File{Name: name, FD: i, Size: int64(len(name))})
	}
	code := "def f(files):\n    assert all(files[n].read_text() == n for n in files)\n    assert open(files['part/0007.txt'].path).read() == 'part/0007.txt'\n    return len(files)\n"
	s, err := b.box.Start(t.Context(), job.Spec("many-files", b.env, limits(), 1))
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	defer s.Kill()
	a, err := job.Run(t.Context(), s, job.Job{
		Files: []anchorhold.File{{Path: "main.py", Text: code}}, Entry: "main.py:f", Inputs: []job.Input{in},
		Outputs: []output.Declared{{Name: "result", Kind: "any"}},
	}, files)
	if err != nil || !a.Manifest.OK || string(a.Files["result.json"]) != fmt.Sprint(job.MaxDescriptors) {
		t.Errorf("%+v, %v", a.Manifest, err)
	}
}
