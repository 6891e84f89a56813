package mock

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/anchorhold/anchorhold"
)

// mostItems is how many values a list or map of a mock has at most. It is the same
// for every mock: of how long lists are nothing is measured.
const mostItems = 3

// fromParts draws each part of a nested column on its own.
func (c *column) fromParts() error {
	for _, f := range c.Fields {
		part, err := newColumn(f, c.rows, c.sub(), nil)
		if err != nil {
			return err
		}
		c.fields = append(c.fields, part)
	}
	want := map[anchorhold.ColumnType]int{anchorhold.TypeList: 1, anchorhold.TypeMap: 2, anchorhold.TypeStruct: max(1, len(c.fields))}[c.Type]
	if len(c.fields) != want {
		return wrong("describe them", "the column %q is a %s without its parts", c.Name, c.Type)
	}
	c.draw = func() value {
		if c.Type == anchorhold.TypeStruct {
			return value{parts: c.nextParts()}
		}
		v := value{parts: []value{}}
		for range c.rng.IntN(mostItems + 1) {
			next := c.nextParts()
			if c.Type == anchorhold.TypeMap && !v.fresh(next) {
				continue
			}
			v.parts = append(v.parts, next...)
		}
		return v
	}
	return nil
}

// sub gives a part its own source of random numbers.
func (c *column) sub() *rand.Rand {
	var seed [32]byte
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], c.rng.Uint64())
	}
	return rand.New(rand.NewChaCha8(seed))
}

func (c *column) nextParts() []value {
	out := make([]value, len(c.fields))
	for i, f := range c.fields {
		out[i] = f.next()
	}
	return out
}

// fresh says whether a map does not have the key of a pair yet.
func (v value) fresh(pair []value) bool {
	for i := 0; i < len(v.parts); i += 2 {
		if v.parts[i].is(pair[0]) {
			return false
		}
	}
	return true
}

// is says whether a value without parts is the same as another.
func (v value) is(w value) bool {
	return v.missing == w.missing && v.whole == w.whole && v.real == w.real && v.text == w.text && v.raw == w.raw
}

// part is the column that the i-th part of a value belongs to.
func (c *column) part(i int) *column {
	if c.Type == anchorhold.TypeStruct {
		return c.fields[i]
	}
	return c.fields[i%len(c.fields)]
}

// json writes a nested value.
func (c *column) json(b []byte, v value) []byte {
	if v.missing {
		return append(b, "null"...)
	}
	open, end := byte('{'), byte('}')
	if c.Type == anchorhold.TypeList {
		open, end = '[', ']'
	}
	b = append(b, open)
	for i, p := range v.parts {
		switch {
		case c.Type == anchorhold.TypeMap && i%2 == 1:
			b = append(b, ':')
		case i > 0:
			b = append(b, ',')
		}
		if c.Type == anchorhold.TypeStruct {
			b = append(appendText(b, c.fields[i].Name), ':')
		}
		b = c.part(i).jsonPart(b, p)
	}
	return append(b, end)
}

func (c *column) jsonPart(b []byte, v value) []byte {
	switch {
	case c.Type.Nested() || v.missing:
		return c.json(b, v)
	case c.Type == anchorhold.TypeBool:
		return strconv.AppendBool(b, v.whole == 1)
	case c.Type == anchorhold.TypeInt, c.Type == anchorhold.TypeFloat:
		return append(b, c.written(c.Type, v)...)
	}
	return appendText(b, c.written(c.Type, v))
}

func appendText(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // no text is refused
	}
	return append(b, text...)
}

// nestedStorage is the Arrow type of a nested column.
func (c *column) nestedStorage() (arrow.DataType, error) {
	var fields []arrow.Field
	for _, f := range c.fields {
		t, err := f.storage()
		if err != nil {
			return nil, err
		}
		fields = append(fields, arrow.Field{Name: f.Name, Type: t, Nullable: !f.Required})
	}
	switch c.Type {
	case anchorhold.TypeList:
		return arrow.ListOfField(arrow.Field{Name: "element", Type: fields[0].Type, Nullable: fields[0].Nullable}), nil
	case anchorhold.TypeMap:
		m := arrow.MapOf(fields[0].Type, fields[1].Type)
		m.SetItemNullable(fields[1].Nullable)
		return m, nil
	}
	return arrow.StructOf(fields...), nil
}

// appendParts adds a nested value to the builder of its storage.
func (c *column) appendParts(b array.Builder, v value) bool {
	switch b := b.(type) {
	case *array.MapBuilder: // before that of lists, which it is made of
		b.Append(true)
		for i, p := range v.parts {
			to := b.KeyBuilder()
			if i%2 == 1 {
				to = b.ItemBuilder()
			}
			c.part(i).append(to, p)
		}
	case *array.ListBuilder:
		b.Append(true)
		for _, p := range v.parts {
			c.fields[0].append(b.ValueBuilder(), p)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, p := range v.parts {
			c.fields[i].append(b.FieldBuilder(i), p)
		}
	default:
		return false
	}
	return true
}
