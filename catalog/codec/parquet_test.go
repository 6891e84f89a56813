package codec

import (
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func TestParquetNotANumberIsMissing(t *testing.T) {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.Append(math.NaN())
	a := b.NewFloat64Array()
	defer a.Release()
	if c := readFloat(a, 0); c != (Cell{}) {
		t.Errorf("%v", c)
	}
}
