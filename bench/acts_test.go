package bench

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
	"github.com/anchorhold/anchorhold/store/sqlite"
)

// BenchmarkDurable compares a durable transaction of the store with the same
// change as an act: with its audit entry, tree hashes and signed checkpoint. Each
// round does one of both, so that a disk which grows slow slows both.
func BenchmarkDurable(b *testing.B) {
	ctx := context.Background()
	plain := open(b, "plain")
	k, err := keys.Generate("bench")
	if err != nil {
		b.Fatal(err)
	}
	log, err := audit.New(k)
	if err != nil {
		b.Fatal(err)
	}
	full := &books.Books{Store: open(b, "acts"), Log: log, Now: time.Now}
	permit := policy.SiteAct(policy.UserAdd, "bench")
	var transactions, acts time.Duration
	for b.Loop() {
		who := anchorhold.Principal{ID: anchorhold.NewID(anchorhold.PrefixPrincipal), Created: time.Now()}
		who.Email = who.ID + "@example.org"

		begin := time.Now()
		if err := plain.Update(ctx, func(tx store.Tx) error { return tx.PutPrincipal(who) }); err != nil {
			b.Fatal(err)
		}
		between := time.Now()
		_, err := books.Act(ctx, full, permit, func(tx store.Tx) (string, books.Record, error) {
			return who.ID, books.Record{Subject: who.ID}, tx.PutPrincipal(who)
		})
		if err != nil {
			b.Fatal(err)
		}
		transactions += between.Sub(begin)
		acts += time.Since(between)
	}
	b.ReportMetric(float64(b.N)/transactions.Seconds(), "transactions/s")
	b.ReportMetric(float64(b.N)/acts.Seconds(), "acts/s")
	b.ReportMetric(transactions.Seconds()/acts.Seconds(), "acts/transaction")
}

func open(b *testing.B, name string) store.Store {
	b.Helper()
	s, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), name+".db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}
