//go:build unix

package worker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb/wire"
)

// The formats that are read, by the names of their codecs.
const (
	formatCSV         = "csv"
	formatParquet     = "parquet"
	formatArrow       = "arrow"
	formatArrowStream = "arrows"
	formatJSONLines   = "jsonl"
)

// arrowMagic is how long the beginning of an Arrow file is that is no stream.
const arrowMagic = 8

// table makes a file readable under a name: a view with the columns and types of
// its registration. Nothing is guessed from the file, and a cell of another type
// is NULL: which rows a statement looks at can make none of its casts fail.
func (s *session) table(t wire.Table, f *os.File) error {
	if len(t.Columns) == 0 {
		return fmt.Errorf("the table %q has no columns", t.Name)
	}
	path := engine.Text(pathOf(f))
	switch t.Format {
	case formatCSV:
		return s.text(t, f, fmt.Sprintf(
			`read_csv(%s, auto_detect=false, header=true, skip=%d, delim=%s, quote='"', escape='"', nullstr=[%s], columns=%s, compression='none')`,
			path, t.Skip, engine.Text(t.Delimiter), texts(append([]string{""}, t.Missing...)), asText(t)))
	case formatParquet:
		return s.view(t, "read_parquet("+path+")")
	case formatJSONLines:
		return s.text(t, f, fmt.Sprintf(`read_json(%s, auto_detect=false, format='newline_delimited', columns=%s, compression='uncompressed')`, path, asText(t)))
	case formatArrow, formatArrowStream:
		// A file holds a stream, behind its eight first bytes, and an index of it that the
		// catalogue left alone, too.
		from := int64(0)
		if t.Format == formatArrow {
			from = arrowMagic
		}
		r, err := ipc.NewReader(io.NewSectionReader(f, from, 1<<62))
		if err != nil {
			return err
		}
		return s.load(t, r)
	}
	return fmt.Errorf("there is no format %q", t.Format)
}

// mostLoaded is how long a file of texts can be that is read once: reading its cells takes
// longer than most questions about them.
const mostLoaded = 64 << 20

// text names what a table function reads of texts, or holds it.
func (s *session) text(t wire.Table, f *os.File, from string) error {
	if info, err := f.Stat(); err != nil || info.Size() > mostLoaded {
		return errors.Join(err, s.view(t, from))
	}
	return s.db.Exec("CREATE TABLE " + engine.Quote(t.Name) + " AS SELECT " + typed(t) + " FROM " + from)
}

// view names what a table function reads.
func (s *session) view(t wire.Table, from string) error {
	return s.db.Exec("CREATE VIEW " + engine.Quote(t.Name) + " AS SELECT " + typed(t) + " FROM " + from)
}

// load copies rows that can be read once into a table.
func (s *session) load(t wire.Table, rows array.RecordReader) error {
	const once = "rows read once"
	release, err := s.db.View(once, rows)
	if err != nil {
		return err
	}
	defer release()
	return s.db.Exec("CREATE TABLE " + engine.Quote(t.Name) + " AS SELECT " + typed(t) + " FROM " + engine.Quote(once) +
		"; DROP VIEW IF EXISTS " + engine.Quote(once))
}

// typed lists a table's columns as what they were registered as.
func typed(t wire.Table) string {
	var list []string
	for _, c := range t.Columns {
		name := engine.Quote(c.Name)
		cast := "TRY_CAST(" + name + " AS " + typeOf(c.Type) + ")"
		if c.Type == anchorhold.TypeTimestamp && (t.Format == formatCSV || t.Format == formatJSONLines) {
			cast = "TRY_CAST(" + name + " AS TIMESTAMPTZ) AT TIME ZONE 'UTC'" // a text may name its zone
		}
		list = append(list, cast+" AS "+name)
	}
	return strings.Join(list, ", ")
}

// asText are a table's columns for a reader of texts.
func asText(t wire.Table) string {
	var list []string
	for _, c := range t.Columns {
		list = append(list, engine.Text(c.Name)+": 'VARCHAR'")
	}
	return "{" + strings.Join(list, ", ") + "}"
}

func texts(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, engine.Text(s))
	}
	return strings.Join(out, ", ")
}

func typeOf(t anchorhold.ColumnType) string {
	switch t {
	case anchorhold.TypeInt:
		return "BIGINT"
	case anchorhold.TypeFloat:
		return "DOUBLE"
	case anchorhold.TypeBool:
		return "BOOLEAN"
	case anchorhold.TypeDate:
		return "DATE"
	case anchorhold.TypeTimestamp:
		return "TIMESTAMP"
	}
	return "VARCHAR"
}
