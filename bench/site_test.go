package bench

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/intake/intaketest"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/sandboxtest"
	"github.com/anchorhold/anchorhold/site"
)

// BenchmarkSitesPart measures what a site adds to a question beside the work in
// its sandboxes: a real site, reached over its real socket, whose sandboxes take
// no time. It covers submit, grant, queue, checks of the private file, parsing of
// the output, comparison with the private rows, release and receipt.
func BenchmarkSitesPart(b *testing.B) {
	ctx := b.Context()
	c := serve(b)
	submission := client.NewRequest{
		Code: anchorhold.Code{
			Files:       []anchorhold.File{{Path: "main.py", Text: "def answer(patients):\n    return patients.groupby('num')['age'].mean()\n"}},
			Entry:       "main.py:answer",
			Parameters:  []anchorhold.Parameter{{Name: "patients", Kind: "asset", Type: "dataframe"}},
			Outputs:     []anchorhold.OutputDecl{{Name: "result", Kind: "any"}},
			Environment: pyenv.Default().Digest(),
		},
		Assets:  map[string]client.AssetName{"patients": {Dataset: "heart", Asset: "patients"}},
		Purpose: "bench",
	}
	first := ask(b, c.researcher, submission)
	if _, err := c.owner.Decide(ctx, first.ID, client.NewDecision{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 10_000, AutoRelease: true}}); err != nil {
		b.Fatal(err)
	}
	released(b, c.researcher, first)
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		released(b, c.researcher, ask(b, c.researcher, submission))
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(1000*took[len(took)/2].Seconds(), "ms/question")
}

// clients are those who speak to the site.
type clients struct{ owner, researcher *client.Client }

// serve makes a site with the demonstration's largest table and serves it until
// the benchmark ends.
func serve(b *testing.B) clients {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	dir := filepath.Join(b.TempDir(), "site")
	if _, err := site.Init(ctx, dir, site.InitOptions{Name: "bench"}); err != nil {
		b.Fatal(err)
	}
	s, err := site.Open(ctx, dir, site.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- s.Serve(ctx, site.ServeOptions{
			Listen: "127.0.0.1:0",
			NewSandbox: func() (site.Guests, error) {
				return site.Guests{Sandbox: intaketest.Sandbox{Sandbox: instant{}}, Parser: parser}, nil
			},
		}, func(url string) { ready <- url })
	}()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	var url string
	select {
	case url = <-ready:
	case err := <-ended:
		b.Fatal(err)
	}
	owner := client.NewSocket(site.SocketPath(dir), client.Options{})
	b.Cleanup(owner.Close)
	table, err := filepath.Abs("../demo/data/cleveland.csv")
	if err != nil {
		b.Fatal(err)
	}
	_, err = owner.AddDataset(ctx, client.NewDataset{Name: "heart", Assets: []client.NewAsset{{Name: "patients", Path: table}}})
	if err != nil {
		b.Fatal(err)
	}
	issued, err := owner.AddUser(ctx, client.NewUser{Email: "ada@example.org", Role: anchorhold.RoleResearcher})
	if err != nil {
		b.Fatal(err)
	}
	researcher, err := client.New(url, client.Options{Token: issued.Token})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(researcher.Close)
	return clients{owner, researcher}
}

func ask(b *testing.B, c *client.Client, s client.NewRequest) anchorhold.Request {
	b.Helper()
	r, err := c.Submit(b.Context(), s)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// released waits until a request's newest run was let out.
func released(b *testing.B, c *client.Client, r anchorhold.Request) {
	b.Helper()
	for r.State != anchorhold.StateReleased {
		if r.State.Ended() {
			b.Fatalf("the request is %s", r.State)
		}
		var err error
		if r, err = c.Changed(b.Context(), r.ID, r.State); err != nil {
			b.Fatal(err)
		}
	}
}

// parser is the path by which the site names its parser of outputs.
const parser = "/parser"

// instant is a sandbox whose guests are done at once: a job answers always the
// same, and the parser is the real one, in this process.
type instant struct{}

func (instant) Start(_ context.Context, s sandbox.Spec) (sandbox.Session, error) {
	host, guest, err := sandboxtest.Pair()
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer guest.Close()
		if usesParser(s) {
			_ = output.Serve(guest) // its end is the host's doing
			return
		}
		_ = job(guest) // the same
	}()
	return &session{host, done}, nil
}

func usesParser(s sandbox.Spec) bool {
	return slices.ContainsFunc(s.Binds, func(b sandbox.Bind) bool { return b.Host == parser })
}

func (instant) Probe(context.Context) (sandbox.Boundary, error) { return sandbox.Boundary{}, nil }

func (instant) Close() error { return nil }

type session struct {
	host *net.UnixConn
	done chan struct{}
}

func (s *session) Begin(context.Context, sandbox.Limits) error { return nil }

func (s *session) Conn() *net.UnixConn { return s.host }

func (s *session) Wait(context.Context) (sandbox.Result, error) {
	<-s.done
	return sandbox.Result{Status: sandbox.OK, Boundary: "none: a measurement"}, nil
}

func (s *session) Finish() {}

func (s *session) Kill() { s.host.Close() }

// job speaks as the runner of Python jobs does: ready, the job, one tar stream.
func job(c *net.UnixConn) error {
	if _, err := c.Write([]byte("R")); err != nil {
		return err
	}
	size, files := make([]byte, 4), make([]byte, 4096)
	n, control, _, _, err := c.ReadMsgUnix(size, files)
	if err != nil || n != 4 {
		return err
	}
	if err := closeAll(files[:control]); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(size))); err != nil {
		return err
	}
	manifest, err := json.Marshal(map[string]any{"v": 1, "ok": true, "outputs": []map[string]string{
		{"name": "result", "kind": "json", "python": "dict", "file": "result.json"},
	}})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range []struct {
		name string
		text []byte
	}{{"manifest.json", manifest}, {"result.json", []byte(`{"0":52.59,"1":55.36,"2":58.03,"3":56.0,"4":59.69}`)}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o600, Size: int64(len(f.text)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := w.Write(f.text); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err = c.Write(out.Bytes())
	return err
}

// closeAll closes the descriptors that came with a message.
func closeAll(control []byte) error {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return err
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return err
		}
		for _, fd := range fds {
			if err := syscall.Close(fd); err != nil {
				return err
			}
		}
	}
	return nil
}
