// Package enginetest is the suite that every engine passes: the same statements
// over the same tables give the same rows, and what goes wrong says so in the same
// words and with no value in them.
//
// It promises nothing about speed. Nothing but tests may use it; those of each engine
// run it.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
)

// Fixture is a table for a test. A cell is what a CSV file has; an empty one is
// missing.
type Fixture struct {
	Name    string
	Columns []engine.Column
	Rows    [][]string
}

// CSV is the table as a CSV file.
func (f Fixture) CSV() string {
	var b strings.Builder
	for i, c := range f.Columns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoted(c.Name))
	}
	b.WriteByte('\n')
	for _, row := range f.Rows {
		for i, cell := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quoted(cell))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func quoted(cell string) string {
	if strings.ContainsAny(cell, ",\"\r\n") {
		return `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
	}
	return cell
}

// Suite is an engine under test.
type Suite struct {
	// Make gives an engine over tables, which ends with the test.
	Make func(t *testing.T, tables ...Fixture) engine.Engine
	// Hungry is a statement over the table people that needs more memory than
	// Make's engines have. Its rows would be one integer, n.
	Hungry string
	// Hostile are statements of one integer, n, that reach for more than tables.
	Hostile []string
}

// canary stands for a value that nobody may see.
const canary = "Alice Secret"

func column(name string, t anchorhold.ColumnType) engine.Column {
	return engine.Column{Name: name, Type: t}
}

func nullable(name string, t anchorhold.ColumnType) engine.Column {
	return engine.Column{Name: name, Type: t, Nullable: true}
}

func people() Fixture {
	return Fixture{
		Name: "people",
		Columns: []engine.Column{
			column("id", anchorhold.TypeInt), column("name", anchorhold.TypeString), column("sex", anchorhold.TypeString), column("age", anchorhold.TypeInt),
			column("weight", anchorhold.TypeFloat), column("smoker", anchorhold.TypeBool), column("born", anchorhold.TypeDate), column("seen", anchorhold.TypeTimestamp),
		},
		Rows: [][]string{
			{"1", canary, "f", "70", "61.25", "true", "1953-02-28", "2023-05-01 12:30:00"},
			{"2", "O'Hara, \"Bob\"", "m", "45", "inf", "false", "1978-12-31", "2023-05-01 12:30:00.25"},
			{"3", "Zoë", "f", "", "-inf", "", "", ""},
			{"4", "李", "", "-9223372036854775808", "", "true", "0001-01-01", "1969-12-31 23:59:59.999999"},
			{"5", "two\nlines", "m", "9223372036854775807", "0.05", "false", "2024-02-29", "2023-05-01 12:30:00"},
			{"6", "", "m", "9223372036854775807", "80.15", "true", "1978-12-31", "2023-05-01 12:30:00"},
		},
	}
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	for name, f := range map[string]func(*testing.T, Suite){
		"groups": s.groups, "types": s.types, "floats": s.floats, "wide sums": s.wide, "joins": s.joins, "order": s.order,
		"nothing": s.nothing, "many rows": s.many, "names": s.names,
		"cancelled": s.cancelled, "memory": s.memory, "no value in errors": s.silent, "answers of another kind": s.wrong,
		"not one SELECT": s.notOne, "hostile": s.hostile, "at the same time": s.together, "invalid": s.invalid,
	} {
		t.Run(name, func(t *testing.T) { f(t, s) })
	}
}

// ask expects rows, written as in a CSV file.
func ask(t *testing.T, e engine.Engine, sql string, columns []engine.Column, want ...string) {
	t.Helper()
	got, err := e.Partials(t.Context(), engine.Statement{SQL: from(t, e, sql), Columns: columns, MaxRows: max(1, len(want))})
	if err != nil {
		t.Fatalf("%s: %v (%v)", sql, err, errors.Unwrap(err))
	}
	if text := rows(got); text != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nshould be\n%s", sql, text, strings.Join(want, "\n"))
	}
}

// from writes every {table} as the engine has it.
func from(t *testing.T, e engine.Engine, sql string) string {
	t.Helper()
	for {
		before, rest, found := strings.Cut(sql, "{")
		if !found {
			return sql
		}
		name, after, _ := strings.Cut(rest, "}")
		table, ok := e.Table(name)
		if !ok {
			t.Fatalf("there is no table %s", name)
		}
		sql = before + table.SQL + after
	}
}

func rows(p *engine.Partials) string {
	var lines []string
	for i := range p.Rows {
		var cells []string
		for c, v := range p.Values {
			switch {
			case v.IsNull(i):
				cells = append(cells, "NULL")
			case p.Columns[c].Type == anchorhold.TypeString:
				cells = append(cells, v.Texts[i])
			default:
				cells = append(cells, v.Ints[i].BigInt().String())
			}
		}
		lines = append(lines, strings.Join(cells, ","))
	}
	return strings.Join(lines, "\n")
}

func (Suite) groups(t *testing.T, s Suite) {
	e := s.Make(t, people())
	ask(t, e, `SELECT sex, COUNT(*) AS n, COUNT(age) AS ages FROM {people} t GROUP BY sex ORDER BY sex NULLS LAST`,
		[]engine.Column{nullable("sex", anchorhold.TypeString), column("n", anchorhold.TypeInt), column("ages", anchorhold.TypeInt)},
		"f,2,1", "m,3,3", "NULL,1,1")
}

func (Suite) types(t *testing.T, s Suite) {
	e := s.Make(t, people())
	ask(t, e, `SELECT id, name, smoker, born, seen FROM {people} t ORDER BY id`,
		[]engine.Column{
			column("id", anchorhold.TypeInt), nullable("name", anchorhold.TypeString), nullable("smoker", anchorhold.TypeBool),
			nullable("born", anchorhold.TypeDate), nullable("seen", anchorhold.TypeTimestamp),
		},
		"1,Alice Secret,1,-6151,1682944200000000", `2,O'Hara, "Bob",0,3286,1682944200250000`, "3,Zoë,NULL,NULL,NULL",
		"4,李,1,-719162,-1", "5,two\nlines,0,19782,1682944200000000", "6,NULL,1,3286,1682944200000000")
}

// The two infinities are clamped, NaN has no place on a lattice, and what lies on
// it is the same in every engine.
func (Suite) floats(t *testing.T, s Suite) {
	f := Fixture{Name: "x", Columns: []engine.Column{column("id", anchorhold.TypeInt), column("x", anchorhold.TypeFloat)}}
	for i, text := range []string{"0.05", "0.15", "-0.05", "1e300", "-1e300", "inf", "-inf", "5e-324", "2.675", "0.1", "", "99.95", "-99.95", "1.0000000000000002"} {
		f.Rows = append(f.Rows, []string{fmt.Sprint(i), text})
	}
	e := s.Make(t, f)
	ask(t, e, `SELECT id, CAST(FLOOR(GREATEST(-100, LEAST(100, x)) * 10 + 0.5) AS BIGINT) AS n FROM {x} t WHERE x IS NOT NULL ORDER BY id`,
		[]engine.Column{column("id", anchorhold.TypeInt), column("n", anchorhold.TypeInt)},
		"0,1", "1,2", "2,0", "3,1000", "4,-1000", "5,1000", "6,-1000", "7,0", "8,27", "9,1", "11,1000", "12,-999", "13,10")
	ask(t, e, `SELECT COUNT(*) AS n FROM {x} t WHERE x - x = CAST('NaN' AS DOUBLE PRECISION)`, []engine.Column{column("n", anchorhold.TypeInt)}, "2")
}

// Sums of 64-bit integers do not wrap.
func (Suite) wide(t *testing.T, s Suite) {
	f := Fixture{Name: "x", Columns: []engine.Column{column("sign", anchorhold.TypeInt), column("x", anchorhold.TypeInt)}}
	for range 1000 {
		f.Rows = append(f.Rows, []string{"1", fmt.Sprint(math.MaxInt64)}, []string{"-1", fmt.Sprint(math.MinInt64)})
	}
	e := s.Make(t, f)
	most := decimal128.New(1<<20, 0)
	ask(t, e, `SELECT sign, SUM(x) AS n FROM {x} t GROUP BY sign ORDER BY sign`,
		[]engine.Column{column("sign", anchorhold.TypeInt), {Name: "n", Type: anchorhold.TypeInt, Within: &engine.Bounds{Least: most.Negate(), Most: most}}},
		"-1,-9223372036854775808000", "1,9223372036854775807000")
}

func (Suite) joins(t *testing.T, s Suite) {
	visits := Fixture{
		Name: "visits", Columns: []engine.Column{column("person", anchorhold.TypeInt), column("kind", anchorhold.TypeString)},
		Rows: [][]string{{"1", "a"}, {"1", "b"}, {"2", "a"}, {"9", "a"}, {"", "a"}},
	}
	e := s.Make(t, people(), visits)
	ask(t, e, `WITH v AS (SELECT person, COUNT(*) AS n FROM {visits} t GROUP BY person)
		SELECT sex, SUM(LEAST(v.n, 1)) AS n FROM {people} p JOIN v ON v.person = p.id GROUP BY sex ORDER BY sex`,
		[]engine.Column{column("sex", anchorhold.TypeString), column("n", anchorhold.TypeInt)}, "f,1", "m,1")
}

// Texts are compared by their bytes, and hashed alike: which groups of a unit are
// kept is the same in every engine.
func (Suite) order(t *testing.T, s Suite) {
	f := Fixture{Name: "x", Columns: []engine.Column{column("k", anchorhold.TypeString)}}
	for _, k := range []string{"b", "B", "a", "A", "é", "z", "Z", "_", "10", "9"} {
		f.Rows = append(f.Rows, []string{k})
	}
	e := s.Make(t, f)
	key := []engine.Column{column("k", anchorhold.TypeString)}
	ask(t, e, `SELECT k FROM {x} t ORDER BY k`, key, "10", "9", "A", "B", "Z", "_", "a", "b", "z", "é")
	ask(t, e, `SELECT k FROM (SELECT k, ROW_NUMBER() OVER (ORDER BY MD5('secret' || k), k) AS r FROM {x} t) ranked WHERE r <= 3 ORDER BY r`, key, "B", "A", "_")
}

func (Suite) nothing(t *testing.T, s Suite) {
	e := s.Make(t, people())
	ask(t, e, `SELECT id FROM {people} t WHERE id > 100`, []engine.Column{column("id", anchorhold.TypeInt)})
	ask(t, e, `SELECT COUNT(*) AS n, SUM(age) AS s FROM {people} t WHERE id > 100`,
		[]engine.Column{column("n", anchorhold.TypeInt), nullable("s", anchorhold.TypeInt)}, "0,NULL")
}

// Rows come in many batches, some with missing values and some without.
func (Suite) many(t *testing.T, s Suite) {
	f := Fixture{Name: "x", Columns: []engine.Column{column("i", anchorhold.TypeInt), column("k", anchorhold.TypeString)}}
	const n = 20_000
	for i := range n {
		k := ""
		if i > n/2 {
			k = strings.Repeat("k", i%50) + "!"
		}
		f.Rows = append(f.Rows, []string{fmt.Sprint(i), k})
	}
	e := s.Make(t, f)
	p, err := e.Partials(t.Context(), engine.Statement{
		SQL: from(t, e, `SELECT i, k FROM {x} t ORDER BY i`), MaxRows: n,
		Columns: []engine.Column{column("i", anchorhold.TypeInt), nullable("k", anchorhold.TypeString)},
	})
	if err != nil || p.Rows != n {
		t.Fatal(err)
	}
	for i := range n {
		if p.Values[0].Ints[i] != decimal128.FromI64(int64(i)) || p.Values[1].IsNull(i) != (f.Rows[i][1] == "") || p.Values[1].Texts[i] != f.Rows[i][1] {
			t.Fatal("row", i, "is another")
		}
	}
}

// Names hold what names can hold.
func (Suite) names(t *testing.T, s Suite) {
	const odd = `a "quoted", 'odd' näme; --`
	e := s.Make(t, Fixture{Name: odd, Columns: []engine.Column{column(odd, anchorhold.TypeInt), column("SELECT", anchorhold.TypeString)}, Rows: [][]string{{"7", "x"}}})
	table, ok := e.Table(odd)
	if !ok || len(table.Columns) != 2 || table.Columns[0].Name != odd {
		t.Fatal("the table is not known by its name")
	}
	if _, ok := e.Table("other"); ok {
		t.Fatal("a table that is not there is known")
	}
	ask(t, e, `SELECT `+engine.Quote(odd)+` AS n FROM `+table.SQL+` AS t WHERE "SELECT" = 'x'`, []engine.Column{column("n", anchorhold.TypeInt)}, "7")
}

func one(e engine.Engine, ctx context.Context, sql string) error { //nolint:revive // the engine is what is asked
	_, err := e.Partials(ctx, engine.Statement{SQL: sql, Columns: []engine.Column{nullable("n", anchorhold.TypeInt)}, MaxRows: 10})
	return err
}

// A question that is given up ends within two seconds, and the next is answered.
func (Suite) cancelled(t *testing.T, s Suite) {
	f := Fixture{Name: "x", Columns: []engine.Column{column("i", anchorhold.TypeInt)}}
	for i := range 20_000 {
		f.Rows = append(f.Rows, []string{fmt.Sprint(i)})
	}
	e := s.Make(t, f)
	if err := one(e, t.Context(), from(t, e, `SELECT COUNT(*) AS n FROM {x} t`)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := one(e, ctx, from(t, e, `SELECT SUM(MOD(a.i * b.i + c.i, 7)) AS n FROM {x} a, {x} b, {x} c`))
	if took := time.Since(start); took < 300*time.Millisecond || took > 2300*time.Millisecond {
		t.Errorf("it ended after %v", took)
	}
	if engine.FailureOf(err) != engine.Cancelled || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := one(e, t.Context(), from(t, e, `SELECT COUNT(*) AS n FROM {x} t`)); err != nil {
		t.Error(err)
	}
}

func (Suite) memory(t *testing.T, s Suite) {
	e := s.Make(t, people())
	err := one(e, t.Context(), from(t, e, s.Hungry))
	if engine.FailureOf(err) != engine.Memory {
		t.Errorf("%v (%v)", err, errors.Unwrap(err))
	}
	if err := one(e, t.Context(), from(t, e, `SELECT COUNT(*) AS n FROM {people} t`)); err != nil {
		t.Error(err)
	}
}

// No error, nor any cause of one, has a value of a table in it.
func (Suite) silent(t *testing.T, s Suite) {
	e := s.Make(t, people())
	for _, sql := range []string{
		`SELECT SUM(CAST(name AS BIGINT)) AS n FROM {people} t`,
		`SELECT CAST(name AS BIGINT) AS n FROM {people} t`,
		`SELECT name AS n FROM {people} t`,
		`SELECT id AS n FROM {people} t WHERE name = (SELECT name FROM {people} t)`,
		`SELECT n FROM {people} t`,
		`SELECT 1 AS n FROM nowhere`,
		`SELECT`,
		`SELECT age + 1 AS n FROM {people} t`,
	} {
		err := one(e, t.Context(), from(t, e, sql))
		if err == nil {
			t.Errorf("%s has an answer", sql)
			continue
		}
		if why := engine.FailureOf(err); why != engine.Failed {
			t.Errorf("%s: %q", sql, why)
		}
		for each := err; each != nil; each = errors.Unwrap(each) {
			if text := fmt.Sprintf("%v %+v", each, each); strings.Contains(text, canary) || strings.Contains(text, "Alice") || strings.Contains(text, "9223372036854775807") {
				t.Errorf("%s: %s", sql, text)
			}
		}
	}
	if err := one(e, t.Context(), from(t, e, `SELECT COUNT(*) AS n FROM {people} t`)); err != nil {
		t.Error("after errors:", err)
	}
}

// An answer of other columns, of more rows or out of range is none.
func (Suite) wrong(t *testing.T, s Suite) {
	e := s.Make(t, people())
	n := column("n", anchorhold.TypeInt)
	within := n
	within.Within = &engine.Bounds{Least: decimal128.FromI64(0), Most: decimal128.FromI64(5)}
	for sql, columns := range map[string][]engine.Column{
		`SELECT COUNT(*) AS m FROM {people} t`:                      {n},
		`SELECT COUNT(*) AS n, 1 AS m FROM {people} t`:              {n},
		`SELECT COUNT(*) AS n FROM {people} t `:                     {n, n},
		`SELECT 'x' AS n FROM {people} t WHERE id = 1`:              {n},
		`SELECT weight AS n FROM {people} t WHERE id = 1`:           {n},
		`SELECT born AS n FROM {people} t WHERE id = 1`:             {n},
		`SELECT 1 AS n FROM {people} t WHERE id = 1`:                {column("n", anchorhold.TypeString)},
		`SELECT 1 AS n FROM {people} t  WHERE id = 1`:               {column("n", anchorhold.TypeBool)},
		`SELECT age AS n FROM {people} t WHERE id = 3`:              {n},
		`SELECT COUNT(*) AS n FROM {people} t  `:                    {within},
		`SELECT id AS n FROM {people} t WHERE id < 6 ORDER BY id`:   {n},
		`SELECT -1 AS n FROM {people} t WHERE id = 1`:               {within},
		`SELECT CAST('1.5' AS NUMERIC(5, 1)) AS n FROM {people} t `: {n},
	} {
		_, err := e.Partials(t.Context(), engine.Statement{SQL: from(t, e, sql), Columns: columns, MaxRows: 4})
		if engine.FailureOf(err) != engine.Failed {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// What is not one SELECT changes nothing and has no answer.
func (Suite) notOne(t *testing.T, s Suite) {
	e := s.Make(t, people())
	for _, sql := range []string{
		`DROP TABLE {people}`, `DROP VIEW {people}`, `CREATE TABLE t AS SELECT 1 AS n`, `CREATE TABLE t (n INTEGER); SELECT 1 AS n`,
		`SELECT 1 AS n; SELECT 2 AS n`, `SELECT 1 AS n; DROP VIEW {people}`, `INSERT INTO {people} (id) VALUES (7)`, `DELETE FROM {people} t`,
		`UPDATE {people} SET id = 7`, `SET timezone = 'UTC'`, `BEGIN`, `COMMIT; SELECT 1 AS n`, `CREATE TEMP TABLE t (n INTEGER)`, `;`, `-- nothing`,
	} {
		if err := one(e, t.Context(), from(t, e, sql)); engine.FailureOf(err) != engine.Failed {
			t.Errorf("%s: %v", sql, err)
		}
	}
	ask(t, e, `SELECT COUNT(*) AS n FROM {people} t`, []engine.Column{column("n", anchorhold.TypeInt)}, "6")
}

func (Suite) hostile(t *testing.T, s Suite) {
	e := s.Make(t, people())
	for _, sql := range s.Hostile {
		if err := one(e, t.Context(), sql); engine.FailureOf(err) != engine.Failed {
			t.Errorf("%s: %v", sql, err)
		}
	}
	ask(t, e, `SELECT COUNT(*) AS n FROM {people} t`, []engine.Column{column("n", anchorhold.TypeInt)}, "6")
}

func (Suite) together(t *testing.T, s Suite) {
	e := s.Make(t, people())
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			ask(t, e, fmt.Sprintf(`SELECT COUNT(*) + %d AS n FROM {people} t`, i), []engine.Column{column("n", anchorhold.TypeInt)}, fmt.Sprint(6+i))
		})
	}
	wg.Wait()
}

// What no statement can be is refused before anything is asked.
func (Suite) invalid(t *testing.T, s Suite) {
	e := s.Make(t, people())
	n := []engine.Column{column("n", anchorhold.TypeInt)}
	for name, st := range map[string]engine.Statement{
		"no text":    {Columns: n, MaxRows: 1},
		"a NUL":      {SQL: "SELECT 1 AS n\x00", Columns: n, MaxRows: 1},
		"too long":   {SQL: "SELECT 1 AS n" + strings.Repeat(" ", engine.MaxSQL), Columns: n, MaxRows: 1},
		"no columns": {SQL: "SELECT 1 AS n", MaxRows: 1},
		"no rows":    {SQL: "SELECT 1 AS n", Columns: n},
		"all rows":   {SQL: "SELECT 1 AS n", Columns: n, MaxRows: engine.MaxRows + 1},
		"floats":     {SQL: "SELECT 1 AS n", Columns: []engine.Column{column("n", anchorhold.TypeFloat)}, MaxRows: 1},
	} {
		if _, err := e.Partials(t.Context(), st); err == nil || engine.FailureOf(err) != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
