package question_test

import (
	"context"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/store"
)

// TestIntervalsAtAnyLevel are told of an answer that was given, without another
// charge, by its id and by asking it again.
func TestIntervalsAtAnyLevel(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "30"})
	sql := at("1", "sex, COUNT(*) AS n, AVG(age) AS m, STDDEV(age) AS d, COUNT(*) + 1 AS e FROM patients GROUP BY sex HAVING COUNT(*) > 150")
	first := b.must("ada", sql)
	if len(first.Rows) != 1 || first.Level != 0.95 {
		t.Fatalf("the answer is %+v", first)
	}
	var asked anchorhold.Question
	if err := b.View(t.Context(), func(tx store.Tx) (err error) {
		asked, err = tx.Question(first.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	last := make([]float64, 4)
	for _, level := range []float64{0.5, 0.8, 0.95, 0.999} {
		told, err := question.Answered(asked, level)
		if err != nil {
			t.Fatal(err)
		}
		again, err := b.Ask(context.Background(), b.permit("ada"), "heart", question.Asked{SQL: sql, Level: level})
		if err != nil {
			t.Fatal(err)
		}
		if !again.Again || again.Level != level || told.Level != level {
			t.Errorf("at %v: told %+v and asked again %+v", level, told, again)
		}
		for i := 1; i <= 3; i++ {
			c, other, was := told.Rows[0][i], again.Rows[0][i], first.Rows[0][i]
			if c.Value != was.Value || other.Value != was.Value {
				t.Fatalf("the value of column %d changed: %v, %v, %v", i, was.Value, c.Value, other.Value)
			}
			if c.Low == nil || c.High == nil || *c.Low != *other.Low || *c.High != *other.High {
				t.Fatalf("column %d at %v: %+v and %+v", i, level, c, other)
			}
			if width := *c.High - *c.Low; width <= last[i] {
				t.Errorf("column %d at %v is no wider than before: %v", i, level, width)
			} else {
				last[i] = width
			}
			if level == 0.95 && (*c.Low != *was.Low || *c.High != *was.High) {
				t.Errorf("column %d: %+v, and first %+v", i, c, was)
			}
		}
		if c := told.Rows[0][4]; c.Low != nil || c.High != nil {
			t.Errorf("an expression has an interval: %+v", c)
		}
	}
	if n := first.Columns[1].Noise; n == nil || n.Kind != "discrete_laplace" || n.Scale < 3.9 || n.Scale > 4.1 { // four numbers share ε = 1
		t.Errorf("the noise of a count is %+v", n)
	}
	if s := b.spent(anchorhold.LimitPopulation, ""); s.Plain != 1e12 {
		t.Errorf("other levels were charged: %+v", s)
	}
	if b.opened != 1 {
		t.Errorf("data was opened %d times", b.opened)
	}
	asked.Answer = nil
	if _, err := question.Answered(asked, 0); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("what is kept no longer: %v", err)
	}
	asked.State = anchorhold.QuestionFailed
	if _, err := question.Answered(asked, 0); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("what was never answered: %v", err)
	}
}
