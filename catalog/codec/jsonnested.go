package codec

import (
	"bytes"
	"errors"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/anchorhold/anchorhold"
)

// jsonForm is what all values in one place of JSON lines have in common.
type jsonForm struct {
	kind  TypeSet // inList or inStruct of nested values; what scalars can be; inAny where there was none
	item  *jsonForm
	names []string // of the members of objects, in the order in which they came up
	parts []*jsonForm
}

func newForm() *jsonForm { return &jsonForm{kind: inAny} }

var (
	errForms = errors.New("values of two types in one place")
	errDeep  = errors.New("too deep, or too much")
	errName  = errors.New("a name that no column has")
)

// badParts says what is wrong within a member.
func (s *jsonLines) badParts(column string, err error) error {
	switch {
	case errors.Is(err, errForms):
		return invalid("write one type in each place", "line %d of %s: a part of %q is not of the type that it has before", s.lines, s.name, column)
	case errors.Is(err, errDeep):
		return anchorhold.Errorf(anchorhold.TooLarge, "write it flatter, or divide it over several lines",
			"line %d of %s: %q is nested deeper than %d levels, or has more than %d parts", s.lines, s.name, column, maxNesting, maxItems)
	case errors.Is(err, errName):
		return invalid("give every member a short name on one line", "line %d of %s: a part of %q has a name that no column can have", s.lines, s.name, column)
	}
	return notJSONLine(s.name, s.lines, err)
}

// read reads an array or an object.
func (f *jsonForm) read(text jsontext.Value) (nestedValue, error) {
	left := maxItems
	return f.next(jsontext.NewDecoder(bytes.NewReader(text)), 1, &left)
}

// next reads the next value of a place.
func (f *jsonForm) next(d *jsontext.Decoder, depth int, left *int) (v nestedValue, err error) {
	if *left--; *left < 0 || depth > maxNesting {
		return v, errDeep
	}
	switch d.PeekKind() {
	case '[':
		err = f.array(d, depth, left, &v)
		return v, err
	case '{':
		err = f.object(d, depth, left, &v)
		return v, err
	}
	value, err := d.ReadValue()
	if err != nil {
		return v, err
	}
	v.cell = jsonPart(value)
	return v, f.narrow(jsonFits(v.cell.Kind))
}

// narrow takes a further value of a place into account.
func (f *jsonForm) narrow(to TypeSet) error {
	if f.kind &= to; f.kind == 0 {
		return errForms
	}
	return nil
}

// jsonPart is a scalar within a nested value, where a text is a text.
func jsonPart(value jsontext.Value) Cell {
	if value.Kind() != '"' {
		return jsonCell(value)
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return Cell{}
	}
	return Cell{Kind: CellText, Text: string(text)}
}

func (f *jsonForm) array(d *jsontext.Decoder, depth int, left *int, v *nestedValue) error {
	if err := f.narrow(inList); err != nil {
		return err
	}
	if f.item == nil {
		f.item = newForm()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*v = listOf([]nestedValue{})
	for k := d.PeekKind(); k != ']'; k = d.PeekKind() {
		item, err := f.item.next(d, depth+1, left)
		if err != nil {
			return err
		}
		v.items = append(v.items, item)
	}
	_, err := d.ReadToken()
	return err
}

// object reads an object; a member that it lacks is a missing value.
func (f *jsonForm) object(d *jsontext.Decoder, depth int, left *int, v *nestedValue) error {
	if err := f.narrow(inStruct); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	parts := append([]nestedValue{}, make([]nestedValue, len(f.names))...)
	for k := d.PeekKind(); k != '}'; k = d.PeekKind() {
		key, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := key.String()
		i := slices.Index(f.names, name)
		if i < 0 {
			if checkColumnNames("", []string{name}) != nil {
				return errName
			}
			if i = len(f.names); i > maxMembers {
				return errDeep
			}
			f.names, f.parts, parts = append(f.names, name), append(f.parts, newForm()), append(parts, nestedValue{})
		}
		if parts[i], err = f.parts[i].next(d, depth+1, left); err != nil {
			return err
		}
	}
	*v = structOf(slices.Clone(f.names), parts)
	_, err := d.ReadToken()
	return err
}

// maxMembers bounds the members of one object.
const maxMembers = 1000

// fields are the parts as they stand on a card.
func (f *jsonForm) fields() (out []anchorhold.Column) {
	if f.kind&inAny == inList {
		return []anchorhold.Column{f.item.column(itemName)}
	}
	for i, name := range f.names {
		out = append(out, f.parts[i].column(name))
	}
	return out
}

func (f *jsonForm) column(name string) anchorhold.Column {
	c := anchorhold.Column{Name: name, Type: f.kind.narrowest()}
	if c.Type.Nested() {
		c.Fields = f.fields()
	}
	return c
}
