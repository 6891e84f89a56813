package output

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/float16"

	"github.com/anchorhold/anchorhold/disclosure"
)

// The one bit pattern that "not a number" has: its other 52 bits could carry
// anything.
const (
	nan16 = 0x7e00
	nan32 = 0x7fc00000
	nan64 = 0x7ff8000000000000
)

// canonicalElements gives the elements little-endian, in C order, and each value
// with one pattern of bits only.
func (h npyHeader) canonicalElements(body []byte, lim Limits) ([]byte, error) {
	if h.kind == 'U' && h.size/4 > lim.Text {
		return nil, refuse(tooLongText)
	}
	body = slices.Clone(body)
	if h.big {
		h.swap(body)
	}
	if h.fortran && len(h.shape) > 1 {
		body = h.transpose(body)
	}
	switch h.kind {
	case 'b':
		for i, v := range body {
			body[i] = min(v, 1)
		}
	case 'f':
		canonicalFloats(body, h.size)
	case 'c':
		canonicalFloats(body, h.size/2)
	case 'U':
		return body, checkCodePoints(body)
	}
	return body, nil
}

// swap reverses the bytes of each number.
func (h npyHeader) swap(body []byte) {
	width := h.size
	switch h.kind {
	case 'U':
		width = 4
	case 'c':
		width /= 2
	}
	for part := range slices.Chunk(body, width) {
		slices.Reverse(part)
	}
}

// transpose turns Fortran order, first axis fastest, into C order.
func (h npyHeader) transpose(body []byte) []byte {
	out := make([]byte, 0, len(body))
	step := make([]int64, len(h.shape)) // elements from one index of an axis to the next
	n := int64(1)
	for i, axis := range h.shape {
		step[i] = n
		n *= axis
	}
	at := make([]int64, len(h.shape))
	from := int64(0)
	for range h.count {
		out = append(out, body[from*int64(h.size):(from+1)*int64(h.size)]...)
		for i := len(at) - 1; i >= 0; i-- {
			at[i]++
			from += step[i]
			if at[i] < h.shape[i] {
				break
			}
			from -= step[i] * h.shape[i]
			at[i] = 0
		}
	}
	return out
}

// canonicalFloats gives every NaN its one pattern.
func canonicalFloats(b []byte, width int) {
	for part := range slices.Chunk(b, width) {
		switch width {
		case 2:
			if v := binary.LittleEndian.Uint16(part); v&0x7fff > 0x7c00 {
				binary.LittleEndian.PutUint16(part, nan16)
			}
		case 4:
			if v := binary.LittleEndian.Uint32(part); v&0x7fffffff > 0x7f800000 {
				binary.LittleEndian.PutUint32(part, nan32)
			}
		default:
			if v := binary.LittleEndian.Uint64(part); v&(1<<63-1) > 0x7ff<<52 {
				binary.LittleEndian.PutUint64(part, nan64)
			}
		}
	}
}

// checkCodePoints checks UTF-32 text.
func checkCodePoints(b []byte) error {
	for part := range slices.Chunk(b, 4) {
		if v := binary.LittleEndian.Uint32(part); v > utf8.MaxRune || !utf8.ValidRune(rune(v)) {
			return refuse(badText)
		}
	}
	return nil
}

// cells makes one sheet: a vector is a column, everything else rows of its last
// axis.
func (h npyHeader) cells(body []byte, lim Limits) disclosure.Cells {
	b := cellBuilder{left: lim.Cells}
	per := int64(1)
	if h.kind == 'c' {
		per = 2
	}
	if h.count*per > int64(lim.Cells) || h.count == 0 {
		b.partial = h.count > 0
		return b.cells()
	}
	width := per
	if len(h.shape) > 1 {
		width *= h.shape[len(h.shape)-1]
	}
	all := make([]disclosure.Cell, 0, h.count*per)
	for part := range slices.Chunk(body, h.size) {
		if h.kind == 'c' {
			all = append(all, h.cell(part[:h.size/2], 'f'), h.cell(part[h.size/2:], 'f'))
			continue
		}
		all = append(all, h.cell(part, h.kind))
	}
	sheet := disclosure.Sheet{}
	for row := range slices.Chunk(all, int(width)) {
		sheet.Rows = append(sheet.Rows, row)
	}
	b.addSheet(sheet)
	return b.cells()
}

// cell is the normalised cell of one element.
func (h npyHeader) cell(b []byte, kind byte) disclosure.Cell {
	switch kind {
	case 'U':
		var s strings.Builder
		for part := range slices.Chunk(b, 4) {
			if r := rune(binary.LittleEndian.Uint32(part)); r != 0 {
				s.WriteRune(r)
			}
		}
		return disclosure.TextCell(s.String())
	case 'f':
		return floatCell(b)
	case 'i', 'M', 'm':
		v := int64(littleUint(b)<<(64-8*len(b))) >> (64 - 8*len(b))
		if kind == 'i' {
			return disclosure.IntCell(v)
		}
		return h.timeCell(v)
	}
	return disclosure.UintCell(littleUint(b))
}

func littleUint(b []byte) uint64 {
	v := uint64(0)
	for i, x := range b {
		v |= uint64(x) << (8 * i)
	}
	return v
}

func floatCell(b []byte) disclosure.Cell {
	switch len(b) {
	case 2:
		return disclosure.Float32Cell(float16.FromBits(binary.LittleEndian.Uint16(b)).Float32())
	case 4:
		return disclosure.Float32Cell(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return disclosure.FloatCell(math.Float64frombits(binary.LittleEndian.Uint64(b)))
}

// timeCell makes a cell of a NumPy date or duration; the smallest number means
// "not a time". Durations are numbers of seconds.
func (h npyHeader) timeCell(v int64) disclosure.Cell {
	if v == math.MinInt64 {
		return disclosure.Cell{}
	}
	if h.kind == 'm' {
		return durationCell(v, h.unit)
	}
	return dateCell(v, h.unit)
}

// durationCell makes a cell of a length of time: seconds, or months and years as
// they are.
func durationCell(v int64, unit string) disclosure.Cell {
	perSecond := map[string]float64{"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
	length := map[string]float64{"W": 604800, "D": 86400, "h": 3600, "m": 60}[unit]
	switch {
	case perSecond > 0: // divided, since a thousandth is no exact float
		return disclosure.FloatCell(float64(v) / perSecond)
	case length > 0:
		return disclosure.FloatCell(float64(v) * length)
	}
	return disclosure.IntCell(v)
}

// dateCell makes a cell of a point in time counted in a unit since 1970. Points
// too far away to be dates become plain numbers.
func dateCell(v int64, unit string) disclosure.Cell {
	const far = 1 << 40 // seconds; about 35,000 years
	perSecond := map[string]int64{"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
	length := map[string]int64{"m": 60, "h": 3600, "D": 86400, "W": 604800}[unit]
	switch {
	case perSecond > 0 && v/perSecond < far && v/perSecond > -far:
		return disclosure.TimeCell(time.Unix(v/perSecond, v%perSecond*(1e9/perSecond)))
	case length > 0 && v < far/length && v > -far/length:
		return disclosure.TimeCell(time.Unix(v*length, 0))
	case unit == "M" && v < far/2592000 && v > -far/2592000:
		return disclosure.TimeCell(time.Date(1970, time.Month(1+v), 1, 0, 0, 0, 0, time.UTC))
	case unit == "Y" && v < 30000 && v > -30000:
		return disclosure.TimeCell(time.Date(int(1970+v), 1, 1, 0, 0, 0, 0, time.UTC))
	}
	return disclosure.IntCell(v)
}
