// Package wholeway tests the program as it is installed: built, started as
// processes, killed, asked over HTTP, with real code in the real sandbox. What
// can be tested closer to the code is tested there; this is what only the whole
// can show: that the way of a question works end to end, that nothing accepted
// is lost or doubled when the site is killed, and that hostile code and data
// get a clear answer.
package wholeway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/receipt"
)

// patience is how long anything may take that is no promise: a machine may be busy.
const patience = 10 * time.Minute

// program builds the program once, with failpoints.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "anchorhold-wholeway-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "anchorhold")
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "failpoints", "-o", bin, "github.com/anchorhold/anchorhold/cmd/anchorhold")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// site is a site in a process of its own, which is started again when it dies.
type site struct {
	t    *testing.T
	dir  string
	file string // the private table
	addr string
	key  keys.VKey
	uid  int // account that everything of the site runs under; 0: the test's own

	mu      sync.Mutex
	cmd     *exec.Cmd
	gone    chan struct{} // closed once cmd has ended
	deaths  int
	asked   int // how often the process was asked to end
	ended   bool
	stopped chan struct{}
	errs    bytes.Buffer
}

// newSite makes a site with the table and a researcher, and starts it.
func newSite(t *testing.T, table string, env ...string) *site {
	t.Helper()
	return newSiteAs(t, 0, table, env...)
}

// newSiteAs is newSite under another account, which only root can do.
func newSiteAs(t *testing.T, uid int, table string, env ...string) *site {
	t.Helper()
	root := t.TempDir()
	// The account that runs others' code must be able to pass through.
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if uid != 0 {
		if err := os.Chown(root, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	s := &site{t: t, uid: uid, dir: filepath.Join(root, "site"), file: filepath.Join(root, "patients.csv"), stopped: make(chan struct{})}
	var made struct{ Key string }
	s.json(&made, "init", "--dir", s.dir, "--name", "test", "--json")
	key, err := keys.ParseVKey(made.Key)
	if err != nil {
		t.Fatal(err)
	}
	s.key = key
	s.write(table)
	s.run("dataset", "add", "heart", "--dir", s.dir, "--asset", "patients="+s.file, "--json")
	s.addr = freeAddress(t)
	s.start(env...)
	t.Cleanup(s.stop)
	return s
}

// write replaces the private table.
func (s *site) write(table string) {
	s.t.Helper()
	err := os.WriteFile(s.file, []byte(table), 0o600)
	if err == nil && s.uid != 0 {
		err = os.Chown(s.file, s.uid, s.uid)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// command is the program, under the site's account.
func (s *site) command(bin string, args ...string) *exec.Cmd {
	cmd := exec.Command(bin, args...)
	cmd.Env = os.Environ()
	if s.uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.uid)}}
		cmd.Env = append(cmd.Env, "HOME="+filepath.Dir(s.dir), "XDG_CONFIG_HOME=", "XDG_DATA_HOME=")
	}
	cmd.Dir = filepath.Dir(s.dir)
	return cmd
}

// freeAddress finds a port that is free now, so that a site that is started
// again is found under the same address.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run runs a command to its end.
func (s *site) run(args ...string) []byte {
	s.t.Helper()
	bin, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.command(bin, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("anchorhold %s: %v\n%s%s", strings.Join(args, " "), err, out, complaint.String())
	}
	return out
}

func (s *site) json(v any, args ...string) {
	s.t.Helper()
	if err := json.Unmarshal(s.run(args...), v); err != nil {
		s.t.Fatal(err)
	}
}

// start serves, and serves again without env whenever the process dies.
func (s *site) start(env ...string) {
	s.t.Helper()
	ready := make(chan error, 1)
	go s.supervise(env, ready)
	select {
	case err := <-ready:
		if err != nil {
			s.t.Fatal(err)
		}
	case <-time.After(patience):
		s.t.Fatalf("the site does not start\n%s", s.errs.String())
	}
}

func (s *site) supervise(env []string, ready chan<- error) {
	defer close(s.stopped)
	for {
		err := s.serve(env, ready)
		s.mu.Lock()
		done, asked := s.ended, s.asked
		s.deaths++
		deaths := s.deaths
		s.mu.Unlock()
		if done {
			return
		}
		if err == nil && deaths > asked {
			s.t.Errorf("the site ended by itself\n%s", s.errs.String())
		}
		ready, env = make(chan error, 1), nil
	}
}

// serve runs one process to its end.
func (s *site) serve(env []string, ready chan<- error) error {
	bin, err := program()
	if err != nil {
		ready <- err
		return err
	}
	cmd := s.command(bin, "serve", "--dir", s.dir, "--listen", s.addr)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = &s.errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		ready <- err
		return err
	}
	s.mu.Lock()
	gone := make(chan struct{})
	s.cmd, s.gone = cmd, gone
	s.mu.Unlock()
	defer close(gone)
	lines := bufio.NewScanner(out)
	if lines.Scan() && strings.Contains(lines.Text(), "listening on ") {
		ready <- nil
	}
	_, _ = io.Copy(io.Discard, out) // until it dies
	return cmd.Wait()
}

// restart asks the process to end, as an operator does, and waits until it has;
// it is started again.
func (s *site) restart() {
	s.t.Helper()
	s.mu.Lock()
	s.asked++
	gone := s.gone
	err := s.cmd.Process.Signal(syscall.SIGTERM)
	s.mu.Unlock()
	if err != nil {
		s.t.Errorf("the process is gone: %v", err)
	}
	select {
	case <-gone:
	case <-time.After(patience):
		s.t.Fatalf("the site does not stop\n%s", s.errs.String())
	}
}

func (s *site) stop() {
	s.mu.Lock()
	s.ended = true
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // dead is as good
	s.mu.Unlock()
	select {
	case <-s.stopped:
	case <-time.After(patience):
		s.t.Errorf("the site does not stop\n%s", s.errs.String())
		_ = s.cmd.Process.Kill()
	}
}

// died says how often the process died.
func (s *site) died() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deaths
}

// owner acts on the machine, researcher over the network; both keep trying
// while the site is started again.
func (s *site) owner() *client.Client {
	return client.NewSocket(filepath.Join(s.dir, "site.sock"), patient(""))
}

func (s *site) researcher() *client.Client {
	s.t.Helper()
	return s.person("ada@example.org", anchorhold.RoleResearcher)
}

// person is somebody with an account of their own, over the network.
func (s *site) person(email string, role anchorhold.Role) *client.Client {
	s.t.Helper()
	c, err := client.New("http://"+s.addr, patient(s.token(email, role)))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// token makes an account and gives what proves it.
func (s *site) token(email string, role anchorhold.Role) string {
	s.t.Helper()
	u, err := s.owner().AddUser(context.Background(), client.NewUser{Email: email, Role: role})
	if err != nil {
		s.t.Fatal(err)
	}
	return u.Token
}

func patient(token string) client.Options {
	return client.Options{Token: token, Attempts: 300, Backoff: func(int) time.Duration { return 100 * time.Millisecond }}
}

// code makes a function of the table out of its body.
func code(body string) client.NewRequest {
	text := "import pandas as pd\n\n\ndef ask(patients):\n"
	for _, line := range strings.Split(body, "\n") {
		text += "    " + line + "\n"
	}
	return client.NewRequest{
		Code: anchorhold.Code{
			Files: []anchorhold.File{{Path: "main.py", Text: text}}, Entry: "main.py:ask",
			Parameters:  []anchorhold.Parameter{{Name: "patients", Kind: "asset", Type: "dataframe"}},
			Outputs:     []anchorhold.OutputDecl{{Name: "result", Kind: "any"}},
			Environment: pyenv.Default().Digest(),
		},
		Assets: map[string]client.AssetName{"patients": {Dataset: "heart", Asset: "patients"}}, Purpose: "to test",
	}
}

// ended follows a request until a person is needed or nobody is.
func ended(r anchorhold.Request) bool { return r.State.Ended() || r.State == anchorhold.StateHeld }

// ask submits code, approves it and follows it to the end.
func (s *site) ask(who *client.Client, body string, auto bool) anchorhold.Request {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := who.Submit(ctx, code(body))
	if err != nil {
		s.t.Fatalf("submitting: %v", err)
	}
	if _, err = s.owner().Decide(ctx, r.ID, client.NewDecision{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{AutoRelease: auto}}); err != nil {
		s.t.Fatalf("approving: %v", err)
	}
	r, err = s.owner().Wait(ctx, r.ID, ended)
	if err != nil {
		s.t.Fatalf("waiting: %v", err)
	}
	return r
}

// receiptOf fetches and verifies the receipt of a request's newest release.
func (s *site) receiptOf(who *client.Client, id string) receipt.Statement {
	s.t.Helper()
	file, err := who.Receipt(context.Background(), id)
	if err != nil {
		s.t.Fatalf("fetching the receipt: %v", err)
	}
	st, err := receipt.Verify(file, s.key)
	if err != nil {
		s.t.Fatalf("the receipt does not verify: %v", err)
	}
	return st
}

// heart is a small table in the form of the demonstration's.
func heart(rows int) string {
	var b strings.Builder
	b.WriteString("age,sex,chol,num\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,%d,%d,%d\n", 30+(i*7)%45, i%2, 150+(i*37)%200, (i*3)%5)
	}
	return b.String()
}

func TestWholeWay(t *testing.T) {
	s := newSite(t, heart(200))
	who := s.researcher()
	r := s.ask(who, `return patients.groupby("sex")["age"].mean()`, true)
	if r.State != anchorhold.StateReleased {
		log, _ := s.owner().RunLog(context.Background(), r.ID)
		t.Fatalf("the request is %s: %+v\n%s", r.State, r.Runs, log.Text)
	}
	st := s.receiptOf(who, r.ID)
	out, err := who.Output(context.Background(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := receipt.VerifyOutput(st, out); err != nil {
		t.Errorf("what left is not what the receipt names: %v", err)
	}
	if !st.Predicate.Release.Automatic || st.Predicate.Request.Digest != r.Digest || len(st.Predicate.Decisions) != 1 {
		t.Errorf("the receipt says %+v", st.Predicate)
	}
}

// A site that an ordinary user runs has one account for everything, which is
// weaker, and says so.
func TestOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("every test here ran as an ordinary user; the other mode needs root")
		return
	}
	envs, err := pyenv.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ANCHORHOLD_ENVS", envs)
	s := newSiteAs(t, 60755, heart(200))
	who := s.researcher()
	r := s.ask(who, `return int(patients["age"].count())`, true)
	if r.State != anchorhold.StateReleased {
		t.Fatalf("the request is %s: %+v", r.State, r.Runs)
	}
	if b := s.receiptOf(who, r.ID).Predicate.Run.Boundary; !strings.Contains(b, "weaker") {
		t.Errorf("the receipt does not say that the boundary is weaker: %s", b)
	}
}

// A file that changed answers nothing until it is registered again.
func TestChangedFile(t *testing.T) {
	s := newSite(t, heart(200))
	who := s.researcher()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	const count = `return int(patients["age"].count())`
	submit := func(body string) anchorhold.Request {
		r, err := who.Submit(ctx, code(body))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	approve := func(r anchorhold.Request) error {
		_, err := s.owner().Decide(ctx, r.ID, client.NewDecision{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{AutoRelease: true, Uses: 2}})
		return err
	}
	r := submit(count)
	if err := approve(r); err != nil {
		t.Fatal(err)
	}
	if r, err := s.owner().Wait(ctx, r.ID, ended); err != nil || r.State != anchorhold.StateReleased {
		t.Fatalf("before the change the request is %s (%v)", r.State, err)
	}
	s.write(heart(201))
	if err := approve(submit("return 1")); anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "changed since it was registered") {
		t.Errorf("approving a run on a changed file: %v", err)
	}
	r, err := s.owner().Wait(ctx, submit(count).ID, ended) // under the grant
	if err != nil || r.State != anchorhold.StateFailed || !strings.Contains(r.Runs[len(r.Runs)-1].Reason, "changed since it was registered") {
		t.Fatalf("under a grant the request is %s (%v): %+v", r.State, err, r.Runs)
	}
	s.run("dataset", "version", "heart", "--dir", s.dir, "--asset", "patients="+s.file, "--json")
	r = s.ask(who, count, true)
	if r.State != anchorhold.StateReleased {
		t.Fatalf("after registering the new version the request is %s: %+v", r.State, r.Runs)
	}
	// And while a run is reading it.
	slow, err := who.Submit(ctx, code("import time\ntime.sleep(4)\nreturn int(patients['age'].count())"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.owner().Decide(ctx, slow.ID, client.NewDecision{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{AutoRelease: true}}); err != nil {
		t.Fatal(err)
	}
	running := func(r anchorhold.Request) bool { return r.State == anchorhold.StateRunning || r.State.Ended() }
	if _, err := s.owner().Wait(ctx, slow.ID, running); err != nil {
		t.Fatal(err)
	}
	s.write(heart(202))
	slow, err = s.owner().Wait(ctx, slow.ID, ended)
	if err != nil || slow.State != anchorhold.StateFailed {
		t.Errorf("changed while it was read: the request is %s (%v): %+v", slow.State, err, slow.Runs)
	}
}

// Cancelling ends what runs within seconds, and leaves nothing.
func TestCancel(t *testing.T) {
	s := newSite(t, heart(200))
	who := s.researcher()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := who.Submit(ctx, code("while True: pass"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.owner().Decide(ctx, r.ID, client.NewDecision{Verdict: anchorhold.Approve}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.owner().Wait(ctx, r.ID, func(r anchorhold.Request) bool { return r.State == anchorhold.StateRunning }); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := who.CancelRun(ctx, r.ID); err != nil {
		t.Fatal(err)
	}
	if r, err = who.Request(ctx, r.ID); err != nil || r.State != anchorhold.StateCancelled {
		t.Fatalf("the request is %s (%v)", r.State, err)
	}
	// What it used is written once nothing of it is left, and counts against its
	// author. Two seconds are promised; the rest is slack for a busy host.
	run := anchorhold.Run{}
	for run.Usage.WallSeconds == 0 {
		if run, err = s.owner().Run(ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 8*time.Second {
			t.Fatalf("the run goes on %v after it was cancelled", took)
		}
	}
	quota, err := s.owner().Quota(ctx, "ada@example.org")
	if err != nil || quota.Spent != run.Usage.CPUSeconds {
		t.Errorf("a cancelled run used %v s and is charged with %v s (%v)", run.Usage.CPUSeconds, quota.Spent, err)
	}
	// The queue is free again for the next.
	if next := s.ask(who, `return int(patients["age"].count())`, true); next.State != anchorhold.StateReleased {
		t.Errorf("the next request is %s", next.State)
	}
}

// Registering a large table takes longer than the deadlines of small requests,
// and no more memory than a small one.
func TestLargeTable(t *testing.T) {
	s := newSite(t, heart(50))
	path := filepath.Join(filepath.Dir(s.dir), "large.csv")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "id,ward,amount,share,text")
	for i := range 5_000_000 {
		fmt.Fprintf(w, "%d,%d,%d,%d.%03d,word%d\n", i, i%40, i*7919%100_003, i%10, i%1000, i%700)
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	s.run("dataset", "add", "large", "--dir", s.dir, "--asset", "rows="+path, "--json")
	s.mu.Lock()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	s.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	var kib int
	for _, line := range strings.Split(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscan(rest, &kib)
		}
	}
	if kib == 0 || kib > 150<<10 {
		t.Errorf("the site took %d KiB at most, want at most 150 MiB", kib)
	}
}
