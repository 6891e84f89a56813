package wire_test

import (
	"bytes"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb/wire"
)

func columns() []engine.Column {
	return []engine.Column{
		{Name: "n", Type: anchorhold.TypeInt, Nullable: true}, {Name: "k", Type: anchorhold.TypeString, Nullable: true}, {Name: "b", Type: anchorhold.TypeBool},
	}
}

func made() *engine.Partials { return engine.MakePartials(engine.Statement{Columns: columns()}) }

// Every width of integer, missing values in some batches and not in others, and
// texts of any length come back as they were.
func TestBatches(t *testing.T) {
	var all engine.Vector
	add := func(x *big.Int) {
		for _, y := range []*big.Int{x, new(big.Int).Neg(x)} {
			all.Ints = append(all.Ints, decimal128.FromBigInt(y))
			all.Null = append(all.Null, len(all.Ints)%7 == 0)
			all.Texts = append(all.Texts, strings.Repeat("é", len(all.Ints)))
		}
	}
	for shift := range uint(127) {
		one := new(big.Int).Lsh(big.NewInt(1), shift)
		add(one)
		add(new(big.Int).Sub(one, big.NewInt(1)))
	}
	add(big.NewInt(math.MaxInt64))
	all.Ints = append(all.Ints, decimal128.New(math.MinInt64, 0))
	all.Null, all.Texts = append(all.Null, false), append(all.Texts, "")
	n := len(all.Ints)
	values := []engine.Vector{{Ints: all.Ints, Null: all.Null}, {Texts: all.Texts}, {Ints: make([]engine.Int, n)}}
	got := made()
	for from := 0; from < n; {
		to := min(n, from+from%5+1)
		cut := values
		if from%2 == 0 { // a batch without missing values
			cut = []engine.Vector{{Ints: all.Ints}, values[1], values[2]}
			for i := from; i < to; i++ {
				all.Null[i] = false
			}
		}
		if err := wire.ReadBatch(wire.AppendBatch(nil, cut, from, to), got, n); err != nil {
			t.Fatal(err)
		}
		from = to
	}
	if got.Rows != n || !reflect.DeepEqual(got.Values, values) {
		t.Error("other values than were sent")
	}
}

// What no worker writes is refused, and never makes more rows than there can be.
func FuzzReadBatch(f *testing.F) {
	good := []engine.Vector{
		{Ints: []engine.Int{decimal128.FromI64(-1), decimal128.New(1, 0)}, Null: []bool{false, true}}, {Texts: []string{"a", ""}}, {Ints: make([]engine.Int, 2)},
	}
	f.Add(wire.AppendBatch(nil, good, 0, 2))
	f.Add(wire.AppendBatch(nil, good, 0, 0))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{2, 0, 17})
	f.Add([]byte{1, 0, 1, 5, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 5
		got := made()
		for range 2 {
			if wire.ReadBatch(b, got, most) != nil {
				return
			}
			if got.Rows > most {
				t.Fatal("more rows than there can be")
			}
			_ = got.Check(engine.Statement{Columns: columns(), MaxRows: most}) // never panics
			for i, v := range got.Values {
				if c := columns()[i]; c.Type == anchorhold.TypeString && len(v.Texts) != got.Rows || c.Type != anchorhold.TypeString && len(v.Ints) != got.Rows {
					t.Fatal("columns of different lengths")
				}
				if v.Null != nil && len(v.Null) != got.Rows {
					t.Fatal("marks of other rows")
				}
			}
		}
		if again := wire.AppendBatch(nil, got.Values, 0, got.Rows); got.Rows > 0 && len(again) > 2*len(b)+16*3*got.Rows {
			t.Fatal("more bytes than came", bytes.Count(again, nil))
		}
	})
}
