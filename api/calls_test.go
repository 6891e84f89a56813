package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/api"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// open makes a site that keeps callers waiting, and serves it.
func open(t *testing.T, l api.Limits) (*fixture, *httptest.Server) {
	t.Helper()
	f := newFixture(t)
	// What was approved has run, and its output is held.
	err := f.Store.Update(t.Context(), func(tx store.Tx) error {
		run, err := tx.Run(f.ids["run"])
		if err != nil {
			return err
		}
		run.Opening = 1
		return errors.Join(tx.PutRun(run), tx.AddDecision(anchorhold.Decision{
			ID: "dec-1", Request: f.ids["request"], Opening: 1, Dataset: "heart", Verdict: anchorhold.Approve, Decider: "pri-2", Created: f.Clock.Now(),
		}))
	})
	if err != nil {
		t.Fatal(err)
	}
	f.api = api.New(f.services) // the fixture's own keeps nobody waiting
	f.api.Observe(l, nil, nil)
	f.handler = f.api.Handler()
	s := httptest.NewServer(f.handler)
	t.Cleanup(s.Close)
	return f, s
}

// meter counts calls, and tells of waits where somebody listens.
type meter struct {
	mu    sync.Mutex
	calls map[string]int
	waits chan int
}

// Called implements api.Meter.
func (m *meter) Called(operation string, _ int, _ time.Duration, _ bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[operation]++
}

// Limited implements api.Meter.
func (*meter) Limited(string) {}

// Waiting implements api.Meter.
func (m *meter) Waiting(change int) {
	if m.waits != nil && change > 0 {
		m.waits <- change
	}
}

// follow opens a stream of events; next gives one state after the other, and
// nothing at the end.
func follow(t *testing.T, f *fixture, s *httptest.Server, who string) (res *http.Response, next func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/requests/"+f.ids["request"]+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+f.tokens[who])
	res, err = http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	return res, func() string {
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var e map[string]string
			if err := json.Unmarshal([]byte(data), &e); err != nil || len(e) != 2 || e["id"] != f.ids["request"] {
				t.Errorf("an event says %s (%v)", data, err)
			}
			return e["state"]
		}
		return ""
	}
}

// Whoever follows a request is told what asking would show, and no more.
func TestEvents(t *testing.T) {
	f, s := open(t, api.Limits{})
	res, author := follow(t, f, s, "author")
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %v", res.StatusCode, res.Header)
	}
	_, owner := follow(t, f, s, "owner")
	if a, o := author(), owner(); a != "deciding" || o != "held" {
		t.Errorf("the author is told %q and the owner %q", a, o)
	}
	if w := f.call("owner", http.MethodPost, "/v1/releases/"+f.ids["release"]+"/decisions", `{"verdict":"deny","reason":"r"}`); w.Code != 200 {
		t.Fatalf("denying: %d %s", w.Code, w.Body)
	}
	for who, next := range map[string]func() string{"author": author, "owner": owner} {
		if got := next(); got != "refused" {
			t.Errorf("the %s is told %q", who, got)
		}
		if got := next(); got != "" {
			t.Errorf("after the end the %s is told %q", who, got)
		}
	}
}

// A credential that ends takes the stream with it, before the next event.
func TestEventsEndWithTheCredential(t *testing.T) {
	f, s := open(t, api.Limits{})
	_, next := follow(t, f, s, "author")
	if got := next(); got != "deciding" {
		t.Fatalf("got %q", got)
	}
	if err := f.accounts.RevokeTokens(t.Context(), policy.SiteAct(policy.UserToken, "test"), "author@example.org"); err != nil {
		t.Fatal(err)
	}
	f.call("owner", http.MethodPost, "/v1/releases/"+f.ids["release"]+"/decisions", `{"verdict":"deny","reason":"r"}`)
	if got := next(); got != "" {
		t.Errorf("whose token was revoked is told %q", got)
	}
}

// A poll that waited is answered as its caller may see it then.
func TestPollsEndWithTheCredential(t *testing.T) {
	f, _ := open(t, api.Limits{})
	waiting := make(chan *httptest.ResponseRecorder)
	f.meter.waits = make(chan int, 1)
	f.api.Observe(api.Limits{}, f.meter, nil)
	f.handler = f.api.Handler()
	go func() {
		waiting <- f.call("author", http.MethodGet, "/v1/requests/"+f.ids["request"]+"?wait=60&state=deciding", "")
	}()
	<-f.meter.waits
	if err := f.accounts.Disable(t.Context(), policy.SiteAct(policy.UserRemove, "test"), "author@example.org"); err != nil {
		t.Fatal(err)
	}
	f.call("owner", http.MethodPost, "/v1/releases/"+f.ids["release"]+"/decisions", `{"verdict":"deny","reason":"r"}`)
	if w := <-waiting; w.Code != http.StatusUnauthorized {
		t.Errorf("whose access ended is told %d %s", w.Code, w.Body)
	}
}

func tooMany(t *testing.T, what string, status int, header http.Header, body string) {
	t.Helper()
	after, err := strconv.Atoi(header.Get("Retry-After"))
	if status != http.StatusTooManyRequests || err != nil || after < 1 || !strings.Contains(body, `"remedy"`) || header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %d %v %s", what, status, header, body)
	}
}

func TestWaitsAreLimited(t *testing.T) {
	f, s := open(t, api.Limits{Waits: 1})
	first, next := follow(t, f, s, "author")
	next()
	second, _ := follow(t, f, s, "author")
	tooMany(t, "a second stream", second.StatusCode, second.Header, `"remedy"`)
	began := time.Now()
	if w := f.call("author", http.MethodGet, "/v1/requests/"+f.ids["request"]+"?wait=60&state=deciding", ""); w.Code != 200 || time.Since(began) > 30*time.Second {
		t.Errorf("a poll beside it is not answered at once: %d", w.Code)
	}
	other, _ := follow(t, f, s, "owner")
	if other.StatusCode != 200 {
		t.Errorf("another person is turned away: %d", other.StatusCode)
	}
	first.Body.Close()
	for range 1000 { // until the site has noticed
		if again, _ := follow(t, f, s, "author"); again.StatusCode == 200 {
			return
		}
		f.call("owner", http.MethodPost, "/v1/users/researcher@example.org/tokens", `{}`) // an act wakes every stream
	}
	t.Error("a stream that ended is counted for ever")
}

func TestCallsAreLimited(t *testing.T) {
	f, _ := open(t, api.Limits{Rate: 0.01, Burst: 3})
	for i := range 4 {
		w := f.call("author", http.MethodGet, "/v1/me", "")
		if i < 3 && w.Code != 200 {
			t.Errorf("call %d: %d", i+1, w.Code)
		} else if i == 3 {
			tooMany(t, "one too many", w.Code, w.Header(), w.Body.String())
		}
	}
	if w := f.call("owner", http.MethodGet, "/v1/me", ""); w.Code != 200 {
		t.Errorf("another person pays for it: %d", w.Code)
	}
	local := f.api.LocalHandler(func(*http.Request) (int, error) { return 0, nil })
	for range 10 {
		w := httptest.NewRecorder()
		if local.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/me", nil)); w.Code != 200 {
			t.Fatalf("on the site's own machine: %d", w.Code)
		}
	}
}

// Guessing is slowed down, and harms nobody else at the same address.
func TestFailedCredentialsAreLimitedHarder(t *testing.T) {
	f, _ := open(t, api.Limits{Strangers: 0.01})
	for i := range 11 {
		w := f.call([]string{"nonsense", "foreign", "expired", "revoked"}[i%4], http.MethodGet, "/v1/me", "")
		if i < 10 && w.Code != http.StatusUnauthorized {
			t.Errorf("attempt %d: %d", i+1, w.Code)
		} else if i == 10 {
			tooMany(t, "one attempt too many", w.Code, w.Header(), w.Body.String())
		}
	}
	if w := f.call("author", http.MethodGet, "/v1/me", ""); w.Code != 200 {
		t.Errorf("a good token at that address: %d", w.Code)
	}
	w := f.call("none", http.MethodGet, "/v1/site", "")
	tooMany(t, "a stranger at that address", w.Code, w.Header(), w.Body.String())
}

// The log has one line for each call, and none of them holds a name, a path, a
// token or anything that was sent.
func TestTheLogTellsNothingPrivate(t *testing.T) {
	f, _ := open(t, api.Limits{})
	var text bytes.Buffer
	f.api.Observe(api.Limits{}, f.meter, slog.New(slog.NewJSONHandler(&text, nil)))
	f.handler = f.api.Handler()
	calls := []struct{ who, method, path, body, operation string }{
		{"author", "GET", "/v1/requests/" + f.ids["request"], "", "show-request"},
		{"author", "GET", "/v1/datasets/hidden", "", "show-dataset"},
		{"owner", "POST", "/v1/users", `{"email":"secret@example.org","role":"auditor"}`, "add-user"},
		{"owner", "POST", "/v1/users/secret@example.org/tokens", `{}`, "add-token"},
		{"nonsense", "GET", "/v1/me", "", "none"},
		{"owner", "GET", "/v1/nowhere/secret", "", "none"},
		{"none", "GET", "/v1/site?token=secret", "", "site"},
	}
	var codes []int
	for _, c := range calls {
		codes = append(codes, f.call(c.who, c.method, c.path, c.body).Code)
	}
	for _, private := range []string{"secret", "hidden", "example.org", "aht_", f.ids["request"], "/v1", "192.0.2"} {
		if strings.Contains(text.String(), private) {
			t.Errorf("the log holds %q:\n%s", private, text.String())
		}
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != len(calls) {
		t.Fatalf("%d lines for %d calls:\n%s", len(lines), len(calls), text.String())
	}
	for i, line := range lines {
		var l struct {
			Msg, Operation, Principal, Call string
			Status                          int
			Took                            *int64
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Msg != "call" || l.Operation != calls[i].operation || l.Status != codes[i] || l.Took == nil || !strings.HasPrefix(l.Call, "cal-") {
			t.Errorf("line %d: %s", i, line)
		}
		if known := strings.HasPrefix(l.Principal, "pri-"); known != (calls[i].who != "none" && calls[i].who != "nonsense") {
			t.Errorf("line %d: %s", i, line)
		}
		if got := f.meter.calls[calls[i].operation]; got == 0 {
			t.Errorf("%s was not counted", calls[i].operation)
		}
	}
}

// Whoever applied is still a stranger: as little of what they send is read.
func TestApplicantsSendLittle(t *testing.T) {
	f := newFixture(t)
	long := `{"code":"` + strings.Repeat("x", 64<<10) + `"}`
	if w := f.call("applicant", "POST", "/v1/applications/mine/proof", long); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("an applicant sends %d bytes: %d", len(long), w.Code)
	}
}

// A folder to hand in is one of the site's machine: no token may name it, or a
// stolen one could have the site's own files read as outputs.
func TestNoTokenNamesAFolder(t *testing.T) {
	f := newFixture(t)
	w := f.call("owner", "POST", "/v1/requests/"+f.ids["request"]+"/deposits", `{"dir":"/nowhere"}`)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "only-local-hands-in-folders") {
		t.Errorf("an owner's token names a folder: %d %s", w.Code, w.Body)
	}
}
