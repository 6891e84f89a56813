package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/site"
	"github.com/anchorhold/anchorhold/store"
	"github.com/anchorhold/anchorhold/store/sqlite"
)

// What a site holds that has been used for years.
const (
	manyRequests = 10_000
	manyDatasets = 1_000
	manyEntries  = 100_000
	manyUsers    = 200
)

// BenchmarkLists measures every list and every search of a site that holds much,
// over its own handler, as its owner and as one of its researchers. The figure
// is the slowest list's median.
func BenchmarkLists(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "site")
	if _, err := site.Init(b.Context(), dir, site.InitOptions{Name: "bench"}); err != nil {
		b.Fatal(err)
	}
	tokens := fill(b, dir)
	s, err := site.Open(b.Context(), dir, site.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	took := map[string][]time.Duration{}
	for b.Loop() {
		for who, token := range tokens {
			for _, path := range lists() {
				took[who+" "+path] = append(took[who+" "+path], timed(b, s.Handler(), token, path))
			}
		}
	}
	slowest, what := time.Duration(0), ""
	for name, times := range took {
		slices.Sort(times)
		median := times[len(times)/2]
		b.Logf("%8.1f ms  %s", 1000*median.Seconds(), name)
		if median > slowest {
			slowest, what = median, name
		}
	}
	b.Logf("slowest: %s", what)
	b.ReportMetric(1000*slowest.Seconds(), "ms/list")
}

// lists are the paths below /v1 of every list and search, in pages of ordinary
// size, their hardest
// arguments included: what is rare, what is nowhere, and the last page.
func lists() []string {
	return []string{
		"/requests", "/requests?state=pending", "/requests?state=denied", "/requests?state=held", "/requests?dataset=dataset-0777",
		"/datasets", "/datasets?q=cardiology", "/datasets?q=needle", "/datasets?q=nowhere",
		"/runs", "/releases", "/releases?state=held", "/grants", "/ledger", "/users", "/audit/entries", "/audit/entries?from=50000",
	}
}

func timed(b *testing.B, h http.Handler, token, path string) time.Duration {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1"+path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	begin := time.Now()
	h.ServeHTTP(w, r)
	took := time.Since(begin)
	if w.Code != http.StatusOK && w.Code != http.StatusForbidden {
		b.Fatalf("%s: status %d %s", path, w.Code, w.Body)
	}
	_, _ = io.Copy(io.Discard, w.Body)
	return took
}

// fill writes what a long-used site holds straight into its database, and gives
// tokens of its owner and of a researcher.
func fill(b *testing.B, dir string) map[string]string {
	b.Helper()
	k, err := keys.Load(filepath.Join(dir, "keys.json"), keys.Unlock{})
	if err != nil {
		b.Fatal(err)
	}
	log, err := audit.New(k)
	if err != nil {
		b.Fatal(err)
	}
	db, err := sqlite.Open(b.Context(), filepath.Join(dir, "site.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	shelf := &books.Books{Store: db, Log: log, Now: time.Now}
	tokens := map[string]string{}
	accounts := &account.Service{Books: shelf}
	for i := range manyUsers {
		role := anchorhold.RoleResearcher
		if i == 0 {
			role = anchorhold.RoleOwner
		}
		_, issued, err := accounts.Add(b.Context(), policy.SiteAct(policy.UserAdd, "bench"), account.New{Email: email(i), Role: role})
		if err != nil {
			b.Fatal(err)
		}
		if i < 2 {
			tokens[string(role)] = issued.Token
		}
	}
	err = db.Update(b.Context(), func(tx store.Tx) error {
		for i := range manyDatasets {
			if err := putDataset(tx, i); err != nil {
				return err
			}
		}
		for i := range manyRequests {
			who, err := tx.PrincipalByEmail(email(1 + i%(manyUsers-1)))
			if err != nil {
				return err
			}
			if err := putRequest(tx, i, who); err != nil {
				return err
			}
		}
		for i := range manyEntries {
			if _, err := log.Append(tx, happened(i)); err != nil {
				return err
			}
		}
		return log.Seal(tx)
	})
	if err != nil {
		b.Fatal(err)
	}
	return tokens
}

func email(i int) string { return fmt.Sprintf("user-%03d@example.org", i) }

func datasetName(i int) string { return fmt.Sprintf("dataset-%04d", i) }

func putDataset(tx store.Tx, i int) error {
	d := anchorhold.Dataset{
		ID: anchorhold.NewID(anchorhold.PrefixDataset), Name: datasetName(i), Title: fmt.Sprintf("Cardiology, hospital %d", i),
		Description: "Patients who were examined for heart disease, with their diagnosis.", Population: datasetName(i),
		Visibility: anchorhold.VisibleToUsers, Quorum: 1, Created: time.Now().UTC(),
	}
	if i == manyDatasets/2 {
		d.Title = "The needle in the haystack"
	}
	v := anchorhold.Version{ID: anchorhold.NewID(anchorhold.PrefixVersion), Number: 1, Created: d.Created, Commitment: "sha256:00"}
	for c := range 15 {
		v.Columns = append(v.Columns, anchorhold.Column{Name: fmt.Sprintf("column_%d", c), Type: anchorhold.TypeFloat, Description: "a measurement"})
	}
	if err := tx.PutDataset(d); err != nil {
		return err
	}
	return tx.PutVersion(d.Name, "patients", v)
}

// putRequest stores a request that has gone its way: most were released, some
// denied, a few wait.
func putRequest(tx store.Tx, i int, who anchorhold.Principal) error {
	now := time.Now().UTC()
	r := anchorhold.Request{
		ID: anchorhold.NewID(anchorhold.PrefixRequest), Digest: digest.SHA256([]byte(fmt.Sprint(i))), CodeDigest: "sha256:1", Author: who.ID, AuthorName: who.Email,
		Code: anchorhold.Code{
			Files: []anchorhold.File{{Path: "main.py", Text: "def answer(patients):\n    return patients.groupby('num')['age'].mean()\n"}}, Entry: "main.py:answer",
			Parameters: []anchorhold.Parameter{{Name: "patients", Kind: "asset", Type: "dataframe"}}, Outputs: []anchorhold.OutputDecl{{Name: "result", Kind: "any"}},
		},
		Assets:  map[string]anchorhold.AssetRef{"patients": {Dataset: datasetName(i % manyDatasets), Asset: "patients", Version: "ver-1"}},
		Values:  map[string]json.RawMessage{"k": json.RawMessage("5")},
		Purpose: "Does age go with the diagnosis?", Created: now, Opened: now, Opening: 1,
	}
	if err := tx.PutRequest(r); err != nil {
		return err
	}
	if i%100 == 99 {
		return nil // waits
	}
	d := anchorhold.Decision{
		ID: anchorhold.NewID(anchorhold.PrefixDecision), Request: r.ID, Opening: 1, Dataset: datasetName(i % manyDatasets), Verdict: anchorhold.Approve,
		Decider: "local:0", DeciderName: "local:0", Created: now,
	}
	if i%1000 == 1 {
		d.Verdict, d.Reason = anchorhold.Deny, "no"
		return tx.AddDecision(d)
	}
	if err := tx.AddDecision(d); err != nil {
		return err
	}
	return putRun(tx, i, r, now)
}

func putRun(tx store.Tx, i int, r anchorhold.Request, now time.Time) error {
	g := anchorhold.Grant{
		ID: anchorhold.NewID(anchorhold.PrefixGrant), Request: r.ID, Opening: 1, Digest: r.Digest, CodeDigest: r.CodeDigest, Entry: r.Code.Entry,
		Author: r.Author, AuthorName: r.AuthorName, Purpose: r.Purpose, Assets: r.Assets, Values: r.Values, Terms: anchorhold.Terms{Uses: 1}, Used: 1, Created: now,
	}
	run := anchorhold.Run{ID: anchorhold.NewID(anchorhold.PrefixRun), Request: r.ID, Opening: 1, Grant: g.ID, State: anchorhold.RunDone, Queued: now, Started: &now, Finished: &now}
	o := anchorhold.Output{ID: anchorhold.NewID(anchorhold.PrefixOutput), Run: run.ID, Name: "result", Kind: "table", Checks: []anchorhold.Check{{Name: "rows", Result: anchorhold.CheckPassed}}}
	rel := anchorhold.Release{ID: anchorhold.NewID(anchorhold.PrefixRelease), Output: o.ID, Request: r.ID, State: anchorhold.ReleaseApproved, Decided: &now}
	if i%2000 == 2 {
		rel.State, rel.Decided = anchorhold.ReleaseHeld, nil
	}
	for _, err := range []error{
		tx.PutGrant(g), tx.PutRun(run), tx.PutOutput(o), tx.PutRelease(rel),
		tx.AddLedger(anchorhold.LedgerEntry{
			ID: anchorhold.NewID(anchorhold.PrefixLedger), Class: anchorhold.ExposureUnbounded, Population: datasetName(i % manyDatasets),
			Principal: r.Author, Subject: rel.ID, Amount: "{}", What: "released", Created: now,
		}),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}
