package readme

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/identity"
)

const (
	patience = 5 * time.Minute // for one block
	address  = "127.0.0.1:7440"
)

// What a reader copies from what was printed, and where the README says so.
var (
	requestID  = regexp.MustCompile(`\breq-[0-9a-hjkmnp-tv-z]{16}\b`)
	siteKey    = regexp.MustCompile(`[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+`)
	placeID    = regexp.MustCompile(`\bID\b`)
	placeKey   = regexp.MustCompile(`\bKEY\b`)
	placeToken = regexp.MustCompile(`\bTOKEN\b`)
)

// TestReadme does what the README says, in a folder of its own. A reader puts in
// the token and the id that they were shown; so does the test.
func TestReadme(t *testing.T) {
	document, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := parse(string(document))
	if err != nil {
		t.Fatalf("README.md: %v", err)
	}
	r := newReader(t)
	ran := 0
	for _, b := range blocks {
		if b.lang == "" || strings.HasPrefix(b.mark, markNot) {
			continue
		}
		if !t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) { r.do(t, b) }) {
			t.FailNow() // what follows rests on it
		}
		ran++
	}
	if ran < 4 {
		t.Errorf("only %d blocks were run: the README should lead through a whole question", ran)
	}
}

// reader is somebody with the README before them.
type reader struct {
	test   *testing.T // the whole test: what runs in the background ends with it
	dir    string     // where they work
	env    []string
	local  string   // the address that stands for the README's
	token  string   // the last that they were shown
	key    string   // the site's public key, likewise
	python *started // the last Python block
}

// started is a program that runs, or has ended.
type started struct {
	cmd  *exec.Cmd
	out  *os.File
	done chan struct{}
	err  error
}

func newReader(t *testing.T) *reader {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	python := setting(t, "ANCHORHOLD_TEST_PYTHON", filepath.Join(root, ".venv/bin/python"))
	binary := setting(t, "ANCHORHOLD_TEST_BINARY", filepath.Join(root, "bin/anchorhold"))
	r := &reader{test: t, dir: t.TempDir(), local: freeAddress(t)}
	// The README is read from the repository's folder: what it names lies there.
	if err := os.Symlink(filepath.Join(root, "demo"), filepath.Join(r.dir, "demo")); err != nil {
		t.Fatal(err)
	}
	path := strings.Join([]string{filepath.Dir(binary), filepath.Dir(python), os.Getenv("PATH")}, string(os.PathListSeparator))
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "ANCHORHOLD_") && !strings.HasPrefix(line, "PATH=") {
			r.env = append(r.env, line)
		}
	}
	r.env = append(r.env, "PATH="+path, "XDG_CONFIG_HOME="+filepath.Join(r.dir, "config"), "PYTHONUNBUFFERED=1")
	return r
}

// setting gives a program that the set-up made, or says how it is made.
func setting(t *testing.T, name, otherwise string) string {
	t.Helper()
	program := os.Getenv(name)
	if program == "" {
		program = otherwise
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: `make test` makes it, or set %s", err, name)
	}
	return program
}

// freeAddress finds a port that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// do carries out one block.
func (r *reader) do(t *testing.T, b block) {
	if b.mark == markPrints {
		r.compare(t, b.text)
		return
	}
	text := r.fill(t, b.text)
	s := r.start(t, b, text)
	if b.lang == "python" {
		r.python = s
	}
	if b.mark == markBackground {
		r.settle(t, s, text)
		return
	}
	printed := s.wait(t)
	for _, word := range strings.Fields(printed) {
		if word = strings.Trim(word, `"',`); identity.LooksLikeToken(word) {
			r.token = word
		}
	}
	if k := siteKey.FindString(printed); k != "" {
		r.key = k
	}
}

// fill puts in what a reader was shown: the token, the site's key, and the id of
// the request that waits for a decision, or was decided last.
func (r *reader) fill(t *testing.T, text string) string {
	t.Helper()
	text = strings.ReplaceAll(text, address, r.local)
	if placeToken.MatchString(text) {
		text = placeToken.ReplaceAllLiteralString(text, shown(t, r.token, "token"))
	}
	if placeKey.MatchString(text) {
		text = placeKey.ReplaceAllLiteralString(text, shown(t, r.key, "key"))
	}
	if placeID.MatchString(text) {
		text = placeID.ReplaceAllLiteralString(text, r.awaitRequest(t))
	}
	return text
}

// shown gives what was printed before, or fails.
func shown(t *testing.T, what, name string) string {
	t.Helper()
	if what == "" {
		t.Fatalf("the block needs a %s, and none was printed so far", name)
	}
	return what
}

// awaitRequest asks for the list of requests until there is one.
func (r *reader) awaitRequest(t *testing.T) string {
	t.Helper()
	list := block{lang: "sh", text: "anchorhold request ls\n"}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if id := requestID.FindString(r.start(t, list, list.text).wait(t)); id != "" {
			return id
		}
		if r.python == nil {
			break
		}
		if r.python.ended() {
			t.Fatalf("no request came, and the program that should submit it ended:\n%s", r.python.printed(t))
		}
		r.python.pause()
	}
	t.Fatal("no request came in time")
	return ""
}

// start runs a block's text: shell with the variables that blocks before it
// exported, Python as a program of its own.
func (r *reader) start(t *testing.T, b block, text string) *started {
	t.Helper()
	name := filepath.Join(r.dir, fmt.Sprintf("block-%d.py", b.line))
	argv := []string{"python", name}
	if b.lang == "sh" {
		state := filepath.Join(r.dir, "exported")
		name = filepath.Join(r.dir, fmt.Sprintf("block-%d.sh", b.line))
		argv = []string{"bash", "-euo", "pipefail", name}
		text = fmt.Sprintf("if [ -e %q ]; then . %q; fi\n%s\nexport -p > %q\n", state, state, text, state)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := os.CreateTemp(r.dir, "printed-")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cmd := exec.CommandContext(ctx, "env", argv...) // env looks argv[0] up in the reader's PATH
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.dir, r.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &started{cmd: cmd, out: out, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer cancel()
		s.err = cmd.Wait()
	}()
	return s
}

// settle waits until a site that was started in the background answers, and
// sees to it that what was started ends with the test.
func (r *reader) settle(t *testing.T, s *started, text string) {
	t.Helper()
	r.test.Cleanup(func() {
		// As a person's Ctrl-C would: a site ends in good order.
		if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
			r.test.Errorf("ending the block: %v", err)
		}
		<-s.done
	})
	if !strings.Contains(text, " serve") {
		return
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && !s.ended(); s.pause() {
		if strings.Contains(s.printed(t), "listening on") {
			return
		}
	}
	t.Fatalf("the site does not listen:\n%s", s.printed(t))
}

// compare wants the last Python block to end well, having printed text.
func (r *reader) compare(t *testing.T, text string) {
	t.Helper()
	if r.python == nil {
		t.Fatal("no Python block was run before this one")
	}
	printed := r.python.wait(t)
	if !strings.Contains(squeeze(printed), squeeze(text)) {
		t.Errorf("printed\n%s\nthe README says\n%s", printed, text)
	}
}

// squeeze makes spacing alike: it differs between versions of libraries.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// pause lets a moment pass, or the program end.
func (s *started) pause() {
	select {
	case <-s.done:
	case <-time.After(50 * time.Millisecond):
	}
}

func (s *started) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// wait gives what was printed by a program that ended well.
func (s *started) wait(t *testing.T) string {
	t.Helper()
	<-s.done
	if s.err != nil {
		t.Fatalf("%v\n%s", s.err, s.printed(t))
	}
	return s.printed(t)
}

func (s *started) printed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ToValidUTF8(text, []byte("?")))
}
