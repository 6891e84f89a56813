package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/audit/audittest"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/store"
)

// batchSize is how many entries one transaction carries in BenchmarkEntries.
const batchSize = 1000

// happened is an event of ordinary size.
func happened(i int) audit.Event {
	return audit.Event{
		Time: time.Date(2026, 11, 21, 12, 0, 0, i*1000, time.UTC), Actor: "ana@example.org", Action: "request.submit", Rule: "researchers-submit",
		Subject: "req-0123456789abcdef", Digest: "sha256:2222222222222222222222222222222222222222222222222222222222222222",
		Details: map[string]string{"n": fmt.Sprint(i), "datasets": "heart"},
	}
}

func newLog(b *testing.B) (*keys.SiteKeys, *audit.Log) {
	b.Helper()
	k, err := keys.Generate("bench")
	if err != nil {
		b.Fatal(err)
	}
	log, err := audit.New(k)
	if err != nil {
		b.Fatal(err)
	}
	return k, log
}

// BenchmarkEntries measures audit entries that are written in batches: sealed,
// hashed into the tree, under one signed checkpoint, durable.
func BenchmarkEntries(b *testing.B) {
	_, log := newLog(b)
	s := open(b, "entries")
	n := 0
	for b.Loop() {
		err := s.Update(b.Context(), func(tx store.Tx) error {
			for range batchSize {
				if _, err := log.Append(tx, happened(n)); err != nil {
					return err
				}
				n++
			}
			return log.Seal(tx)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkVerifyLog measures a whole verification of a log of a million
// entries by somebody who has its files and the site's public key: every hash
// from the entries up, against tiles and checkpoint.
func BenchmarkVerifyLog(b *testing.B) {
	const size = 1_000_000
	k, log := newLog(b)
	stored := &audittest.Memory{}
	for i := range size {
		if _, err := log.Append(stored, happened(i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := log.Seal(stored); err != nil {
		b.Fatal(err)
	}
	files := audit.Stored(stored)
	for b.Loop() {
		if _, err := audit.Verify(files, k.VKey(), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(size*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
