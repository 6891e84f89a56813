//go:build linux && (amd64 || arm64)

package gvisor_test

import (
	"embed"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/sandbox"
)

// The abuse suite: each file of testdata/abuse is a hostile program with a
// header that says what must become of it:
//
//	#: what     one line for people
//	#: status   the statuses that are right, default ok
//	#: says     text that the program prints when it was kept in, default "refused"
//	#: limit    NAME=VALUE for each limit that differs
//	#: outside  "escapes": the same program, run without a sandbox, gets out;
//	            so the case tests the boundary and not a mistake of its own
//
// Each runs twice: in a session of its own, and in one that was started before for
// larger limits, waited, and was given these by Begin.
//
// No program may print ESCAPED in the sandbox, whatever else happens.
//
//go:embed testdata/abuse
var abuse embed.FS

type abuseCase struct {
	what, script string
	status       []string
	says         string
	outside      bool
	limits       sandbox.Limits
}

func TestAbuse(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	theSandbox(t)
	files, err := fs.Glob(abuse, "testdata/abuse/*.py")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(path.Base(f), ".py"), func(t *testing.T) {
			t.Parallel()
			b, err := abuse.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			c := parseCase(t, string(b))
			if c.outside {
				h.outside(t, c)
			}
			h.inside(t, c, start)
			if !t.Failed() {
				h.inside(t, c, startHeld)
			}
		})
	}
}

func parseCase(t *testing.T, script string) abuseCase {
	t.Helper()
	c := abuseCase{script: script, says: "refused", limits: limits()}
	for line := range strings.Lines(script) {
		rest, ok := strings.CutPrefix(line, "#: ")
		if !ok {
			break
		}
		key, value, _ := strings.Cut(strings.TrimSpace(rest), " ")
		value = strings.TrimSpace(value)
		switch key {
		case "what":
			c.what = value
		case "status":
			c.status = strings.Fields(value)
		case "says":
			c.says = value
		case "outside":
			c.outside = value == "escapes"
		case "limit":
			setLimit(t, &c.limits, value)
		default:
			t.Fatalf("unknown key %q", key)
		}
	}
	if c.what == "" {
		t.Fatal("the case does not say what it does")
	}
	if c.status == nil {
		c.status = []string{string(sandbox.OK)}
	}
	return c
}

func setLimit(t *testing.T, l *sandbox.Limits, text string) {
	t.Helper()
	name, value, _ := strings.Cut(text, "=")
	d, derr := time.ParseDuration(value)
	n, nerr := strconv.ParseInt(strings.TrimSuffix(value, "MiB"), 10, 64)
	if strings.HasSuffix(value, "MiB") {
		n <<= 20
	}
	switch name {
	case "memory":
		l.Memory = n
	case "tmp":
		l.TmpBytes = n
	case "out":
		l.OutBytes = n
	case "processes":
		l.Processes = int(n)
	case "wall":
		l.Wall, nerr = d, derr
	case "cpu-time":
		l.CPUTime, nerr = d, derr
	default:
		t.Fatalf("unknown limit %q", name)
	}
	if nerr != nil {
		t.Fatalf("limit %q: %v", text, nerr)
	}
}

// host is what the hostile programs are set on.
type host struct {
	dir    string // of the site
	in     string // bound read-only at /in
	shm    string // shared memory of the host
	env    []string
	before map[string]string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{dir: openDir(t), before: map[string]string{}}
	h.in = filepath.Join(h.dir, "in")
	secret := filepath.Join(h.dir, "secret")
	h.shm = filepath.Join("/dev/shm", filepath.Base(h.dir)+"-"+strconv.Itoa(os.Getpid()))
	for _, err := range []error{
		os.Mkdir(h.in, 0o755),
		os.WriteFile(filepath.Join(h.in, "table.csv"), []byte("a,b\n1,2\n"), 0o644),
		os.WriteFile(secret, []byte("secret"), 0o644),
		os.WriteFile(h.shm, []byte("secret"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Remove(h.shm) })
	// A socket's path must be short, so listen there relative to a short link.
	socket := filepath.Join(h.in, "socket")
	abstract := "@" + filepath.Base(h.dir) + strconv.Itoa(os.Getpid())
	h.env = []string{
		"HOST_TCP=" + listen(t, "tcp", "127.0.0.1:0"), "HOST_UDP=" + listenUDP(t),
		"HOST_ABSTRACT=" + listen(t, "unix", abstract), "HOST_SOCKET=" + listen(t, "unix", socket),
		"HOST_SECRET=" + secret, "HOST_SHM=" + h.shm, "HOST_DIR=" + h.dir, "HOST_PID=" + strconv.Itoa(os.Getpid()),
	}
	if err := os.Chmod(socket, 0o777); err != nil {
		t.Fatal(err)
	}
	h.before["in"] = h.snapshot(t)
	return h
}

// openDir is a temporary directory with a short path that every account can
// enter.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(workDir, "d") //nolint:usetesting // TempDir is closed to the other account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func listen(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("hello"))
			c.Close()
		}
	}()
	return l.Addr().String()
}

func listenUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(buf[:n], from)
		}
	}()
	return c.LocalAddr().String()
}

// snapshot describes the bound directory down to times and link counts.
func (h *host) snapshot(t *testing.T) string {
	t.Helper()
	var s strings.Builder
	err := filepath.WalkDir(h.in, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&s, "%s %v %d %v\n", p, i.Mode(), i.Size(), i.ModTime())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.String()
}

// outside runs the program without a sandbox, on a copy of what it may break.
func (h *host) outside(t *testing.T, c abuseCase) {
	t.Helper()
	scratch := t.TempDir()
	if err := os.WriteFile(filepath.Join(scratch, "table.csv"), []byte("a,b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := exec.Command("/usr/bin/python3", "-I", "-c", c.script)
	p.Env = append(slices.Clone(h.env), "IN="+scratch, "SOCKET="+filepath.Join(h.in, "socket"))
	out, err := p.CombinedOutput()
	if !strings.Contains(string(out), "ESCAPED") {
		t.Fatalf("without a sandbox the program does not get out, so it tests nothing: %v\n%s", err, out)
	}
}

// inside runs the program in the sandbox and holds it to its header.
func (h *host) inside(t *testing.T, c abuseCase, start func(testing.TB, sandbox.Spec) sandbox.Session) {
	t.Helper()
	spec := python(c.script)
	spec.Limits = c.limits
	spec.Env = append(slices.Clone(h.env), "IN=/in", "SOCKET=/in/socket")
	spec.Binds = []sandbox.Bind{{Host: h.in, Guest: "/in"}}
	g := start(t, spec)
	began := time.Now()
	r := wait(t, g)
	if !slices.Contains(c.status, string(r.Status)) {
		t.Errorf("status %s (%s), want %v", r.Status, r.Reason, c.status)
	}
	log := string(r.Log)
	if strings.Contains(log, "ESCAPED") || strings.Contains(log, os.Getenv(envSecret)) {
		t.Errorf("%s: got out", c.what)
	}
	if r.Status == sandbox.OK && !strings.Contains(log, c.says) {
		t.Errorf("the program does not say %q", c.says)
	}
	if took, most := time.Since(began), c.limits.Wall+5*time.Second; took > most {
		t.Errorf("lasted %v, more than %v", took, most)
	}
	const gib = 1 << 30
	if hard := (c.limits.Memory + gib - 1) / gib * gib; r.Usage.PeakBytes > hard {
		t.Errorf("used %d bytes of memory, more than the hard cap %d", r.Usage.PeakBytes, hard)
	}
	if after := h.snapshot(t); after != h.before["in"] {
		t.Errorf("the bound directory has changed:\n%s\nwas:\n%s", after, h.before["in"])
	}
	nothingLeft(t, shared.state, spec.ID)
	if t.Failed() {
		t.Logf("%s, exit %d, %+v\n%.2000s", r.Reason, r.ExitCode, r.Usage, log)
	}
}
