package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/api"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/environment"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/keep"
	"github.com/anchorhold/anchorhold/notify"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/run"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/store"
)

const lock = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

// fixture is an API over a site with one of everything: a request by the
// author with an ended run and a held release, on a dataset for all and on a
// hidden one.
type fixture struct {
	*bookstest.Set
	t       testing.TB
	api     *api.API
	handler http.Handler
	tokens  map[string]string
	digest  string            // of the held outputs
	blobs   string            // their folder
	ids     map[string]string // "request", "run", "release" on the visible dataset; "hidden-..." on the hidden

	services api.Services
	accounts *account.Service
	meter    *meter
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	first.Do(func() { made = makeFixture(t) })
	if made == nil {
		t.Fatal("the first fixture could not be made")
	}
	f := &fixture{
		Set: made.books.Open(t), t: t, tokens: maps.Clone(made.tokens), ids: maps.Clone(made.ids), digest: made.digest,
		blobs: t.TempDir() + "/blobs",
	}
	if err := os.CopyFS(f.blobs, made.blobs); err != nil {
		t.Fatal(err)
	}
	f.open()
	return f
}

// Every test has a site of its own; all are copies of the first one made.
var (
	first sync.Once
	made  *template
)

type template struct {
	books       bookstest.Saved
	blobs       fs.FS
	tokens, ids map[string]string
	digest      string
}

// makeFixture fills a site by acts and by writing to its store.
func makeFixture(t testing.TB) *template {
	t.Helper()
	f := &fixture{Set: bookstest.New(t), t: t, tokens: map[string]string{}, ids: map[string]string{}, blobs: t.TempDir() + "/blobs"}
	f.open()
	f.people(f.accounts)
	f.applicant(f.services.Applications)
	f.things(f.services.Keep.Blobs)
	blobs := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(f.blobs), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			blobs[path] = &fstest.MapFile{Mode: fs.ModeDir | 0o700}
			return err
		}
		data, err := os.ReadFile(filepath.Join(f.blobs, path))
		blobs[path] = &fstest.MapFile{Data: data, Mode: 0o600}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return &template{books: f.Save(), blobs: blobs, tokens: f.tokens, ids: f.ids, digest: f.digest}
}

// open composes the services over the fixture's books.
func (f *fixture) open() {
	t := f.t
	t.Helper()
	blobs, err := blob.Open(f.blobs, f.Keys.BlobKey())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	releases := &release.Service{Books: f.Books, Blobs: blobs, Keys: f.Keys}
	runs := &run.Service{Books: f.Books, Blobs: blobs, Releases: releases, Limits: sandbox.DefaultLimits()}
	runs.Ready()
	accounts := &account.Service{Books: f.Books}
	applications := &account.Applications{Accounts: accounts, Write: func(context.Context, string, string, string) error { return nil }}
	datasets := &dataset.Service{Books: f.Books, Blobs: blobs, IndexKey: disclosure.Key(f.Keys.IndexKey())}
	f.accounts, f.meter = accounts, &meter{calls: map[string]int{}}
	f.services = api.Services{
		Books: f.Books, Policy: rules, Accounts: accounts, Releases: releases, Runs: runs,
		Datasets:     datasets,
		Questions:    &question.Service{Books: f.Books, Find: datasets.Find, Keys: f.Keys},
		Requests:     &request.Service{Books: f.Books, Policy: rules, HasEnvironment: func(l string) bool { return l == lock }, EnvironmentBuilt: func(l string) bool { return l == lock }, Wake: runs.Wake, Unchanged: func(context.Context, []anchorhold.AssetRef) error { return nil }},
		Exposure:     &exposure.Service{Books: f.Books},
		Environments: &environment.Service{Books: f.Books, Built: func(l string) bool { return l == lock }},

		Notify: &notify.Service{Books: f.Books, Policy: rules, Site: "test"}, Applications: applications,
		Site: func() api.SiteInfo { return api.SiteInfo{Name: "test", Environments: []api.Environment{}} }, Keep: &keep.Service{Books: f.Books, Blobs: blobs},
		TLS: plainDoor{},
	}
	f.api = api.New(f.services)
	f.api.EndWaits() // a stream says what holds now, and ends
	f.handler = f.api.Handler()
}

// people makes a user for each role, and credentials that do not hold.
func (f *fixture) people(accounts *account.Service) {
	f.t.Helper()
	ctx := context.Background()
	site := policy.SiteAct(policy.UserAdd, "test")
	for name, n := range map[string]account.New{
		"author":     {Email: "author@example.org", Role: anchorhold.RoleResearcher},
		"researcher": {Email: "researcher@example.org", Role: anchorhold.RoleResearcher},
		"reviewer":   {Email: "reviewer@example.org", Role: anchorhold.RoleReviewer},
		"owner":      {Email: "owner@example.org", Role: anchorhold.RoleOwner},
		"auditor":    {Email: "auditor@example.org", Role: anchorhold.RoleAuditor},
		"elsewhere":  {Email: "elsewhere@example.org", Role: anchorhold.RoleOwner, Scope: "dataset:other"},
		"expired":    {Email: "expired@example.org", Role: anchorhold.RoleOwner, Life: time.Minute},
		"revoked":    {Email: "revoked@example.org", Role: anchorhold.RoleOwner},
	} {
		_, issued, err := accounts.Add(ctx, site, n)
		if err != nil {
			f.t.Fatal(err)
		}
		f.tokens[name] = issued.Token
	}
	f.Clock.Move(time.Hour)
	if err := accounts.RevokeTokens(ctx, site, "revoked@example.org"); err != nil {
		f.t.Fatal(err)
	}
	foreign := newTokenOfAnotherSite(f.t)
	f.tokens["foreign"], f.tokens["nonsense"], f.tokens["none"] = foreign, "aht_nonsense", ""
}

// applicant makes somebody who has applied for an account and is not decided on.
func (f *fixture) applicant(applications *account.Applications) {
	f.t.Helper()
	ctx := context.Background()
	site := policy.SiteAct(policy.ApplicationSubmit, "test")
	if err := applications.SetForm(ctx, site, true); err != nil {
		f.t.Fatal(err)
	}
	app, issued, err := applications.Apply(ctx, site, account.Applying{Email: "new@example.org", Name: "New", Purpose: "p"})
	if err != nil {
		f.t.Fatal(err)
	}
	f.tokens["applicant"], f.ids["application"] = issued.Token, app.ID
}

func newTokenOfAnotherSite(t testing.TB) string {
	other := &account.Service{Books: bookstest.New(t).Books}
	_, issued, err := other.Add(context.Background(), policy.SiteAct(policy.UserAdd, "test"), account.New{Email: "owner@example.org", Role: anchorhold.RoleOwner})
	if err != nil {
		t.Fatal(err)
	}
	return issued.Token
}

// things stores datasets, requests, runs and releases.
func (f *fixture) things(blobs *blob.Store) {
	f.t.Helper()
	info, err := blobs.Put(strings.NewReader("an output"), 100)
	if err != nil {
		f.t.Fatal(err)
	}
	mock, err := blobs.Put(strings.NewReader("a\n1\n"), 100)
	if err != nil {
		f.t.Fatal(err)
	}
	f.digest = info.SHA256
	err = f.Store.Update(context.Background(), func(tx store.Tx) error {
		who, err := tx.PrincipalByEmail("author@example.org")
		if err != nil {
			return err
		}
		if err := f.putUpload(tx); err != nil {
			return err
		}
		for name, v := range map[string]anchorhold.Visibility{"heart": anchorhold.VisibleToUsers, "hidden": anchorhold.VisibleToNamed} {
			prefix := strings.TrimPrefix(name+"-", "heart-")
			if err := f.put(tx, name, prefix, v, who, info, mock); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) put(tx store.Tx, name, prefix string, v anchorhold.Visibility, who anchorhold.Principal, output, mock blob.Info) error {
	now := f.Clock.Now()
	version := anchorhold.Version{
		ID: anchorhold.NewID(anchorhold.PrefixVersion), Number: 1, Columns: []anchorhold.Column{{Name: "a", Type: anchorhold.TypeInt}}, Commitment: lock,
		Mock: &anchorhold.Mock{Format: "csv", Size: mock.Size, SHA256: mock.SHA256, Blob: mock.ID}, Private: &anchorhold.Source{Path: "/secret/place.csv"},
	}
	r := anchorhold.Request{
		ID: anchorhold.NewID(anchorhold.PrefixRequest), Digest: "sha256:" + name, Author: who.ID, AuthorName: who.Email, Opening: 1, Created: now, Opened: now,
		Code:   anchorhold.Code{Entry: "main.py:f", Environment: lock, Files: []anchorhold.File{{Path: "main.py", Text: "def f(): pass"}}},
		Assets: map[string]anchorhold.AssetRef{"patients": {Dataset: name, Asset: "patients", Version: version.ID}},
	}
	job := anchorhold.Run{ID: anchorhold.NewID(anchorhold.PrefixRun), Request: r.ID, State: anchorhold.RunDone, Queued: now, Reason: "private reason"}
	o := anchorhold.Output{
		ID: anchorhold.NewID(anchorhold.PrefixOutput), Run: job.ID, Name: "result", Kind: "text", File: "result.txt", Media: "text/plain",
		Size: output.Size, SHA256: output.SHA256, Blob: output.ID,
	}
	rel := anchorhold.Release{ID: anchorhold.NewID(anchorhold.PrefixRelease), Output: o.ID, Request: r.ID, State: anchorhold.ReleaseHeld}
	grant := anchorhold.Grant{
		ID: anchorhold.NewID(anchorhold.PrefixGrant), Request: r.ID, CodeDigest: "sha256:code", Author: who.ID, AuthorName: who.Email, Assets: r.Assets,
		Terms: anchorhold.Terms{Uses: 5}, Suspended: &now, Created: now,
	}
	f.ids[prefix+"grant"] = grant.ID
	env := anchorhold.EnvironmentRequest{ID: anchorhold.NewID(anchorhold.PrefixEnvironment), Lock: lock, Author: who.ID, State: anchorhold.EnvironmentRequested}
	f.ids[prefix+"environment"] = env.ID
	asked := anchorhold.Question{
		ID: anchorhold.NewID(anchorhold.PrefixQuestion), Author: who.ID, Dataset: name, Population: name, State: anchorhold.QuestionAnswered, Answer: json.RawMessage(`{"v":1,"rows":[]}`),
	}
	f.ids[prefix+"query"] = asked.ID
	f.ids[prefix+"request"], f.ids[prefix+"run"], f.ids[prefix+"release"], f.ids[prefix+"dataset"] = r.ID, job.ID, rel.ID, name
	for _, err := range []error{
		tx.PutDataset(anchorhold.Dataset{ID: "dat-" + name, Name: name, Population: name, Visibility: v, Quorum: 1}),
		tx.PutVersion(name, "patients", version), tx.PutRequest(r), tx.PutRun(job), tx.PutOutput(o), tx.PutRelease(rel), tx.PutGrant(grant),
		tx.PutEnvironmentRequest(env), tx.PutQuestion(asked),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// call sends a request with somebody's token.
func (f *fixture) call(who, method, path, body string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token := f.tokens[who]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

// path fills an operation's path with the ids of the fixture.
func (f *fixture) path(path, prefix string) string {
	kind := "request"
	switch {
	case strings.Contains(path, "/runs/"):
		kind = "run"
	case strings.Contains(path, "/releases/"):
		kind = "release"
	case strings.Contains(path, "/grants/"):
		kind = "grant"
	case strings.Contains(path, "/uploads/"):
		kind, prefix = "upload", ""
	case strings.HasPrefix(path, "/v1/queries/"):
		kind = "query"
	case strings.Contains(path, "/envs/"):
		kind = "environment"
	case strings.Contains(path, "/applications/"):
		kind, prefix = "application", ""
	}
	return strings.NewReplacer("{id}", f.ids[prefix+kind], "{name}", f.ids[prefix+"dataset"], "{asset}", "patients",
		"{email}", "researcher@example.org", "{role}", "researcher", "{path...}", "0/000", "{kind}", "run-logs", "{offset}", "0").Replace(path)
}

// each calls fn for every operation of the OpenAPI document.
func (f *fixture) each(fn func(id, method, path string)) {
	for path, item := range f.api.OpenAPI().Paths {
		data, err := json.Marshal(item)
		if err != nil {
			f.t.Fatal(err)
		}
		var methods map[string]struct {
			OperationID string `json:"operationId"`
		}
		if err := json.Unmarshal(data, &methods); err != nil {
			f.t.Fatal(err)
		}
		for method, op := range methods {
			fn(op.OperationID, strings.ToUpper(method), path)
		}
	}
}

func TestEveryOperationWithEveryRoleAndCredential(t *testing.T) {
	table := operations()
	seen := map[string]bool{}
	// Acts change what follows, so every operation has a site of its own.
	newFixture(t).each(func(id, method, path string) {
		seen[id] = true
		row, ok := table[id]
		if !ok {
			t.Errorf("operation %s (%s %s) is in no row of the table: who may do it?", id, method, path)
			return
		}
		t.Run(id, func(t *testing.T) {
			f := newFixture(t)
			for _, who := range []string{"applicant", "author", "researcher", "reviewer", "owner", "auditor", "elsewhere", "none"} {
				if method != http.MethodGet { // what only reads leaves the site as it was
					f = newFixture(t)
				}
				w := f.call(who, method, f.path(path, ""), row.body)
				if may := slices.Contains(strings.Fields(row.may), who); may == refused(w.Code) && !emptyIsAbsent(id, w) {
					t.Errorf("%s: status %d (%s), permitted should be %v", who, w.Code, strings.TrimSpace(w.Body.String()), may)
				}
			}
			f = newFixture(t)
			for _, who := range []string{"expired", "revoked", "foreign", "nonsense"} {
				if w := f.call(who, method, f.path(path, ""), row.body); w.Code != http.StatusUnauthorized {
					t.Errorf("a token that is %s: status %d, want 401", who, w.Code)
				}
			}
		})
	})
	for id := range table {
		if !seen[id] {
			t.Errorf("the table speaks of %s, which is no operation", id)
		}
	}
}

// For those who may not see a dataset, every operation on it, or on what
// belongs to it, answers exactly as if it did not exist.
func TestHiddenThingsLookAbsent(t *testing.T) {
	table := operations()
	newFixture(t).each(func(id, method, path string) {
		if !strings.Contains(path, "{id}") && !strings.Contains(path, "{name}") {
			return
		}
		f := newFixture(t)
		hidden := f.path(path, "hidden-")
		absent := hidden
		for _, k := range []string{"hidden-request", "hidden-run", "hidden-release", "hidden-grant", "hidden-environment", "hidden-query"} {
			absent = strings.ReplaceAll(absent, f.ids[k], f.ids[k][:4]+"0123456789abcdef")
		}
		absent = strings.ReplaceAll(absent, "/hidden", "/absent")
		got, want := f.call("researcher", method, hidden, table[id].body), f.call("researcher", method, absent, table[id].body)
		normal := func(w *httptest.ResponseRecorder, p string) string {
			text := w.Body.String()
			for _, part := range strings.Split(p, "/") {
				if len(part) > 5 {
					text = strings.ReplaceAll(text, part, "X")
				}
			}
			return fmt.Sprint(w.Code, text)
		}
		if normal(got, hidden) != normal(want, absent) {
			t.Errorf("%s: hidden: %d %s, absent: %d %s", id, got.Code, got.Body, want.Code, want.Body)
		}
	})
	f := newFixture(t)
	w := f.call("researcher", "POST", "/v1/requests", strings.ReplaceAll(table["submit-request"].body, `"heart"`, `"hidden"`))
	v := f.call("researcher", "POST", "/v1/requests", strings.ReplaceAll(table["submit-request"].body, `"heart"`, `"absent"`))
	if w.Code != 404 || strings.ReplaceAll(w.Body.String(), "hidden", "absent") != v.Body.String() {
		t.Errorf("submitting: hidden: %s, absent: %s", w.Body, v.Body)
	}
}

// Lists show nothing that the single operations would refuse.
func TestListsHideWhatIsHidden(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ who, path, not string }{
		{"researcher", "/v1/datasets", "hidden"},
		{"researcher", "/v1/datasets", "/secret/place.csv"},
		{"auditor", "/v1/datasets", "/secret/place.csv"},
		{"researcher", "/v1/requests", "req-"},
		{"researcher", "/v1/runs", "run-"},
		{"researcher", "/v1/releases", "rel-"},
		{"researcher", "/v1/envs/requests", "env-"},
		{"reviewer", "/v1/envs/requests", "env-"},
		{"author", "/v1/releases", "rel-"},
		{"author", "/v1/requests", "private reason"},
		{"author", "/v1/requests", "out-"},
		{"elsewhere", "/v1/requests", "req-"},
	} {
		w := f.call(c.who, "GET", c.path, "")
		if w.Code != 200 || strings.Contains(w.Body.String(), c.not) {
			t.Errorf("%s %s: %d, shows %q: %s", c.who, c.path, w.Code, c.not, w.Body)
		}
	}
	if w := f.call("owner", "GET", "/v1/datasets", ""); !strings.Contains(w.Body.String(), "hidden") || !strings.Contains(w.Body.String(), "/secret/place.csv") {
		t.Errorf("an owner does not see her datasets: %s", w.Body)
	}
}

// A list that ends in hidden things ends as if they were not there, and its
// cursors name only what was shown.
func TestCursorsTellNothing(t *testing.T) {
	f := newFixture(t)
	w := f.call("researcher", "GET", "/v1/datasets?limit=1", "")
	if !strings.Contains(w.Body.String(), `"next":null`) {
		t.Errorf("a cursor leads to what is hidden: %s", w.Body)
	}
	w = f.call("owner", "GET", "/v1/datasets?limit=1", "")
	if !strings.Contains(w.Body.String(), `"next":"heart"`) {
		t.Errorf("an owner's list: %s", w.Body)
	}
}

// Two names in one submission: the answer must not tell whether the first is
// hidden or absent.
func TestSubmissionIsNoOracle(t *testing.T) {
	f := newFixture(t)
	ask := func(first string) string {
		body := strings.Replace(operations()["submit-request"].body, `"assets":{"patients":{"dataset":"heart","asset":"patients"}}`,
			`"assets":{"patients":{"dataset":"`+first+`","asset":"patients"},"other":{"dataset":"zzz","asset":"patients"}}`, 1)
		w := f.call("researcher", "POST", "/v1/requests", body)
		return strings.ReplaceAll(fmt.Sprint(w.Code, w.Body), first, "X")
	}
	if hidden, absent := ask("hidden"), ask("absent"); hidden != absent {
		t.Errorf("hidden: %s\nabsent: %s", hidden, absent)
	}
}

// Auditors read decisions and nothing private: no digest of an output before
// its release, which would confirm a guess.
func TestAuditorsSeeNoDigestBeforeTheRelease(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/v1/requests/" + f.ids["request"], "/v1/runs/" + f.ids["run"], "/v1/releases/" + f.ids["release"], "/v1/requests", "/v1/runs"} {
		if w := f.call("auditor", "GET", path, ""); w.Code != 200 || strings.Contains(w.Body.String(), f.digest) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := f.call("owner", "GET", path, ""); !strings.Contains(w.Body.String(), f.digest) {
			t.Errorf("%s: the owner does not see the digest: %s", path, w.Body)
		}
	}
}

// Of a body without a credential not a byte is read.
func TestStrangersBodiesAreNotRead(t *testing.T) {
	f := newFixture(t)
	r := httptest.NewRequest("POST", "/v1/requests", iotest{t})
	r.Header.Set("Idempotency-Key", "k")
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// iotest is a body that must not be read.
type iotest struct{ t *testing.T }

func (b iotest) Read([]byte) (int, error) {
	b.t.Error("the body was read")
	return 0, io.EOF
}

// The principal comes from the credential alone.
func TestNothingElseSaysWhoTheCallerIs(t *testing.T) {
	f := newFixture(t)
	r := httptest.NewRequest("GET", "/v1/me?principal=local:0&token="+f.tokens["owner"], nil)
	for _, h := range []string{"X-Principal", "X-Forwarded-User", "X-Remote-User", "From", "Cookie", "Proxy-Authorization"} {
		r.Header.Set(h, "local:0")
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	local := httptest.NewRequest("GET", "/v1/me", nil)
	local.Header.Set("Authorization", "Bearer "+f.tokens["owner"])
	w = httptest.NewRecorder()
	f.api.LocalHandler(func(*http.Request) (int, error) { return 1234, nil }).ServeHTTP(w, local)
	if !strings.Contains(w.Body.String(), `"local:1234"`) {
		t.Errorf("on the machine: %s", w.Body)
	}
}

// Errors follow RFC 9457, name a remedy, and repeat nothing that was sent.
func TestErrorsEchoNothing(t *testing.T) {
	f := newFixture(t)
	const canary = "zorro-canary"
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v1/users", `{"email":"` + canary + `","role":"` + canary + `"}`},
		{"POST", "/v1/users", `{"email":5,"role":"` + canary + `","x` + canary + `":1}`},
		{"POST", "/v1/users", canary},
		{"POST", "/v1/requests", `{"purpose":"` + canary + `"}`},
		{"GET", "/v1/requests?limit=" + canary, ""},
		{"POST", "/v1/requests/" + f.ids["request"] + "/decisions", `{"verdict":"` + canary + `"}`},
	} {
		w := f.call("owner", c.method, c.path, c.body)
		var p api.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Detail == "" || p.Kind == "" || w.Code < 400 {
			t.Errorf("%s %s: not a problem: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s %s: content type %s", c.method, c.path, got)
		}
		if strings.Contains(w.Body.String(), canary) {
			t.Errorf("%s %s: the answer repeats what was sent: %s", c.method, c.path, w.Body)
		}
	}
}

func TestIdempotencyKeys(t *testing.T) {
	f := newFixture(t)
	send := func(key, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/v1/requests", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+f.tokens["author"])
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		return w
	}
	body := operations()["submit-request"].body
	first, again := send("k1", body), send("k1", body)
	if first.Code != 200 || !bytes.Equal(first.Body.Bytes(), again.Body.Bytes()) {
		t.Errorf("first: %d %s, again: %d %s", first.Code, first.Body, again.Code, again.Body)
	}
	if w := send("k1", strings.ReplaceAll(body, `"p"`, `"q"`)); w.Code != http.StatusConflict {
		t.Errorf("one key for two requests: %d %s", w.Code, w.Body)
	}
	if w := send(strings.Repeat("k", 300), body); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("an endless key: %d %s", w.Code, w.Body)
	}
	if w := send("k2", strings.Repeat(" ", 9<<20)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless body: %d %s", w.Code, w.Body)
	}
}
