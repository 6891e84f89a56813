package site_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/intake/intaketest"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/site"
)

// closedBox is a sandbox in which no run is ever started: these tests are about
// doors, not runs. What is handed in is read in this process.
type closedBox struct{ sandbox.Sandbox }

func (closedBox) Close() error { return nil }

func newClosedBox() (site.Guests, error) {
	return site.Guests{Sandbox: intaketest.Sandbox{Sandbox: closedBox{}}}, nil
}

func makeSite(t *testing.T) (dir string, made site.InitResult) {
	t.Helper()
	t.Setenv("ANCHORHOLD_ENVS", t.TempDir())
	dir = filepath.Join(t.TempDir(), "site")
	made, err := site.Init(context.Background(), dir, site.InitOptions{Name: "cleveland"})
	if err != nil {
		t.Fatal(err)
	}
	return dir, made
}

func TestInit(t *testing.T) {
	dir, made := makeSite(t)
	if _, err := keys.ParseVKey(made.Key); err != nil || made.Site != "cleveland" || made.Admin != site.DefaultAdmin {
		t.Errorf("got %+v, %v", made, err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may use %s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := site.Init(context.Background(), dir, site.InitOptions{Name: "again"}); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("a second site in one directory: %v", err)
	}
	for _, name := range []string{"", "a b", "../x", strings.Repeat("x", 300)} {
		if _, err := site.Init(context.Background(), filepath.Join(t.TempDir(), "s"), site.InitOptions{Name: name}); err == nil {
			t.Errorf("a site named %q was made", name)
		}
	}
	if _, err := site.Open(context.Background(), t.TempDir(), site.Options{}); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("opening an empty directory: %v", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir, _ := makeSite(t)
	s, err := site.Open(context.Background(), dir, site.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := site.Open(context.Background(), dir, site.Options{}); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := site.Open(context.Background(), dir, site.Options{})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// serve serves a site until the test ends and gives its URL.
func serve(t *testing.T, dir string) (url string, stop func() error) {
	t.Helper()
	url, _, stop = serveWith(t, dir, site.ServeOptions{Listen: "127.0.0.1:0"})
	return url, stop
}

func serveWith(t *testing.T, dir string, o site.ServeOptions) (url, connect string, stop func() error) {
	t.Helper()
	s, err := site.Open(context.Background(), dir, site.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.NewSandbox = newClosedBox
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		err := s.Serve(ctx, o, func(u string) { ready <- u })
		ended <- errors.Join(err, s.Close())
	}()
	stop = func() error {
		cancel()
		return <-ended
	}
	select {
	case url = <-ready:
	case err := <-ended:
		t.Fatalf("the site did not start: %v", err)
	}
	return url, s.Connect(), stop
}

func get(t *testing.T, c *http.Client, url, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	dir, made := makeSite(t)
	var log bytes.Buffer
	url, _, stop := serveWith(t, dir, site.ServeOptions{Listen: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(&log, nil))})
	code, body := get(t, http.DefaultClient, url+"/v1/site", "")
	var info struct{ Name, Key string }
	if err := json.Unmarshal([]byte(body), &info); err != nil || code != 200 || info.Name != "cleveland" || info.Key != made.Key {
		t.Errorf("the site says %d %s (%v)", code, body, err)
	}
	token, err := os.ReadFile(made.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	if code, body := get(t, http.DefaultClient, url+"/v1/me", strings.TrimSpace(string(token))); code != 200 || !strings.Contains(body, site.DefaultAdmin) {
		t.Errorf("the first owner: %d %s", code, body)
	}
	local := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", site.SocketPath(dir))
	}}}
	if code, body := get(t, local, "http://localhost/v1/me", ""); code != 200 || !strings.Contains(body, "local:") {
		t.Errorf("on the machine: %d %s", code, body)
	}
	local.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if _, err := os.Stat(site.SocketPath(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays behind: %v", err)
	}
	var said []string
	for _, line := range regexp.MustCompile(`msg=("[a-z ]+"|[a-z]+)`).FindAllStringSubmatch(log.String(), -1) {
		said = append(said, strings.Trim(line[1], `"`))
	}
	if want := []string{"site serves", "call", "call", "call", "site stops", "site stopped"}; !slices.Equal(said, want) {
		t.Errorf("the log has %q, want %q", said, want)
	}
}

// A request that waits for a change must not hold up the end of the site.
func TestStopDoesNotWaitForWaitingClients(t *testing.T) {
	dir, _ := makeSite(t)
	url, stop := serve(t, dir)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

func TestOtherAddressesNeedTLS(t *testing.T) {
	dir, _ := makeSite(t)
	s, err := site.Open(context.Background(), dir, site.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		o    site.ServeOptions
		want string
	}{
		{site.ServeOptions{Listen: "0.0.0.0:0"}, "TLS"},
		{site.ServeOptions{Listen: ":0"}, "TLS"},
		{site.ServeOptions{Listen: "[::]:0"}, "TLS"},
		{site.ServeOptions{Listen: "127.0.0.1:0", TLSCert: "a", SelfSigned: true}, "a certificate is given"},
		{site.ServeOptions{Listen: "nonsense"}, "not an address"},
		{site.ServeOptions{Listen: "127.0.0.1:0", TLSCert: "absent", TLSKey: "absent"}, "certificate"},
	} {
		c.o.NewSandbox = newClosedBox
		err := s.Serve(context.Background(), c.o, func(string) { t.Errorf("%s: served", c.o.Listen) })
		var e *anchorhold.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, c.want) || e.Remedy == "" {
			t.Errorf("%s: got %v, want a word of %s", c.o.Listen, err, c.want)
		}
	}
}

// Without a sandbox nothing is served: there is no other way to run code.
func TestNoSandboxNoSite(t *testing.T) {
	dir, _ := makeSite(t)
	s, err := site.Open(context.Background(), dir, site.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	broken := anchorhold.Errorf(anchorhold.Unavailable, "enable user namespaces", "the sandbox cannot start")
	err = s.Serve(context.Background(), site.ServeOptions{
		Listen: "127.0.0.1:0", NewSandbox: func() (site.Guests, error) { return site.Guests{}, broken },
	}, func(string) { t.Error("served") })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func testClient() *http.Client { return http.DefaultClient }
