package demo

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// firstVersion is what the researcher writes at first: one line per diagnosis,
// however few patients stand behind it.
const firstVersion = `def age_by_diagnosis(patients):
    """Age of patients by diagnosis (num: 0 healthy, 1 to 4 disease)."""
    return patients.groupby("num")["age"].agg(["count", "mean"]).reset_index()
`

// correctedVersion is what she writes after the denial.
const correctedVersion = `SMALLEST = 10


def age_by_diagnosis(patients):
    """Age of patients with and without disease, groups of ten and more."""
    diseased = patients["num"].gt(0).rename("diseased")
    out = patients.groupby(diseased)["age"].agg(["count", "mean"]).reset_index()
    return out[out["count"] >= SMALLEST].reset_index(drop=True)
`

// smallest is the size of the smallest group that the corrected version shows.
const smallest = 10

// group is one line of an answer.
type group struct {
	diseased bool
	count    int64
	mean     float64
}

// readGroups reads a released table.
func readGroups(ctx context.Context, parquet []byte) ([]group, error) {
	rd, err := file.NewParquetReader(bytes.NewReader(parquet))
	if err != nil {
		return nil, fmt.Errorf("the answer is not a Parquet file: %w", err)
	}
	defer rd.Close()
	ar, err := pqarrow.NewFileReader(rd, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	table, err := ar.ReadTable(ctx)
	if err != nil {
		return nil, err
	}
	defer table.Release()
	rows := array.NewTableReader(table, table.NumRows())
	defer rows.Release()
	var out []group
	for rows.Next() {
		b := rows.RecordBatch()
		diseased, ok1 := column[*array.Boolean](b, "diseased")
		count, ok2 := column[*array.Int64](b, "count")
		mean, ok3 := column[*array.Float64](b, "mean")
		if !ok1 || !ok2 || !ok3 {
			return nil, fmt.Errorf("the answer has other columns than expected: %s", b.Schema())
		}
		for i := range int(b.NumRows()) {
			out = append(out, group{diseased.Value(i), count.Value(i), mean.Value(i)})
		}
	}
	return out, rows.Err()
}

func column[T arrow.Array](b arrow.RecordBatch, name string) (c T, ok bool) {
	at := b.Schema().FieldIndices(name)
	if len(at) != 1 {
		return c, false
	}
	c, ok = b.Column(at[0]).(T)
	return c, ok
}

// compute is the independent computation: plain Go over the embedded table.
func compute(table []byte, diseased bool) (g group, ok bool) {
	records, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil {
		panic("demo: the embedded table does not parse: " + err.Error())
	}
	age, num := position(records[0], "age"), position(records[0], "num")
	g.diseased = diseased
	sum := 0.0
	for _, r := range records[1:] {
		n, err := strconv.Atoi(r[num])
		if err != nil || (n > 0) != diseased || r[age] == "" {
			continue
		}
		a, err := strconv.ParseFloat(r[age], 64)
		if err != nil {
			panic("demo: the embedded table holds an age that is no number")
		}
		g.count++
		sum += a
	}
	g.mean = sum / float64(g.count)
	return g, g.count >= smallest
}

func position(header []string, name string) int {
	for i, h := range header {
		if h == name {
			return i
		}
	}
	panic("demo: the embedded table has no column " + name)
}

// firstLines gives at most n lines of a text.
func firstLines(text string, n int) []string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return lines[:min(n, len(lines))]
}
