package site_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/receipt"
	"github.com/anchorhold/anchorhold/site"
)

// golden is a site as a tagged version left it, with what that version said of
// it. testdata/golden/make makes one; the next version adds one.
type golden struct {
	Version  string                      `json:"version"`
	Key      string                      `json:"key"`
	Tokens   map[string]string           `json:"tokens"`
	Until    time.Time                   `json:"tokens_until"`
	Requests map[string]anchorhold.State `json:"requests"`
	Users    []string                    `json:"users"`
	Entries  int64                       `json:"entries"`
	Ledger   int                         `json:"ledger"`
	Dataset  string                      `json:"dataset"`
	Mock     string                      `json:"mock_sha256"`
	Output   string                      `json:"output_sha256"`

	dir string
}

// unpackGolden unpacks one into a temporary directory.
func unpackGolden(t *testing.T, file string) golden {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	g := golden{dir: t.TempDir()}
	root, err := os.OpenRoot(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = unpackOne(root, h, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(g.read(t, "expect.json"), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func unpackOne(root *os.Root, h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeDir {
		err := root.Mkdir(h.Name, 0o700)
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
		return err
	}
	f, err := root.OpenFile(h.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func (g golden) read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestGolden opens the site of every tagged version with this program: nothing
// is lost, everything can be read and verified, and it goes on.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.tar.gz")
	if err != nil || len(files) == 0 {
		t.Fatal("there is no golden directory", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".tar.gz"), func(t *testing.T) {
			t.Setenv("ANCHORHOLD_ENVS", t.TempDir())
			g := unpackGolden(t, file)
			dir := filepath.Join(g.dir, "site")
			at(t, dir, func(c *client.Client) {
				g.sameRecords(t, c)
				g.sameFiles(t, c)
				g.sameLog(t, c)
			})
			at(t, dir, func(c *client.Client) { // a second start, after new acts of the first
				g.goesOn(t, c)
				g.sameLog(t, c)
			})
			g.tokensHold(t, dir)
			var data []byte
			at(t, dir, func(c *client.Client) { data = makeBackup(t, c) })
			if c, err := site.VerifyBackup(t.Context(), readBackup(t, data), t.TempDir()); err != nil || c.Missing != 0 {
				t.Error("a backup of it:", c, err)
			}
		})
	}
}

func (g golden) sameRecords(t *testing.T, c *client.Client) {
	t.Helper()
	states := map[string]anchorhold.State{}
	for r, err := range c.Requests(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		full, err := c.Request(t.Context(), r.ID)
		if err != nil || full.Purpose == "" || len(full.Code.Files) == 0 || full.AuthorName == "" {
			t.Errorf("request %s is not whole: %v", r.ID, err)
		}
		states[r.ID] = full.State
	}
	for id, want := range g.Requests {
		if states[id] != want {
			t.Errorf("request %s is %s, and was %s", id, states[id], want)
		}
	}
	if len(states) != len(g.Requests) {
		t.Errorf("%d requests, and there were %d", len(states), len(g.Requests))
	}
	var users []string
	for u, err := range c.Users(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, u.Email)
	}
	slices.Sort(users)
	if !slices.Equal(users, g.Users) {
		t.Errorf("users %v, and there were %v", users, g.Users)
	}
	if ledger, err := client.Collect(c.Ledger(t.Context(), ""), 0); err != nil || len(ledger) != g.Ledger {
		t.Errorf("%d lines of the ledger, and there were %d (%v)", len(ledger), g.Ledger, err)
	}
	d, err := c.Dataset(t.Context(), g.Dataset)
	if err != nil || len(d.Assets) != 1 || d.Assets[0].Version.Private == nil || d.Assets[0].Version.Private.Rows == 0 || len(d.Assets[0].Version.Columns) == 0 {
		t.Errorf("the dataset is not whole: %+v, %v", d, err)
	}
}

// in finds the request in a state.
func (g golden) in(t *testing.T, s anchorhold.State) string {
	t.Helper()
	for id, have := range g.Requests {
		if have == s {
			return id
		}
	}
	t.Fatalf("no golden request is %s", s)
	return ""
}

func (g golden) sameFiles(t *testing.T, c *client.Client) {
	t.Helper()
	same := func(what, want string) func(io.ReadCloser, error) {
		return func(r io.ReadCloser, err error) {
			if err != nil {
				t.Errorf("%s: %v", what, err)
				return
			}
			defer r.Close()
			h := sha256.New()
			if _, err := io.Copy(h, r); err != nil || want != "" && hex.EncodeToString(h.Sum(nil)) != want {
				t.Errorf("%s is not what it was (%v)", what, err)
			}
		}
	}
	released := g.in(t, anchorhold.StateReleased)
	same("the mock", g.Mock)(c.Mock(t.Context(), g.Dataset, "patients"))
	same("the released output", g.Output)(c.Output(t.Context(), released))
	same("the held output", "")(c.Output(t.Context(), g.in(t, anchorhold.StateHeld)))
	key, err := keys.ParseVKey(g.Key)
	if err != nil {
		t.Fatal(err)
	}
	now, err := c.Receipt(t.Context(), released)
	if err != nil {
		t.Fatal(err)
	}
	for when, file := range map[string][]byte{"of then": g.read(t, "receipt.json"), "of now": now} {
		s, err := receipt.Verify(file, key)
		if err != nil || s.Predicate.Request.ID != released || s.Subject[0].Digest.SHA256 != g.Output {
			t.Errorf("the receipt %s: %+v, %v", when, s.Predicate.Request, err)
		}
	}
	if _, err := os.Stat(filepath.Join(g.dir, "site", "blobs", "v1")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("files lie there in the clear:", err)
	}
}

// sameLog verifies the whole log, and that it extends the one of then.
func (g golden) sameLog(t *testing.T, c *client.Client) {
	t.Helper()
	key, err := keys.ParseVKey(g.Key)
	if err != nil {
		t.Fatal(err)
	}
	then, err := audit.ParseCheckpoint(g.read(t, "checkpoint"), key)
	if err != nil || then.Size != g.Entries {
		t.Fatal(then, err)
	}
	var leaves [][]byte
	now, err := audit.Verify(func(path string, _ int64) ([]byte, error) {
		if path == audit.CheckpointPath {
			return c.Checkpoint(t.Context())
		}
		return c.Tile(t.Context(), strings.TrimPrefix(path, "tile/"))
	}, key, func(_ int64, e []byte) error { leaves = append(leaves, bytes.Clone(e)); return nil })
	if err != nil || now.Size < then.Size {
		t.Fatalf("the log does not verify: %d entries, %v", now.Size, err)
	}
	// The root over the first entries of now is the root of then.
	if root := rootOf(leaves[:then.Size]); root != then.Root {
		t.Error("the log does not extend the one of then")
	}
	entries, err := client.Collect(c.AuditEntries(t.Context(), 0), 0)
	if err != nil || int64(len(entries)) != now.Size || entries[0].Event.Action != "user.add" {
		t.Errorf("%d entries can be read (%v)", len(entries), err)
	}
}

// rootOf is the Merkle tree hash of RFC 6962 §2.1, by its definition.
func rootOf(leaves [][]byte) [32]byte {
	if len(leaves) == 1 {
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	left, right := rootOf(leaves[:k]), rootOf(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

// goesOn does new things with what was there.
func (g golden) goesOn(t *testing.T, c *client.Client) {
	t.Helper()
	ctx := t.Context()
	if err := addUser(t, c, "new@example.org"); err != nil {
		t.Error(err)
	}
	held := g.in(t, anchorhold.StateHeld)
	if r, err := c.DecideRelease(ctx, held, client.NewReleaseDecision{Verdict: anchorhold.Approve}); err != nil {
		t.Error("a held output cannot be released:", r, err)
	}
	file, err := c.Receipt(ctx, held)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.ParseVKey(g.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := receipt.Verify(file, key); err != nil {
		t.Error("the receipt of a new release:", err)
	}
	pending := g.in(t, anchorhold.StatePending) // its table is not where it was
	if r, err := c.Decide(ctx, pending, client.NewDecision{Verdict: anchorhold.Approve}); err == nil {
		t.Errorf("a request on a table that is gone was approved: %s", r.State)
	}
	path, err := filepath.Abs("../demo/data/cleveland.csv")
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.AddVersion(ctx, g.Dataset, "patients", client.NewAsset{Path: path})
	if err != nil || d.Assets[0].Version.Number != 2 || d.Assets[0].Version.Mock == nil {
		t.Errorf("a new version: %+v, %v", d, err)
	}
	if r, err := c.Decide(ctx, g.in(t, anchorhold.StateAsked), client.NewDecision{Verdict: anchorhold.Deny, Reason: "no answer"}); err != nil || r.State != anchorhold.StateDenied {
		t.Errorf("a request with a question cannot be denied: %s, %v", r.State, err)
	}
}

// tokensHold: people of then are known, see what is theirs, and ask anew; until
// their tokens expire, and no longer.
func (g golden) tokensHold(t *testing.T, dir string) {
	t.Helper()
	s, err := site.Open(t.Context(), dir, site.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	owner := client.NewHandler(s.LocalHandler(), client.Options{})
	defer owner.Close()
	for email, token := range g.Tokens {
		c, err := client.New(srv.URL, client.Options{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		me, err := c.Me(t.Context())
		if time.Now().After(g.Until) {
			if anchorhold.KindOf(err) != anchorhold.Unauthenticated {
				t.Errorf("a token that expired holds: %v", err)
			}
			continue
		}
		if err != nil || me.Email != email {
			t.Errorf("%s is %s, %v", email, me.Email, err)
		}
		mine, err := client.Collect(c.Requests(t.Context(), ""), 0)
		if err != nil || len(mine) == 0 {
			t.Errorf("%s sees %d requests, %v", email, len(mine), err)
		}
		g.asksAnew(t, c, owner)
	}
}

// asksAnew submits code of then with the environment of now, and it is approved.
func (g golden) asksAnew(t *testing.T, author, owner *client.Client) {
	t.Helper()
	old, err := owner.Request(t.Context(), g.in(t, anchorhold.StateReleased))
	if err != nil {
		t.Fatal(err)
	}
	code := old.Code
	code.Environment = pyenv.Default().Digest()
	r, err := author.Submit(t.Context(), client.NewRequest{
		Code: code, Assets: map[string]client.AssetName{"patients": {Dataset: g.Dataset, Asset: "patients"}}, Purpose: "once more",
	})
	if err != nil {
		t.Fatal("nothing can be asked any more:", err)
	}
	if r, err = owner.Decide(t.Context(), r.ID, client.NewDecision{Verdict: anchorhold.Approve}); err != nil || r.State != anchorhold.StateQueued {
		t.Errorf("a new request cannot be approved: %s, %v", r.State, err)
	}
}
