package question_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb"
	"github.com/anchorhold/anchorhold/engine/duckdb/duckdbtest"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/store"
)

type engines struct{ *duckdb.Workers }

func (e engines) Engine(_ context.Context, who string, d anchorhold.Dataset, open func(context.Context) ([]*os.File, error)) (engine.Engine, error) {
	of := duckdb.Dataset{Name: d.Assets[0].Version.ID, Open: open}
	for _, a := range d.Assets {
		t := duckdb.Table{Name: a.Name, Format: a.Version.Private.Format, Missing: a.Version.Missing}
		for _, c := range a.Version.Columns {
			t.Columns = append(t.Columns, engine.Column{Name: c.Name, Type: c.Type})
		}
		of.Tables = append(of.Tables, t)
	}
	return e.Workers.Engine(who, of), nil
}

func (engines) End(string) {}

// bench is a site's books, the Cleveland table, and what answers.
type bench struct {
	*bookstest.Set
	*question.Service
	t      *testing.T
	data   anchorhold.Dataset
	mu     sync.Mutex // many ask at once: over opened and until, while they do
	opened int
	broken error
	stop   bool        // in the middle of the next question
	until  []time.Time // when answers left
}

const cleveland = "../demo/data/cleveland.csv"

func newBench(t *testing.T) *bench {
	t.Helper()
	program, err := duckdbtest.Program()
	if err != nil {
		t.Fatal(err)
	}
	workers := &duckdb.Workers{Sandbox: duckdbtest.Unboxed{Program: program}, Program: program, Memory: 512 << 20}
	pool := dp.NewPool()
	t.Cleanup(func() {
		pool.Close()
		if err := workers.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{Set: bookstest.New(t), t: t}
	var columns []anchorhold.Column
	for _, name := range strings.Fields("age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num") {
		c := anchorhold.Column{Name: name, Type: anchorhold.TypeInt}
		if name == "oldpeak" {
			c.Type = anchorhold.TypeFloat
		}
		columns = append(columns, c)
	}
	b.data = anchorhold.Dataset{
		ID: "dat-heart", Name: "heart", Population: "patients", Visibility: anchorhold.VisibleToUsers, Quorum: 1,
		Assets: []anchorhold.Asset{{Name: "patients", Kind: anchorhold.KindTable, Version: anchorhold.Version{
			ID: anchorhold.NewID(anchorhold.PrefixVersion), Number: 1, Commitment: digest.SHA256([]byte("the table")), Missing: []string{"?"}, Private: &anchorhold.Source{Path: cleveland, Format: "csv"},
			Columns: columns,
		}}},
		Privacy: &anchorhold.Privacy{MaxGroups: 1, MaxRows: 1, Size: 300, Assets: map[string]anchorhold.AssetPrivacy{"patients": {Row: true, Columns: map[string]anchorhold.ColumnPrivacy{
			"age": {Low: "0", High: "120"}, "sex": {Domain: []string{"0", "1"}}, "oldpeak": {Low: "0", High: "10"},
		}}}},
	}
	err = b.Store.Update(t.Context(), func(tx store.Tx) error { return tx.PutDataset(b.data) })
	if err != nil {
		t.Fatal(err)
	}
	b.Service = &question.Service{
		Books: b.Set.Books, Engines: engines{workers}, Pool: pool, Secret: []byte("secret"), Keys: b.Set.Keys,
		Find: func(context.Context, string) (anchorhold.Dataset, error) { return b.data, nil },
		Open: func(context.Context, anchorhold.Dataset) ([]*os.File, error) {
			b.mu.Lock()
			b.opened++
			b.mu.Unlock()
			if b.broken != nil {
				return nil, b.broken
			}
			f, err := os.Open(cleveland)
			return []*os.File{f}, err
		},
		Wait: func(_ context.Context, until time.Time) error {
			if b.stop {
				panic("stopped")
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.until = append(b.until, until)
			return nil
		},
	}
	return b
}

func (b *bench) permit(who string) policy.Permit {
	b.t.Helper()
	return b.permitIn(who, "")
}

// permitIn is of somebody who is in a study.
func (b *bench) permitIn(who, study string) policy.Permit {
	b.t.Helper()
	p := anchorhold.Principal{ID: "pri-" + who, Email: who + "@example.org", Bindings: []anchorhold.Binding{{Role: anchorhold.RoleOwner, Scope: anchorhold.ScopeSite}}}
	if study != "" {
		p.Bindings = append(p.Bindings, anchorhold.Binding{Role: anchorhold.RoleResearcher, Scope: anchorhold.ScopeStudy(study)})
	}
	return bookstest.Permit(b.t, p, policy.QueryAsk, policy.Dataset(b.data))
}

func (b *bench) limit(n exposure.NewLimit) {
	b.t.Helper()
	n.Population = "patients"
	p := bookstest.Permit(b.t, anchorhold.Principal{
		ID: "pri-olga", Email: "olga@example.org", Bindings: []anchorhold.Binding{{Role: anchorhold.RoleOwner, Scope: anchorhold.ScopeSite}},
	}, policy.ExposureLimit, policy.Site())
	if _, err := (&exposure.Service{Books: b.Set.Books}).SetLimit(b.t.Context(), p, n); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) as(who, sql string) (question.Answer, error) {
	return b.Ask(context.Background(), b.permit(who), "heart", question.Asked{SQL: sql})
}

func (b *bench) must(who, sql string) question.Answer {
	b.t.Helper()
	a, err := b.as(who, sql)
	if err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return a
}

func (b *bench) spent(scope anchorhold.ExposureScope, name string) (s anchorhold.Exposed) {
	b.t.Helper()
	if err := b.View(context.Background(), func(tx store.Tx) (err error) {
		s, err = tx.Exposed(anchorhold.ExposureAccount{Population: "patients", Scope: scope, Name: name})
		return errors.Join(err, exposure.Check(tx, "patients"))
	}); err != nil {
		b.t.Fatal(err)
	}
	return s
}

func at(epsilon, rest string) string {
	return "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon=" + epsilon + ") " + rest
}

func value(t *testing.T, a question.Answer, row, column int) float64 {
	t.Helper()
	f, ok := a.Rows[row][column].Value.(float64)
	if !ok {
		t.Fatalf("row %d, column %d of %+v is no number", row, column, a.Rows)
	}
	return f
}

// truth computes by itself what is asked of the table: rows, and sum and sum of
// squares of a column, by sex.
func truth(t *testing.T, name string) (n, sum, squares map[string]float64) {
	t.Helper()
	n, sum, squares = map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, sex := range []string{"0", "1"} {
		for _, x := range columnsOf(t, func(row map[string]string) bool { return row["sex"] == sex }, name)[0] {
			n[sex]++
			sum[sex] += x
			squares[sex] += x * x
		}
	}
	return n, sum, squares
}

// TestAnswersAreNearTheTruth where hardly any noise is bought, and their intervals
// hold it.
func TestAnswersAreNearTheTruth(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "10000"})
	n, sum, squares := truth(t, "age")
	a := b.must("ada", at("500", "sex, COUNT(*) AS n, SUM(age) AS s, AVG(age) AS m, VARIANCE(age) AS v, STDDEV(age) AS d FROM patients GROUP BY sex ORDER BY sex"))
	if len(a.Rows) != 2 || a.Mechanism != "discrete_laplace" {
		t.Fatalf("the answer is %+v", a)
	}
	for i, sex := range []string{"0", "1"} {
		mean := sum[sex] / n[sex]
		variance := (squares[sex] - n[sex]*mean*mean) / (n[sex] - 1)
		for column, want := range map[int]float64{1: n[sex], 2: sum[sex], 3: mean, 4: variance, 5: math.Sqrt(variance)} {
			cell := a.Rows[i][column]
			if got := value(t, a, i, column); math.Abs(got-want) > 0.05*want || cell.Low == nil || cell.High == nil || *cell.Low > got || *cell.High < got {
				t.Errorf("%s of sex %s is %v in [%v, %v], and truly %v", a.Columns[column].Name, sex, got, cell.Low, cell.High, want)
			}
		}
	}
	// Groups from the data need a δ; with one, all of these are large enough.
	b = newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "10000", Delta: "1e-6"})
	a = b.must("ada", at("50", "cp, COUNT(*) AS n FROM patients GROUP BY cp ORDER BY n DESC LIMIT 1"))
	if len(a.Rows) != 1 || a.Rows[0][0].Value != int64(4) || math.Abs(value(t, a, 0, 1)-144) > 5 || a.Mechanism != "discrete_gaussian" {
		t.Errorf("the answer is %+v", a)
	}
}

// TestOneQuestionHasOneAnswer, which the population pays for once, and each who
// learns it once.
func TestOneQuestionHasOneAnswer(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "1"})
	b.limit(exposure.NewLimit{Scope: anchorhold.LimitResearcher, Epsilon: "0.6"})
	sql := at("0.5", "COUNT(*) AS n FROM heart")
	first := b.must("ada", sql)
	for i, who := range []string{"ada", "bob", "bob", "ada"} {
		a := b.must(who, "  "+sql+"\n")
		if !a.Again || value(t, a, 0, 0) != value(t, first, 0, 0) || a.ID == first.ID {
			t.Errorf("asked again, %d: %+v, and first %+v", i, a, first)
		}
	}
	if b.opened != 1 {
		t.Errorf("data was opened %d times", b.opened)
	}
	for _, c := range []struct {
		scope anchorhold.ExposureScope
		name  string
	}{{anchorhold.LimitPopulation, ""}, {anchorhold.LimitResearcher, "pri-ada"}, {anchorhold.LimitResearcher, "pri-bob"}} {
		if s := b.spent(c.scope, c.name); s.Pure != 5e11 {
			t.Errorf("%s %s has spent %+v", c.scope, c.name, s)
		}
	}
	// Another version, other data; another price, another question.
	b.data.Assets[0].Version.ID = anchorhold.NewID(anchorhold.PrefixVersion)
	if a := b.must("bob", at("0.1", "COUNT(*) AS n FROM heart")); a.Again {
		t.Error("an answer of another version was given")
	}
}

// TestNothingIsTouchedThatIsNotReserved, and what is refused is told with what
// still fits.
func TestNothingIsTouchedThatIsNotReserved(t *testing.T) {
	b := newBench(t)
	sql := "COUNT(*) AS n FROM patients"
	if _, err := b.as("ada", at("0.5", sql)); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("asked without a limit: %v", err)
	}
	b.limit(exposure.NewLimit{Epsilon: "1", Delta: "1e-6"})
	b.must("ada", at("0.7", sql))
	opened := b.opened
	_, err := b.as("ada", at("0.9", sql))
	if anchorhold.KindOf(err) != anchorhold.Conflict || b.opened != opened {
		t.Fatalf("over the limit: %v, opened %d times", err, b.opened-opened)
	}
	_, fits, found := strings.Cut(fmt.Sprint(errors.Join(err, remedy(err))), "epsilon=")
	fits, _, _ = strings.Cut(fits, " ")
	if e, parsed := strconv.ParseFloat(fits, 64); !found || parsed != nil || e < 0.5 || e >= 0.9 {
		t.Fatalf("what fits is %q, from %v", fits, err)
	}
	b.must("ada", at(fits, sql))
	if _, err := b.as("ada", at("0.2", sql)); anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(fmt.Sprint(remedy(err)), "still fits") && !strings.Contains(fmt.Sprint(remedy(err)), "nothing is left") {
		t.Errorf("over what was left: %v", err)
	}
	// A price is no question.
	before := b.spent(anchorhold.LimitPopulation, "")
	q, err := b.Quote(t.Context(), b.permit("ada"), "heart", question.Asked{SQL: at("0.9", "sex, COUNT(*) AS n, AVG(age) AS m FROM patients GROUP BY sex")})
	if err != nil || q.Items[1].PlusMinus == nil || *q.Items[1].PlusMinus < 1 || q.Items[2].BySize["100"] <= 0 || b.spent(anchorhold.LimitPopulation, "") != before {
		t.Errorf("the quote is %+v, %v", q, err)
	}
}

func remedy(err error) error {
	var e *anchorhold.Error
	if errors.As(err, &e) {
		return errors.New(e.Remedy)
	}
	return nil
}

// TestAFailureStaysCharged, and tells nothing of what failed.
func TestAFailureStaysCharged(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "1"})
	b.broken = errors.New("could not convert string 'Alice Secret'")
	_, err := b.as("ada", at("0.5", "COUNT(*) AS n FROM patients"))
	if err == nil || strings.Contains(err.Error()+fmt.Sprint(remedy(err)), "Alice") {
		t.Errorf("the failure says %v", err)
	}
	if s := b.spent(anchorhold.LimitPopulation, ""); s.Pure != 5e11 {
		t.Errorf("spent is %+v", s)
	}
	b.broken = nil
	if a := b.must("ada", at("0.5", "COUNT(*) AS n FROM patients")); a.Again {
		t.Error("a failure was given as an answer")
	}
	actions := ""
	for _, e := range b.Events() {
		actions += e.Action + " "
	}
	if !strings.Contains(actions, "query.ask query.fail query.ask query.answer") {
		t.Errorf("the log has %s", actions)
	}
}

// TestRefusalsAreAboutTheQuestion or what is stated, and come before any charge.
func TestRefusalsAreAboutTheQuestion(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "5"})
	for sql, want := range map[string]string{
		at("0.5", "age FROM patients"):                                                   "",
		at("0.5", "COUNT(*) FROM read_csv('/etc/passwd')"):                               "",
		at("0.5", "SUM(chol) AS s FROM patients"):                                        "chol",
		at("0.5", "cp, COUNT(*) AS n FROM patients GROUP BY cp"):                         "delta",
		at("0.5, delta=1e-6", "COUNT(*) AS n FROM patients"):                             "delta",
		at("0", "COUNT(*) AS n FROM patients"):                                           "",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(within=5) AVG(age) AS n FROM patients": "rows a group has",
		"SELECT COUNT(*) AS n FROM patients":                                             "price",
		at("0.5", "COUNT(*) AS n FROM nobody"):                                           "a table that",
		at("0.5", "COUNT(*) AS n FROM patients; DROP TABLE patients"):                    "",
		at("0.5", "MAX(age) AS m FROM patients"):                                         "",
		at("0.5", "COUNT(*) AS n, random() AS r FROM patients"):                          "",
		at("1e9", "COUNT(*) AS n FROM patients"):                                         "",
		at("0.5", "MEDIAN(chol) AS q FROM patients"):                                     "chol",
		at("0.5", "CORR(age, chol) AS q FROM patients"):                                  "chol",
		at("0.5", "COUNT(*) AS n FROM patients WHERE getenv('HOME') = 'x'"):              "",
		at("0.5", "COUNT(*) AS n FROM patients WHERE age = CAST('x' AS INT)"):            "-",
	} {
		_, err := b.as("ada", sql)
		if want == "-" {
			continue // a cast that fails is NULL, and the question has an answer
		}
		if err == nil || !strings.Contains(err.Error()+fmt.Sprint(remedy(err)), want) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	b.data.Privacy = nil
	if _, err := b.as("ada", at("0.5", "COUNT(*) AS n FROM patients")); anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "review only") {
		t.Errorf("nothing is stated: %v", err)
	}
}

// TestAnswersLeaveAtFixedTimes that follow from what is stated.
func TestAnswersLeaveAtFixedTimes(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "5"})
	begun := b.Clock.Now()
	b.must("ada", at("0.5", "COUNT(*) AS n FROM patients"))
	b.data.Privacy.Size = 40_000_000
	b.put()
	b.must("ada", at("0.4", "COUNT(*) AS n FROM patients"))
	if len(b.until) != 2 || b.until[0] != begun.Add(500*time.Millisecond) || b.until[1] != begun.Add(10500*time.Millisecond) {
		t.Errorf("asked at %v, answers left at %v", begun, b.until)
	}
}
