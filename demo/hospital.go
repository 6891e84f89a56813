package demo

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
	"strconv"
	"strings"
	"syscall"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/demo/data"
)

// Names of the dataset and its asset, the same at every site.
const (
	dataset = "heart"
	asset   = "patients"
)

// hospital is one site of the story, with the process that serves it.
type hospital struct {
	data.Hospital
	story *story
	dir   string
	rows  int
	url   string
	key   string // public key, which the researcher got from the owner
	token string // of the researcher
	serve *exec.Cmd
	log   bytes.Buffer

	request anchorhold.Request
	receipt string // path
	groups  []group
}

// command runs the program and gives what it prints; what it complains of
// becomes the error.
func (h *hospital) command(ctx context.Context, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, h.story.Program, args...)
	cmd.Env = append(environment(), env...)
	cmd.Dir = h.story.dir
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("anchorhold %s: %w\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return out, nil
}

// environment is this process's without anything that points the program at
// another site.
func environment() (out []string) {
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "ANCHORHOLD_DIR", "ANCHORHOLD_URL", "ANCHORHOLD_TOKEN":
		default:
			out = append(out, e)
		}
	}
	return out
}

func (h *hospital) asOwner(ctx context.Context, args ...string) ([]byte, error) {
	return h.command(ctx, []string{"ANCHORHOLD_DIR=" + h.dir}, args...)
}

func (h *hospital) asResearcher(ctx context.Context, args ...string) ([]byte, error) {
	return h.command(ctx, []string{"ANCHORHOLD_URL=" + h.url, "ANCHORHOLD_TOKEN=" + h.token}, args...)
}

// into runs a command and decodes its JSON.
func into(v any) func([]byte, error) error {
	return func(out []byte, err error) error {
		if err != nil {
			return err
		}
		return json.Unmarshal(out, v)
	}
}

// open makes the site with its dataset and account, and serves it.
func (h *hospital) open(ctx context.Context, port int) error {
	var made struct{ Key string }
	if err := into(&made)(h.command(ctx, nil, "init", "--dir", h.dir, "--name", h.Name, "--json")); err != nil {
		return err
	}
	h.key = made.Key
	table := filepath.Join(h.dir, asset+".csv")
	if err := os.WriteFile(table, h.CSV, 0o600); err != nil {
		return err
	}
	h.rows = bytes.Count(h.CSV, []byte("\n")) - 1
	if err := h.start(ctx, port); err != nil {
		return err
	}
	_, err := h.asOwner(ctx, "dataset", "add", dataset, "--asset", asset+"="+table, "--mock", asset+"=generate", "--confirm-facts",
		"--title", "Heart disease, "+h.Title, "--license", "CC BY 4.0", "--population", h.Name+"-patients", "--json")
	if err != nil {
		return err
	}
	var user struct{ Token string }
	err = into(&user)(h.asOwner(ctx, "user", "add", researcher, "--role", "researcher", "--json"))
	h.token = user.Token
	return err
}

// start serves the site in a process of its own and waits until it answers.
func (h *hospital) start(ctx context.Context, port int) error {
	host := h.story.Listen
	if host == "" {
		host = "127.0.0.1"
	}
	h.serve = exec.CommandContext(ctx, h.story.Program, "serve", "--dir", h.dir, "--listen", net.JoinHostPort(host, strconv.Itoa(port)))
	h.serve.Env = environment()
	h.serve.Stderr = &h.log
	h.serve.Cancel = func() error { return h.serve.Process.Signal(syscall.SIGTERM) }
	// Ctrl-C is for the story, which stops its sites in order.
	h.serve.SysProcAttr = ownGroup()
	out, err := h.serve.StdoutPipe()
	if err != nil {
		return err
	}
	if err := h.serve.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "listening on "); ok {
			h.url = strings.TrimSpace(url)
			go io.Copy(io.Discard, out) //nolint:errcheck // whatever else it prints
			return nil
		}
	}
	err = h.serve.Wait()
	h.serve = nil
	return fmt.Errorf("the site did not start: %w\n%s", err, h.log.String())
}

func (h *hospital) stop() error {
	if h.serve == nil {
		return nil
	}
	if err := h.serve.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	err := h.serve.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// submit sends the function for this site's table.
func (h *hospital) submit(ctx context.Context, path string) error {
	var sent struct{ ID string }
	err := into(&sent)(h.asResearcher(ctx, "request", "submit", path, "--entry", "age_by_diagnosis",
		"--asset", "patients="+dataset+"/"+asset, "--purpose", purpose, "--json"))
	if err != nil {
		return err
	}
	h.request = anchorhold.Request{}
	return into(&h.request)(h.asResearcher(ctx, "request", "show", sent.ID, "--json"))
}

// released waits until the run is over, and for the owner's second decision
// where the first did not cover it.
func (h *hospital) released(ctx context.Context, automatic bool) error {
	state, err := h.await(ctx)
	if err != nil {
		return err
	}
	how := "released by the rule that the owner set, after every check passed"
	if state == anchorhold.StateHeld {
		if automatic {
			return errors.New("the answer was held although its release was to be automatic")
		}
		if _, err := h.asOwner(ctx, "release", "approve", h.request.ID, "--json"); err != nil {
			return err
		}
		how = "released by the owner, who looked at it"
		if state, err = h.await(ctx); err != nil {
			return err
		}
	}
	if state != anchorhold.StateReleased {
		log, _ := h.asOwner(ctx, "run", "logs", h.request.ID)
		return fmt.Errorf("the request ended as %s\n%s%s", state, log, h.log.String())
	}
	run := h.request.Runs[len(h.request.Runs)-1]
	h.story.say("   %-44s ran %.2f s, %s\n", h.Title, run.Usage.WallSeconds, how)
	return nil
}

// await follows the request, as its owner, until a person is needed or it ends.
func (h *hospital) await(ctx context.Context) (anchorhold.State, error) {
	c := client.NewSocket(filepath.Join(h.dir, "site.sock"), client.Options{})
	defer c.Close()
	r, err := c.Wait(ctx, h.request.ID, func(r anchorhold.Request) bool {
		return r.State.Ended() || r.State == anchorhold.StateHeld
	})
	h.request = r
	return r.State, err
}

// fetch gets the answer with its receipt and verifies the receipt offline.
func (h *hospital) fetch(ctx context.Context) error {
	out := filepath.Join(h.story.dir, "answers", h.Name)
	h.receipt = filepath.Join(h.story.dir, h.Name+"-receipt.json")
	if err := os.MkdirAll(out, 0o700); err != nil {
		return err
	}
	if _, err := h.asResearcher(ctx, "release", "get", h.request.ID, "--out", out, "--receipt", h.receipt, "--json"); err != nil {
		return err
	}
	if err := h.verify(ctx, h.receipt); err != nil {
		return err
	}
	table, err := os.ReadFile(filepath.Join(out, "result.parquet"))
	if err != nil {
		return err
	}
	h.groups, err = readGroups(ctx, table)
	return err
}

// verify checks a receipt with nothing but the file and the site's public key.
func (h *hospital) verify(ctx context.Context, path string) error {
	key := filepath.Join(h.story.dir, h.Name+".key")
	if err := os.WriteFile(key, []byte(h.key+"\n"), 0o600); err != nil {
		return err
	}
	_, err := h.command(ctx, nil, "receipt", "verify", path, "--key", key)
	return err
}

// tamper changes one character of the receipt and gives the refusal.
func (h *hospital) tamper(ctx context.Context) (string, error) {
	text, err := os.ReadFile(h.receipt)
	if err != nil {
		return "", err
	}
	marker := []byte(`"payload":"`)
	at := bytes.Index(text, marker)
	if at < 0 {
		return "", errors.New("the receipt holds no payload")
	}
	at += len(marker) + 100
	text[at]++ // the next character of base64, or one that is none
	path := h.receipt + ".tampered"
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", err
	}
	err = h.verify(ctx, path)
	if err == nil {
		return "", errors.New("a tampered receipt was accepted")
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return lines[min(1, len(lines)-1)], nil
}

func (h *hospital) group(diseased bool) (group, bool) {
	for _, g := range h.groups {
		if g.diseased == diseased {
			return g, true
		}
	}
	return group{}, false
}
