package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
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

// BenchmarkDurable compares durable transactions of the store with the same
// changes as acts: with their audit entries, tree hashes and signed checkpoints.
// Each round does some of both, so that a disk which grows slow slows both. One
// writer waits for the disk each time; several share the waiting.
func BenchmarkDurable(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { compare(b, writers) })
	}
}

func compare(b *testing.B, writers int) {
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
	rounds := 0
	for b.Loop() {
		rounds++
		transactions += together(b, writers, func(who anchorhold.Principal) error {
			return plain.Update(b.Context(), func(tx store.Tx) error { return tx.PutPrincipal(who) })
		})
		acts += together(b, writers, func(who anchorhold.Principal) error {
			_, err := books.Act(b.Context(), full, permit, func(tx store.Tx) (string, books.Record, error) {
				return who.ID, books.Record{Subject: who.ID}, tx.PutPrincipal(who)
			})
			return err
		})
	}
	done := float64(rounds * writers)
	b.ReportMetric(done/transactions.Seconds(), "transactions/s")
	b.ReportMetric(done/acts.Seconds(), "acts/s")
	b.ReportMetric(transactions.Seconds()/acts.Seconds(), "acts/transaction")
}

// together has writers do one act each at the same time, and says how long it
// took until all were durable.
func together(b *testing.B, writers int, act func(anchorhold.Principal) error) time.Duration {
	b.Helper()
	begin := time.Now()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			who := anchorhold.Principal{ID: anchorhold.NewID(anchorhold.PrefixPrincipal), Created: begin}
			who.Email = who.ID + "@example.org"
			if err := act(who); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	return time.Since(begin)
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
