package mock

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
)

func rows(n float64) []anchorhold.Fact { return []anchorhold.Fact{fact(anchorhold.FactRows, n)} }

// TestPatternsAreKept by texts that repeat and by those that do not.
func TestPatternsAreKept(t *testing.T) {
	for _, pattern := range []string{`P-\d{4}`, `[A-Z]{2}\d{1,3}`, `[a-c0-9]{6}\.x`, `\d{20}`, `\[\d{3}\]-`, `a{0,2}\d{3}`} {
		for _, unique := range []bool{false, true} {
			card := Card{Facts: rows(500), Columns: []anchorhold.Column{col("code", anchorhold.TypeString, fact(anchorhold.FactPattern, pattern), fact(anchorhold.FactUnique, unique))}}
			_, all := readCSV(t, generate(t, card, 3, CSV))
			seen := map[string]bool{}
			for _, r := range all {
				if !regexp.MustCompile("^" + pattern + "$").MatchString(r[0]) {
					t.Fatalf("%q is not written like %s", r[0], pattern)
				}
				seen[r[0]] = true
			}
			if unique && len(seen) != 500 || len(all) != 500 {
				t.Errorf("%s: %d of %d differ", pattern, len(seen), len(all))
			}
		}
	}
	for _, bad := range []string{"", "a*", "a+", "(a)", "a|b", "[^a]", "[a", `\w`, `\`, "a{", "a{2,1}", "a{999}", "a{-1}", "é", "[z-a]", "^a$", strings.Repeat("a", 300), "a{0}"} {
		if CheckPattern(bad) == nil {
			t.Errorf("%q can be used", bad)
		}
	}
	narrow := Card{Facts: rows(500), Columns: []anchorhold.Column{col("code", anchorhold.TypeString, fact(anchorhold.FactPattern, `\d{2}`), fact(anchorhold.FactUnique, true))}}
	if _, err := Generate(t.Context(), narrow, 1, &bytes.Buffer{}, CSV); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("five hundred of a hundred: %v", err)
	}
}

// FuzzParsePattern: whatever is accepted makes texts that a regular expression
// of the same form accepts.
func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{`P-\d{4}`, `[A-Z]{2,3}x`, `\.{2}`, `[a-]`} {
		f.Add(s, uint64(1))
	}
	f.Fuzz(func(t *testing.T, pattern string, seed uint64) {
		parts, err := parsePattern(pattern)
		if err != nil {
			return
		}
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			t.Fatalf("%q is no regular expression: %v", pattern, err)
		}
		if text := drawParts(stream(seed, 0, ""), parts); !re.MatchString(text) {
			t.Errorf("%q of %q", text, pattern)
		}
	})
}

// TestFaults: each stated fault is in about as many values as it says, in every
// format that can hold it, and leaves all other values as they were.
func TestFaults(t *testing.T) {
	dates := regexp.MustCompile(`^\d{2}\.\d{2}\.\d{4}( \d{2}:\d{2})?$`)
	over := func(lo, hi float64) func(string) bool {
		return func(s string) bool {
			f, err := strconv.ParseFloat(s, 64)
			return err == nil && (f < lo || f > hi)
		}
	}
	before := func(lo, hi string) func(string) bool { return func(s string) bool { return s < lo || s > hi } }
	low, high := fact(anchorhold.FactMin, 10.0), fact(anchorhold.FactMax, 90.0)
	like := func(s string) anchorhold.Fact { return fact(anchorhold.FactLike, s) }
	days := []anchorhold.Fact{fact(anchorhold.FactMin, "2020-01-01"), fact(anchorhold.FactMax, "2020-12-31")}
	for name, c := range map[string]struct {
		column anchorhold.Column
		fault  string
		is     func(string) bool
	}{
		"dates in another form":      {col("d", anchorhold.TypeDate), anchorhold.FaultFormat, dates.MatchString},
		"times in another form":      {col("d", anchorhold.TypeTimestamp), anchorhold.FaultFormat, dates.MatchString},
		"decimals with a comma":      {col("d", anchorhold.TypeFloat, low, high), anchorhold.FaultFormat, func(s string) bool { return strings.Contains(s, ",") }},
		"texts like dates":           {col("d", anchorhold.TypeString, like("date")), anchorhold.FaultFormat, dates.MatchString},
		"whole numbers out of range": {col("d", anchorhold.TypeInt, low, high), anchorhold.FaultRange, over(10, 90)},
		"numbers out of range":       {col("d", anchorhold.TypeFloat, low, high), anchorhold.FaultRange, over(10, 90)},
		"categories out of range":    {col("d", anchorhold.TypeInt, fact(anchorhold.FactCategories, []any{1.0, 2.0})), anchorhold.FaultRange, over(1, 2)},
		"dates out of range":         {col("d", anchorhold.TypeDate, days...), anchorhold.FaultRange, before("2020-01-01", "2020-12-31")},
		"texts like numbers":         {col("d", anchorhold.TypeString, like("int"), low, high), anchorhold.FaultRange, over(10, 90)},
		"blanks at the end":          {col("d", anchorhold.TypeString), anchorhold.FaultBlanks, func(s string) bool { return strings.HasSuffix(s, " ") }},
		"blanks after categories":    {col("d", anchorhold.TypeString, fact(anchorhold.FactCategories, []any{"a", "b"})), anchorhold.FaultBlanks, func(s string) bool { return strings.HasSuffix(s, " ") }},
	} {
		t.Run(name, func(t *testing.T) {
			plain := Card{Facts: rows(1000), Columns: []anchorhold.Column{c.column, col("other", anchorhold.TypeInt)}}
			_, clean := readCSV(t, generate(t, plain, 5, CSV))
			for share, want := range map[float64]int{0: 0, 0.0001: 1, 0.02: 20, 0.5: 500} {
				card := Card{Facts: plain.Facts, Columns: []anchorhold.Column{c.column, plain.Columns[1]}}
				card.Columns[0].Facts = append(append([]anchorhold.Fact{}, c.column.Facts...), fact(c.fault, share))
				_, got := readCSV(t, generate(t, card, 5, CSV))
				hit := 0
				for i, r := range got {
					if c.is(r[0]) {
						hit++
					} else if r[0] != clean[i][0] {
						t.Fatalf("row %d is %q, without the fault %q", i, r[0], clean[i][0])
					}
					if r[1] != clean[i][1] {
						t.Fatal("another column changed")
					}
				}
				if hit != want {
					t.Errorf("%d of %d values with a share of %g", hit, len(got), share)
				}
			}
		})
	}
}

// TestDuplicatedKeys: a key is repeated in so many rows, and not lost elsewhere.
func TestDuplicatedKeys(t *testing.T) {
	card := Card{Facts: rows(1000), Columns: []anchorhold.Column{col("id", anchorhold.TypeInt, fact(anchorhold.FaultDuplicates, 0.05)), col("k", anchorhold.TypeString, fact(anchorhold.FactUnique, true), fact(anchorhold.FaultDuplicates, 0.01))}}
	_, all := readCSV(t, generate(t, card, 9, CSV))
	for i, want := range []int{50, 10} {
		seen := map[string]bool{}
		for _, r := range all {
			seen[r[i]] = true
		}
		if repeated := len(all) - len(seen); repeated != want {
			t.Errorf("%d values of %s are repeated, want %d", repeated, card.Columns[i].Name, want)
		}
	}
}

// TestFaultsWithMissingValues are as many, later.
func TestFaultsWithMissingValues(t *testing.T) {
	card := Card{Facts: rows(400), Columns: []anchorhold.Column{col("d", anchorhold.TypeString, fact(anchorhold.FactMissingRate, 0.5), fact(anchorhold.FaultBlanks, 0.1)), col("o", anchorhold.TypeInt)}}
	_, all := readCSV(t, generate(t, card, 2, CSV))
	hit := 0
	for _, r := range all {
		if strings.HasSuffix(r[0], " ") {
			hit++
		}
	}
	if hit < 39 || hit > 40 {
		t.Errorf("%d of 40", hit)
	}
}

func TestFaultsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		column anchorhold.Column
		format string
	}{
		"a share beyond one":   {col("a", anchorhold.TypeString, fact(anchorhold.FaultBlanks, 1.5)), CSV},
		"a share that is text": {col("a", anchorhold.TypeString, fact(anchorhold.FaultBlanks, "much")), CSV},
		"blanks of numbers":    {col("a", anchorhold.TypeInt, fact(anchorhold.FaultBlanks, 0.5)), CSV},
		"range of words":       {col("a", anchorhold.TypeString, fact(anchorhold.FaultRange, 0.5)), CSV},
		"form of words":        {col("a", anchorhold.TypeString, fact(anchorhold.FaultFormat, 0.5)), CSV},
		"form of whole":        {col("a", anchorhold.TypeInt, fact(anchorhold.FaultFormat, 0.5)), CSV},
		"repeated already":     {col("a", anchorhold.TypeInt, fact(anchorhold.FaultDuplicates, 0.5)), CSV},
		"typed dates":          {col("a", anchorhold.TypeDate, fact(anchorhold.FaultFormat, 0.5)), Parquet},
		"like a truth value":   {col("a", anchorhold.TypeString, fact(anchorhold.FactLike, "bool")), CSV},
		"numbers like dates":   {col("a", anchorhold.TypeInt, fact(anchorhold.FactLike, "date")), CSV},
		"keys of nothing":      {col("a", anchorhold.TypeInt, fact(anchorhold.FactReferences, "b.c")), CSV},
	} {
		_, err := Generate(t.Context(), Card{Columns: []anchorhold.Column{c.column}}, 1, &bytes.Buffer{}, c.format)
		if anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What a typed format can hold, it does.
	texts := Card{Facts: rows(100), Columns: []anchorhold.Column{col("d", anchorhold.TypeString, fact(anchorhold.FactLike, "date"), fact(anchorhold.FaultFormat, 0.1), fact(anchorhold.FaultBlanks, 0.1))}}
	_, csv := readCSV(t, generate(t, texts, 4, CSV))
	table := readParquet(t, generate(t, texts, 4, Parquet))
	defer table.Release()
	if got := table.Column(0).Data().Chunk(0).ValueStr(0); got != csv[0][0] || table.NumRows() != 100 {
		t.Errorf("%q in Parquet, %q in CSV", got, csv[0][0])
	}
}

// TestKeysLeadSomewhere: a column that refers to another has its values only, and
// each once where it is a key itself.
func TestKeysLeadSomewhere(t *testing.T) {
	keys := map[string][]any{"p": {7.0, 8.0, 9.0}, "u": {"a", "b", "c", "d"}}
	card := Card{Facts: rows(4), Keys: keys, Columns: []anchorhold.Column{
		col("p", anchorhold.TypeInt, fact(anchorhold.FactReferences, "t.p")),
		col("u", anchorhold.TypeString, fact(anchorhold.FactReferences, "t.u"), fact(anchorhold.FactUnique, true)),
	}}
	_, all := readCSV(t, generate(t, card, 1, CSV))
	seen := map[string]bool{}
	for _, r := range all {
		if !slices.Contains([]string{"7", "8", "9"}, r[0]) || !slices.Contains([]string{"a", "b", "c", "d"}, r[1]) || seen[r[1]] {
			t.Errorf("%v", r)
		}
		seen[r[1]] = true
	}
	card.Facts = nil // as many as there are keys
	if _, all := readCSV(t, generate(t, card, 1, CSV)); len(all) != 4 {
		t.Errorf("%d rows of four keys", len(all))
	}
	card.Facts = rows(5)
	if _, err := Generate(t.Context(), card, 1, &bytes.Buffer{}, CSV); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("five of four keys: %v", err)
	}
}
