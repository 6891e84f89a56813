package question_test

import (
	"encoding/csv"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/question"
)

// columnsOf reads columns of the Cleveland table, of the rows that a filter keeps.
func columnsOf(t *testing.T, keep func(row map[string]string) bool, names ...string) [][]float64 {
	t.Helper()
	f, err := os.Open(cleveland)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]float64, len(names))
	for _, r := range rows[1:] {
		cells := map[string]string{}
		for i, head := range rows[0] {
			cells[head] = r[i]
		}
		if !keep(cells) {
			continue
		}
		for i, name := range names {
			x, err := strconv.ParseFloat(cells[name], 64)
			if err != nil {
				t.Fatal(err)
			}
			out[i] = append(out[i], x)
		}
	}
	return out
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func covariance(x, y []float64) float64 {
	sum := 0.0
	for i := range x {
		sum += (x[i] - mean(x)) * (y[i] - mean(y))
	}
	return sum / float64(len(x))
}

// quantile is the least value with at least a part p of all at or below it.
func quantile(x []float64, p float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[max(0, int(math.Ceil(p*float64(len(x))))-1)]
}

// TestQuantilesAndPairs are near the truth where hardly any noise is bought, and
// their intervals hold it.
func TestQuantilesAndPairs(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "10000"})
	a := b.must("ada", at("900", `sex, MEDIAN(age) AS median, PERCENTILE_CONT(age, 0.9) AS high, APPROX_QUANTILES(oldpeak, 4) AS parts,
		COVAR_POP(oldpeak, age) AS c, COVAR_SAMP(oldpeak, age) AS cs, CORR(oldpeak, age) AS r, REGR_SLOPE(oldpeak, age) AS b, REGR_INTERCEPT(oldpeak, age) AS a
		FROM patients GROUP BY sex ORDER BY sex`))
	if len(a.Rows) != 2 {
		t.Fatalf("the answer is %+v", a)
	}
	for i, sex := range []string{"0", "1"} {
		c := columnsOf(t, func(row map[string]string) bool { return row["sex"] == sex }, "age", "oldpeak")
		age, peak := c[0], c[1]
		n, slope := float64(len(age)), covariance(age, peak)/covariance(age, age)
		for column, want := range map[int]float64{
			1: quantile(age, 0.5), 2: quantile(age, 0.9), 4: covariance(age, peak), 5: covariance(age, peak) * n / (n - 1),
			6: covariance(age, peak) / math.Sqrt(covariance(age, age)*covariance(peak, peak)), 7: slope, 8: mean(peak) - slope*mean(age),
		} {
			cell := a.Rows[i][column]
			if got := value(t, a, i, column); math.Abs(got-want) > 0.5 || cell.Low == nil || cell.High == nil || *cell.Low > got || *cell.High < got || *cell.Low > want || *cell.High < want {
				t.Errorf("%s of sex %s is %v in [%v, %v], and truly %v", a.Columns[column].Name, sex, got, cell.Low, cell.High, want)
			}
		}
		parts, ok := a.Rows[i][3].Value.([]float64)
		ends := a.Rows[i][3].Ends
		if !ok || len(parts) != 5 || len(ends) != 5 {
			t.Fatalf("the parts are %+v", a.Rows[i][3])
		}
		for k, got := range parts {
			want := quantile(peak, float64(k)/4)
			if math.Abs(got-want) > 0.5 || ends[k][0] > want+1e-9 || ends[k][1] < want-1e-9 {
				t.Errorf("part %d of sex %s is %v in %v, and truly %v", k, sex, got, ends[k], want)
			}
		}
	}
}

// TestQuantilesOfFoundGroups: of those that are shown, and of no others.
func TestQuantilesOfFoundGroups(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "10000", Delta: "1e-6"})
	a := b.must("ada", at("400", "cp, MEDIAN(age) AS m, COUNT(*) AS n FROM patients WHERE cp <> 1 GROUP BY cp ORDER BY cp"))
	if len(a.Rows) != 3 {
		t.Fatalf("the answer is %+v", a)
	}
	for i, cp := range []string{"2", "3", "4"} {
		age := columnsOf(t, func(row map[string]string) bool { return row["cp"] == cp || row["cp"] == cp+".0" }, "age")[0]
		if got, want := value(t, a, i, 1), quantile(age, 0.5); math.Abs(got-want) > 1 {
			t.Errorf("the median of %s is %v, truly %v", cp, got, want)
		}
	}
}

// TestPricesSayHowExact an answer is before it is bought, whatever it is made of.
func TestPricesSayHowExact(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "10", Delta: "1e-6"})
	q, err := b.Quote(t.Context(), b.permit("ada"), "heart", question.Asked{SQL: at("5",
		"cp, COUNT(*) AS n, AVG(age) AS m, STDDEV(age) AS d, CORR(age, oldpeak) AS r, REGR_SLOPE(oldpeak, age) AS b, MEDIAN(age) AS q FROM patients GROUP BY cp")})
	if err != nil {
		t.Fatal(err)
	}
	if n := q.Items[1]; n.PlusMinus == nil || *n.PlusMinus < 1 || *n.PlusMinus > 100 {
		t.Errorf("a count has %+v", n)
	}
	for _, i := range q.Items[2:6] {
		few, many := i.BySize["10000"], i.BySize["100000"]
		if few <= 0 || many <= 0 || few < 5*many || few > 20*many && i.Name != "b" {
			t.Errorf("%s has %v", i.Name, i.BySize)
		}
	}
	if i := q.Items[6]; i.Ranks == nil || *i.Ranks < 10 || *i.Ranks > 2000 {
		t.Errorf("a median has %+v", i)
	}
}
