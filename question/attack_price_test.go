package question_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/store"
)

// The worlds in which nothing but an answer may differ.
func differentWorlds() map[string]world {
	of := stated{"k": domain("a", "b"), "x": bounds("0", "10")}
	usual := stays("k string, x int, name string", of, lines(40, "%d,a,5,n")...).spending("3", "1e-6")
	empty := usual
	empty.tables = slices.Clone(usual.tables)
	empty.tables[0].rows = nil
	return map[string]world{
		"usual":               usual,
		"with somebody":       usual.with("99,b,10,alone"),
		"with ten thousand":   usual.with(repeated(10_000, "99,b,10,alone")...),
		"with nothing usable": usual.with("99,zzz,99999999999999999999,", "x,,,", ",,,"),
		"with nobody":         empty,
	}
}

// said is all that somebody is told without an answer.
func said(err error) string {
	if err == nil {
		return "nothing"
	}
	return string(anchorhold.KindOf(err)) + ": " + err.Error() + "; " + fmt.Sprint(remedy(err))
}

// TestAttackRefusals: what is refused, in which words, and what a price is, are the same
// whatever the data are: they depend on the question, on what is stated and on the
// ledger (the budget and state channels of Haeberlen, Pierce and Narayan, 2011).
func TestAttackRefusals(t *testing.T) {
	all := map[string][]string{}
	for name, w := range differentWorlds() {
		b := w.open(t)
		for _, sql := range []string{
			at("0.5", "x FROM stays"), at("0.5", "SUM(person) AS s FROM stays"), at("0.5", "MIN(x) AS n FROM stays WHERE k = 'b' AND name = 'alone' GROUP BY k"),
			at("5", "COUNT(*) AS n FROM stays"), at("0.0000000001", "COUNT(*) AS n FROM stays"), at("0.5", "MAX(x) AS m FROM stays"),
			at("0.5", "k, COUNT(*) AS n FROM stays GROUP BY k ORDER BY x"), at("0.5", "COUNT(DISTINCT x) AS n FROM stays"), at("0.5", "COUNT(*) AS n FROM nobody"),
		} {
			_, err := b.as("ada", sql)
			if err == nil {
				t.Errorf("%s has an answer", sql)
			}
			all[name] = append(all[name], said(err))
		}
		if b.opened != 0 {
			t.Errorf("%s: data was opened for what is refused", name)
		}
		q, err := b.Quote(t.Context(), b.permit("ada"), "heart", question.Asked{SQL: at("0.5", "k, name, COUNT(*) AS n, SUM(x) AS s, AVG(x) AS m FROM stays GROUP BY k, name")})
		for _, i := range q.Items {
			all[name] = append(all[name], fmt.Sprint(i.Name, i.Kind, i.PlusMinus != nil, i.BySize))
		}
		all[name] = append(all[name], fmt.Sprint(q.Price, q.Level), said(err))
		b.must("ada", at("2", "k, name, COUNT(*) AS n FROM stays GROUP BY k, name"))
		b.must("ada", at("2", "k, COUNT(*) AS n FROM stays GROUP BY k"))
		_, err = b.as("ada", at("2.5", "name, COUNT(*) AS n FROM stays GROUP BY name"))
		all[name] = append(all[name], said(err), fmt.Sprint(b.spent(anchorhold.LimitPopulation, "")))
	}
	for name, lines := range all {
		for i, line := range lines {
			if usual := all["usual"][i]; line != usual {
				t.Errorf("%s, an asker is told %q, and otherwise %q", name, line, usual)
			}
		}
	}
}

// TestAttackLedgerChannel: what the books say of a question, and what it costs, are the
// same whatever the data are and whatever becomes of it.
func TestAttackLedgerChannel(t *testing.T) {
	all := map[string]string{}
	for name, w := range differentWorlds() {
		b := w.open(t)
		b.must("ada", at("0.5", "k, name, COUNT(*) AS n FROM stays GROUP BY k, name"))
		all[name] = b.booked()
	}
	for name, w := range differentWorlds() {
		b := w.open(t)
		b.broken = errors.New("an engine that fails")
		open := b.Open
		b.Open = func(ctx context.Context, d anchorhold.Dataset) ([]*os.File, error) {
			files, err := open(ctx, d)
			for _, f := range files {
				err = errors.Join(err, f.Close())
			}
			return nil, errors.Join(err, b.broken)
		}
		if _, err := b.as("ada", at("0.5", "k, name, COUNT(*) AS n FROM stays GROUP BY k, name")); err == nil {
			t.Fatal("there is an answer without an engine")
		}
		all[name+", failing"] = b.booked()
	}
	for name, booked := range all {
		if booked != all["usual"] {
			t.Errorf("%s, the books say\n%s\nand otherwise\n%s", name, booked, all["usual"])
		}
	}
}

// booked is what the ledger, the accounts and the log have of what was asked, but for
// ids and the answer's digest.
func (b *bench) booked() string {
	b.t.Helper()
	var out []string
	err := b.View(context.Background(), func(tx store.Tx) error {
		list, _, err := tx.ListLedger(store.LedgerFilter{Population: "patients"}, store.Page{})
		for _, e := range list {
			out = append(out, fmt.Sprint(e.Class, e.Population, e.Study, e.Principal, e.Amount, e.What, e.Created, e.Counted))
		}
		accounts, more := tx.Accounts("patients")
		for _, a := range accounts {
			s, err := tx.Exposed(a)
			more = errors.Join(more, err)
			out = append(out, fmt.Sprint(a, s))
		}
		return errors.Join(err, more)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range b.Events() {
		if e.Action == "query.ask" {
			out = append(out, fmt.Sprint(e.Action, e.Actor, e.Time, slices.Sorted(maps.Keys(e.Details)), e.Details["epsilon"]))
		}
	}
	return strings.Join(out, "\n")
}

// TestAttackRespelling: who asks one question in many spellings, to average the noise
// away, pays for each; only the very same text has the answer that was given.
func TestAttackRespelling(t *testing.T) {
	b := people("x int", stated{"x": bounds("0", "10")}, "5").spending("1", "").open(t)
	spellings := []string{
		"COUNT(*) AS n FROM people", "count(*) AS n FROM people", "COUNT(*) AS m FROM people", "COUNT(*)  AS n FROM people", "COUNT(*) AS n FROM people -- again",
		"/* again */ COUNT(*) AS n FROM people", "COUNT(*) AS n FROM heart", "COUNT(*) AS n FROM people WHERE TRUE", "COUNT(*) AS n FROM people p", "COUNT(*) AS n FROM \"people\"",
		"COUNT(*) + 0 AS n FROM people", "COUNT(*) AS n FROM people WHERE 1 = 1",
	}
	answers := map[float64]bool{}
	served := 0
	for _, s := range spellings {
		a, err := b.as("ada", at("0.1", s))
		switch {
		case err == nil:
			served++
			answers[value(t, a, 0, 0)] = true
			if again := b.must("ada", at("0.1", s)); !again.Again || value(t, again, 0, 0) != value(t, a, 0, 0) {
				t.Errorf("%s: asked again, there is another answer", s)
			}
		case anchorhold.KindOf(err) != anchorhold.Conflict:
			t.Errorf("%s: %v", s, err)
		}
	}
	if served != 10 || b.spent(anchorhold.LimitPopulation, "").Pure != 1e12 || len(answers) < 3 {
		t.Errorf("of what fits ten, %d spellings were answered with %d numbers; spent is %+v", served, len(answers), b.spent(anchorhold.LimitPopulation, ""))
	}
}

// TestAttackCollusion: people, studies and exploration have limits of their own, and
// together no more than the population's: they may tell each other everything. A
// study has one name.
func TestAttackCollusion(t *testing.T) {
	b := people("x int", nil, "5").spending("1", "").open(t)
	b.limit(exposure.NewLimit{Scope: anchorhold.LimitResearcher, Epsilon: "0.5"})
	b.limit(exposure.NewLimit{Scope: anchorhold.LimitStudy, Epsilon: "0.4"})
	b.limit(exposure.NewLimit{Scope: anchorhold.LimitExploration, Epsilon: "0.3"})
	served := 0
	for i := range 40 {
		who, study := fmt.Sprintf("r%d", i%8), []string{"", "s1", "s2", "s3"}[i%4]
		p := b.permitIn(who, study)
		if _, err := b.Ask(t.Context(), p, "heart", question.Asked{SQL: at("0.1", fmt.Sprintf("COUNT(*) AS n%d FROM people", i)), Study: study}); err == nil {
			served++
		} else if anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Error(err)
		}
	}
	if served != 10 || b.spent(anchorhold.LimitPopulation, "").Pure != 1e12 {
		t.Errorf("forty questions of eight people in three studies: %d were answered, and spent is %+v", served, b.spent(anchorhold.LimitPopulation, ""))
	}
	for _, alias := range []string{"S1", " s1", "s1 ", "s1\x00", "s1/", "ｓ1", "pri-r1", "*"} {
		p := b.permitIn("r1", "s1")
		if _, err := b.Ask(t.Context(), p, "heart", question.Asked{SQL: at("0.01", "COUNT(*) AS n FROM people"), Study: alias}); anchorhold.KindOf(err) != anchorhold.Denied {
			t.Errorf("study %q: %v", alias, err)
		}
	}
}
