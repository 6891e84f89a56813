package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// at makes a client for a handler behind a real loopback server, without
// waiting between attempts.
func at(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, client.Options{Token: "secret-token", Backoff: at0})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func at0(int) time.Duration { return 0 }

func TestParseAddress(t *testing.T) {
	for _, good := range []string{
		"https://data.hospital.example", "https://data.hospital.example/", "https://10.0.0.8:7440",
		"http://127.0.0.1:7440", "http://localhost:1", "http://[::1]:7440", "http://127.9.9.9/", " https://a.example ",
		"https://a.example/site", "https://a.example#sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
		"https://a.example/#sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
	} {
		if _, err := client.ParseAddress(good); err != nil {
			t.Errorf("%q refused: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/", "data.hospital.example", "127.0.0.1:7440", "http://", "https://", "ftp://a.example", "file:///etc/passwd",
		"http://data.hospital.example", "http://10.0.0.8:7440", "http://0.0.0.0:7440", "http://localhost.evil.example",
		"http://127.0.0.1.evil.example", "http://[::ffff:10.0.0.8]", "https://me:pw@a.example", "https://a.example?x=1",
		"https://a.example/#x", "http://127.0.0.1#sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "https://a.example?#", "http://127.0.0.1@evil.example", "https://a b", "http://:7440",
	} {
		if u, err := client.ParseAddress(bad); err == nil {
			t.Errorf("%q accepted as %v", bad, u)
		} else if anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%q: kind %s", bad, anchorhold.KindOf(err))
		}
	}
}

func TestHeaders(t *testing.T) {
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer secret-token" {
			t.Errorf("Authorization %q", got)
		}
		if r.Method == http.MethodGet && r.Header.Get("Idempotency-Key") != "" {
			t.Error("a read carries an idempotency key")
		}
		if r.URL.Path != "/v1/me" {
			t.Errorf("path %s", r.URL.Path)
		}
		fmt.Fprint(w, `{"id":"pri-1","email":"ana@example.org","bindings":[{"role":"owner","scope":"site"}],"later":1}`)
	})
	me, err := c.Me(t.Context())
	if err != nil || me.Email != "ana@example.org" || me.Bindings[0].Role != anchorhold.RoleOwner {
		t.Fatalf("%+v, %v", me, err)
	}
}

// A write that the network broke is repeated under the same key, so that a site
// can tell that it is the same act; two acts never share a key.
func TestWriteIsRepeatedUnderOneKey(t *testing.T) {
	var keys []string
	var n atomic.Int32
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"text":"why?"}` {
			t.Errorf("body %s", body)
		}
		switch n.Add(1) {
		case 1:
			hijack(t, w)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			fmt.Fprint(w, `{"id":"req-1","state":"asked"}`)
		}
	})
	for range 2 {
		if r, err := c.Ask(t.Context(), "req-1", "why?"); err != nil || r.State != anchorhold.StateAsked {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if len(keys) != 5 || keys[0] == "" || keys[0] != keys[1] || keys[1] != keys[2] || keys[2] != keys[3] {
		t.Fatalf("keys of one act differ: %q", keys)
	}
	if keys[4] == keys[0] {
		t.Error("two acts share a key")
	}
}

// hijack breaks the connection without an answer.
func hijack(t *testing.T, w http.ResponseWriter) {
	t.Helper()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestGivesUp(t *testing.T) {
	var n atomic.Int32
	c := at(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	})
	_, err := c.Me(t.Context())
	if anchorhold.KindOf(err) != anchorhold.Unavailable || n.Load() != client.DefaultAttempts {
		t.Fatalf("%v after %d attempts", err, n.Load())
	}
}

// What a site decided is not asked again.
func TestRefusalIsNotRepeated(t *testing.T) {
	for status, kind := range map[int]anchorhold.Kind{
		400: anchorhold.Invalid, 401: anchorhold.Unauthenticated, 403: anchorhold.Denied, 404: anchorhold.NotFound,
		409: anchorhold.Conflict, 413: anchorhold.TooLarge, 422: anchorhold.Invalid, 500: anchorhold.Internal,
	} {
		var n atomic.Int32
		c := at(t, func(w http.ResponseWriter, _ *http.Request) {
			n.Add(1)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"type":"about:blank","title":"T","status":%d,"detail":"what was wrong","remedy":"do this"}`, status)
		})
		_, err := c.Submit(t.Context(), client.NewRequest{})
		var e *anchorhold.Error
		if !errors.As(err, &e) || e.Kind != kind || e.Message != "what was wrong" || e.Remedy != "do this" {
			t.Errorf("%d: %#v", status, err)
		}
		if n.Load() != 1 {
			t.Errorf("%d: asked %d times", status, n.Load())
		}
	}
}

func TestKindOfProblemWins(t *testing.T) {
	answer := `{"title":"no","kind":"too-large"}`
	c := at(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		w.WriteHeader(400)
		fmt.Fprint(w, answer)
	})
	_, err := c.Me(t.Context())
	if anchorhold.KindOf(err) != anchorhold.TooLarge || err.Error() != "no" {
		t.Errorf("%v", err)
	}
	answer = `{"title":"no","kind":"kind-of-a-later-version"}`
	if _, err = c.Me(t.Context()); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("unknown kind: %v", err)
	}
}

// The token goes to the named site only.
func TestRedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("followed to another server with %v", r.Header)
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := at(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/v1/me", status) })
		if _, err := c.Me(t.Context()); err == nil || !strings.Contains(err.Error(), "redirect") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestHostileAnswers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a web page":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>login</html>") },
		"an error page":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "nginx", 500) },
		"a wrong type":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":7}`) },
		"nothing":           func(w http.ResponseWriter, _ *http.Request) {},
		"a problem of junk": problem(400, "not json"),
		"an empty problem":  problem(400, "{}"),
		"a huge problem":    problem(400, `{"title":"`+strings.Repeat("x", 1<<20)+`"}`),
	} {
		_, err := at(t, h).Me(t.Context())
		var e *anchorhold.Error
		if !errors.As(err, &e) || e.Message == "" || e.Remedy == "" {
			t.Errorf("%s: %#v", name, err)
		} else if strings.Contains(err.Error(), "nginx") || len(err.Error()) > 1000 {
			t.Errorf("%s: foreign text in %q", name, err)
		}
	}
}

func problem(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func TestEndlessAnswerIsCut(t *testing.T) {
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`"`))
		junk := make([]byte, 1<<20)
		for r.Context().Err() == nil {
			if _, err := w.Write(junk); err != nil {
				return
			}
		}
	})
	if _, err := c.Checkpoint(t.Context()); anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Errorf("checkpoint: %v", err)
	}
	if _, err := c.Site(t.Context()); anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Errorf("document: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, err := client.New("http://"+l.Addr().String(), client.Options{Backoff: at0})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Me(t.Context())
	if anchorhold.KindOf(err) != anchorhold.Unavailable || !strings.Contains(err.Error(), "cannot be reached") {
		t.Fatal(err)
	}
}

func TestUntrustedCertificate(t *testing.T) {
	var n atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) }))
	s.Config.ErrorLog = nil
	defer s.Close()
	c, err := client.New(s.URL, client.Options{Token: "t", Backoff: at0})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Me(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") || n.Load() != 0 {
		t.Fatalf("%v, %d requests", err, n.Load())
	}
}

// Whoever says http to a door that speaks TLS is told so, and is not told to look
// for another site.
func TestPlainToTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	c, err := client.New("http"+strings.TrimPrefix(s.URL, "https"), client.Options{Token: "t", Backoff: at0})
	if err != nil {
		t.Fatal(err)
	}
	var e *anchorhold.Error
	if _, err = c.Me(t.Context()); !errors.As(err, &e) || !strings.Contains(e.Message, "speaks TLS") || !strings.Contains(e.Remedy, "use the connection string") || !strings.Contains(e.Remedy, s.URL) {
		t.Fatal(err)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel()
	}))
	defer s.Close()
	c, err := client.New(s.URL, client.Options{Backoff: func(int) time.Duration { return time.Hour }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Me(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestPages(t *testing.T) {
	var asked []string
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		switch r.URL.Query().Get("cursor") {
		case "":
			fmt.Fprint(w, `{"items":[{"id":"req-1"},{"id":"req-2"}],"next":"a/b&c"}`)
		case "a/b&c":
			fmt.Fprint(w, `{"items":[{"id":"req-3"}],"next":null}`)
		}
	})
	all, err := client.Collect(c.Requests(t.Context(), anchorhold.StatePending), 0)
	if err != nil || len(all) != 3 || all[2].ID != "req-3" {
		t.Fatalf("%+v, %v", all, err)
	}
	if asked[0] != "limit=200&state=pending" || asked[1] != "cursor=a%2Fb%26c&limit=200&state=pending" {
		t.Errorf("asked %q", asked)
	}
	asked = nil
	if two, err := client.Collect(c.Requests(t.Context(), ""), 2); err != nil || len(two) != 2 || len(asked) != 1 {
		t.Errorf("a limited list: %d items, asked %q, %v", len(two), asked, err)
	}
}

func TestEndlessListEnds(t *testing.T) {
	c := at(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"items":[{"id":"x"}],"next":"again"}`) })
	if _, err := client.Collect(c.Users(t.Context()), 0); err == nil || !strings.Contains(err.Error(), "repeats") {
		t.Fatal(err)
	}
}

// Somebody who submits much code must not keep an owner from listing requests.
func TestPagesOfLargeItems(t *testing.T) {
	large := `{"id":"req-1","purpose":"` + strings.Repeat("x", 4<<20) + `"}`
	var asked []string
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		n, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		fmt.Fprint(w, `{"items":[`+large)
		for range min(n, 30) - 1 {
			if _, err := fmt.Fprint(w, ","+large); err != nil {
				return
			}
		}
		fmt.Fprint(w, `],"next":null}`)
	})
	got, err := client.Collect(c.Requests(t.Context(), ""), 0)
	if err != nil || len(got) != 3 || strings.Join(asked, " ") != "limit=200 limit=25 limit=3" {
		t.Errorf("%d items, asked %q, %v", len(got), asked, err)
	}
}

func TestEmptyListIsNotNil(t *testing.T) {
	c := at(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"items":null,"next":null}`) })
	got, err := client.Collect(c.Ledger(t.Context(), ""), 0)
	if err != nil || got == nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
}

// A name from outside never changes which operation is called.
func TestNamesAreEscaped(t *testing.T) {
	var path string
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		fmt.Fprint(w, `{}`)
	})
	for name, want := range map[string]string{
		"../users": "/v1/datasets/..%2Fusers", "a?b": "/v1/datasets/a%3Fb", "..": "/v1/datasets/%00",
		".": "/v1/datasets/%00", "": "/v1/datasets/%00", "ä b": "/v1/datasets/%C3%A4%20b",
	} {
		if _, err := c.Dataset(t.Context(), name); err != nil || path != want {
			t.Errorf("%q went to %q (%v), want %q", name, path, err, want)
		}
	}
	if _, err := c.Tile(t.Context(), "0/x001/../067"); err != nil || path != "/v1/audit/tile/0/x001/%00/067" {
		t.Errorf("tile went to %q (%v)", path, err)
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":"local:0"}`) })}
	go s.Serve(l)
	defer s.Close()
	c := client.NewSocket(path, client.Options{})
	defer c.Close()
	if me, err := c.Me(t.Context()); err != nil || me.ID != "local:0" {
		t.Fatalf("%+v, %v", me, err)
	}
	gone := client.NewSocket(path+"-none", client.Options{Backoff: at0})
	if _, err := gone.Me(t.Context()); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Fatal(err)
	}
}

func TestHandler(t *testing.T) {
	const size = 3 << 20
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/releases/{id}/output", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, size)) })
	mux.HandleFunc("POST /v1/requests", func(w http.ResponseWriter, r *http.Request) {
		var sent client.NewRequest
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || r.Host != "localhost" || r.RequestURI != "/v1/requests" {
			t.Errorf("%v, host %q, uri %q", err, r.Host, r.RequestURI)
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":"req-1","purpose":%q}`, sent.Purpose)
	})
	mux.HandleFunc("GET /v1/site", func(http.ResponseWriter, *http.Request) { panic("boom") })
	mux.HandleFunc("GET /v1/releases/{id}/receipt", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("half"))
		panic("boom")
	})
	c := client.NewHandler(mux, client.Options{Backoff: at0})
	if r, err := c.Submit(t.Context(), client.NewRequest{Purpose: "to learn"}); err != nil || r.Purpose != "to learn" {
		t.Errorf("%+v, %v", r, err)
	}
	body, err := c.Output(t.Context(), "rel-1")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, body); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := c.Site(t.Context()); anchorhold.KindOf(err) != anchorhold.Internal {
		t.Errorf("a panic became %v", err)
	}
	if _, err := c.Receipt(t.Context(), "rel-1"); err == nil {
		t.Error("half an answer was taken for a whole one")
	}
	if _, err := c.Me(t.Context()); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("an unknown operation became %v", err)
	}
}

// A reader that leaves early must not leave the handler hanging.
func TestHandlerSeesThatReaderLeft(t *testing.T) {
	done := make(chan error, 1)
	c := client.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 1<<20))
		done <- err
	}), client.Options{})
	body, err := c.Output(t.Context(), "rel-1")
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	select {
	case err := <-done:
		if err == nil {
			t.Error("the handler believes that all was read")
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("the handler hangs")
	}
}

func TestAuditEntries(t *testing.T) {
	skip := false
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		switch from := r.URL.Query().Get("from"); {
		case from == "3":
			fmt.Fprint(w, `{"items":[{"index":3,"event":{"action":"a"}},{"index":4,"event":{"action":"b"}}],"next":"x"}`)
		case from == "5" && skip:
			fmt.Fprint(w, `{"items":[{"index":9,"event":{}}]}`)
		default:
			fmt.Fprint(w, `{"items":[]}`)
		}
	})
	got, err := client.Collect(c.AuditEntries(t.Context(), 3), 0)
	if err != nil || len(got) != 2 || got[1].Event.Action != "b" {
		t.Fatalf("%+v, %v", got, err)
	}
	skip = true
	if _, err := client.Collect(c.AuditEntries(t.Context(), 3), 0); err == nil {
		t.Error("a gap in the log went unnoticed")
	}
}

// Every operation goes where the API has it.
func TestOperations(t *testing.T) {
	var got string
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + string(body))
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		fmt.Fprint(w, `{}`)
	})
	ctx := t.Context()
	for want, call := range map[string]func() error{
		`POST /v1/users {"email":"a@b.c","role":"researcher","expires_days":9}`: func() error {
			_, err := c.AddUser(ctx, client.NewUser{Email: "a@b.c", Role: anchorhold.RoleResearcher, ExpiresDays: 9})
			return err
		},
		`POST /v1/users/a@b.c/tokens {"expires_days":3}`: func() error { _, err := c.IssueToken(ctx, "a@b.c", 3); return err },
		`DELETE /v1/users/a@b.c/tokens`:                  func() error { return c.RevokeTokens(ctx, "a@b.c") },
		`DELETE /v1/users/a@b.c`:                         func() error { return c.DisableUser(ctx, "a@b.c") },
		`POST /v1/datasets/d/assets/t/versions {"path":"/x"}`: func() error {
			_, err := c.AddVersion(ctx, "d", "t", client.NewAsset{Path: "/x"})
			return err
		},
		`POST /v1/inspections {"assets":[{"name":"a","path":"/x","missing":["?"]}]}`: func() error {
			_, err := c.Inspect(ctx, client.NewAsset{Name: "a", Path: "/x", Missing: []string{"?"}, Mock: &client.NewMock{Path: "/m"}})
			return err
		},
		`GET /v1/datasets/d/card`: func() error { _, err := c.Card(ctx, "d"); return err },
		`GET /v1/datasets/d/assets/t/mock`: func() error {
			b, err := c.Mock(ctx, "d", "t")
			if err == nil {
				b.Close()
			}
			return err
		},
		`GET /v1/requests/r/diff`:                      func() error { _, err := c.Diff(ctx, "r"); return err },
		`POST /v1/requests/r/answers {"text":"so"}`:    func() error { _, err := c.Answer(ctx, "r", "so"); return err },
		`POST /v1/requests/r/withdraw`:                 func() error { _, err := c.Withdraw(ctx, "r"); return err },
		`GET /v1/runs/r/log`:                           func() error { _, err := c.RunLog(ctx, "r"); return err },
		`GET /v1/runs/r`:                               func() error { _, err := c.Run(ctx, "r"); return err },
		`POST /v1/runs/r/cancel`:                       func() error { _, err := c.CancelRun(ctx, "r"); return err },
		`POST /v1/runs/r/priority {"priority":"high"}`: func() error { _, err := c.Prioritize(ctx, "r", "high"); return err },
		`GET /v1/queue`:                                func() error { _, err := c.Queue(ctx); return err },
		`GET /v1/quota`:                                func() error { _, err := c.Quota(ctx, ""); return err },
		`GET /v1/users/a@b.c/quota`:                    func() error { _, err := c.Quota(ctx, "a@b.c"); return err },
		`PUT /v1/users/a@b.c/quota {"queued":3,"cpu_seconds":60}`: func() error {
			_, err := c.SetQuota(ctx, "a@b.c", anchorhold.Quota{Queued: 3, CPUSeconds: 60})
			return err
		},
		`GET /v1/audit/entries?from=-1&limit=9`: func() error { _, err := c.AuditLatest(ctx, 9); return err },
		`GET /v1/releases/r`:                    func() error { _, err := c.Release(ctx, "r"); return err },
		`GET /v1/audit/tile/0/x001/067`:         func() error { _, err := c.Tile(ctx, "0/x001/067"); return err },
		`POST /v1/requests/r/decisions {"verdict":"approve","uses":2}`: func() error {
			_, err := c.Decide(ctx, "r", client.NewDecision{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 2}})
			return err
		},
		`POST /v1/releases/r/decisions {"verdict":"deny","reason":"no"}`: func() error {
			_, err := c.DecideRelease(ctx, "r", client.NewReleaseDecision{Verdict: anchorhold.Deny, Reason: "no"})
			return err
		},
		`GET /v1/datasets?limit=200&q=heart`: func() error { _, err := client.Collect(c.Datasets(ctx, client.Search{Q: "heart"}), 0); return err },
		`GET /v1/releases?limit=200&state=held`: func() error {
			_, err := client.Collect(c.Releases(ctx, anchorhold.ReleaseHeld), 0)
			return err
		},
		`GET /v1/runs?limit=200`: func() error { _, err := client.Collect(c.Runs(ctx, ""), 0); return err },
		`GET /v1/envs?limit=200`: func() error { _, err := client.Collect(c.Environments(ctx), 0); return err },
	} {
		if err := call(); err != nil || got != want {
			t.Errorf("got %s (%v)\nwant %s", got, err, want)
		}
	}
}

func FuzzProblem(f *testing.F) {
	f.Add(400, []byte(`{"title":"t","detail":"d","kind":"denied","remedy":"r"}`))
	f.Add(599, []byte(`{"title":7}`))
	f.Add(404, []byte(nil))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		status = 400 + (status&0x7fffffff)%200
		c := client.NewHandler(problem(status, string(body)), client.Options{Attempts: 1})
		_, err := c.Me(t.Context())
		var e *anchorhold.Error
		if !errors.As(err, &e) || e.Message == "" || e.Kind == "" {
			t.Fatalf("%d %q became %#v", status, body, err)
		}
	})
}
