package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
)

// Block is text of several lines; as an argument of Printf its line ends are
// kept, unlike those of any other string.
type Block string

// Printer writes safe text. It remembers the first error of its writer, so that
// callers check once.
type Printer struct {
	w   io.Writer
	err error
}

// NewPrinter writes to w.
func NewPrinter(w io.Writer) *Printer { return &Printer{w: w} }

// Err is the first error that writing met.
func (p *Printer) Err() error { return p.err }

func (p *Printer) write(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}

// Printf writes as fmt.Printf does, with every string among the arguments made
// safe.
func (p *Printer) Printf(format string, args ...any) {
	safe := make([]any, len(args))
	for i, a := range args {
		safe[i] = safely(a)
	}
	p.write(fmt.Sprintf(format, safe...))
}

// safely escapes whatever would be printed as foreign text.
func safely(a any) any {
	switch v := a.(type) {
	case Block:
		return Lines(string(v))
	case error:
		return Lines(v.Error())
	case fmt.Stringer:
		return One(v.String())
	}
	if v := reflect.ValueOf(a); v.Kind() == reflect.String {
		return One(v.String())
	}
	return a
}

// Field writes one named value; an empty value is left out.
func (p *Printer) Field(name, value string) {
	if value != "" {
		p.write(fmt.Sprintf("%-14s %s\n", name, One(value)))
	}
}

// Heading writes a line that begins a part.
func (p *Printer) Heading(text string) { p.write("\n" + One(text) + "\n") }

// Table writes rows under a heading, in columns that line up. Nothing is cut:
// callers Cut texts that may be long. With no rows it writes the sentence that
// says so.
func (p *Printer) Table(empty string, head []string, rows [][]string) {
	if len(rows) == 0 {
		p.write(One(empty) + "\n")
		return
	}
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = One(cell)
		}
		io.WriteString(t, strings.Join(cells, "\t")+"\n") //nolint:errcheck // a buffer takes everything
	}
	t.Flush() //nolint:errcheck // a buffer takes everything
	for line := range strings.Lines(b.String()) {
		p.write(strings.TrimRight(line, " \n") + "\n")
	}
}

// Who writes a person's name, or several between commas, for people: whoever acts
// on the site's machine has no name but a number.
func Who(names string) string {
	list := strings.Split(names, ", ")
	for i, name := range list {
		if strings.HasPrefix(name, "local:") {
			list[i] = "somebody at the site's machine (" + name + ")"
		}
	}
	return strings.Join(list, ", ")
}

// Cut shortens text to n characters, the last of them an ellipsis.
func Cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// Time writes a moment in local time to the minute; a missing one is a dash.
func Time(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// TimeOf is Time for a moment that may be missing.
func TimeOf(t *time.Time) string {
	if t == nil {
		return "–"
	}
	return Time(*t)
}

// Size writes a number of bytes for people.
func Size(n int64) string { return anchorhold.Bytes(n) }

// JSON writes a value as indented JSON in which everything that One would
// escape is a \u escape: the same value, without effect on a terminal.
func JSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeJSON(b.String()))
	return err
}

func escapeJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || !deceives(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+(r>>10), 0xDC00+(r&0x3FF))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
