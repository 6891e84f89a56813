package question_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/store"
)

// TestAPrecisionInsteadOfAPrice is bought at the least price that gives it, which a
// quote says first and the answer then costs; in the options of the SQL as beside it.
func TestAPrecisionInsteadOfAPrice(t *testing.T) {
	for _, delta := range []string{"", "1e-6"} {
		b := newBench(t)
		b.limit(exposure.NewLimit{Epsilon: "30", Delta: delta})
		sql := "SELECT sex, COUNT(*) AS n, COUNT(*) AS m FROM heart GROUP BY sex"
		ask := question.Asked{SQL: sql, Within: 5, Level: 0.9}
		quote, err := b.Quote(t.Context(), b.permit("ada"), "heart", ask)
		if err != nil {
			t.Fatal(err)
		}
		if w := *quote.Items[1].PlusMinus; w > 5 || w < 4 || quote.Level != 0.9 {
			t.Errorf("the ± is %v", w)
		}
		a, err := b.Ask(context.Background(), b.permit("ada"), "heart", ask)
		if err != nil || a.Price != quote.Price {
			t.Fatalf("priced at %+v and charged %+v, %v", quote.Price, a.Price, err)
		}
		if half := (*a.Rows[0][1].High - *a.Rows[0][1].Low) / 2; half > 5 {
			t.Errorf("the answer has ± %v", half)
		}
		// A price that is one step lower is not enough.
		less := strconv.FormatFloat(quote.Price.Epsilon.Float()*0.99, 'g', 3, 64)
		cheap, err := b.Quote(t.Context(), b.permit("ada"), "heart", question.Asked{SQL: at(less, strings.TrimPrefix(sql, "SELECT ")), Level: 0.9})
		if err != nil || *cheap.Items[1].PlusMinus <= 5 {
			t.Errorf("at %s: %+v, %v", less, cheap, err)
		}
		inside, err := b.Quote(t.Context(), b.permit("ada"), "heart", question.Asked{SQL: "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(within=5, confidence=0.9) " + strings.TrimPrefix(sql, "SELECT ")})
		if err != nil || inside.Price != quote.Price {
			t.Errorf("said in SQL: %+v, %v", inside, err)
		}
	}
}

// TestPrecisionsThatCannotBeBought are refused before any charge, with a remedy.
func TestPrecisionsThatCannotBeBought(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "5"})
	for sql, within := range map[string]float64{
		"SELECT AVG(age) AS a FROM heart":                                             1,
		"SELECT COUNT(*) + 1 AS a FROM heart":                                         5,
		"SELECT STDDEV(age) AS a FROM heart":                                          1,
		at("1", "COUNT(*) AS a FROM heart"):                                           5,
		"SELECT SUM(age) AS a FROM heart":                                             1e-3,
		"SELECT COUNT(*) AS a FROM heart":                                             -1,
		"SELECT cp, COUNT(*) AS a FROM heart GROUP BY cp":                             5,
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(within=3) COUNT(*) AS a FROM heart": 5,
	} {
		_, err := b.Ask(context.Background(), b.permit("ada"), "heart", question.Asked{SQL: sql, Within: within})
		if err == nil || remedy(err) == nil || remedy(err).Error() == "" {
			t.Errorf("%s within %v: %v", sql, within, err)
		}
	}
	if s := b.spent(anchorhold.LimitPopulation, ""); s != (anchorhold.Exposed{}) {
		t.Errorf("spent is %+v", s)
	}
}

// TestTheMostPreciseThatStillFits is what a refusal offers: it fits, and a little
// more does not; whichever account is nearly spent.
func TestTheMostPreciseThatStillFits(t *testing.T) {
	for _, delta := range []string{"", "1e-6"} {
		b := newBench(t)
		b.limit(exposure.NewLimit{Epsilon: "1", Delta: delta})
		b.limit(exposure.NewLimit{Scope: anchorhold.LimitResearcher, Epsilon: "0.8", Delta: delta})
		b.must("bob", at("0.6", "COUNT(*) AS n FROM heart"))
		ask := question.Asked{SQL: "SELECT COUNT(*) AS n FROM heart WHERE age > 50", Within: 0.5}
		_, err := b.Ask(context.Background(), b.permit("ada"), "heart", ask)
		text := fmt.Sprint(remedy(err))
		_, fits, ok := strings.Cut(text, "within=")
		fits, _, _ = strings.Cut(fits, " ")
		width, parsed := strconv.ParseFloat(fits, 64)
		if err == nil || !ok || parsed != nil {
			t.Fatalf("refused with %v", err)
		}
		ask.Within = width * 0.98
		if _, err := b.Ask(context.Background(), b.permit("ada"), "heart", ask); err == nil {
			t.Errorf("± %v was offered, and ± %v had fitted", width, ask.Within)
		}
		ask.Within = width
		if _, err := b.Ask(context.Background(), b.permit("ada"), "heart", ask); err != nil {
			t.Errorf("± %v was offered: %v, %v", width, err, remedy(err))
		}
		if _, err := b.as("ada", at("0.9", "COUNT(*) AS n FROM heart WHERE age > 60")); err == nil {
			t.Error("more than is left was answered")
		}
	}
}

// TestWhatAStopLeftOpen is closed at the next start: it stays charged, its asker is
// told, and may ask again.
func TestWhatAStopLeftOpen(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "1"})
	b.stop = true
	sql := at("0.4", "COUNT(*) AS n FROM heart")
	ctx := books.WithKey(context.Background(), "a key", []byte("print"))
	func() {
		defer func() { _ = recover() }()
		_, _ = b.Ask(ctx, b.permit("ada"), "heart", question.Asked{SQL: sql})
	}()
	b.stop = false
	q := b.last()
	if q.State != anchorhold.QuestionReserved {
		t.Fatalf("what was stopped is %s", q.State)
	}
	again := &question.Service{Books: b.Set.Books, Engines: b.Engines, Pool: b.Pool, Secret: b.Secret, Keys: b.Set.Keys, Find: b.Find, Open: b.Open, Wait: b.Wait}
	for range 2 {
		if err := again.CloseReserved(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if q = b.last(); q.State != anchorhold.QuestionFailed || !strings.Contains(q.Why, "stopped") || q.Ended == nil {
		t.Errorf("closed, it is %+v", q)
	}
	if s := b.spent(anchorhold.LimitPopulation, ""); s.Pure != 4e11 {
		t.Errorf("spent is %+v", s)
	}
	_, err := again.Ask(ctx, b.permit("ada"), "heart", question.Asked{SQL: sql})
	if anchorhold.KindOf(err) != anchorhold.Unavailable || !strings.Contains(err.Error(), "stays charged") {
		t.Errorf("the call that is repeated: %v", err)
	}
	if a, err := again.Ask(context.Background(), b.permit("ada"), "heart", question.Asked{SQL: sql}); err != nil || a.Again {
		t.Errorf("asked anew: %+v, %v", a, err)
	}
	if s := b.spent(anchorhold.LimitPopulation, ""); s.Pure != 8e11 {
		t.Errorf("then spent is %+v", s)
	}
	closed := 0
	for _, e := range b.Events() {
		if e.Action == "query.fail" && e.Actor == policy.SiteName {
			closed++
		}
	}
	if closed != 1 {
		t.Errorf("%d entries say that it was closed", closed)
	}
}

// TestOnePersonsQuestionsWaitTheirTurn and too many are refused, without a charge.
func TestOnePersonsQuestionsWaitTheirTurn(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "50"})
	goOn, running := make(chan struct{}), make(chan struct{}, 1000)
	find := b.Find
	b.Find = func(ctx context.Context, name string) (anchorhold.Dataset, error) {
		running <- struct{}{}
		<-goOn
		return find(ctx, name)
	}
	ends := make(chan error)
	ask := func() {
		_, err := b.as("ada", at("0.1", "COUNT(*) AS n FROM heart"))
		ends <- err
	}
	const few, waiting = 4, 128
	for range few {
		go ask()
		<-running
	}
	for range waiting + 1 { // in any order, one of these is too many
		go ask()
	}
	err := <-ends
	if anchorhold.KindOf(err) != anchorhold.Unavailable || remedy(err) == nil {
		t.Fatalf("too many are refused with %v", err)
	}
	if len(running) != 0 {
		t.Error("more than a few were worked on at a time")
	}
	if s := b.spent(anchorhold.LimitPopulation, ""); s != (anchorhold.Exposed{}) {
		t.Errorf("spent is %+v", s)
	}
	close(goOn)
	for range few + waiting {
		if err := <-ends; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.as("ada", atPrice); err != nil {
		t.Error(err)
	}
	if err := errors.Join(b.View(t.Context(), func(tx store.Tx) error { return exposure.Check(tx, "patients") })); err != nil {
		t.Error(err)
	}
}

const atPrice = "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon=0.2) COUNT(*) AS n FROM heart"
