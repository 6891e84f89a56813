package question_test

import (
	"context"
	"os"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/store"
)

// put has the books know the dataset as the bench has it.
func (b *bench) put() {
	b.t.Helper()
	if err := b.Store.Update(context.Background(), func(tx store.Tx) error { return tx.PutDataset(b.data) }); err != nil {
		b.t.Fatal(err)
	}
}

// TestARepeatedCallBuysNoMore than it paid for: under its key a call finds what was
// charged, which is not the price of what is stated now.
func TestARepeatedCallBuysNoMore(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "9"})
	b.data.Privacy.Price = &anchorhold.Price{Epsilon: "0.1"}
	b.put()
	ask := func() (question.Answer, error) {
		ctx := books.WithKey(context.Background(), "key", []byte("the same call"))
		return b.Ask(ctx, b.permit("ada"), "heart", question.Asked{SQL: "SELECT COUNT(*) AS n FROM patients"})
	}
	open, inner := b.Open, error(nil)
	b.Open = func(ctx context.Context, d anchorhold.Dataset) ([]*os.File, error) {
		b.Open = open
		privacy := *b.data.Privacy
		privacy.Price = &anchorhold.Price{Epsilon: "8"}
		b.data.Privacy = &privacy
		b.put()
		_, inner = ask()
		return open(ctx, d)
	}
	if _, err := ask(); err != nil {
		t.Fatal(err)
	}
	if anchorhold.KindOf(inner) != anchorhold.Conflict || b.spent(anchorhold.LimitPopulation, "").Pure != 1e11 {
		t.Errorf("at another price, the same call says %v; spent is %+v", inner, b.spent(anchorhold.LimitPopulation, ""))
	}
}

// TestWhatChangedMeanwhileIsNotAnswered, nor charged: between the look at a dataset
// and the charge a parser works, and owners may act.
func TestWhatChangedMeanwhileIsNotAnswered(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "9"})
	for what, change := range map[string]func(*anchorhold.Dataset){
		"frozen":     func(d *anchorhold.Dataset) { d.State = anchorhold.DatasetFrozen },
		"bounds":     func(d *anchorhold.Dataset) { p := *d.Privacy; p.MaxRows = 9; d.Privacy = &p },
		"unstated":   func(d *anchorhold.Dataset) { d.Privacy = nil },
		"population": func(d *anchorhold.Dataset) { d.Population = "others" },
	} {
		before := b.data
		change(&b.data)
		b.put()
		b.data = before
		if _, err := b.as("ada", at("0.1", "COUNT(*) AS n FROM patients")); anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Errorf("%s meanwhile: %v", what, err)
		}
	}
	if b.opened != 0 || b.spent(anchorhold.LimitPopulation, "") != (anchorhold.Exposed{}) {
		t.Errorf("data was opened %d times", b.opened)
	}
}

// TestNothingLeavesAFrozenDataset, nor one that was withdrawn, though it was asked
// before; what was charged stays so.
func TestNothingLeavesAFrozenDataset(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "9"})
	open, data := b.Open, b.data
	for i, state := range []anchorhold.DatasetState{anchorhold.DatasetFrozen, anchorhold.DatasetWithdrawn} {
		b.Open = func(ctx context.Context, d anchorhold.Dataset) ([]*os.File, error) {
			b.data.State = state
			b.put()
			return open(ctx, d)
		}
		b.data.Assets[0].Version.ID = anchorhold.NewID(anchorhold.PrefixVersion) // for a session of its own
		a, err := b.as("ada", at("0.1", "COUNT(*) AS n FROM patients"))
		if anchorhold.KindOf(err) != anchorhold.Conflict || len(a.Rows) > 0 {
			t.Errorf("%s while it was asked about, a dataset answers %+v, %v", state, a, err)
		}
		if s := b.spent(anchorhold.LimitPopulation, ""); s.Pure != int64(i+1)*1e11 {
			t.Errorf("spent is %+v", s)
		}
		b.data = data
		b.put()
	}
	b.Open = open
	if a := b.must("ada", at("0.1", "COUNT(*) AS n FROM patients")); a.Again {
		t.Error("the answer was kept")
	}
}

// TestWhoGoesAwayLearnsNothing of how far an engine has come: the question is
// answered as if they had stayed.
func TestWhoGoesAwayLearnsNothing(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "9"})
	ctx, leave := context.WithCancel(context.Background())
	open := b.Open
	b.Open = func(ctx context.Context, d anchorhold.Dataset) ([]*os.File, error) {
		leave()
		return open(ctx, d)
	}
	sql := at("0.1", "COUNT(*) AS n FROM patients")
	if _, err := b.Ask(ctx, b.permit("ada"), "heart", question.Asked{SQL: sql}); err != nil {
		t.Fatal(err)
	}
	if a := b.must("ada", sql); !a.Again || len(b.until) != 1 {
		t.Errorf("asked again: %+v; answers left at %v", a, b.until)
	}
}

// TestAStudyIsAskedForByItsMembers: others would spend what it may.
func TestAStudyIsAskedForByItsMembers(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "9"})
	_, err := b.Ask(t.Context(), b.permit("ada"), "heart", question.Asked{SQL: at("0.1", "COUNT(*) AS n FROM patients"), Study: "s1"})
	if anchorhold.KindOf(err) != anchorhold.Denied || b.opened != 0 {
		t.Errorf("a stranger asks for a study: %v", err)
	}
}
