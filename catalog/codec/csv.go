package codec

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// CSVBuffer is read at once; it is also how far the header is looked at for its
// delimiter.
const CSVBuffer = 256 << 10

const (
	defaultComma  = ','
	byteOrderMark = "\xef\xbb\xbf"
)

// csvSource reads a CSV file: UTF-8, a header in the first line, fields
// divided by comma, semicolon or tab, quoted as RFC 4180 has it. Empty lines
// are skipped, as pandas skips them.
type csvSource struct {
	table
	name    string
	guard   *guard
	reader  *csv.Reader
	missing *missingSet
	cols    []csvColumn
	batch   [][]Cell
	err     error
}

type csvColumn struct {
	anchorhold.Column
	given  TypeSet // the owner's type; 0: found from the cells
	found  TypeSet
	parted bool // some number is not whole
}

// CSV is the format of tables that everybody writes.
type CSV struct{}

// Format implements Codec.
func (CSV) Format() Format {
	return Format{
		Name: "csv", Kind: anchorhold.KindTable, Title: "CSV", Extensions: []string{".csv", ".tsv", ".txt"},
		Media: "text/csv", Streams: true,
	}
}

// Generate implements Codec.
func (CSV) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	return mock.Generate(ctx, card, seed, w, mock.CSV)
}

// Open implements Codec.
func (CSV) Open(in Input, o Options) (Reader, error) {
	name := in.Name
	missing, err := newMissingSet(o.Missing)
	if err != nil {
		return nil, err
	}
	s := &csvSource{name: name, guard: &guard{r: in.Stream, name: name, line: 1}, missing: missing}
	buffered := bufio.NewReaderSize(s.guard, CSVBuffer)
	head, err := buffered.Peek(CSVBuffer)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, s.explain(err)
	}
	if bytes.HasPrefix(head, []byte(byteOrderMark)) {
		_, _ = buffered.Discard(len(byteOrderMark)) // just peeked at
		head = head[len(byteOrderMark):]
	}
	s.reader = csv.NewReader(buffered)
	s.reader.ReuseRecord = true
	s.reader.Comma = Delimiter(head)
	header, err := s.reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, invalid("check how it was written", "%s holds nothing but empty lines", name)
	}
	if err != nil {
		return nil, s.explain(err)
	}
	if s.cols, err = csvColumns(name, header, o.Columns); err != nil {
		return nil, err
	}
	s.width = len(s.cols)
	s.batch = makeBatch(s.width)
	return s, nil
}

// Delimiter finds what divides the fields of a CSV file from its beginning: of
// comma, semicolon and tab the one that stands most often, outside of
// quotation marks, in the first line that is not empty; of equals the first in
// that order; a comma where there is none of them.
func Delimiter(head []byte) rune {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte(byteOrderMark)), "\r\n")
	var commas, semicolons, tabs int
	quoted := false
scan:
	for _, b := range head {
		if b == '"' {
			quoted = !quoted
		}
		if quoted {
			continue
		}
		switch b {
		case '\n':
			break scan
		case ',':
			commas++
		case ';':
			semicolons++
		case '\t':
			tabs++
		}
	}
	switch {
	case semicolons > commas && semicolons >= tabs:
		return ';'
	case tabs > commas:
		return '\t'
	}
	return defaultComma
}

// csvColumns makes columns of a header and the owner's overrides.
func csvColumns(name string, header []string, given []anchorhold.Column) ([]csvColumn, error) {
	names := make([]string, len(header))
	for i, h := range header {
		names[i] = strings.Clone(h)
	}
	if strings.ContainsRune(strings.Join(names, ""), '\r') {
		return nil, invalid("convert them: tr '\\r' '\\n' <OLD.csv >NEW.csv", "the lines of %s end with a carriage return alone", name)
	}
	if err := checkColumnNames(name, names); err != nil {
		return nil, err
	}
	overrides, err := byName(name, names, given)
	if err != nil {
		return nil, err
	}
	cols := make([]csvColumn, len(names))
	for i, n := range names {
		c, known := overrides[n]
		if !known {
			c = anchorhold.Column{Name: n}
			if k := ParseCell(n).Kind; k == CellInt || k == CellFloat {
				return nil, invalid("put the column names into the first line; if a number is a column's name, write it as a word, such as y2024",
					"the first line of %s holds numbers where names should be: the column names seem to be missing", name)
			}
		}
		c.Facts, c.Required, c.Fields = withoutStorage(c.Facts), false, nil
		cols[i] = csvColumn{Column: c, given: SetOf(c.Type), found: inAny}
	}
	return cols, nil
}

// checkColumnNames refuses names that a table cannot have. Names are on the
// card, so errors may show them; but what stands there may be data of a file
// without a header, so an error gives a position, and a name only where it is
// known to be one.
func checkColumnNames(name string, names []string) error {
	if len(names) == 0 {
		return invalid("check how it was written", "%s has no columns", name)
	}
	if len(names) > MaxColumns {
		return anchorhold.Errorf(anchorhold.TooLarge, "leave columns out, or turn columns into rows", "%s has %d columns; the limit is %d", name, len(names), MaxColumns)
	}
	seen := make(map[string]int, len(names))
	for i, n := range names {
		if strings.TrimSpace(n) == "" {
			return invalid("give every column a name; where pandas wrote its index as a column, write the file with index=False", "column %d of %s has no name", i+1, name)
		}
		if len(n) > MaxNameBytes || !utf8.ValidString(n) || strings.IndexFunc(n, unicode.IsControl) >= 0 {
			return invalid("give it a short name on one line", "the name of column %d of %s is longer than %d bytes or holds control characters", i+1, name, MaxNameBytes)
		}
		if first, twice := seen[n]; twice {
			return invalid("give each column a name of its own; if the file has no line with names, add one", "columns %d and %d of %s have the same name", first+1, i+1, name)
		}
		seen[n] = i
	}
	return nil
}

// byName indexes the owner's overrides and refuses one without a column.
func byName(name string, names []string, given []anchorhold.Column) (map[string]anchorhold.Column, error) {
	out := make(map[string]anchorhold.Column, len(given))
	for _, c := range given {
		if c.Type != "" && (SetOf(c.Type) == 0 || c.Type.Nested()) {
			return nil, invalid("use int, float, string, bool, date or timestamp", "%q is not a type for the column %q", clip(string(c.Type), 40), c.Name)
		}
		out[c.Name] = c
	}
	known := make(map[string]bool, len(names))
	for _, n := range names {
		known[n] = true
	}
	for _, c := range given {
		if !known[c.Name] {
			return nil, invalid("check the spelling; names are compared exactly", "%s has no column %q", name, clip(c.Name, 80))
		}
	}
	return out, nil
}

// Columns implements Reader.
func (s *csvSource) Columns() []anchorhold.Column { return columnsOf(s.cols) }

// columnsOf gives each column the narrowest type that all of its cells have,
// unless its owner stated one.
func columnsOf(cols []csvColumn) []anchorhold.Column {
	out := make([]anchorhold.Column, len(cols))
	for i, c := range cols {
		if c.given == 0 {
			c.Type = c.found.narrowest()
		}
		out[i] = c.Column
	}
	return out
}

// Accepts implements Accepter. Numbers that are all whole, such as 1.0, may stand for
// whole numbers: pandas writes them so where it once had missing values beside them.
func (s *csvSource) Accepts() []TypeSet {
	out := acceptedBy(s.cols)
	for i, c := range s.cols {
		if c.given == 0 && c.found&inFloat != 0 && !c.parted {
			out[i] |= inInt
		}
	}
	return out
}

// acceptedBy gives, for a column whose type its owner has not stated, every type
// that each of its cells could have.
func acceptedBy(cols []csvColumn) []TypeSet {
	out := make([]TypeSet, len(cols))
	for i, c := range cols {
		if out[i] = c.given; c.given == 0 {
			out[i] = c.found
		}
	}
	return out
}

// Position implements Reader.
func (s *csvSource) Position() int64 { return s.guard.offset }

// Close implements Reader.
func (s *csvSource) Close() {}

// Next implements Reader.
func (s *csvSource) Next() ([][]Cell, error) {
	if s.err != nil {
		return nil, s.err
	}
	n := 0
	for start := s.reader.InputOffset(); n < len(s.batch) && s.reader.InputOffset()-start < batchBytes; n++ {
		s.guard.row = s.guard.offset
		record, err := s.reader.Read()
		if err == nil {
			err = s.fill(s.batch[n], record)
		}
		if errors.Is(err, io.EOF) {
			s.err = io.EOF
			break
		}
		if err != nil {
			s.err = s.explain(err)
			return nil, s.err
		}
	}
	if n == 0 {
		return nil, s.err
	}
	s.rows += int64(n)
	return s.batch[:n], nil
}

func (s *csvSource) fill(row []Cell, record []string) error {
	for i, text := range record {
		if s.missing.has(text) {
			row[i] = Cell{Text: text}
			continue
		}
		col := &s.cols[i]
		var c Cell
		if col.given == inString {
			c = Cell{Kind: CellText, Text: text}
		} else {
			c = ParseCell(text)
		}
		can := fits(c.Kind)
		if can&col.given != col.given {
			line, _ := s.reader.FieldPos(i)
			return invalid("correct the cell, name its text as one for missing values, or give the column another type",
				"line %d of %s: the cell in column %q is not of the type %s", line, s.name, col.Name, col.Type)
		}
		col.found &= can
		col.parted = col.parted || c.Kind == CellFloat && (c.Float != math.Trunc(c.Float) || math.Abs(c.Float) > 1<<53)
		row[i] = c
	}
	return nil
}

// explain turns an error of the CSV reader into one that a person can use.
func (s *csvSource) explain(err error) error {
	var known *anchorhold.Error
	if errors.As(err, &known) {
		return known
	}
	var bad *csv.ParseError
	if !errors.As(err, &bad) {
		return Unreadable(s.name, err)
	}
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		return invalid("complete the line; a field that holds the delimiter must stand in quotation marks",
			"line %d of %s does not have as many fields as the header, which has %d", bad.StartLine, s.name, s.reader.FieldsPerRecord)
	case errors.Is(err, csv.ErrBareQuote), errors.Is(err, csv.ErrQuote):
		return invalid("put the whole field into quotation marks and write each mark within it twice",
			"line %d of %s holds a quotation mark in the wrong place, in the row that begins in line %d", bad.Line, s.name, bad.StartLine)
	}
	return Unreadable(s.name, err)
}

// guard reads a CSV file's bytes and stops at what no CSV file may hold: bytes
// that are not UTF-8, a NUL, a row without end.
type guard struct {
	r      io.Reader
	name   string
	offset int64 // bytes read
	line   int64 // lines begun
	row    int64 // where reading stood when the current row was begun
	tail   []byte
	err    error
}

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.offset-g.row > MaxRowBytes {
		g.err = anchorhold.Errorf(anchorhold.TooLarge, "check for a quotation mark that is never closed, or shorten the cells",
			"a row of %s is longer than %d MiB; it ends after line %d", g.name, MaxRowBytes>>20, g.line)
		return 0, g.err
	}
	n, err := g.r.Read(p)
	if bad := g.check(p[:n], errors.Is(err, io.EOF)); bad != nil {
		g.err = bad
		return 0, bad
	}
	g.err = err
	return n, err
}

// check looks at the next bytes. A character cut off at their end is looked at
// together with what follows.
func (g *guard) check(p []byte, last bool) error {
	if g.offset == 0 && len(p) >= 2 && (p[0] == 0xff && p[1] == 0xfe || p[0] == 0xfe && p[1] == 0xff) {
		return invalid("convert it: iconv -f UTF-16 -t UTF-8 OLD.csv >NEW.csv", "%s is encoded as UTF-16, not as UTF-8", g.name)
	}
	if i := bytes.IndexByte(p, 0); i >= 0 {
		return invalid("if it was saved as UTF-16, convert it: iconv -f UTF-16LE -t UTF-8 OLD.csv >NEW.csv; otherwise: tr -d '\\000' <OLD.csv >NEW.csv",
			"%s holds a NUL byte in line %d, at byte %d", g.name, g.line+int64(bytes.Count(p[:i], []byte{'\n'})), g.offset+int64(i))
	}
	text := p
	if len(g.tail) > 0 {
		text = append(append(make([]byte, 0, len(g.tail)+len(p)), g.tail...), p...)
	}
	start := g.offset - int64(len(g.tail))
	whole := len(text) - partial(text)
	if last {
		whole = len(text)
	}
	if !utf8.Valid(text[:whole]) {
		i := invalidAt(text[:whole])
		return invalid("convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 OLD.csv >NEW.csv",
			"%s is not UTF-8: line %d holds another encoding, at byte %d", g.name, g.line+int64(bytes.Count(text[:i], []byte{'\n'})), start+int64(i))
	}
	g.line += int64(bytes.Count(p, []byte{'\n'}))
	g.offset += int64(len(p))
	g.tail = append([]byte(nil), text[whole:]...)
	return nil
}

// partial is the length of a character that is cut off at the end of p.
func partial(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if b := p[len(p)-n]; utf8.RuneStart(b) {
			if !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

func invalidAt(p []byte) int {
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(p)
}
