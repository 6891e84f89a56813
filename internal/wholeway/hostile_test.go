package wholeway

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// Code that fails, misbehaves or attacks: each run ends with a clear reason for
// the owner, the author sees no more than that it failed, and the site goes on.
func TestHostileCode(t *testing.T) {
	s := newSite(t, heart(200))
	who := s.researcher()
	for name, c := range map[string]struct {
		body string
		// state and reason are what the owner sees; log is in the run's log.
		state  anchorhold.State
		reason string
		log    string
	}{
		"raises with a private value": {`raise ValueError("canary %s" % patients["chol"].max())`, anchorhold.StateFailed, "raised", "canary"},
		"does not parse":              {`return (`, anchorhold.StateFailed, "raised", "SyntaxError"},
		"unsupported type":            {`return {1, 2, 3}`, anchorhold.StateFailed, "raised", "set"},
		"nothing but NaN":             {`return patients.assign(x=float("nan")).groupby("sex")[["x"]].mean()`, anchorhold.StateReleased, "", ""},
		"exits":                       {`import os; os._exit(0)`, anchorhold.StateFailed, "", ""},
		"too much memory":             {"x = []\nwhile True: x.append(bytearray(1 << 26))", anchorhold.StateFailed, "", ""},
		"ten gigabytes of output":     {"f = open('/out/result.txt', 'wb')\nfor i in range(10000): f.write(b'x' * (1 << 20))", anchorhold.StateFailed, "", ""},
		"output is a link": {
			"import os\nos.symlink('/etc/passwd', '/out/result.json')\nreturn 1",
			anchorhold.StateFailed, "", "",
		},
		"speaks for the runner": {`import socket, os
s = socket.socket(fileno=3)
s.sendall(b"not a tar at all" * 1000)
os._exit(0)`, anchorhold.StateFailed, "", ""},
		"private rows":  {`return patients.head(5)`, anchorhold.StateHeld, "", ""},
		"no network":    {"import socket\nsocket.create_connection(('127.0.0.1', 9), timeout=3)", anchorhold.StateFailed, "raised", "Error"},
		"host's files":  {`return open("/etc/shadow").read()`, anchorhold.StateFailed, "raised", "FileNotFoundError"},
		"writes inputs": {"import os\nos.pwrite(4, b'x', 0)", anchorhold.StateFailed, "raised", "Error"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.in(t).ask(who, c.body, true)
			run := r.Runs[len(r.Runs)-1]
			if r.State != c.state || !strings.Contains(run.Reason, c.reason) {
				t.Errorf("the request is %s (%q), want %s (%q)", r.State, run.Reason, c.state, c.reason)
			}
			if r.State == anchorhold.StateFailed && run.Reason == "" {
				t.Error("the owner is told no reason")
			}
			log, err := s.owner().RunLog(context.Background(), r.ID)
			if err != nil || !strings.Contains(log.Text, c.log) {
				t.Errorf("the log says %q (%v), want %q in it", log.Text, err, c.log)
			}
			authorSees(t, who, r.ID, c.state)
		})
	}
}

// in lets a subtest fail by itself.
func (s *site) in(t *testing.T) *site {
	sub := &site{t: t, dir: s.dir, addr: s.addr, key: s.key, uid: s.uid}
	return sub
}

// authorSees makes sure that of a run that was not released nothing but its
// state reaches the author.
func authorSees(t *testing.T, who *client.Client, id string, state anchorhold.State) {
	t.Helper()
	r, err := who.Request(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	if state == anchorhold.StateHeld {
		state = anchorhold.StateDeciding
	}
	if r.State != state {
		t.Errorf("the author sees %s, want %s", r.State, state)
	}
	text, err := json.Marshal(r.Runs)
	if err != nil {
		t.Fatal(err)
	}
	shown := func(what string) bool { return strings.Contains(string(text), what) }
	if state != anchorhold.StateReleased && (shown(`"reason"`) || shown(`"checks"`) || shown(`"release"`) || shown("out-")) {
		t.Errorf("the author sees %s", text)
	}
}
