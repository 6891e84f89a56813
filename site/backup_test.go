package site_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/backup"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/site"
)

const phrase = "correct horse battery staple"

// seal is cheap to open.
func seal() client.Seal { return client.Seal{Passphrase: phrase, WorkFactor: 8} }

// at acts at a site's machine, on the store itself.
func at(t *testing.T, dir string, fn func(*client.Client)) {
	t.Helper()
	s, err := site.Open(t.Context(), dir, site.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := client.NewHandler(s.LocalHandler(), client.Options{})
	defer c.Close()
	fn(c)
}

func addUser(t *testing.T, c *client.Client, email string) error {
	t.Helper()
	_, err := c.AddUser(t.Context(), client.NewUser{Email: email, Role: anchorhold.RoleResearcher})
	return err
}

func makeBackup(t *testing.T, c *client.Client) []byte {
	t.Helper()
	r, err := c.Backup(t.Context(), seal())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func checkpoint(t *testing.T, c *client.Client) []byte {
	t.Helper()
	head, err := c.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func readBackup(t *testing.T, data []byte) *backup.Reader {
	t.Helper()
	r, err := backup.Open(bytes.NewReader(data), backup.Opener{Passphrase: func() (string, error) { return phrase, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func restore(t *testing.T, data []byte) (dir string, c site.Contents) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "restored")
	c, err := site.Restore(t.Context(), dir, readBackup(t, data), keys.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	return dir, c
}

// table offers a dataset, so that there is a population and there are files.
func table(t *testing.T, c *client.Client) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "patients.csv")
	if err := os.WriteFile(path, []byte("age,sex\n41,0\n52,1\n63,0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.AddDataset(t.Context(), client.NewDataset{Name: "heart", Assets: []client.NewAsset{{Name: "patients", Path: path}}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRestoreWithNewestCheckpoint: what was whole goes on, under a new origin.
func TestRestoreWithNewestCheckpoint(t *testing.T) {
	dir, made := makeSite(t)
	var data, head []byte
	at(t, dir, func(c *client.Client) {
		table(t, c)
		data = makeBackup(t, c)
		head = checkpoint(t, c)
	})
	there, contents := restore(t, data)
	if contents.Missing != 0 || contents.Files == 0 || contents.Key != made.Key || contents.NewKey == made.Key {
		t.Errorf("%+v", contents)
	}
	at(t, there, func(c *client.Client) {
		if err := addUser(t, c, "ada@example.org"); anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "restored from a backup") {
			t.Fatal("a frozen site takes an act:", err)
		}
		if list, err := client.Collect(c.Datasets(t.Context(), client.Search{}), 0); err != nil || len(list) != 1 {
			t.Error("a frozen site cannot be read:", list, err)
		}
		state, err := c.ShowCheckpoint(t.Context(), head)
		if err != nil || state.Frozen {
			t.Fatal(state, err)
		}
		if err := addUser(t, c, "ada@example.org"); err != nil {
			t.Error(err)
		}
		entries, err := client.Collect(c.AuditEntries(t.Context(), 0), 0)
		if err != nil || len(entries) != 3 || entries[0].Event.Action != audit.ActionBegin || entries[1].Event.Action != "restore.checkpoint" {
			t.Error(entries, err)
		}
		follows(t, c, made.Key, contents)
	})
}

// follows checks that the former log can be read and verified, and that its key
// vouches for the next.
func follows(t *testing.T, c *client.Client, former string, contents site.Contents) {
	t.Helper()
	logs, err := c.PastLogs(t.Context())
	if err != nil || len(logs) != 1 || logs[0].Key != former || logs[0].Size != contents.Entries {
		t.Fatal(logs, err)
	}
	key, err := keys.ParseVKey(former)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err = audit.Verify(func(path string, _ int64) ([]byte, error) { return c.PastFile(t.Context(), logs[0].Origin, path) }, key,
		func(int64, []byte) error { n++; return nil })
	if err != nil || int64(n) != contents.Entries {
		t.Error("the former log does not verify:", n, err)
	}
	next, err := audit.ParseContinuation([]byte(logs[0].Continuation), key)
	if err != nil || next.Next.String() != contents.NewKey || next.Old.Size != contents.Entries {
		t.Error(next, err)
	}
	info, err := c.Site(t.Context())
	if err != nil || info.Key != contents.NewKey {
		t.Error(info.Key, err)
	}
}

// TestRestoreWithoutWhatFollowed: a newer checkpoint shows what is lost, an older
// one shows nothing, a forged one is refused; then an owner takes the loss.
func TestRestoreWithoutWhatFollowed(t *testing.T) {
	dir, _ := makeSite(t)
	var data, older, own, newer []byte
	at(t, dir, func(c *client.Client) {
		table(t, c)
		older = checkpoint(t, c)
		data = makeBackup(t, c)
		own = checkpoint(t, c)
		if err := errors.Join(addUser(t, c, "ada@example.org"), addUser(t, c, "bob@example.org")); err != nil {
			t.Fatal(err)
		}
		newer = checkpoint(t, c)
	})
	other, _ := makeSite(t)
	var foreign []byte
	at(t, other, func(c *client.Client) { foreign = checkpoint(t, c) })

	there, _ := restore(t, data)
	at(t, there, func(c *client.Client) {
		for name, bad := range map[string][]byte{"an older one": older, "another site's": foreign, "nonsense": []byte("x"), "of the new log": checkpoint(t, c)} {
			if state, err := c.ShowCheckpoint(t.Context(), bad); err == nil {
				t.Errorf("%s: %+v", name, state)
			}
		}
		state, err := c.ShowCheckpoint(t.Context(), newer)
		if err != nil || !state.Frozen || state.Missing != 2 {
			t.Fatal(state, err)
		}
		if _, err := c.ShowCheckpoint(t.Context(), own); anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Error("what was shown to be lost is forgotten:", err)
		}
		if err := addUser(t, c, "eve@example.org"); anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Error("a site that lost entries goes on:", err)
		}
		if _, err := c.AcceptRestore(t.Context(), ""); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Error("without a reason:", err)
		}
	})
	at(t, there, func(c *client.Client) { // also after a restart
		if state, err := c.Restored(t.Context()); err != nil || !state.Frozen || state.Missing != 2 {
			t.Error(state, err)
		}
		if state, err := c.AcceptRestore(t.Context(), "the disk is lost"); err != nil || state.Frozen {
			t.Fatal(state, err)
		}
		ledger, err := client.Collect(c.Ledger(t.Context(), ""), 0)
		classes := map[anchorhold.LedgerClass]int{}
		for _, e := range ledger {
			classes[e.Class]++
			if !strings.Contains(e.What, "not in these books") {
				t.Error(e)
			}
		}
		// What was released is unbounded; of a limit that may be lost, the least is
		// counted, so that a new one needs a reason.
		if want := map[anchorhold.LedgerClass]int{anchorhold.ExposureUnbounded: 1, anchorhold.ExposureProved: 1}; err != nil || !maps.Equal(classes, want) {
			t.Error(ledger, err)
		}
		if err := addUser(t, c, "eve@example.org"); err != nil {
			t.Error(err)
		}
		if _, err := c.AcceptRestore(t.Context(), "again"); anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Error(err)
		}
	})
}

// TestAcceptedRestoreEndsTokens: one that was revoked after the backup must not
// come back to life.
func TestAcceptedRestoreEndsTokens(t *testing.T) {
	dir, made := makeSite(t)
	token, err := os.ReadFile(made.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	at(t, dir, func(c *client.Client) { data = makeBackup(t, c) })
	there, _ := restore(t, data)
	at(t, there, func(c *client.Client) {
		if _, err := c.AcceptRestore(t.Context(), "a drill"); err != nil {
			t.Fatal(err)
		}
	})
	url, stop := serve(t, there)
	if code, body := get(t, testClient(), url+"/v1/me", strings.TrimSpace(string(token))); code != 401 {
		t.Error(code, body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestFrozenSiteKnowsNoToken: one that was revoked after the backup is good in
// the backup's books. So none is taken, not even to read, until the newest
// checkpoint shows that nothing was revoked.
func TestFrozenSiteKnowsNoToken(t *testing.T) {
	dir, _ := makeSite(t)
	var data, head []byte
	var revoked, kept string
	at(t, dir, func(c *client.Client) {
		for email, token := range map[string]*string{"eve@example.org": &revoked, "ada@example.org": &kept} {
			u, err := c.AddUser(t.Context(), client.NewUser{Email: email, Role: anchorhold.RoleOwner})
			if err != nil {
				t.Fatal(err)
			}
			*token = u.Token
		}
		data, head = makeBackup(t, c), checkpoint(t, c)
		if err := c.RevokeTokens(t.Context(), "eve@example.org"); err != nil {
			t.Fatal(err)
		}
	})
	if ask(t, dir, "/v1/me", revoked) != 401 || ask(t, dir, "/v1/me", kept) != 200 {
		t.Error("before the restore")
	}
	there, _ := restore(t, data)
	for _, path := range []string{"/v1/me", "/v1/datasets", "/v1/requests", "/v1/users"} {
		for _, token := range []string{revoked, kept, "aht_nonsense"} {
			if code := ask(t, there, path, token); code != 401 {
				t.Errorf("%s at a frozen site: %d", path, code)
			}
		}
	}
	if code := ask(t, there, "/v1/site", ""); code != 200 {
		t.Error("what everybody may know is not told:", code)
	}
	twin, _ := restore(t, data) // where nothing had happened after the backup
	at(t, twin, func(c *client.Client) {
		if _, err := c.ShowCheckpoint(t.Context(), head); err != nil {
			t.Fatal(err)
		}
	})
	if code := ask(t, twin, "/v1/me", kept); code != 200 {
		t.Error("nothing is lost, and a token does not hold:", code)
	}
}

// ask reads something at a site over the network.
func ask(t *testing.T, dir, path, token string) int {
	t.Helper()
	s, err := site.Open(t.Context(), dir, site.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Code
}

// TestTwoRestoresAreTwoHistories: neither can speak under the other's name.
func TestTwoRestoresAreTwoHistories(t *testing.T) {
	dir, made := makeSite(t)
	var data []byte
	at(t, dir, func(c *client.Client) { data = makeBackup(t, c) })
	_, one := restore(t, data)
	_, two := restore(t, data)
	a, errA := keys.ParseVKey(one.NewKey)
	b, errB := keys.ParseVKey(two.NewKey)
	if errA != nil || errB != nil || a.Origin() == b.Origin() || strings.HasPrefix(made.Key, a.Origin()+"+") {
		t.Error(a, b, made.Key)
	}
}

// TestDamagedBackupsMakeNoSite: nothing is left, and it can be tried again.
func TestDamagedBackupsMakeNoSite(t *testing.T) {
	dir, _ := makeSite(t)
	var data []byte
	at(t, dir, func(c *client.Client) {
		table(t, c)
		data = makeBackup(t, c)
	})
	there := filepath.Join(t.TempDir(), "restored")
	flipped := bytes.Clone(data)
	flipped[len(data)/2] ^= 1
	for name, bad := range map[string][]byte{"cut": data[:len(data)-100], "cut to its half": data[:len(data)/2], "a bit": flipped} {
		if _, err := site.Restore(context.Background(), there, readBackup(t, bad), keys.Lock{}); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := site.Open(context.Background(), there, site.Options{}); anchorhold.KindOf(err) != anchorhold.NotFound {
			t.Errorf("%s: half a site: %v", name, err)
		}
		if _, err := site.VerifyBackup(context.Background(), readBackup(t, bad), t.TempDir()); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
	if c, err := site.VerifyBackup(context.Background(), readBackup(t, data), t.TempDir()); err != nil || c.Missing != 0 || c.Files == 0 {
		t.Error(c, err)
	}
	if err := os.RemoveAll(there); err != nil {
		t.Fatal(err)
	}
	if _, err := site.Restore(context.Background(), there, readBackup(t, data), keys.Lock{}); err != nil {
		t.Error(err)
	}
	if _, err := site.Restore(context.Background(), there, readBackup(t, data), keys.Lock{}); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Error("a site was overwritten:", err)
	}
}

// TestBackupWhileServing: acts go on beside it, and it leaves nothing behind.
func TestBackupWhileServing(t *testing.T) {
	dir, _ := makeSite(t)
	_, stop := serve(t, dir)
	c := client.NewSocket(site.SocketPath(dir), client.Options{})
	table(t, c)
	done := make(chan error, 1)
	go func() {
		var err error
		for i := range 30 {
			err = errors.Join(err, addUser(t, c, "u"+strings.Repeat("x", i)+"@example.org"))
		}
		done <- err
	}()
	data := makeBackup(t, c)
	if err := <-done; err != nil {
		t.Error(err)
	}
	c.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "backup-*")); len(left) != 0 {
		t.Error("left behind:", left)
	}
	if got, err := site.VerifyBackup(context.Background(), readBackup(t, data), t.TempDir()); err != nil || got.Missing != 0 {
		t.Error(got, err)
	}
}

// TestBackupNeedsASeal: no backup without encryption, and none from afar.
func TestBackupNeedsASeal(t *testing.T) {
	dir, _ := makeSite(t)
	at(t, dir, func(c *client.Client) {
		for _, s := range []client.Seal{{}, {Passphrase: "short"}, {Recipients: []string{"age1x"}}, {Recipients: []string{"x"}, Passphrase: phrase}} {
			if r, err := c.Backup(t.Context(), s); anchorhold.KindOf(err) != anchorhold.Invalid {
				t.Errorf("%+v: %v %v", s, r, err)
			}
		}
	})
}
