// Package storetest is the conformance suite of package store: every
// implementation calls Run from its own tests and inherits all of them.
//
// The suite promises to hold an implementation to the contract written at the
// methods of store.Store and store.Tx: what was committed comes back whole,
// hidden fields included, what failed leaves nothing, lists page without loss
// or repetition, and runs are claimed once.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// Run tests an implementation; open gives a fresh, empty store each time.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"principals", principals},
		{"datasets", datasets},
		{"datasets are found", searches},
		{"no run over a halted dataset", halted},
		{"requests", requests},
		{"grants", grants},
		{"open runs of a grant", openRuns},
		{"lines that were read", seen},
		{"runs are claimed once", claims},
		{"the queue is fair", fairQueue},
		{"quotas hold", quotas},
		{"datasets have priorities", datasetPriorities},
		{"replays are their asker's, and trials go on", replaysAndTrials},
		{"trials", trials},
		{"runs that are shown", shown},
		{"trials are forgotten", forgotten},
		{"trials go with their dataset", withdrawnTrials},
		{"what was found in code", lints},
		{"what was found in code is forgotten", forgottenLint},
		{"what people said is forgotten", forgottenWords},
		{"outputs and releases", releases},
		{"ledger", ledger},
		{"exposure", exposed},
		{"questions", questions},
		{"notices", notices},
		{"applications", applications},
		{"summaries", summaries},
		{"environments", environments},
		{"audit log", auditLog},
		{"idempotency and settings", keys},
		{"a failed update leaves nothing", rollback},
		{"lists page without loss", paging},
		{"updates are serialised", serialised},
		{"failures beside others leave nothing", mixed},
		{"a panic is its caller's", panics},
		{"before the commit", beforeCommit},
		{"a view sees one state", snapshot},
		{"logs that ended", past},
		{"references to blobs", blobRefs},
		{"uploads", uploads},
		{"rights end", rights},
		{"old files are forgotten", forget},
		{"a copy beside updates", copied},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
			})
			c.test(t, s)
		})
	}
}

// clock is a fixed instant, in the form in which JSON gives it back.
var clock = time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)

func update(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func view(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatalf("view: %v", err)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func absent(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s: got %v, want ErrNotFound", what, err)
	}
}

func principals(t *testing.T, s store.Store) {
	p := anchorhold.Principal{
		ID: "pri-1", Email: "ada@example.org", Created: clock,
		Bindings: []anchorhold.Binding{{Role: anchorhold.RoleOwner, Scope: anchorhold.ScopeSite}},
	}
	c := anchorhold.Credential{ID: "crd-1", Principal: p.ID, Kind: "token", Hash: []byte{1, 2, 3}, Created: clock, Expires: clock.Add(time.Hour)}
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.PutPrincipal(p), tx.PutCredential(c)) })
	view(t, s, func(tx store.Tx) error {
		got, err := tx.PrincipalByEmail("ada@example.org")
		equal(t, "by e-mail", got, p)
		cred, err2 := tx.CredentialByHash([]byte{1, 2, 3})
		equal(t, "by hash", cred, c)
		_, err3 := tx.Principal("pri-2")
		absent(t, "an unknown principal", err3)
		_, err3 = tx.CredentialByHash([]byte{1, 2})
		absent(t, "an unknown hash", err3)
		return errors.Join(err, err2)
	})
	revoked := clock
	c.Revoked = &revoked
	p.Disabled = true
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.PutPrincipal(p), tx.PutCredential(c)) })
	view(t, s, func(tx store.Tx) error {
		creds, err := tx.Credentials(p.ID)
		equal(t, "credentials", creds, []anchorhold.Credential{c})
		got, err2 := tx.Principal(p.ID)
		equal(t, "replaced", got, p)
		return errors.Join(err, err2)
	})
	twin := anchorhold.Principal{ID: "pri-2", Email: p.Email, Created: clock}
	if err := s.Update(context.Background(), func(tx store.Tx) error { return tx.PutPrincipal(twin) }); err == nil {
		t.Error("two principals with one e-mail address were stored")
	}
}

// version is a version with every field set, hidden ones too.
func version(id string, number int) anchorhold.Version {
	return anchorhold.Version{
		ID: id, Number: number, Created: clock, Commitment: "sha256:00",
		Columns: []anchorhold.Column{{Name: "age", Type: anchorhold.TypeInt, Facts: []anchorhold.Fact{{Name: anchorhold.FactMin, Value: 1.5, Provenance: anchorhold.Stated}}}},
		Missing: []string{"?"},
		Mock:    &anchorhold.Mock{Origin: "given", Format: "csv", Rows: 3, Size: 10, SHA256: "ab", Blob: "mock-blob"},
		Private: &anchorhold.Source{
			Path: "/data/p.csv", Format: "csv", Size: 9, Rows: 2, Index: "index-blob", Secret: []byte("secret"),
			Stamp: anchorhold.Stamp{Device: 1, Inode: 1 << 63, Size: 9, MTime: 5, CTime: -6},
		},
	}
}

func dataset(name string) anchorhold.Dataset {
	return anchorhold.Dataset{
		ID: "dat-" + name, Name: name, Population: name, Visibility: anchorhold.VisibleToUsers, Quorum: 2, Created: clock,
		Assets: []anchorhold.Asset{},
	}
}

func datasets(t *testing.T, s store.Store) {
	d := dataset("heart")
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutDataset(d), tx.PutVersion("heart", "patients", version("ver-1", 1)),
			tx.PutVersion("heart", "patients", version("ver-2", 2)), tx.PutVersion("heart", "visits", version("ver-3", 1)))
	})
	d.Assets = []anchorhold.Asset{
		{Name: "patients", Kind: "table", Version: version("ver-2", 2)}, {Name: "visits", Kind: "table", Version: version("ver-3", 1)},
	}
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Dataset("heart")
		equal(t, "dataset in its newest versions", got, d)
		ref, v, err2 := tx.Version("ver-1")
		equal(t, "where an old version belongs", ref, anchorhold.AssetRef{Dataset: "heart", Asset: "patients", Version: "ver-1"})
		equal(t, "old version", v, version("ver-1", 1))
		_, _, err3 := tx.Version("ver-9")
		absent(t, "an unknown version", err3)
		_, err3 = tx.Dataset("lung")
		absent(t, "an unknown dataset", err3)
		return errors.Join(err, err2)
	})
	again := version("ver-4", 2)
	if err := s.Update(context.Background(), func(tx store.Tx) error { return tx.PutVersion("heart", "patients", again) }); err == nil {
		t.Error("two versions with one number were stored")
	}
}

func newRequest(id, author, dataset string) anchorhold.Request {
	return anchorhold.Request{
		ID: id, Digest: "sha256:" + id, CodeDigest: "sha256:code", Author: author, AuthorName: author + "@example.org",
		Code: anchorhold.Code{
			Files: []anchorhold.File{{Path: "main.py", Text: "def f(x): return 1"}}, Entry: "main.py:f",
			Parameters: []anchorhold.Parameter{{Name: "x", Kind: "asset", Type: "dataframe"}},
			Outputs:    []anchorhold.OutputDecl{{Name: "result", Kind: "any"}}, Environment: "sha256:env",
		},
		Assets:  map[string]anchorhold.AssetRef{"x": {Dataset: dataset, Asset: "patients", Version: "ver-1"}},
		Values:  map[string]json.RawMessage{"k": json.RawMessage(`5`)},
		Purpose: "why", Study: "s1", Created: clock, Opening: 1, Opened: clock,
		Decisions: []anchorhold.Decision{}, Messages: []anchorhold.Message{}, Runs: []anchorhold.Run{},
	}
}

func requests(t *testing.T, s store.Store) {
	r := newRequest("req-1", "pri-1", "heart")
	d := anchorhold.Decision{
		ID: "dec-1", Request: r.ID, Opening: 1, Dataset: "heart", Verdict: anchorhold.Approve, Decider: "pri-2",
		Terms: anchorhold.Terms{Uses: 3, AutoRelease: true}, Created: clock, Rule: "rule",
	}
	m := anchorhold.Message{Request: r.ID, Opening: 1, Author: "pri-2", Question: true, Text: "why so?", Created: clock}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutRequest(r), tx.AddDecision(d), tx.AddMessage(m),
			tx.PutRequest(newRequest("req-2", "pri-1", "lung")), tx.PutRequest(newRequest("req-3", "pri-3", "heart")))
	})
	r.Decisions, r.Messages = []anchorhold.Decision{d}, []anchorhold.Message{m}
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Request(r.ID)
		equal(t, "request", got, r)
		got, err2 := tx.RequestByDigest(r.Digest)
		equal(t, "by digest", got, r)
		list, _, err5 := tx.ListRequests(store.RequestFilter{Author: "pri-3"}, store.Page{})
		if err5 != nil || len(list) != 1 || list[0].Code.Files != nil || list[0].Code.Entry != "main.py:f" {
			t.Errorf("a listed request: %+v, %v", list, err5)
		}
		equal(t, "of one author", ids(t, tx, store.RequestFilter{Author: "pri-1"}), []string{"req-2", "req-1"})
		equal(t, "of one dataset", ids(t, tx, store.RequestFilter{Dataset: "heart"}), []string{"req-3", "req-1"})
		equal(t, "of one code", len(ids(t, tx, store.RequestFilter{Code: r.CodeDigest})) > 0, true)
		equal(t, "of no code", len(ids(t, tx, store.RequestFilter{Code: "sha256:other"})), 0)
		equal(t, "of both", ids(t, tx, store.RequestFilter{Author: "pri-1", Dataset: "heart"}), []string{"req-1"})
		_, err4 := tx.Request("req-9")
		absent(t, "an unknown request", err4)
		return errors.Join(err, err2)
	})
	d.ID = "dec-2"
	if err := s.Update(context.Background(), func(tx store.Tx) error { return tx.AddDecision(d) }); err == nil {
		t.Error("one person decided twice on one opening")
	}
}

func ids(t *testing.T, tx store.Tx, f store.RequestFilter) (out []string) {
	t.Helper()
	list, _, err := tx.ListRequests(f, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		out = append(out, r.ID)
	}
	return out
}

func releases(t *testing.T, s store.Store) {
	o := anchorhold.Output{
		ID: "out-1", Run: "run-1", Name: "result", Kind: "table", Python: "pandas.DataFrame", Media: "application/x", File: "result.parquet",
		Size: 5, SHA256: "aa", Blob: "blob-1", Checks: []anchorhold.Check{{Name: "rows", Result: anchorhold.CheckPassed}},
	}
	rel := anchorhold.Release{ID: "rel-1", Output: o.ID, Request: "req-1", State: anchorhold.ReleaseHeld}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutRequest(newRequest("req-1", "pri-1", "heart")), putRun("run-1", anchorhold.RunDone)(tx),
			tx.PutOutput(o), tx.PutRelease(rel))
	})
	decided := clock
	rel.State, rel.Decider, rel.Decided, rel.Envelope, rel.LogIndex = anchorhold.ReleaseApproved, "pri-2", &decided, []byte("{}"), 7
	update(t, s, func(tx store.Tx) error { return tx.PutRelease(rel) })
	o.Release = &rel
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Output(o.ID)
		equal(t, "output with its release", got, o)
		run, err2 := tx.Run("run-1")
		equal(t, "outputs of the run", run.Outputs, []anchorhold.Output{o})
		held, _, err3 := tx.ListReleases(store.ReleaseFilter{State: anchorhold.ReleaseHeld}, store.Page{})
		equal(t, "held releases", len(held), 0)
		mine, _, err4 := tx.ListReleases(store.ReleaseFilter{Author: "pri-1", State: anchorhold.ReleaseApproved}, store.Page{})
		equal(t, "releases to their author", mine, []anchorhold.Release{rel})
		others, _, err5 := tx.ListReleases(store.ReleaseFilter{Author: "pri-9"}, store.Page{})
		equal(t, "releases to somebody else", len(others), 0)
		return errors.Join(err, err2, err3, err4, err5)
	})
}

func ledger(t *testing.T, s store.Store) {
	e := anchorhold.LedgerEntry{ID: "led-1", Class: anchorhold.ExposureUnbounded, Population: "heart", Principal: "pri-1", Subject: "rel-1", Amount: "{}", What: "w", Created: clock}
	proved := anchorhold.LedgerEntry{
		ID: "led-2", Class: anchorhold.ExposureProved, Population: "lung", Principal: "pri-2", Subject: "que-1", Amount: "{}", What: "w", Created: clock,
		Counted: []anchorhold.ExposureScope{anchorhold.LimitResearcher},
	}
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.AddLedger(e), tx.AddLedger(proved)) })
	for _, c := range []struct {
		filter store.LedgerFilter
		want   []anchorhold.LedgerEntry
	}{
		{store.LedgerFilter{}, []anchorhold.LedgerEntry{proved, e}},
		{store.LedgerFilter{Population: "heart"}, []anchorhold.LedgerEntry{e}},
		{store.LedgerFilter{Class: anchorhold.ExposureProved}, []anchorhold.LedgerEntry{proved}},
		{store.LedgerFilter{Principal: "pri-2", Population: "lung"}, []anchorhold.LedgerEntry{proved}},
		{store.LedgerFilter{Principal: "pri-2", Population: "heart"}, nil},
	} {
		view(t, s, func(tx store.Tx) error {
			got, _, err := tx.ListLedger(c.filter, store.Page{})
			equal(t, fmt.Sprint("ledger of ", c.filter), got, c.want)
			return err
		})
	}
	if err := s.Update(context.Background(), func(tx store.Tx) error { return tx.AddLedger(e) }); err == nil {
		t.Error("one ledger entry was stored twice")
	}
}

func keys(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutIdempotent("pri-1", "k", []byte("f"), []byte("r"), clock), tx.PutSetting("a", "1"), tx.PutSetting("a", "2"))
	})
	view(t, s, func(tx store.Tx) error {
		f, r, err := tx.Idempotent("pri-1", "k")
		equal(t, "answer", string(f)+string(r), "fr")
		_, _, err2 := tx.Idempotent("pri-2", "k")
		absent(t, "another's key", err2)
		v, err3 := tx.Setting("a")
		equal(t, "setting", v, "2")
		_, err4 := tx.Setting("b")
		absent(t, "an unknown setting", err4)
		return errors.Join(err, err3)
	})
	update(t, s, func(tx store.Tx) error { return forgetAnswers(t, tx, clock, 0) })
	view(t, s, func(tx store.Tx) error {
		_, _, err := tx.Idempotent("pri-1", "k")
		return err // not before its time
	})
	update(t, s, func(tx store.Tx) error { return forgetAnswers(t, tx, clock.Add(1), 1) })
	view(t, s, func(tx store.Tx) error {
		_, _, err := tx.Idempotent("pri-1", "k")
		absent(t, "a forgotten answer", err)
		return nil
	})
}

func rollback(t *testing.T, s store.Store) {
	broken := errors.New("broken")
	err := s.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(tx.PutSetting("a", "1"), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("the function's error came back as %v", err)
	}
	view(t, s, func(tx store.Tx) error {
		_, err := tx.Setting("a")
		absent(t, "a rolled back setting", err)
		return nil
	})
	if err := s.View(context.Background(), func(tx store.Tx) error { return tx.PutSetting("a", "1") }); err == nil {
		t.Error("a view wrote")
	}
}

func paging(t *testing.T, s store.Store) {
	const n = 7
	update(t, s, func(tx store.Tx) error {
		var errs []error
		for i := range n {
			id := fmt.Sprintf("%c", 'a'+i)
			errs = append(errs, tx.PutRequest(newRequest("req-"+id, "pri-1", "heart")), tx.PutDataset(dataset(id)))
		}
		return errors.Join(errs...)
	})
	view(t, s, func(tx store.Tx) error {
		byTime := pages(t, func(p store.Page) ([]string, string, error) {
			list, next, err := tx.ListRequests(store.RequestFilter{}, p)
			out := []string{}
			for _, r := range list {
				out = append(out, r.ID)
			}
			return out, next, err
		})
		equal(t, "newest first", byTime, []string{"req-g", "req-f", "req-e", "req-d", "req-c", "req-b", "req-a"})
		byName := pages(t, func(p store.Page) ([]string, string, error) {
			list, next, err := tx.ListDatasets(store.DatasetFilter{}, p, nil)
			out := []string{}
			for _, d := range list {
				out = append(out, d.Name)
			}
			return out, next, err
		})
		equal(t, "by name", byName, []string{"a", "b", "c", "d", "e", "f", "g"})
		if _, _, err := tx.ListRequests(store.RequestFilter{}, store.Page{Cursor: "!"}); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("nonsense as cursor: got %v", err)
		}
		return nil
	})
}

// pages reads a list three at a time.
func pages(t *testing.T, read func(store.Page) ([]string, string, error)) (all []string) {
	t.Helper()
	p := store.Page{Limit: 3}
	for range 10 {
		part, next, err := read(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(part) > 3 {
			t.Fatalf("a page of 3 has %d items", len(part))
		}
		all = append(all, part...)
		if next == "" {
			return all
		}
		p.Cursor = next
	}
	t.Fatal("the list does not end")
	return nil
}

func serialised(t *testing.T, s store.Store) {
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := s.Update(context.Background(), func(tx store.Tx) error {
					n, err := tx.Size()
					if err != nil {
						return err
					}
					return tx.AppendEntry(n, []byte("x"), nil, clock)
				})
				if err != nil {
					t.Errorf("update beside others: %v", err)
				}
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx store.Tx) error {
		n, err := tx.Size()
		equal(t, "entries", n, writers*each)
		return err
	})
}

// mixed runs failing updates beside good ones: what is there afterwards must be
// exactly what was reported as done.
func mixed(t *testing.T, s store.Store) {
	const writers = 16
	broken := errors.New("broken")
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range 5 {
				fail := (i+j)%2 == 0
				err := s.Update(context.Background(), func(tx store.Tx) error {
					n, err := tx.Size()
					if err == nil {
						err = tx.AppendEntry(n, []byte{byte(i)}, nil, clock)
					}
					if fail {
						err = errors.Join(err, broken)
					}
					return err
				})
				if errors.Is(err, broken) != fail {
					t.Errorf("the update ended with %v", err)
				}
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx store.Tx) error {
		n, err := tx.Size()
		equal(t, "entries", n, writers*5/2)
		return err
	})
}

func beforeCommit(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		tx.BeforeCommit("x", func(late store.Tx) error {
			v, err := late.Setting("a")
			return errors.Join(err, late.PutSetting("late", "after "+v))
		})
		return tx.PutSetting("a", "1")
	})
	view(t, s, func(tx store.Tx) error {
		v, err := tx.Setting("late")
		equal(t, "what was written before the commit", v, "after 1")
		return err
	})
	broken := errors.New("broken")
	err := s.Update(context.Background(), func(tx store.Tx) error {
		tx.BeforeCommit("x", func(store.Tx) error { return broken })
		return tx.PutSetting("a", "2")
	})
	if !errors.Is(err, broken) {
		t.Errorf("an error before the commit came back as %v", err)
	}
	view(t, s, func(tx store.Tx) error {
		v, err := tx.Setting("a")
		equal(t, "after a failure before the commit", v, "1")
		return err
	})
}

func panics(t *testing.T, s store.Store) {
	func() {
		defer func() {
			if recover() != "mine" {
				t.Error("the panic did not reach its caller")
			}
		}()
		_ = s.Update(context.Background(), func(tx store.Tx) error {
			if err := tx.PutSetting("a", "1"); err != nil {
				return err
			}
			panic("mine")
		})
	}()
	view(t, s, func(tx store.Tx) error {
		_, err := tx.Setting("a")
		absent(t, "what the panic interrupted", err)
		return nil
	})
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Update(gone, func(tx store.Tx) error { return tx.PutSetting("a", "1") }); !errors.Is(err, context.Canceled) {
		t.Errorf("an update whose context has ended: %v", err)
	}
	update(t, s, func(tx store.Tx) error { return tx.PutSetting("a", "2") })
}

func snapshot(t *testing.T, s store.Store) {
	view(t, s, func(tx store.Tx) error {
		before, err := tx.Size()
		if err != nil {
			return err
		}
		update(t, s, func(w store.Tx) error { return w.AppendEntry(0, []byte("x"), nil, clock) })
		after, err := tx.Size()
		equal(t, "size within one view", after, before)
		return err
	})
}
