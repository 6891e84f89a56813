package codec

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// JSONLines is the format of one JSON object a line. The first line names the
// columns; a later one may leave members out, and none may add one. A member may
// hold arrays and objects, whose parts are of one type each throughout the file;
// the members of an object within may come up in any line.
type JSONLines struct{}

// Format implements Codec.
func (JSONLines) Format() Format {
	return Format{
		Name: "jsonl", Kind: anchorhold.KindTable, Title: "JSON lines", Extensions: []string{".jsonl", ".ndjson"},
		Media: "application/x-ndjson", Streams: true,
	}
}

// Open implements Codec.
func (JSONLines) Open(in Input, o Options) (Reader, error) {
	s := &jsonLines{name: in.Name, guard: &guard{r: in.Stream, name: in.Name, line: 1}}
	s.in = bufio.NewReaderSize(s.guard, CSVBuffer)
	first, err := s.readLine()
	if errors.Is(err, io.EOF) {
		return nil, invalid("check how it was written", "%s holds nothing but empty lines", in.Name)
	}
	if err != nil {
		return nil, err
	}
	members, err := readMembers(s.name, s.lines, first)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	if err := checkColumnNames(in.Name, names); err != nil {
		return nil, err
	}
	overrides, err := byName(in.Name, names, o.Columns)
	if err != nil {
		return nil, err
	}
	s.index = make(map[string]int, len(names))
	for i, n := range names {
		c := overrides[n]
		c.Name = n
		c.Facts, c.Required, c.Fields = withoutStorage(c.Facts), false, nil
		s.cols = append(s.cols, csvColumn{Column: c, given: SetOf(c.Type), found: inAny})
		s.forms = append(s.forms, newForm())
		s.index[n] = i
	}
	s.first = first
	s.nesting = nesting{columns: len(s.cols), width: len(s.cols)}
	if slices.ContainsFunc(members, func(m member) bool { return m.text != nil }) {
		s.nesting.width = max(2*len(s.cols), nestedWidth)
	}
	s.width = s.nesting.rowWidth()
	s.batch = makeBatch(s.width)
	return s, nil
}

// Generate implements Codec: what the generator writes as CSV, one line each.
func (c JSONLines) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	var made bytes.Buffer
	rows, err := mock.Generate(ctx, card, seed, &made, mock.CSV)
	if err != nil {
		return 0, err
	}
	var typed []anchorhold.Column
	parts := make([]bool, len(card.Columns)) // those that are written as JSON already
	for i, col := range card.Columns {
		if parts[i] = col.Type.Nested(); parts[i] {
			col.Type = anchorhold.TypeString
		}
		if _, odd := col.Fact(anchorhold.FaultFormat); odd && col.Type != anchorhold.TypeString {
			col.Type = "" // each cell as it is written
		}
		typed = append(typed, anchorhold.Column{Name: col.Name, Type: col.Type})
	}
	r, err := CSV{}.Open(Input{Name: "the mock", Size: int64(made.Len()), Stream: &made}, Options{Columns: typed})
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(w)
	for {
		batch, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, out.Flush()
		}
		if err != nil {
			return 0, err
		}
		for _, row := range batch {
			if _, err := out.Write(jsonLine(typed, row, parts)); err != nil {
				return 0, err
			}
		}
	}
}

// jsonLine writes a row as an object, numbers as they are written.
func jsonLine(cols []anchorhold.Column, row []Cell, parts []bool) []byte {
	b := []byte{'{'}
	for i, c := range row {
		if i > 0 {
			b = append(b, ',')
		}
		b, _ = jsontext.AppendQuote(b, cols[i].Name) // fails only for what is not UTF-8
		b = append(b, ':')
		switch {
		case c.Kind == CellMissing:
			b = append(b, "null"...)
		case c.Kind == CellInt, c.Kind == CellFloat, parts[i]:
			b = append(b, c.Text...)
		case c.Kind == CellBool:
			b = strconv.AppendBool(b, c.Int == 1)
		default:
			b, _ = jsontext.AppendQuote(b, c.Text)
		}
	}
	return append(b, '}', '\n')
}

// jsonLines reads line by line.
type jsonLines struct {
	table
	name  string
	guard *guard
	in    *bufio.Reader
	lines int64
	first []byte // the line that was read for its names
	line  []byte
	cols  []csvColumn
	forms []*jsonForm // of each column
	index map[string]int
	batch [][]Cell
	err   error

	nesting nesting
}

// Columns implements Reader.
func (s *jsonLines) Columns() []anchorhold.Column {
	out := columnsOf(s.cols)
	for i, c := range out {
		if c.Type.Nested() {
			out[i].Fields = s.forms[i].fields()
		}
	}
	return out
}

// Of implements Reader.
func (s *jsonLines) Of() int { return s.nesting.of() }

// Accepts implements Accepter.
func (s *jsonLines) Accepts() []TypeSet { return acceptedBy(s.cols) }

// Position implements Reader.
func (s *jsonLines) Position() int64 { return s.guard.offset }

// Close implements Reader.
func (s *jsonLines) Close() {}

// Next implements Reader.
func (s *jsonLines) Next() ([][]Cell, error) {
	if parts := s.nesting.waiting(); len(parts) > 0 {
		return parts, nil
	}
	if s.err != nil {
		return nil, s.err
	}
	n := 0
	for start := s.guard.offset; n < len(s.batch) && s.guard.offset-start < batchBytes && !s.nesting.full(); n++ {
		line := s.first
		s.first = nil
		if line == nil {
			if line, s.err = s.readLine(); s.err != nil {
				break
			}
		}
		if s.err = s.fill(s.batch[n], line); s.err != nil {
			break
		}
	}
	if s.err != nil && (n == 0 || !errors.Is(s.err, io.EOF)) {
		return nil, s.err
	}
	s.rows += int64(n)
	return s.batch[:n], nil
}

// readLine gives the next line that is not empty; it is good until the next.
func (s *jsonLines) readLine() ([]byte, error) {
	for {
		s.guard.row = s.guard.offset
		s.lines++
		line, err := s.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			s.line = append(s.line[:0], line...)
			for errors.Is(err, bufio.ErrBufferFull) {
				line, err = s.in.ReadSlice('\n')
				if s.line = append(s.line, line...); len(s.line) > MaxRowBytes {
					return nil, anchorhold.Errorf(anchorhold.TooLarge, "write one object a line, and large texts as files",
						"line %d of %s is longer than %d MiB", s.lines, s.name, MaxRowBytes>>20)
				}
			}
			line = s.line
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, explain(s.name, err)
		}
		if trimmed := bytes.TrimSpace(bytes.TrimPrefix(line, []byte(byteOrderMark))); len(trimmed) > 0 {
			return trimmed, nil
		}
		if err != nil {
			return nil, io.EOF
		}
	}
}

func explain(name string, err error) error {
	var known *anchorhold.Error
	if errors.As(err, &known) {
		return known
	}
	return Unreadable(name, err)
}

// member is one member of an object: a scalar, or what has parts as it is written.
type member struct {
	name string
	cell Cell
	text jsontext.Value // nil of a scalar
}

// readMembers reads one object.
func readMembers(name string, line int64, text []byte) ([]member, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, notJSONLine(name, line, err)
	}
	var out []member
	for d.PeekKind() != '}' {
		key, err := d.ReadToken()
		if err != nil {
			return nil, notJSONLine(name, line, err)
		}
		m := member{name: key.String()}
		value, err := d.ReadValue()
		if err != nil {
			return nil, notJSONLine(name, line, err)
		}
		if k := value.Kind(); k == '{' || k == '[' {
			m.text = value.Clone()
		} else {
			m.cell = jsonCell(value)
		}
		if out = append(out, m); len(out) > MaxColumns {
			return nil, anchorhold.Errorf(anchorhold.TooLarge, "leave members out", "line %d of %s has more than %d members", line, name, MaxColumns)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, notJSONLine(name, line, err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, notJSONLine(name, line, err)
	}
	return out, nil
}

func notJSONLine(name string, line int64, cause error) error {
	return invalid("write one JSON object a line, each with every member once", "line %d of %s is not one JSON object", line, name).Because(cause)
}

// jsonCell is a scalar as a cell. A text that is written as a date or a time is
// one, as it is in CSV; no other text is anything else.
func jsonCell(v jsontext.Value) Cell {
	switch v.Kind() {
	case 't':
		return Cell{Kind: CellBool, Int: 1}
	case 'f':
		return Cell{Kind: CellBool}
	case '0':
		return jsonNumber(string(v))
	case '"':
		text, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return Cell{}
		}
		c := Cell{Kind: CellText, Text: string(text)}
		if len(text) >= len(time.DateOnly) && text[4] == '-' && text[7] == '-' {
			return parseTime(c)
		}
		return c
	}
	return Cell{}
}

func jsonNumber(text string) Cell {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Cell{Kind: CellInt, Int: n, Text: text}
	}
	f, err := json.Number(text).Float64()
	if err != nil {
		return Cell{Kind: CellText, Text: text} // beyond all floats: refused where numbers stand
	}
	return Cell{Kind: CellFloat, Float: f, Text: text}
}

// fill puts an object's members into the row's cells.
func (s *jsonLines) fill(row []Cell, line []byte) error {
	members, err := readMembers(s.name, s.lines, line)
	if err != nil {
		return err
	}
	clear(row)
	var nested []nestedValue
	for _, m := range members {
		i, known := s.index[m.name]
		if !known {
			return invalid("write every member in the first line, with null where it has no value",
				"line %d of %s has a member that its first line does not have", s.lines, s.name)
		}
		col := &s.cols[i]
		can := jsonFits(m.cell.Kind)
		if m.text != nil {
			if nested == nil {
				nested = make([]nestedValue, len(s.cols))
			}
			if nested[i], err = s.forms[i].read(m.text); err != nil {
				return s.badParts(col.Name, err)
			}
			can = s.forms[i].kind
		}
		if can&col.found == 0 || can&col.given != col.given {
			return invalid("write one type in each member, or give the column another type",
				"line %d of %s: the value of %q is not of the type that the column has before", s.lines, s.name, col.Name)
		}
		col.found &= can
		row[i] = m.cell
	}
	if nested == nil {
		return nil
	}
	return s.nesting.put(row, nested)
}

// jsonFits are the types of column that a value can stand in. JSON tells texts
// from numbers, so neither stands for the other.
func jsonFits(k CellKind) TypeSet {
	switch k {
	case CellInt:
		return inInt | inFloat
	case CellFloat:
		return inFloat
	case CellBool:
		return inBool
	}
	return fits(k)
}
