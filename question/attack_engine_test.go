package question_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/question"
)

// expressions are of every function and cast that questions may use, over columns
// that hold whatever their type can. By the class that they give.
func expressions() (numbers, truths, texts, days []string) {
	for _, x := range []string{"i", "f", "i * f", "CAST(s AS BIGINT)", "CAST(s AS DOUBLE)"} {
		for _, fn := range []string{"ABS", "SIGN", "FLOOR", "CEIL", "CEILING", "ROUND", "SQRT", "-"} {
			numbers = append(numbers, fn+"("+x+")")
		}
		numbers = append(numbers, "ROUND("+x+", 3)", "WIDTH_BUCKET("+x+", -0.5, 100, 7)", "CAST("+x+" AS INTEGER)", "CAST("+x+" AS DECIMAL(12,2))", "1 / "+x, x+" / "+x, x+" + "+x, x+" - 1e9", x+" * -1e9",
			"COALESCE("+x+", 0)", "NULLIF("+x+", 0)", "GREATEST("+x+", i)", "LEAST("+x+", f)", "CASE WHEN "+x+" > 0 THEN "+x+" ELSE 1 / "+x+" END")
	}
	for _, op := range []string{"mod(%s, %s)", "(%s %% %s)", "(%s // %s)", "divide(%s, %s)"} {
		numbers = append(numbers, fmt.Sprintf(op, "i", "i"), fmt.Sprintf(op, "i", "0"), fmt.Sprintf(op, "7", "i"))
	}
	for _, fn := range []string{"length", "len", "char_length", "character_length"} {
		numbers = append(numbers, fn+"(s)")
	}
	for _, fn := range []string{"strpos(s, %s)", "instr(s, %s)", "position(%s IN s)"} {
		numbers = append(numbers, fmt.Sprintf(fn, "s"), fmt.Sprintf(fn, "''"))
	}
	for _, part := range []string{"year", "quarter", "month", "week", "weekofyear", "day", "dayofmonth", "dayofyear", "dayofweek", "isodow"} {
		numbers = append(numbers, part+"(d)", part+"(m)", part+"(d + i)")
	}
	numbers = append(numbers, "hour(m)", "minute(m)", "EXTRACT(doy FROM d)", "d - d", "CASE WHEN b THEN i END", "CAST(b AS BIGINT)")
	for _, fn := range []string{"starts_with", "prefix", "ends_with", "suffix", "contains"} {
		truths = append(truths, fn+"(s, s)", fn+"(s, '')")
	}
	truths = append(truths, "s ^@ 'a'", "s LIKE '%a_'", `s LIKE '\'`, "s LIKE ''", "i IN (1, NULL)", "f BETWEEN i AND 1e300", "s < s", "d > DATE '2000-01-01'", "f = f", "NOT b", "i IS DISTINCT FROM f", "b OR i > 0")
	for _, fn := range []string{"lower", "lcase", "upper", "ucase", "trim", "ltrim", "rtrim"} {
		texts = append(texts, fn+"(s)")
	}
	texts = append(texts, "trim(s, 'a')", "substring(s, 2)", "substr(s, 1, 3)", "left(s, 2)", "right(s, 2)", "replace(s, 'a', 'bb')", "s || s", "concat(s, s)", "CAST(i AS VARCHAR)", "CAST(d AS VARCHAR)", "CAST(b AS VARCHAR)")
	days = append(days, "d + 1", "d - i", "CAST(m AS DATE)", "date_trunc('week', d)", "date_trunc('year', m)", "date_trunc('hour', m)", "CAST(d AS TIMESTAMP)")
	return numbers, truths, texts, days
}

// TestAttackErrors: an expression that fails for some values says whether they are
// there. None that is allowed fails, over any values of any type.
func TestAttackErrors(t *testing.T) {
	w := people("i int, f float, s string, b bool, d date, m timestamp", stated{"i": bounds("-1000", "1000"), "f": bounds("-1e6", "1e6")},
		"0,0,,true,2024-02-29,2024-02-29T23:59:59", "9223372036854775807,1.7976931348623157e308,NaN,false,9999-12-31,9999-12-31T23:59:59.999999", "-9223372036854775808,-1.7976931348623157e308,-9223372036854775808,,0001-01-01,0001-01-01T00:00:00",
		"1,NaN,1e308,true,1969-12-31,1969-12-31T23:59:59.999999", "-1,Infinity,0x10,,,", ",-Infinity,'; DROP TABLE people; --,,,", "7,4.9e-324,\"ünï\u0301 \\ % _\",true,2000-01-01,", "-7,-0.0,999999999999999999999999,,2000-01-01,", "x,y,1.5,z,0000-00-00,32 o'clock",
		"5,1e-200,-,false,,", "5,1,+,false,,", "5,1,1e,false,,", "5,1,.,false,,", "5,1,"+strings.Repeat("a", 5000)+",false,,").spending("1000000", "1e-3")
	b := w.open(t)
	numbers, truths, texts, days := expressions()
	known, err := os.ReadFile("../dp/query/functions.go")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.ToLower(strings.Join(slices.Concat(numbers, truths, texts, days), "\n"))
	for _, m := range regexp.MustCompile(`(?m)^\t\t"([a-z_]+)": +\{`).FindAllStringSubmatch(string(known), -1) {
		if !strings.Contains(all, m[1]+"(") && !strings.Contains(all, m[1]+" ") {
			t.Errorf("%s is allowed, and not attacked", m[1])
		}
	}
	var questions []string
	for _, x := range numbers {
		questions = append(questions, "SUM(LEAST(GREATEST("+x+", -1), 1)) AS s FROM people")
	}
	for _, x := range truths {
		questions = append(questions, "COUNT(*) AS n FROM people WHERE "+x)
	}
	for _, x := range slices.Concat(texts, days) {
		questions = append(questions, x+" AS k, COUNT(*) AS n FROM people GROUP BY k")
	}
	for _, of := range []string{"MEDIAN(f)", "APPROX_QUANTILES(i * f, 4)", "COVAR_SAMP(i, f)", "CORR(f, i)", "REGR_SLOPE(f, i)", "REGR_INTERCEPT(i, f)", "VARIANCE(f)", "AVG(i / f)"} {
		questions = append(questions, "b, "+of+" AS x FROM people GROUP BY b")
	}
	answered := 0
	for _, q := range questions {
		switch _, err := b.drawerOf(at("1", q)); {
		case err == nil:
			answered++
		case anchorhold.KindOf(err) != anchorhold.Invalid: // of the question alone
			t.Errorf("%s: %v; %v", q, err, remedy(err))
		}
	}
	if answered < len(questions)*4/5 {
		t.Errorf("of %d questions %d were answered", len(questions), answered)
	}
}

// watched is engines of which a test learns what they are asked, before they are;
// where it gives an error, that is their answer.
type watched struct {
	question.Engines
	asks func(engine.Statement) error
}

type watchedEngine struct {
	engine.Engine
	of *watched
}

func (w *watched) Engine(ctx context.Context, who string, d anchorhold.Dataset, open func(context.Context) ([]*os.File, error)) (engine.Engine, error) {
	e, err := w.Engines.Engine(ctx, who, d, open)
	return watchedEngine{e, w}, err
}

func (e watchedEngine) Partials(ctx context.Context, s engine.Statement) (*engine.Partials, error) {
	if err := e.of.asks(s); err != nil {
		return nil, err
	}
	return e.Engine.Partials(ctx, s)
}

// TestAttackEngineNoise: an engine is never asked for randomness, for the time, or for
// anything but these functions: noise is ours (Presto's pull request 23002 drew it in the
// engine). The same question is the same statement for everybody, each time.
func TestAttackEngineNoise(t *testing.T) {
	b := stays("k string, x int, f float, d date, s string", stated{"k": domain("a", "b"), "x": bounds("0", "10"), "f": bounds("0", "1")}, "1,a,5,0.5,2020-01-01,a").spending("1000000", "1e-3").open(t)
	var statements []string
	b.Engines = &watched{b.Engines, func(s engine.Statement) error {
		told := s.SQL
		if s.Steps != nil {
			told += "\n" + s.Steps.First + "\n" + s.Steps.Then("kept")
		}
		statements = append(statements, told)
		return nil
	}}
	pure := strings.Fields("and as by case cast coalesce count date date_part date_trunc floor ceil abs sign round sqrt from greatest group in is join least left length like lower ltrim max md5 min not nullif on or order " +
		"over partition regexp_full_match replace right row_number rtrim dense_rank select starts_with strlen strpos substr sum then translate trim try_cast upper when where with else decimal epoch_us concat")
	for _, sql := range []string{
		"k, COUNT(*) AS n, SUM(x) AS s, AVG(f) AS m, VARIANCE(f) AS v FROM stays GROUP BY k",
		"year(d) AS y, COUNT(*) AS n, COUNT(DISTINCT person) AS p FROM stays WHERE s LIKE 'a%' GROUP BY y HAVING COUNT(*) > 1",
		"COUNT(*) AS n FROM stays a JOIN stays b ON a.person = b.person WHERE a.x / b.x > 0.5",
		"k, s, SUM(x + CAST(s AS BIGINT)) AS t FROM stays GROUP BY ROLLUP (k, s)",
	} {
		var same []string
		for _, who := range []string{"ada", "bob"} {
			from := len(statements)
			b.data.Assets[0].Version.Number++ // what is no part of its id
			b.must(who, at("1", sql+" -- "+who))
			same = append(same, strings.Join(statements[from:], "\n"))
		}
		if same[0] != same[1] {
			t.Errorf("%s: one is asked as\n%s\nand one as\n%s", sql, same[0], same[1])
		}
	}
	for _, s := range statements {
		for _, m := range regexp.MustCompile(`(?i)([a-z_0-9]+)\s*\(`).FindAllStringSubmatch(s, -1) {
			if !slices.Contains(pure, strings.ToLower(m[1])) {
				t.Errorf("an engine is asked for %s in\n%s", m[1], s)
			}
		}
	}
}

// TestAttackSideEffects: nothing that changes, waits, looks around, or gives another
// value each time.
func TestAttackSideEffects(t *testing.T) {
	b := people("x int, s string", stated{"x": bounds("0", "10")}, "1,a").open(t)
	for _, x := range []string{
		"random()", "uuid()", "gen_random_uuid()", "now()", "current_timestamp", "current_date", "today()", "nextval('s')", "currval('s')", "setseed(0.5)", "getenv('HOME')", "current_setting('memory_limit')",
		"pg_sleep(1)", "sleep_ms(1)", "txid_current()", "current_user", "version()", "getvariable('x')", "error('x')", "hash(x)", "x::VARCHAR::JSON", "rowid", "file_row_number", "filename", "(SELECT 1)", "x IN (SELECT x FROM people)",
		"EXISTS (SELECT 1 FROM people)", "list_sum([x])", "query('SELECT 1')", "ln(x)", "exp(x)", "pow(x, 2)", "regexp_matches(s, 'a')", "x ** 2", "ROW_NUMBER() OVER ()", "SUM(x) OVER ()", "x & 1", "x << 1", "unnest([x])", "array_length([x])", "struct_pack(a := x)",
	} {
		for _, sql := range []string{"COUNT(*) AS n FROM people WHERE " + x + " IS NOT NULL", "COUNT(" + x + ") AS n FROM people", x + " AS k, COUNT(*) AS n FROM people GROUP BY k"} {
			if _, err := b.as("ada", at("0.1", sql)); err == nil || anchorhold.KindOf(err) != anchorhold.Invalid {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	for _, sql := range []string{
		"COUNT(*) AS n FROM read_csv('/etc/passwd')", "COUNT(*) AS n FROM '/etc/passwd'", "COUNT(*) AS n FROM duckdb_settings()", "COUNT(*) AS n FROM information_schema.tables", "COUNT(*) AS n FROM sqlite_master", "COUNT(*) AS n FROM range(10)",
		"COUNT(*) AS n FROM people TABLESAMPLE 10%", "COUNT(*) AS n FROM people; DELETE FROM people", "COUNT(*) AS n FROM (DELETE FROM people RETURNING *)", "COUNT(*) AS n FROM people, LATERAL (SELECT random())", "COUNT(*) AS n FROM people POSITIONAL JOIN people p", "COUNT(*) AS n INTO x FROM people",
	} {
		if _, err := b.as("ada", at("0.1", sql)); err == nil || anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{"PRAGMA memory_limit='1TB'", "SET threads=1", "INSTALL httpfs", "ATTACH 'x'", "COPY people TO 'x'", "CREATE TABLE x AS SELECT COUNT(*) FROM people", "EXPLAIN ANALYZE SELECT COUNT(*) FROM people", "EXPORT DATABASE 'x'", "CALL pragma_version()"} {
		if _, err := b.as("ada", sql); err == nil || anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if b.opened != 0 || b.spent(anchorhold.LimitPopulation, "") != (anchorhold.Exposed{}) {
		t.Errorf("data was opened %d times", b.opened)
	}
}
