package disclosure_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"testing"

	"github.com/anchorhold/anchorhold/disclosure"
)

// TestIndexBytes: however many processors share an index and however its rows
// come, its bytes are the ones that they were when one goroutine wrote it row by
// row.
func TestIndexBytes(t *testing.T) {
	const want = "33bf0eed2642aae9566407a7a1b9ee5a7d26062f12c82202bc8e5a2ab38f5238"
	const rows, columns = 9000, 5
	cell := func(row, column int) disclosure.Cell {
		switch {
		case (row+column)%17 == 0:
			return disclosure.Cell{}
		case column == 0:
			return disclosure.IntCell(int64(row))
		case column == 1:
			return disclosure.FloatCell(float64(row*row%7919) / 97)
		case column == 2:
			return disclosure.TextCell(fmt.Sprint("ward ", row%7))
		case column == 3:
			return disclosure.BoolCell(row%3 == 0)
		}
		return disclosure.TextCell(fmt.Sprintf("Person %d", row))
	}
	for _, how := range []struct{ processors, batch int }{{1, 1}, {1, 4096}, {2, 1000}, {3, rows}, {16, 4097}} {
		before := runtime.GOMAXPROCS(how.processors)
		var file bytes.Buffer
		x, err := disclosure.NewIndexer(testKey, &file, make([]disclosure.Column, columns))
		for from := 0; err == nil && from < rows; from += how.batch {
			n := min(how.batch, rows-from)
			if n > 1 {
				err = x.AddRows(n, func(row, column int) disclosure.Cell { return cell(from+row, column) })
				continue
			}
			one := make([]disclosure.Cell, columns)
			for c := range one {
				one[c] = cell(from, c)
			}
			err = x.AddRow(one)
		}
		if err == nil {
			err = x.Close()
		}
		runtime.GOMAXPROCS(before)
		if sum := sha256.Sum256(file.Bytes()); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%d processors, %d rows at once: %x, %v", how.processors, how.batch, sum, err)
		}
	}
}
