package demo

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The question in SQL, and what an owner allows in all.
const (
	sqlQuestion = "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon=%s) COUNT(*) AS n, AVG(age) AS age FROM patients WHERE age >= 50"
	firstPrice  = "0.5"
	largePrice  = "0.9"
	limitOfAll  = "1"
	limitDelta  = "1e-6"
	oldest      = 120
)

// sqlAnswer is what `anchorhold query --json` tells.
type sqlAnswer struct {
	Rows [][]struct {
		Value float64  `json:"value"`
		Low   *float64 `json:"low"`
		High  *float64 `json:"high"`
	} `json:"rows"`
	Again bool `json:"again"`
}

// askInSQL has questions answered that nobody reviews, until a limit is met.
func (s *story) askInSQL(ctx context.Context) error {
	s.title("The owners say how much may ever be learnt about one patient. She asks in SQL, and has answers at once.")
	s.say("   | %s\n", fmt.Sprintf(sqlQuestion, firstPrice))
	for _, h := range s.sites {
		if err := h.allowQuestions(ctx); err != nil {
			return fmt.Errorf("%s: %w", h.Title, err)
		}
		a, err := h.ask(ctx, firstPrice)
		if err != nil {
			return fmt.Errorf("%s: %w", h.Title, err)
		}
		truth, err := h.over50()
		if err != nil {
			return err
		}
		n := a.Rows[0][0]
		width := (*n.High - *n.Low) / 2
		s.say("   %-44s n=%.0f ± %.0f, mean age %.1f   exposure %s\n", h.Title, n.Value, width, a.Rows[0][1].Value, h.exposure(ctx))
		// Four times the width of an interval that holds with 95 %: noise is never so
		// large, and what is further away is wrong.
		if math.Abs(n.Value-truth) > 4*width {
			return fmt.Errorf("%s: the answer in SQL is far from the truth", h.Title)
		}
	}
	return s.meetLimit(ctx)
}

// meetLimit asks again, which costs nothing, and for more than is left.
func (s *story) meetLimit(ctx context.Context) error {
	s.title("Asked again, the answer is the same, and costs nothing more. What would go over the limit is refused.")
	h := s.sites[0]
	before := h.exposure(ctx)
	a, err := h.ask(ctx, firstPrice)
	if err != nil {
		return err
	}
	if after := h.exposure(ctx); !a.Again || after != before {
		return fmt.Errorf("asked again, exposure went from %s to %s", before, after)
	}
	s.say("   %s: exposure is still %s\n", h.Title, before)
	_, err = h.ask(ctx, largePrice)
	if err == nil {
		return errors.New("a question over the limit was answered")
	}
	_, said, _ := strings.Cut(err.Error(), "anchorhold: ")
	if !strings.Contains(said, "still fits") {
		return fmt.Errorf("a question over the limit: %w", err)
	}
	for _, line := range firstLines(said, 2) {
		s.say("   epsilon=%s: %s\n", largePrice, line)
	}
	return nil
}

// allowQuestions states whose the rows are, and how much may be learnt.
func (h *hospital) allowQuestions(ctx context.Context) error {
	_, err := h.asOwner(ctx, "dataset", "privacy", dataset, "--unit", "row", "--bounds", "age=0.."+strconv.Itoa(oldest), "--json")
	if err != nil {
		return err
	}
	_, err = h.asOwner(ctx, "ledger", "limits", "--population", h.population(), "--epsilon", limitOfAll, "--delta", limitDelta, "--json")
	return err
}

func (h *hospital) population() string { return h.Name + "-patients" }

func (h *hospital) ask(ctx context.Context, epsilon string) (a sqlAnswer, err error) {
	err = into(&a)(h.asResearcher(ctx, "query", fmt.Sprintf(sqlQuestion, epsilon), "--dataset", dataset, "--json"))
	if err == nil && (len(a.Rows) != 1 || a.Rows[0][0].Low == nil || a.Rows[0][0].High == nil) {
		err = errors.New("the answer has another form than the question")
	}
	return a, err
}

// exposure is what the researcher sees of the population's limit.
func (h *hospital) exposure(ctx context.Context) string {
	out, err := h.asResearcher(ctx, "ledger", "limits", "--population", h.population(), "--json")
	var all []struct{ Scope, Epsilon string }
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	for _, a := range all {
		if e, failed := strconv.ParseFloat(a.Epsilon, 64); failed == nil && a.Scope == "population" {
			return fmt.Sprintf("%.2f of %s", e, limitOfAll)
		}
	}
	return fmt.Sprintf("not known (%v)", err)
}

// over50 counts by itself.
func (h *hospital) over50() (n float64, err error) {
	rows, err := csv.NewReader(bytes.NewReader(h.CSV)).ReadAll()
	if err != nil {
		return 0, err
	}
	at := position(rows[0], "age")
	for _, r := range rows[1:] {
		if age, err := strconv.ParseFloat(r[at], 64); err == nil && age >= 50 {
			n++
		}
	}
	return n, nil
}
