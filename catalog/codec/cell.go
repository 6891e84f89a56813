package codec

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// CellKind says what one cell holds, by itself: a column of text may hold
// cells that look like numbers.
type CellKind uint8

// The kinds of cell.
const (
	CellMissing   CellKind = iota
	CellInt                // Int
	CellFloat              // Float
	CellBool               // Int: 0 or 1
	CellDate               // Int: days since 1970-01-01
	CellTimestamp          // Int: microseconds since 1970-01-01 00:00, UTC where no zone is written
	CellText               // Text
)

// Cell is one value of a table. In a CSV file Text is the cell as written,
// whatever its kind. Text is valid until the next batch is read.
type Cell struct {
	Kind  CellKind
	Nano  uint16 // CellTimestamp: nanoseconds beyond Int
	Int   int64
	Float float64
	Text  string
}

// Value is the cell as a float: of an integer, its nearest one.
func (c Cell) Value() float64 {
	if c.Kind == CellInt {
		return float64(c.Int)
	}
	return c.Float
}

// defaultMissing are the texts that pandas reads as "no value" unless told
// otherwise (its STR_NA_VALUES), so that a card, a mock and a run agree on
// which cells are missing.
func defaultMissing() []string {
	return []string{
		"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
		"<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
	}
}

// MissingTexts are the texts that mean "no value" in a CSV file: pandas' own and
// what its owner named besides.
func MissingTexts(extra []string) []string { return append(defaultMissing(), extra...) }

// missingSet answers "is this text no value?" without hashing most texts.
type missingSet struct {
	texts   map[string]struct{}
	first   [256]bool
	longest int
}

func newMissingSet(extra []string) (*missingSet, error) {
	if len(extra) > MaxMissing {
		return nil, invalid("name fewer", "%d texts for missing values are more than the limit of %d", len(extra), MaxMissing)
	}
	m := &missingSet{texts: make(map[string]struct{})}
	for _, t := range MissingTexts(extra) {
		if len(t) > maxMissingText || strings.ContainsAny(t, "\r\n\x00") {
			return nil, invalid("name a short text on one line, such as ?", "a text for missing values is longer than %d bytes or holds a line break", maxMissingText)
		}
		m.texts[t] = struct{}{}
		m.longest = max(m.longest, len(t))
		if t != "" {
			m.first[t[0]] = true
		}
	}
	return m, nil
}

func (m *missingSet) has(text string) bool {
	if text == "" {
		return true
	}
	if len(text) > m.longest || !m.first[text[0]] {
		return false
	}
	_, ok := m.texts[text]
	return ok
}

// ParseCell finds the narrowest kind that a CSV cell can be read as, by the
// rules of pandas: blanks around a number do not matter, blanks around any
// other text do.
func ParseCell(text string) Cell {
	c := Cell{Kind: CellText, Text: text}
	switch b := text[0]; {
	case b >= '0' && b <= '9', b == '-', b == '+', b == '.', b == ' ', b == '\t':
		if len(text) >= 10 && text[4] == '-' && text[7] == '-' {
			return parseTime(c)
		}
		return parseNumber(c)
	case b == 'i' || b == 'I':
		return parseNumber(c)
	case b == 'T' || b == 't' || b == 'F' || b == 'f':
		return parseBool(c)
	}
	return c
}

func parseBool(c Cell) Cell {
	switch c.Text {
	case "True", "TRUE", "true":
		c.Kind, c.Int = CellBool, 1
	case "False", "FALSE", "false":
		c.Kind, c.Int = CellBool, 0
	}
	return c
}

func parseNumber(c Cell) Cell {
	t := strings.Trim(c.Text, " \t")
	digits, form := scanNumber(t)
	switch form {
	case CellInt:
		n, err := strconv.ParseInt(t, 10, 64)
		if err == nil {
			c.Kind, c.Int = CellInt, n
		}
		// Beyond 64 bits it is most likely an identifier: text.
		return c
	case CellFloat:
		f, err := strconv.ParseFloat(t, 64)
		if err == nil || math.IsInf(f, 0) {
			c.Kind, c.Float = CellFloat, f
		}
		return c
	}
	switch strings.ToLower(digits) {
	case "inf", "infinity":
		c.Kind, c.Float = CellFloat, math.Inf(1)
		if t[0] == '-' {
			c.Float = math.Inf(-1)
		}
	}
	return c
}

// scanNumber says whether t is an integer or a decimal number, without its
// sign; it is stricter than strconv, which reads hexadecimal and underscores.
func scanNumber(t string) (unsigned string, form CellKind) {
	unsigned = unsign(t)
	whole, rest := span(unsigned)
	if rest == "" && whole > 0 {
		return unsigned, CellInt
	}
	fraction := 0
	if rest != "" && rest[0] == '.' {
		fraction, rest = span(rest[1:])
	}
	if whole+fraction == 0 {
		return unsigned, CellText
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		exponent, after := span(unsign(rest[1:]))
		if exponent == 0 {
			return unsigned, CellText
		}
		rest = after
	}
	if rest != "" {
		return unsigned, CellText
	}
	return unsigned, CellFloat
}

// unsign cuts one sign off.
func unsign(s string) string {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[1:]
	}
	return s
}

// span counts leading digits and gives what follows them.
func span(s string) (n int, rest string) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n, s[n:]
}

// The forms of timestamps; fractions of a second are read after any seconds.
var stampLayouts = [...]string{
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04Z07:00", "2006-01-02 15:04Z07:00",
}

func parseTime(c Cell) Cell {
	if len(c.Text) == len(time.DateOnly) {
		if t, err := time.Parse(time.DateOnly, c.Text); err == nil {
			c.Kind, c.Int = CellDate, t.Unix()/86400
		}
		return c
	}
	for _, layout := range stampLayouts {
		if t, err := time.Parse(layout, c.Text); err == nil {
			return timestampCell(c, t)
		}
	}
	return c
}

func timestampCell(c Cell, t time.Time) Cell {
	c.Kind, c.Int, c.Nano = CellTimestamp, t.UnixMicro(), uint16(t.Nanosecond()%1000)
	return c
}

// TypeSet is a set of column types, one bit each.
type TypeSet uint16

const (
	inInt TypeSet = 1 << iota
	inFloat
	inBool
	inDate
	inTimestamp
	inString
	inList
	inStruct
	inMap
	inAny = inInt | inFloat | inBool | inDate | inTimestamp | inString | inList | inStruct | inMap
)

// fits gives the types of column that a cell of a kind can stand in.
func fits(k CellKind) TypeSet {
	switch k {
	case CellInt:
		return inInt | inFloat | inString
	case CellFloat:
		return inFloat | inString
	case CellBool:
		return inBool | inString
	case CellDate:
		return inDate | inTimestamp | inString
	case CellTimestamp:
		return inTimestamp | inString
	case CellText:
		return inString
	}
	return inAny
}

// SetOf gives the set that holds one column type, or nothing for a type that
// does not exist.
func SetOf(t anchorhold.ColumnType) TypeSet {
	switch t {
	case anchorhold.TypeInt:
		return inInt
	case anchorhold.TypeFloat:
		return inFloat
	case anchorhold.TypeBool:
		return inBool
	case anchorhold.TypeDate:
		return inDate
	case anchorhold.TypeTimestamp:
		return inTimestamp
	case anchorhold.TypeString:
		return inString
	case anchorhold.TypeList:
		return inList
	case anchorhold.TypeStruct:
		return inStruct
	case anchorhold.TypeMap:
		return inMap
	}
	return 0
}

// narrowest names the column type of a set. A column without any value is a
// float, as pandas has it.
func (s TypeSet) narrowest() anchorhold.ColumnType {
	switch {
	case s == inAny:
		return anchorhold.TypeFloat
	case s&inInt != 0:
		return anchorhold.TypeInt
	case s&inFloat != 0:
		return anchorhold.TypeFloat
	case s&inBool != 0:
		return anchorhold.TypeBool
	case s&inDate != 0:
		return anchorhold.TypeDate
	case s&inTimestamp != 0:
		return anchorhold.TypeTimestamp
	case s&inList != 0:
		return anchorhold.TypeList
	case s&inStruct != 0:
		return anchorhold.TypeStruct
	}
	return anchorhold.TypeString
}
