package site_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/identity"
	"github.com/anchorhold/anchorhold/site"
)

// between stands in for a site: it has another key, and says that this one counts.
func between(t *testing.T, certificate *tls.Certificate) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("whoever stands between was sent %s", r.URL.Path)
	}))
	if certificate != nil {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS13}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func asks(t *testing.T, address string, o client.Options) (*client.Client, error) {
	t.Helper()
	o.Attempts = 1
	c, err := client.New(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	_, err = c.Site(t.Context())
	return c, err
}

// refusedBy wants that whoever stands between with a key is sent nothing by who
// trusts the keys of an address.
func refusedBy(t *testing.T, stage, address string, s *httptest.Server) {
	t.Helper()
	_, pins, _ := strings.Cut(address, "#")
	_, err := asks(t, s.URL+"#"+pins, client.Options{Token: "t"})
	if anchorhold.KindOf(err) != anchorhold.Denied || !strings.Contains(err.Error(), "connection string of today") {
		t.Errorf("%s: whoever stands between got %v", stage, err)
	}
}

func pinsIn(address string) int { return 1 + strings.Count(address, ",") }

// TestPlannedKey changes the key of a door as people are told to: who saw the
// announcement goes on, who did not is told what to do, and nobody in between
// learns anything at any stage.
func TestPlannedKey(t *testing.T) {
	dir, _ := makeSite(t)
	url, before, stop := serveWith(t, dir, site.ServeOptions{Listen: "127.0.0.1:0", SelfSigned: true})
	stranger := between(t, nil)
	local := client.NewSocket(site.SocketPath(dir), client.Options{})
	defer local.Close()
	if _, err := local.SwitchTLS(t.Context()); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("switched to no key: %v", err)
	}
	var learnt [][2]string
	follower, err := asks(t, before, client.Options{Learned: func(a, b string) { learnt = append(learnt, [2]string{a, b}) }})
	if err != nil || follower.Address() != before || len(learnt) != 0 {
		t.Fatalf("before: %s, %v, %q", follower.Address(), err, learnt)
	}
	refusedBy(t, "before", before, stranger)

	k, err := local.RotateTLS(t.Context(), nil)
	if err != nil || k.Next == "" || k.Announced == nil || k.Connect != before+","+k.Next {
		t.Fatalf("announced %+v, %v", k, err)
	}
	if _, err := local.RotateTLS(t.Context(), nil); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("two keys are announced: %v", err)
	}
	if got := identity.PinOf(presented(t, strings.TrimPrefix(url, "https://"))).Fragment(); !strings.HasSuffix(before, got) {
		t.Errorf("an announced key is served: %s", got)
	}
	if _, err := follower.Site(t.Context()); err != nil || follower.Address() != k.Connect || len(learnt) != 1 || learnt[0] != [2]string{before, k.Connect} {
		t.Errorf("announced: %s, %v, %q", follower.Address(), err, learnt)
	}
	refusedBy(t, "announced", follower.Address(), stranger)
	old, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.pem"))
	if err != nil {
		t.Fatal(err)
	}

	after, err := local.SwitchTLS(t.Context())
	if err != nil || after.Pin != k.Next || after.Next != "" || pinsIn(after.Connect) != 1 {
		t.Fatalf("switched to %+v, %v", after, err)
	}
	follower.Close() // the next call shakes hands anew
	if _, err := follower.Site(t.Context()); err != nil || follower.Address() != after.Connect || len(learnt) != 2 {
		t.Errorf("after: %s, %v, %q", follower.Address(), err, learnt)
	}
	if c, err := asks(t, k.Connect, client.Options{}); err != nil || c.Address() != after.Connect {
		t.Errorf("with a string of both keys: %s, %v", c.Address(), err)
	}
	_, err = asks(t, before, client.Options{Token: "t"})
	if anchorhold.KindOf(err) != anchorhold.Denied || !strings.Contains(err.Error(), after.Pin) || !strings.Contains(err.Error(), "ask the site's owner") {
		t.Errorf("who missed the announcement got %v", err)
	}
	refusedBy(t, "after", follower.Address(), stranger)
	refusedBy(t, "after, with the old key", follower.Address(), between(t, &old))
	if _, err := os.Stat(filepath.Join(dir, "tls-next.pem")); !os.IsNotExist(err) {
		t.Errorf("the next key lies there still: %v", err)
	}
	entries, err := local.AuditLatest(t.Context(), 2)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	acts := map[string]bool{entries[0].Event.Action: true, entries[1].Event.Action: true}
	if !acts["tls.rotate"] || !acts["tls.switch"] {
		t.Errorf("the audit log ends with %v", acts)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestKeyAtADate: the door changes to the announced key when its time has come,
// by the site's own act, also if it came while nobody served. A date that says
// nothing, and a key that was taken back, change nothing.
func TestKeyAtADate(t *testing.T) {
	dir, _ := makeSite(t)
	_, before, stop := serveWith(t, dir, site.ServeOptions{Listen: "127.0.0.1:0", SelfSigned: true})
	local := client.NewSocket(site.SocketPath(dir), client.Options{})
	defer local.Close()
	soon := func(d time.Duration) *time.Time { at := time.Now().Add(d); return &at }
	for _, on := range []*time.Time{soon(-time.Hour), soon(2 * 366 * 24 * time.Hour)} {
		if _, err := local.RotateTLS(t.Context(), on); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("on %s: %v", on, err)
		}
	}
	if _, err := local.WithdrawTLS(t.Context()); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("no key was withdrawn: %v", err)
	}

	// Taken back before its time: it is gone, and who learnt of it forgets it.
	follower, err := asks(t, before, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := local.RotateTLS(t.Context(), soon(time.Hour))
	if err != nil || k.On == nil || time.Until(*k.On) < 50*time.Minute {
		t.Fatalf("announced %+v, %v", k, err)
	}
	if _, err := follower.Site(t.Context()); err != nil || follower.Address() != k.Connect {
		t.Errorf("announced: %s, %v", follower.Address(), err)
	}
	if k, err = local.WithdrawTLS(t.Context()); err != nil || k.Next != "" || k.On != nil || k.Connect != before {
		t.Errorf("withdrawn: %+v, %v", k, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tls-next.pem")); !os.IsNotExist(err) {
		t.Errorf("a withdrawn key lies there still: %v", err)
	}
	if _, err := follower.Site(t.Context()); err != nil || follower.Address() != before {
		t.Errorf("withdrawn: %s, %v", follower.Address(), err)
	}

	// Its time comes while the site serves.
	if k, err = local.RotateTLS(t.Context(), soon(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	changedTo(t, local, k.Next)
	if _, err := asks(t, k.Connect, client.Options{}); err != nil {
		t.Errorf("with a string of both keys: %v", err)
	}
	entries, err := local.AuditLatest(t.Context(), 1)
	if err != nil || len(entries) != 1 || entries[0].Event.Action != "tls.switch" || entries[0].Event.Actor != "site" || entries[0].Event.Rule != "tls.rotate" {
		t.Errorf("the audit log ends with %+v, %v", entries, err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	// And while it does not.
	var on *time.Time
	k = inFolder(t, dir, func(c *client.Client, ctx context.Context) (client.TLSKeys, error) { //nolint:revive // as above
		on = soon(time.Second)
		return c.RotateTLS(ctx, on)
	})
	for time.Now().Before(*on) {
		runtime.Gosched()
	}
	_, _, stop = serveWith(t, dir, site.ServeOptions{Listen: "127.0.0.1:0", SelfSigned: true})
	again := client.NewSocket(site.SocketPath(dir), client.Options{})
	defer again.Close()
	changedTo(t, again, k.Next)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// changedTo waits until the key in use is the one that was announced.
func changedTo(t *testing.T, c *client.Client, pin string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for {
		k, err := c.TLSKeys(ctx)
		if err != nil {
			t.Fatalf("the key is not changed: %v", err)
		}
		if k.Pin == pin && k.Next == "" {
			return
		}
	}
}

// decideOnly changes the key of a site that does not serve, and then puts the
// files back as a crash between the decision and the files leaves them.
func decideOnly(t *testing.T, dir string, do func(*client.Client, context.Context) (client.TLSKeys, error)) client.TLSKeys {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{"tls.pem", "tls-next.pem"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	k := inFolder(t, dir, do)
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// rotate is client.Client.RotateTLS without a date.
func rotate(c *client.Client, ctx context.Context) (client.TLSKeys, error) { //nolint:revive // the form of a method's expression
	return c.RotateTLS(ctx, nil)
}

func inFolder(t *testing.T, dir string, do func(*client.Client, context.Context) (client.TLSKeys, error)) client.TLSKeys {
	t.Helper()
	s, err := site.Open(t.Context(), dir, site.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := client.NewHandler(s.LocalHandler(), client.Options{})
	defer c.Close()
	k, err := do(c, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeyAfterACrash: what the books say happens, and what they do not say does
// not, wherever the crash was.
func TestKeyAfterACrash(t *testing.T) {
	dir, _ := makeSite(t)
	start := func() (string, func() error) {
		_, connect, stop := serveWith(t, dir, site.ServeOptions{Listen: "127.0.0.1:0", SelfSigned: true})
		return connect, stop
	}
	_, stop := start()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// A key that was made, and that the books do not know.
	data, err := os.ReadFile(filepath.Join(dir, "tls.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tls-next.pem"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	connect, stop := start()
	if pinsIn(connect) != 1 {
		t.Errorf("a key that nobody decided on is announced: %s", connect)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	k := inFolder(t, dir, rotate)
	if connect, stop = start(); !strings.HasSuffix(connect, k.Pin+","+k.Next) {
		t.Errorf("announced while the site was down: %s, want %+v", connect, k)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	decideOnly(t, dir, (*client.Client).SwitchTLS)
	// The next key is made only after the one before is in its place.
	again := inFolder(t, dir, rotate)
	if again.Pin != k.Next || again.Next == k.Next {
		t.Errorf("after a crash: %+v, want the key %s", again, k.Next)
	}
	// A key that was taken back is removed before the next is made, and never served.
	decideOnly(t, dir, (*client.Client).WithdrawTLS)
	withdrawn := again.Next
	if again = inFolder(t, dir, rotate); again.Pin != k.Next || again.Next == withdrawn {
		t.Errorf("after a crash while %s was withdrawn: %+v", withdrawn, again)
	}
	decideOnly(t, dir, (*client.Client).SwitchTLS)
	connect, stop = start()
	if !strings.HasSuffix(connect, "#sha256="+again.Next) {
		t.Errorf("after a crash the site serves %s, want %s", connect, again.Next)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if again.Announced == nil || time.Since(*again.Announced) > time.Hour {
		t.Errorf("announced %v", again.Announced)
	}
}

// TestRestoredDoor: a backup holds no key of the door, so nobody who has one can
// stand where the site stood. A restored site makes another key, or goes on with
// the one that its owner kept and put there; a change that was planned ends.
func TestRestoredDoor(t *testing.T) {
	dir, _ := makeSite(t)
	secure := site.ServeOptions{Listen: "127.0.0.1:0", SelfSigned: true}
	_, before, stop := serveWith(t, dir, secure)
	local := client.NewSocket(site.SocketPath(dir), client.Options{})
	defer local.Close()
	soon := time.Now().Add(time.Hour)
	if _, err := local.RotateTLS(t.Context(), &soon); err != nil {
		t.Fatal(err)
	}
	saved := makeBackup(t, local)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, kept := range []bool{false, true} {
		back, _ := restore(t, saved)
		if found, err := filepath.Glob(filepath.Join(back, "tls*")); err != nil || len(found) > 0 {
			t.Errorf("the backup held %v, %v", found, err)
		}
		if kept {
			key, err := os.ReadFile(filepath.Join(dir, "tls.pem"))
			if err == nil {
				err = os.WriteFile(filepath.Join(back, "tls.pem"), key, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		_, after, stop := serveWith(t, back, secure)
		_, was, _ := strings.Cut(before, "#")
		_, is, _ := strings.Cut(after, "#")
		if (was == is) != kept || pinsIn(after) != 1 {
			t.Errorf("kept %v: the key was %s and is %s", kept, was, is)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}
