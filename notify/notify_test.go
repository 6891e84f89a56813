package notify

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/internal/exectest"
	"github.com/anchorhold/anchorhold/notify/mailtest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Words that must never leave the site.
const (
	secretPurpose = "whether-the-mayor-is-ill"
	secretDataset = "psychiatry"
	secretReason  = "only-three-patients"
)

// site is a site with people, one dataset and one request.
type site struct {
	*bookstest.Set
	*Service
	t       *testing.T
	request anchorhold.Request
}

func newSite(t *testing.T) *site {
	t.Helper()
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	set := bookstest.New(t)
	s := &site{Set: set, Service: &Service{Books: set.Books, Policy: rules, Site: "clinic"}, t: t}
	person := func(name string, b ...anchorhold.Binding) anchorhold.Principal {
		return anchorhold.Principal{ID: "pri-" + name, Email: name + "@example.org", Bindings: b}
	}
	site, dataset, other := anchorhold.ScopeSite, "dataset:"+secretDataset, "dataset:other"
	s.request = anchorhold.Request{
		ID: anchorhold.NewID(anchorhold.PrefixRequest), Digest: "sha256:1", Author: "pri-author", AuthorName: "author@example.org", Opening: 1,
		Opened: s.Clock.Now(), Purpose: secretPurpose, Assets: map[string]anchorhold.AssetRef{"p": {Dataset: secretDataset, Asset: "p", Version: "ver-1"}},
	}
	s.update(func(tx store.Tx) error {
		for _, p := range []anchorhold.Principal{
			person("author", anchorhold.Binding{Role: anchorhold.RoleResearcher, Scope: site}),
			person("colleague", anchorhold.Binding{Role: anchorhold.RoleResearcher, Scope: site}),
			person("owner", anchorhold.Binding{Role: anchorhold.RoleOwner, Scope: site}),
			person("reviewer", anchorhold.Binding{Role: anchorhold.RoleReviewer, Scope: dataset}),
			person("stranger", anchorhold.Binding{Role: anchorhold.RoleReviewer, Scope: other}),
			person("auditor", anchorhold.Binding{Role: anchorhold.RoleAuditor, Scope: site}),
			{ID: "pri-gone", Email: "gone@example.org", Disabled: true, Bindings: []anchorhold.Binding{{Role: anchorhold.RoleOwner, Scope: site}}},
		} {
			if err := tx.PutPrincipal(p); err != nil {
				return err
			}
		}
		if err := tx.PutDataset(anchorhold.Dataset{ID: "dat-1", Name: secretDataset, Population: "x", Visibility: anchorhold.VisibleToUsers, Quorum: 1}); err != nil {
			return err
		}
		return tx.PutRequest(s.request)
	})
	return s
}

// joint makes the request one over a second dataset, on which the stranger
// decides.
func (s *site) joint() {
	s.t.Helper()
	s.request.Assets["q"] = anchorhold.AssetRef{Dataset: "other", Asset: "q", Version: "ver-2"}
	s.update(func(tx store.Tx) error {
		return errors.Join(tx.PutDataset(anchorhold.Dataset{ID: "dat-2", Name: "other", Population: "y", Visibility: anchorhold.VisibleToUsers, Quorum: 1}), tx.PutRequest(s.request))
	})
}

func (s *site) update(fn func(store.Tx) error) {
	s.t.Helper()
	if err := s.Store.Update(context.Background(), fn); err != nil {
		s.t.Fatal(err)
	}
}

// happens is an act of somebody on something, with private words in its record.
func (s *site) happens(action policy.Action, subject string) {
	s.t.Helper()
	_, err := books.Act(context.Background(), s.Set.Books, policy.SiteAct(action, "test"), func(store.Tx) (struct{}, books.Record, error) {
		return struct{}{}, books.Record{Subject: subject, Details: map[string]string{"purpose": secretPurpose, "reason": secretReason}}, nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) configure(c Config) (secret string) {
	s.t.Helper()
	secret, err := s.Configure(context.Background(), policy.SiteAct(policy.NotifySet, "test"), c)
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

func (s *site) tell() {
	s.t.Helper()
	if err := s.round(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

func addressees(letters []mailtest.Letter) string {
	var out []string
	for _, l := range letters {
		name, _, _ := strings.Cut(l.To, "@")
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func byMail(server *mailtest.Server) Config {
	return Config{Mail: &Mail{Server: server.Address, From: "site@example.org", Security: "none"}, PublicURL: "https://data.example.org"}
}

// finish ends a run of the request, with an output that waits or not.
func (s *site) finish(id string, side anchorhold.Side, held bool) {
	s.update(func(tx store.Tx) error {
		run := anchorhold.Run{ID: id, Request: s.request.ID, Opening: 1, State: anchorhold.RunDone, Side: side}
		if err := tx.PutRun(run); err != nil || !held {
			return err
		}
		if err := tx.PutOutput(anchorhold.Output{ID: "out-" + id, Run: id, Name: "result", Kind: "text"}); err != nil {
			return err
		}
		return tx.PutRelease(anchorhold.Release{ID: "rel-" + id, Output: "out-" + id, Request: s.request.ID, State: anchorhold.ReleaseHeld})
	})
	s.happens(actionFinish, id)
}

func TestWhoIsToldOfWhat(t *testing.T) {
	s, server := newSite(t), mailtest.New(t)
	s.happens(policy.RequestSubmit, s.request.ID) // before mail is set: nobody is told later
	s.configure(byMail(server))
	steps := []struct {
		what string
		do   func()
		want string
	}{
		{"nothing new", func() {}, ""},
		{"submitted", func() { s.happens(policy.RequestSubmit, s.request.ID) }, "owner reviewer"},
		{"asked", func() { s.happens(policy.RequestAsk, s.request.ID) }, "author"},
		{"answered", func() { s.happens(policy.RequestAnswer, s.request.ID) }, "owner reviewer"},
		{"decided", func() { s.happens(policy.RequestDecide, s.request.ID) }, "author"},
		{"the run that was queued", func() { s.happens(policy.RequestDecide, "run-0") }, ""},
		{"finished", func() { s.finish("run-1", "", false) }, "author"},
		{"finished, held", func() { s.finish("run-2", "", true) }, "author owner reviewer"},
		{"a trial on the mock", func() { s.finish("run-3", anchorhold.SideMock, false) }, ""},
		{"released", func() { s.happens(audit.ActionRelease, "rel-run-2") }, "author"},
		{"submitted and run under a grant", func() { s.happens(policy.RequestSubmit, s.request.ID) }, ""},
		{"held, over data of another too", func() { s.joint(); s.finish("run-4", "", true) }, "author owner reviewer stranger"},
		{"a replay", func() { s.finish("run-5", anchorhold.SideReplay, false) }, ""},
		{"somebody else's matter", func() { s.happens(policy.UserAdd, "pri-1") }, ""},
	}
	for _, step := range steps {
		step.do()
		s.tell()
		letters := server.Take()
		if got := addressees(letters); got != step.want {
			t.Errorf("%s: %q were written to, want %q", step.what, got, step.want)
		}
		for _, l := range letters {
			for _, word := range []string{secretPurpose, secretDataset, secretReason, "author@example.org"} {
				if strings.Contains(l.Raw, word) && l.To != word {
					t.Errorf("%s: a mail says %q:\n%s", step.what, word, l.Raw)
				}
			}
			if !strings.Contains(l.Text, s.request.ID) || l.Header.Get("List-Unsubscribe-Post") == "" || l.Header.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("%s: the mail is\n%s", step.what, l.Raw)
			}
		}
	}
}

func TestMailIsGathered(t *testing.T) {
	s, server := newSite(t), mailtest.New(t)
	s.configure(byMail(server))
	author := policy.SiteAct(policy.NotifyPrefer, "test")
	if err := s.prefer(context.Background(), author, "pri-author", anchorhold.FrequencyDaily); err != nil {
		t.Fatal(err)
	}
	s.happens(policy.RequestAsk, s.request.ID)
	s.tell()
	s.Clock.Move(20 * time.Hour)
	s.happens(policy.RequestDecide, s.request.ID)
	s.tell()
	if got := server.Take(); len(got) != 0 {
		t.Fatalf("written to before a day was over: %+v", got)
	}
	s.Clock.Move(5 * time.Hour)
	s.tell()
	got := server.Take()
	if len(got) != 1 || strings.Count(got[0].Text, s.request.ID) != 2 || !strings.Contains(got[0].Header.Get("Subject"), "2 things") {
		t.Fatalf("after a day: %+v", got)
	}
	s.Clock.Move(25 * time.Hour)
	s.tell()
	if got := server.Take(); len(got) != 0 {
		t.Errorf("told twice: %+v", got)
	}
}

// A mail names the domain that it comes from, and neither the machine nor the
// program that wrote it.
func TestMailTellsNothingOfTheMachine(t *testing.T) {
	s, server := newSite(t), mailtest.New(t)
	s.configure(byMail(server))
	s.happens(policy.RequestAsk, s.request.ID)
	s.tell()
	got := server.Take()
	if len(got) != 1 {
		t.Fatalf("%d mails came", len(got))
	}
	_, domain, _ := strings.Cut(byMail(server).Mail.From, "@")
	if id := got[0].Header.Get("Message-ID"); !strings.HasSuffix(id, "@"+domain+">") || len(id) < len(domain)+20 {
		t.Errorf("its id is %q", id)
	}
	if helo := server.Named(); !slices.Equal(helo, []string{domain}) {
		t.Errorf("the machine calls itself %q", helo)
	}
	if got[0].Header.Get("User-Agent") != "" || got[0].Header.Get("X-Mailer") != "" || !strings.HasSuffix(got[0].Header.Get("Date"), "+0000") {
		t.Errorf("the head is %v", got[0].Header)
	}
}

func TestMailThatIsRefusedComesLater(t *testing.T) {
	s, server := newSite(t), mailtest.New(t)
	s.configure(byMail(server))
	server.Refuse(true)
	s.happens(policy.RequestAsk, s.request.ID)
	s.tell()
	server.Refuse(false)
	s.tell() // rests
	if got := server.Take(); len(got) != 0 {
		t.Errorf("tried again at once")
	}
	again := *s
	again.Service = &Service{Books: s.Set.Books, Policy: s.Policy, Site: "clinic"} // as after a crash
	again.tell()
	if got := addressees(server.Take()); got != "author" {
		t.Errorf("after a start: %q were written to", got)
	}
	server.Refuse(true)
	s.happens(policy.RequestAsk, s.request.ID)
	s.Clock.Move(retry)
	s.tell()
	s.Clock.Move(keepFor + time.Hour)
	server.Refuse(false)
	s.tell()
	if got := server.Take(); len(got) != 0 {
		t.Errorf("told after days: %+v", got)
	}
}

func TestLinkEndsMailOfWhomItWasSentTo(t *testing.T) {
	s, server := newSite(t), mailtest.New(t)
	s.configure(byMail(server))
	s.happens(policy.RequestSubmit, s.request.ID)
	s.tell()
	var token string
	for _, l := range server.Take() {
		if l.To == "owner@example.org" {
			link := strings.Trim(l.Header.Get("List-Unsubscribe"), "<>")
			token = strings.TrimPrefix(link, "https://data.example.org/v1/unsubscribe/")
			if token == link {
				t.Fatalf("the link is %s", link)
			}
		}
	}
	permit := policy.SiteAct(policy.NotifyEnd, "test")
	_, mac, _ := strings.Cut(token, ".")
	for _, forged := range []string{"", "pri-owner", "pri-reviewer." + mac, token + "x", token[:len(token)-1], "." + mac} {
		if err := s.Unsubscribe(context.Background(), permit, forged); anchorhold.KindOf(err) != anchorhold.NotFound {
			t.Errorf("the link %q: %v", forged, err)
		}
	}
	if err := s.Unsubscribe(context.Background(), permit, token); err != nil {
		t.Fatal(err)
	}
	s.happens(policy.RequestSubmit, s.request.ID)
	s.tell()
	if got := addressees(server.Take()); got != "reviewer" {
		t.Errorf("then %q were written to", got)
	}
}

// receiver is somebody else's program that is told by a hook.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	ids    []string
	fail   bool
}

func newReceiver(t *testing.T, verifier func() *webhooks.Webhook) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, err := io.ReadAll(q.Body)
		if err == nil {
			err = verifier().VerifyIgnoringTimestamp(body, q.Header) // the test's clock stands
		}
		if err != nil {
			t.Errorf("a message that does not verify: %v", err)
		}
		r.ids = append(r.ids, q.Header.Get("webhook-id"))
		if r.fail {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.bodies = append(r.bodies, string(body))
	}))
	t.Cleanup(r.Close)
	return r
}

func TestHookIsSignedInOrderAndRepeated(t *testing.T) {
	s := newSite(t)
	var secret string
	r := newReceiver(t, func() *webhooks.Webhook {
		w, err := webhooks.NewWebhook(secret)
		if err != nil {
			t.Error(err)
		}
		return w
	})
	secret = s.configure(Config{Hook: &Hook{URL: r.URL, Kinds: []anchorhold.NoticeKind{anchorhold.NoticePending, anchorhold.NoticeDecided}}})
	r.fail = true
	s.happens(policy.RequestSubmit, s.request.ID)
	s.happens(policy.RequestAsk, s.request.ID) // not wanted
	s.happens(policy.RequestDecide, s.request.ID)
	s.tell()
	r.fail = false
	s.Clock.Move(retry)
	s.tell()
	if len(r.bodies) != 2 || !strings.Contains(r.bodies[0], "request.pending") || !strings.Contains(r.bodies[1], "request.decided") {
		t.Fatalf("told %q", r.bodies)
	}
	if len(r.ids) != 3 || r.ids[0] != r.ids[1] || r.ids[1] == r.ids[2] {
		t.Errorf("ids %q: a repetition has the id of the first try", r.ids)
	}
	for _, b := range r.bodies {
		if strings.Contains(b, secretPurpose) || strings.Contains(b, secretDataset) || strings.Contains(b, secretReason) {
			t.Errorf("the hook is told %s", b)
		}
	}
}

func TestHookRunsAProgram(t *testing.T) {
	s := newSite(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "tell")
	script := "#!/bin/sh\ncat > \"$1\"; printf '\\n%s %s\\n' \"$WEBHOOK_ID\" \"$HOME$ANCHORHOLD_TOKEN\" >> \"$1\"\n"
	exectest.Write(t, program, []byte(script))
	t.Setenv("ANCHORHOLD_TOKEN", "leak")
	out := filepath.Join(dir, "told")
	s.configure(Config{Hook: &Hook{Command: []string{program, out}}})
	s.happens(policy.RequestSubmit, s.request.ID)
	s.tell()
	told, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(told); !strings.Contains(text, s.request.ID) || !strings.Contains(text, "not-") || strings.Contains(text, "leak") {
		t.Errorf("the program was told %q", text)
	}
}

func TestWhatCannotWorkIsRefused(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]Config{
		"neither":                {Hook: &Hook{}},
		"both":                   {Hook: &Hook{URL: "https://x.example", Command: []string{"/bin/true"}}},
		"no such kind":           {Hook: &Hook{URL: "https://x.example", Kinds: []anchorhold.NoticeKind{"all"}}},
		"in the clear":           {Hook: &Hook{URL: "http://x.example"}},
		"a password in it":       {Hook: &Hook{URL: "https://a:b@x.example"}},
		"a file":                 {Hook: &Hook{URL: "file:///etc/passwd"}},
		"no path":                {Hook: &Hook{Command: []string{"true"}}},
		"no program":             {Hook: &Hook{Command: []string{"/nowhere/at/all"}}},
		"a folder":               {Hook: &Hook{Command: []string{t.TempDir()}}},
		"mail in the clear":      {Mail: &Mail{Server: "mail.example:25", From: "a@example.org", Security: "none"}},
		"no port":                {Mail: &Mail{Server: "mail.example", From: "a@example.org"}},
		"no sender":              {Mail: &Mail{Server: "mail.example:25"}},
		"no password":            {Mail: &Mail{Server: "mail.example:25", From: "a@example.org", User: "a"}},
		"no path of password":    {Mail: &Mail{Server: "mail.example:25", From: "a@example.org", User: "a", PasswordFile: "p"}},
		"no security":            {Mail: &Mail{Server: "mail.example:25", From: "a@example.org", Security: "some"}},
		"a public address":       {PublicURL: "data.example.org"},
		"a public clear address": {PublicURL: "http://data.example.org"},
	} {
		if _, err := s.Configure(context.Background(), policy.SiteAct(policy.NotifySet, "test"), c); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFrozenSiteTellsNobody, not even as a test: it may be a copy of one that
// goes on elsewhere, and its hook would speak in that one's name.
func TestFrozenSiteTellsNobody(t *testing.T) {
	s := newSite(t)
	called := 0
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ }))
	defer hook.Close()
	s.configure(Config{Hook: &Hook{URL: hook.URL}})
	s.update(func(tx store.Tx) error { return books.Freeze(tx, books.Frozen{Backup: "bak-1"}) })
	s.Service.Books = &books.Books{Store: s.Store, Log: s.Log, Now: s.Now} // as the restored site opens them
	if err := s.Test(t.Context(), "owner@example.org"); anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "restored from a backup") {
		t.Errorf("a test at a frozen site: %v", err)
	}
	if err := s.Write(t.Context(), "owner@example.org", "s", "t"); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("a letter of a frozen site: %v", err)
	}
	if called > 0 {
		t.Error("the hook was called")
	}
	s.update(books.Thaw)
	if err := s.Test(t.Context(), ""); err != nil || called != 1 {
		t.Error(called, err)
	}
}
