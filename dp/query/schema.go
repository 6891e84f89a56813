package query

import "strings"

// Type is the type of a column, as the catalogue knows it.
type Type uint8

// The types of columns. Columns of other types cannot be asked about.
const (
	Bool Type = iota + 1
	Int
	Decimal
	Double
	Text
	Date
	Timestamp // without a zone
)

// Schema is what questions may speak of.
type Schema struct{ Tables []Table }

// Table is one asset. Alias is a second name, such as the dataset's.
type Table struct {
	Name, Alias string
	Columns     []Column
}

// Column is one column. A decimal has Scale digits behind the point, and
// Precision digits in all. NotNull is a promise of the format; where it does
// not hold an answer is off, and nobody's privacy.
type Column struct {
	Name             string
	Type             Type
	Precision, Scale int
	NotNull          bool
}

func (s Schema) table(name string) *Table {
	for i := range s.Tables {
		if t := &s.Tables[i]; strings.EqualFold(t.Name, name) || t.Alias != "" && strings.EqualFold(t.Alias, name) {
			return t
		}
	}
	return nil
}

func (t *Table) column(name string) *Column {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return &t.Columns[i]
		}
	}
	return nil
}

// class is what an expression is about; how numbers are held is decided when
// their ranges are known.
type class uint8

const (
	null class = iota
	boolean
	num
	txt
	date
	stamp
	list // several quantiles
	span // days to add
)

func (c class) String() string {
	return [...]string{"NULL", "a truth value", "a number", "a text", "a date", "a timestamp", "a list", "an interval"}[c]
}

func (t Type) class() class {
	switch t {
	case Bool:
		return boolean
	case Int, Decimal, Double:
		return num
	case Text:
		return txt
	case Date:
		return date
	case Timestamp:
		return stamp
	}
	return null
}
