package release_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/receipt"
	"github.com/anchorhold/anchorhold/store"
)

// TestReceiptSaysHowItCameToBe holds every part of a receipt against the books.
func TestReceiptSaysHowItCameToBe(t *testing.T) {
	b := newBench(t)
	for opening := 1; opening <= 2; opening++ {
		b.Clock.Move(time.Hour)
		rel, o := b.offer(opening, true, passed())
		p := b.verified(rel.ID).Predicate
		run := b.runs[opening]
		if p.Site != b.Set.Keys.Origin() || p.Request != (receipt.Request{ID: b.r.ID, Digest: b.r.Digest, CodeDigest: b.r.CodeDigest, Purpose: "to learn", Author: author.Email}) {
			t.Errorf("opening %d: the request is %+v of %s", opening, p.Request, p.Site)
		}
		if p.Environment != (receipt.Environment{Lock: lock, Built: built, Python: "3.12.3"}) {
			t.Errorf("opening %d: the environment is %+v", opening, p.Environment)
		}
		if want := (receipt.Run{ID: run.ID, Boundary: "gvisor", Started: anchorhold.Coarse(*run.Started), Finished: anchorhold.Coarse(*run.Finished)}); p.Run != want {
			t.Errorf("opening %d: the run is %+v, want %+v", opening, p.Run, want)
		}
		if want := []receipt.Check{{Name: "kind-and-size", Result: anchorhold.CheckPassed}, {Name: "private-rows", Result: anchorhold.CheckPassed}}; !slices.Equal(p.Checks, want) {
			t.Errorf("opening %d: the checks are %+v", opening, p.Checks)
		}
		if want := []receipt.Exposure{{Class: anchorhold.ExposureUnbounded, Population: "cleveland", Amount: "{}"}, {Class: anchorhold.ExposureUnbounded, Population: "zurich", Amount: "{}"}}; !slices.Equal(p.Exposure, want) {
			t.Errorf("opening %d: the exposure is %+v", opening, p.Exposure)
		}
		if p.Output != (receipt.Output{Kind: "text", Python: "str", Media: "text/plain", Size: o.Size}) {
			t.Errorf("opening %d: the output is %+v", opening, p.Output)
		}
		if len(p.Assets) != 3 || p.Assets[0].Parameter != "p_follow_up" || p.Assets[1].Version != b.r.Assets["p_heart"].Version || p.Assets[2].Dataset != "lungs" {
			t.Errorf("opening %d: the assets are %+v", opening, p.Assets)
		}
		var deciders []string
		for _, d := range p.Decisions {
			deciders = append(deciders, d.Dataset+" "+d.Decider)
			if d.Verdict != anchorhold.Approve || d.Rule != "reviewers-read-and-decide" || d.At.IsZero() {
				t.Errorf("opening %d: a decision is %+v", opening, d)
			}
		}
		want := []string{
			fmt.Sprintf("follow-up decider0-of-opening%d@example.org", opening), fmt.Sprintf("heart decider1-of-opening%d@example.org", opening),
			fmt.Sprintf("lungs decider2-of-opening%d@example.org", opening),
		}
		if !slices.Equal(deciders, want) {
			t.Errorf("opening %d: the decisions are %q, want %q", opening, deciders, want)
		}
	}
}

// TestReceiptsOutliveTheLog: a receipt verifies as it was handed out and as it
// is handed out later, each against the checkpoint of its time.
func TestReceiptsOutliveTheLog(t *testing.T) {
	b := newBench(t)
	rel, _ := b.offer(1, true, passed())
	early, err := b.Receipt(context.Background(), rel.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 { // beyond one tile of the log
		if i%100 == 0 {
			b.verified(rel.ID)
		}
		_, err := books.Act(context.Background(), b.Set.Books, policy.SiteAct("test.act", "because"), func(store.Tx) (struct{}, books.Record, error) {
			return struct{}{}, books.Record{Subject: "it"}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.verified(rel.ID)
	late, err := b.Receipt(context.Background(), rel.ID)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(early, late) {
		t.Error("the proof is not against the newest checkpoint")
	}
	if _, err := receipt.Verify(early, b.Set.Keys.VKey()); err != nil {
		t.Errorf("the receipt of before: %v", err)
	}
	if _, err := receipt.Verify(late, bookstest.New(t).Keys.VKey()); err == nil {
		t.Error("another site's key accepts the receipt")
	}
	forged := strings.Replace(string(late), `"index":`, `"index":1`, 1)
	if _, err := receipt.Verify([]byte(forged), b.Set.Keys.VKey()); forged == string(late) || err == nil {
		t.Errorf("a forged receipt was made (%v) and verifies", forged != string(late))
	}
}

// TestAlteredOutputNeverLeaves changes the stored file in every way.
func TestAlteredOutputNeverLeaves(t *testing.T) {
	for name, alter := range map[string]func(path string) error{
		"removed":     os.Remove,
		"emptied":     func(path string) error { return os.Truncate(path, 0) },
		"cut":         func(path string) error { return os.Truncate(path, int64(len(text)-1)) },
		"longer":      func(path string) error { return os.WriteFile(path, []byte(text+"\n"), 0o600) },
		"one bit":     func(path string) error { return os.WriteFile(path, []byte("Sex"+text[3:]), 0o600) },
		"other":       func(path string) error { return os.WriteFile(path, []byte("age,sex\n63,1\n"), 0o600) },
		"a directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"a link to the private file": func(path string) error {
			secret := path + ".csv"
			return errors.Join(os.WriteFile(secret, []byte(text), 0o600), os.Remove(path), os.Symlink(secret, path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			_, o := b.offer(1, true, passed())
			if err := b.alter(alter); err != nil {
				t.Fatal(err)
			}
			f, err := b.Open(context.Background(), o, shown)
			if f != nil || err == nil {
				t.Fatalf("it left: %v", err)
			}
			wantKind(t, "opening", err, anchorhold.Internal)
			if strings.Contains(err.Error(), "age,sex") || strings.Contains(err.Error(), b.dir) {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}

// alter changes the one stored blob, however it is protected.
func (b *bench) alter(how func(path string) error) error {
	var found []string
	err := filepath.WalkDir(b.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%d files: %w", len(found), err)
	}
	return errors.Join(os.Chmod(found[0], 0o600), how(found[0]))
}

// TestOtherOutputsDoNotLeave: an output row that names another blob.
func TestOtherOutputsDoNotLeave(t *testing.T) {
	b := newBench(t)
	_, o := b.offer(1, true, passed())
	other, err := b.Blobs.Put(strings.NewReader("log of the run"), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{other.ID, "", "b1-", "../site.db", o.SHA256, "b1-" + strings.Repeat("0", 64)} {
		swapped := o
		swapped.Blob = id
		if f, err := b.Open(context.Background(), swapped, shown); f != nil || err == nil {
			t.Errorf("the blob %q left as the output: %v", id, err)
		}
	}
}

// TestUnsoundReceiptReleasesNothing: what cannot be receipted cannot leave.
func TestUnsoundReceiptReleasesNothing(t *testing.T) {
	b := newBench(t)
	held, _ := b.offer(1, false, passed())
	b.update(func(tx store.Tx) error {
		run, err := tx.Run(b.runs[1].ID)
		run.Environment = "" // nobody knows what it ran in
		return errors.Join(err, tx.PutRun(run))
	})
	if _, err := b.decide(held.ID, anchorhold.Approve, ""); err == nil {
		t.Fatal("it was released")
	}
	b.nothingLeft(held.ID)
	if n := len(b.entries("release.decide")); n != 0 {
		t.Errorf("%d entries for nothing", n)
	}
}
