//go:build linux

package job

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/sandbox"
)

// entry is one file of an archive that a hostile guest sends.
type entry struct{ name, text string }

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Size: int64(len(e.text)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, e.text)
	}
	w.Close()
	return b.Bytes()
}

// takeJob plays the runner up to the job.
func takeJob(c *net.UnixConn) ([]byte, error) {
	if _, err := c.Write([]byte("R")); err != nil {
		return nil, err
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, err
	}
	job := make([]byte, binary.BigEndian.Uint32(head))
	_, err := io.ReadFull(c, job)
	return job, err
}

func answering(data []byte) func(*net.UnixConn, <-chan struct{}) {
	return func(c *net.UnixConn, _ <-chan struct{}) {
		if _, err := takeJob(c); err == nil {
			_, _ = c.Write(data) // the host may have had enough of it
		}
	}
}

const fine = `{"v":1,"ok":true,"outputs":[{"name":"result","kind":"json","python":"int","file":"result.json"}]}`

// The guest sends what it likes; the host takes an answer of exactly the
// declared form or none, and says so without repeating any of it.
func TestHostileAnswers(t *testing.T) {
	manifest := func(outputs string) entry {
		return entry{"manifest.json", `{"v":1,"ok":true,"outputs":[` + outputs + `]}`}
	}
	result := entry{"result.json", "1"}
	named := `{"name":"result","kind":"json","python":"int","file":"result.json"}`
	link := func() []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		w.WriteHeader(&tar.Header{Name: "manifest.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
		w.Close()
		return b.Bytes()
	}
	whole := archive(t, entry{"manifest.json", fine}, result)
	for name, data := range map[string][]byte{
		"nothing":                        nil,
		"noise":                          bytes.Repeat([]byte("secret"), 5000),
		"cut off":                        whole[:700],
		"goes on":                        append(bytes.Clone(whole), "secret"...),
		"a link":                         link(),
		"no manifest":                    archive(t, result),
		"manifest last":                  archive(t, result, entry{"manifest.json", fine}),
		"empty archive":                  archive(t),
		"a file more":                    archive(t, entry{"manifest.json", fine}, result, entry{"secret.json", "1"}),
		"a file less":                    archive(t, entry{"manifest.json", fine}),
		"an output that is not declared": archive(t, manifest(strings.ReplaceAll(named, "result", "secret")), entry{"secret.json", "1"}),
		"an output twice":                archive(t, manifest(named+","+named), result),
		"no output":                      archive(t, manifest("")),
		"manifest is a file of results":  archive(t, manifest(strings.Replace(named, "result.json", "manifest.json", 1))),
		"a path":                         archive(t, manifest(strings.Replace(named, "result.json", "../secret", 1)), entry{"../secret", "1"}),
		"unknown field":                  archive(t, entry{"manifest.json", strings.Replace(fine, `"v":1`, `"v":1,"secret":1`, 1)}, result),
		"another version":                archive(t, entry{"manifest.json", strings.Replace(fine, `"v":1`, `"v":2`, 1)}, result),
		"large manifest":                 archive(t, entry{"manifest.json", fine + strings.Repeat(" ", 2<<20)}, result),
		"failed, with a file":            archive(t, entry{"manifest.json", `{"v":1,"ok":false,"error":{"type":"E","message":"m","traceback":"t"}}`}, result),
	} {
		t.Run(name, func(t *testing.T) {
			a, err := Run(t.Context(), startScripted(t, answering(data)), call("def f(): pass"), nil)
			var known *anchorhold.Error
			if !errors.As(err, &known) || known.Remedy == "" {
				t.Fatalf("Run = %+v, %v", a, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the message repeats the answer: %v", err)
			}
			if len(a.Files) != 0 {
				t.Errorf("files of a refused answer were kept: %v", a.Files)
			}
		})
	}
	a, err := Run(t.Context(), startScripted(t, answering(whole)), call("def f(): pass"), nil)
	if err != nil || string(a.Files["result.json"]) != "1" {
		t.Errorf("the honest answer: %+v, %v", a, err)
	}
}

// Outputs come in the order of their declaration, whatever the guest says.
func TestOrder(t *testing.T) {
	data := archive(t, entry{"manifest.json", `{"v":1,"ok":true,"outputs":[{"name":"b","kind":"json","python":"int","file":"b.json"},` +
		`{"name":"a","kind":"json","python":"int","file":"a.json"}]}`}, entry{"b.json", "2"}, entry{"a.json", "1"})
	j := call("def f(): pass")
	j.Outputs = []output.Declared{{Name: "a", Kind: "any"}, {Name: "b", Kind: "any"}}
	a, err := Run(t.Context(), startScripted(t, answering(data)), j, nil)
	if err != nil || a.Manifest.Outputs[0].Name != "a" || a.Manifest.Outputs[1].Name != "b" {
		t.Errorf("Run = %+v, %v", a, err)
	}
}

// A guest that writes without end is told to stop and cannot fill our memory.
func TestEndlessAnswer(t *testing.T) {
	s := startScripted(t, func(c *net.UnixConn, _ <-chan struct{}) {
		if _, err := takeJob(c); err != nil {
			return
		}
		var head bytes.Buffer
		w := tar.NewWriter(&head)
		w.WriteHeader(&tar.Header{Name: "manifest.json", Size: 1 << 40, Typeflag: tar.TypeReg, Format: tar.FormatPAX})
		c.Write(head.Bytes())
		for err := error(nil); err == nil; {
			_, err = c.Write(make([]byte, 1<<20))
		}
	})
	_, err := Run(t.Context(), s, call("def f(): pass"), nil)
	if anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Errorf("Run: %v", err)
	}
}

// Guests that end or stay silent at each step.
func TestSilentGuests(t *testing.T) {
	for name, guest := range map[string]func(*net.UnixConn, <-chan struct{}){
		"ends at once":    func(*net.UnixConn, <-chan struct{}) {},
		"is not ready":    func(c *net.UnixConn, _ <-chan struct{}) { c.Write([]byte("X")) },
		"ends when ready": func(c *net.UnixConn, _ <-chan struct{}) { c.Write([]byte("R")) },
		"takes the job":   func(c *net.UnixConn, _ <-chan struct{}) { _, _ = takeJob(c) },
	} {
		if _, err := Run(t.Context(), startScripted(t, guest), call("def f(): pass"), nil); err == nil {
			t.Errorf("a guest that %s gave an answer", name)
		}
	}
	for name, guest := range map[string]func(*net.UnixConn, <-chan struct{}){
		"before it is ready": func(_ *net.UnixConn, killed <-chan struct{}) { <-killed },
		"with the job":       func(c *net.UnixConn, killed <-chan struct{}) { _, _ = takeJob(c); <-killed },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		s := startScripted(t, func(c *net.UnixConn, killed <-chan struct{}) {
			time.AfterFunc(20*time.Millisecond, cancel)
			guest(c, killed)
		})
		if _, err := Run(ctx, s, call("def f(): pass"), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled %s: %v", name, err)
		}
	}
}

// Jobs that should never have got so far are refused before anything is sent.
func TestWrongJobs(t *testing.T) {
	file := open(t, "testdata/patients.csv")[0]
	writable, err := os.Create(filepath.Join(t.TempDir(), "x.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer writable.Close()
	for name, c := range map[string]struct {
		change func(*Job)
		files  []*os.File
	}{
		"no code":        {func(j *Job) { j.Files = nil }, nil},
		"no entry":       {func(j *Job) { j.Entry = "main.py" }, nil},
		"attribute":      {func(j *Job) { j.Entry = "main.py:a.b" }, nil},
		"no output":      {func(j *Job) { j.Outputs = nil }, nil},
		"file missing":   {func(j *Job) { j.Inputs = []Input{patients("dataframe")} }, nil},
		"file unused":    {func(*Job) {}, []*os.File{file}},
		"no such file":   {func(j *Job) { in := patients("dataframe"); in.FD = 1; j.Inputs = []Input{in} }, []*os.File{file}},
		"pickle":         {func(j *Job) { in := patients("pickle"); j.Inputs = []Input{in} }, []*os.File{file}},
		"format":         {func(j *Job) { in := patients("path"); in.Format = "../x"; j.Inputs = []Input{in} }, []*os.File{file}},
		"parameter":      {func(j *Job) { in := patients("path"); in.Parameter = "../x"; j.Inputs = []Input{in} }, []*os.File{file}},
		"given twice":    {func(j *Job) { j.Inputs = []Input{patients("path")}; j.Values = values("patients", "1") }, []*os.File{file}},
		"value":          {func(j *Job) { j.Values = values("k", "{") }, nil},
		"writable input": {func(j *Job) { j.Inputs = []Input{patients("path")} }, []*os.File{writable}},
	} {
		j := call("def f(): pass")
		c.change(&j)
		_, err := Run(t.Context(), startScripted(t, answering(archive(t, entry{"manifest.json", fine}, entry{"result.json", "1"}))), j, c.files)
		var known *anchorhold.Error
		if !errors.As(err, &known) || known.Kind != anchorhold.Invalid || known.Remedy == "" {
			t.Errorf("%s: Run: %v", name, err)
		}
	}
}

// What is sent has the form that the runner documents.
func TestMessage(t *testing.T) {
	j := call("def f(): pass", patients("dataframe"))
	j.Values = values("k", "5")
	got := make(chan []byte, 1)
	s := startScripted(t, func(c *net.UnixConn, _ <-chan struct{}) {
		text, _ := takeJob(c)
		got <- text
	})
	_, _ = Run(t.Context(), s, j, open(t, "testdata/patients.csv")) // the guest gives no answer
	var m map[string]json.RawMessage
	if err := json.Unmarshal(<-got, &m); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"v": "1", "descriptors": "1",
		"files":   `[{"path":"main.py","text":"def f(): pass"}]`,
		"entry":   `"main.py:f"`,
		"values":  `{"k":5}`,
		"outputs": `[{"name":"result","kind":"any"}]`,
		"inputs": `[{"parameter":"patients","type":"dataframe","format":"csv","fd":0,"columns":[{"name":"age","type":"int"},` +
			`{"name":"sex","type":"string"},{"name":"chol","type":"int"},{"name":"smokes","type":"bool"},` +
			`{"name":"seen","type":"date"},{"name":"site","type":"string"}],"missing":["?"]}]`,
	} {
		if string(m[field]) != want {
			t.Errorf("%s is %s, want %s", field, m[field], want)
		}
	}
	if len(m) != 7 {
		t.Errorf("the message has %d fields, want 7", len(m))
	}
}

func TestSpec(t *testing.T) {
	env := environment(t)
	s := Spec("run-1", env, sandbox.DefaultLimits(), 2)
	if err := s.Validate(); err != nil {
		t.Errorf("the sandbox refuses the spec: %v", err)
	}
	if len(s.Binds) != 1 || s.Binds[0].Host != env.Dir || s.Argv[0] != "/usr/bin/python3" || s.Bare {
		t.Errorf("Spec = %+v", s)
	}
	limits := sandbox.DefaultLimits()
	for _, c := range []struct {
		cpus      float64
		share     int
		spin, all string // threads of libraries that never sleep, and of the others
	}{
		{0.5, 4, "1", "1"}, {2, 1, "1", "2"}, {4, 3, "3", "4"}, {2, 16, "2", "2"}, {2, 0, "1", "2"},
	} {
		limits.CPUs = c.cpus
		got := Spec("run-1", env, limits, c.share).Env
		for _, want := range []string{"OPENBLAS_NUM_THREADS=" + c.spin, "OMP_NUM_THREADS=" + c.spin, "LOKY_MAX_CPU_COUNT=" + c.all} {
			if !slices.Contains(got, want) {
				t.Errorf("%v processors, %d of them its own: %v lacks %s", c.cpus, c.share, got, want)
			}
		}
	}
}

// Whatever stream a guest sends, what is kept has the declared form.
func FuzzAnswer(f *testing.F) {
	f.Add(archive(f, entry{"manifest.json", fine}, entry{"result.json", "1"}))
	f.Add(archive(f, entry{"manifest.json", `{"v":1,"ok":false,"error":{"type":"E","message":"m","traceback":"t"}}`}))
	f.Add(archive(f, entry{"manifest.json", fine}))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := sandbox.Unpack(bytes.NewReader(data), sandbox.UnpackLimits{TotalBytes: 1 << 20, FileBytes: 1 << 20, Entries: 2})
		if err != nil {
			return
		}
		a, err := read(files, one)
		if err != nil {
			return
		}
		if a.Manifest.OK != (len(a.Files) == 1) || a.Manifest.OK != (len(a.Manifest.Outputs) == 1) {
			t.Fatalf("accepted %+v", a)
		}
		if a.Manifest.OK && a.Manifest.Outputs[0].Name != "result" {
			t.Fatalf("accepted the output %q", a.Manifest.Outputs[0].Name)
		}
	})
}
