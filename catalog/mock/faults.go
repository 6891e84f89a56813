package mock

import (
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// faults are what an owner says is wrong with a column's values.
type faults struct {
	list    []fault
	earlier []value // of a key, some of its values
	rng     *rand.Rand
}

// fault is one of them.
type fault struct {
	hits  func() int64 // of the next row: below share where it is due
	share int64        // rows in which it is due
	owed  int          // rows in which it was due and could not be
	text  bool         // it is one of how a value is written, not of the value
	spoil func(c *column, v value) (spoilt value, could bool)
}

// remembered is how many values of a key can come a second time.
const remembered = 256

// addFaults reads the faults of a column's card.
func (c *column) addFaults(rng *rand.Rand, format string) error {
	c.faults.rng = rng
	for _, kind := range []struct {
		name  string
		text  bool
		spoil func(*column, value) (value, bool)
		can   bool
		needs string
	}{
		{anchorhold.FaultDuplicates, false, duplicated, c.unique(), "state it of a column without repetition"},
		{anchorhold.FaultRange, false, outOfRange, c.base != anchorhold.TypeString && c.base != anchorhold.TypeBool, "state it of numbers, dates or times, or of text that is like them"},
		{anchorhold.FaultFormat, true, otherForm, c.hasOtherForm(), "state it of dates, times or decimals, or of text that is like them"},
		{anchorhold.FaultBlanks, true, blanks, c.Type == anchorhold.TypeString, "state it of text"},
	} {
		f, ok := c.Fact(kind.name)
		if !ok {
			continue
		}
		share, isNumber := number(f.Value)
		if !isNumber || share < 0 || share > 1 {
			return wrong("state a share from 0 to 1", "the fact %q of the column %q is not a share", f.Name, c.Name)
		}
		if !kind.can {
			return wrong(kind.needs, "values of the column %q, of the type %s, cannot have the fault %q", c.Name, c.Type, f.Name)
		}
		if kind.name == anchorhold.FaultFormat && format != CSV && c.Type != anchorhold.TypeString {
			return wrong("state it of a column of text, which is like a date", "the format %s holds the type %s in one form only: the column %q cannot have the fault %q", format, c.Type, c.Name, f.Name)
		}
		if share > 0 {
			c.faults.list = append(c.faults.list, fault{
				hits: permutationOf(rng, int64(c.rows)), share: max(1, int64(math.Round(share*float64(c.rows)))), text: kind.text, spoil: kind.spoil,
			})
		}
	}
	return nil
}

func (c *column) hasOtherForm() bool {
	return c.base == anchorhold.TypeDate || c.base == anchorhold.TypeTimestamp || c.base == anchorhold.TypeFloat
}

// tick begins the next row, whether it has a value or none.
func (f *faults) tick() {
	for i := range f.list {
		if f.list[i].hits() < f.list[i].share {
			f.list[i].owed++
		}
	}
}

// into spoils a value as far as it is due, and writes it as text where its column
// is one.
func (f *faults) into(c *column, v value) value {
	clean := v
	v = f.apply(c, v, false)
	if len(f.list) > 0 && len(f.earlier) < remembered && v.is(clean) {
		f.earlier = append(f.earlier, clean)
	}
	if c.Type == anchorhold.TypeString && c.base != anchorhold.TypeString {
		v.text = c.written(c.base, v)
	}
	return f.apply(c, v, true)
}

func (f *faults) apply(c *column, v value, text bool) value {
	for i := range f.list {
		one := &f.list[i]
		if one.text != text || one.owed == 0 {
			continue
		}
		if spoilt, could := one.spoil(c, v); could {
			v = spoilt
			one.owed--
		}
	}
	return v
}

func duplicated(c *column, v value) (value, bool) {
	seen := c.faults.earlier
	if len(seen) == 0 {
		return v, false
	}
	return seen[c.faults.rng.IntN(len(seen))], true
}

// outOfRange moves a value beyond one of the ends.
func outOfRange(c *column, v value) (value, bool) {
	span := max(c.high-c.low, 1)
	by := 1 + math.Round(span*c.faults.rng.Float64())
	to := c.high + by
	if c.faults.rng.IntN(2) == 0 {
		to = c.low - by
	}
	if c.base == anchorhold.TypeFloat {
		v.real = to
	} else {
		v.whole = int64(to)
	}
	return v, true
}

// otherForm writes dates as they are written in much of Europe, and decimals with
// a comma.
func otherForm(c *column, v value) (value, bool) {
	var text string
	switch c.base {
	case anchorhold.TypeDate:
		text = time.Unix(v.whole*86400, 0).UTC().Format("02.01.2006")
	case anchorhold.TypeTimestamp:
		text = time.UnixMicro(v.whole).UTC().Format("02.01.2006 15:04")
	default:
		text = strings.Replace(c.written(c.base, v), ".", ",", 1)
	}
	if c.Type == anchorhold.TypeString {
		v.text = text
	} else {
		v.raw = text
	}
	return v, true
}

func blanks(c *column, v value) (value, bool) {
	v.text += strings.Repeat(" ", 1+c.faults.rng.IntN(3))
	return v, v.text != ""
}
