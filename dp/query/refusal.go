package query

import (
	"fmt"
	"strings"
)

// Refusal says that a question cannot be answered without review: which
// construct, where in the text as it was written, and what to do instead. It
// depends on the question and on the catalogue, never on rows.
type Refusal struct {
	Construct    string // what is not answered
	Remedy       string // what to write instead
	Line, Column int    // from 1, in characters; 0 where it concerns the whole
}

// Error gives construct, place and remedy.
func (r *Refusal) Error() string {
	var b strings.Builder
	if r.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", r.Line, r.Column)
	}
	b.WriteString(r.Construct)
	if r.Remedy != "" {
		b.WriteString("; " + r.Remedy)
	}
	return b.String()
}

// Missing says which facts the owner has not stated, without which a question
// of this kind is for review only.
type Missing struct{ Facts []string }

// Error lists the facts.
func (m *Missing) Error() string {
	return "the owner has not stated " + strings.Join(m.Facts, ", ") + "; ask the owner to state it, or submit a request for review"
}

// text is a statement as it was written, for the places of refusals.
type text string

// refuse makes a Refusal at a byte of the text; a negative one has no place.
func (t text) refuse(at int, remedy, format string, args ...any) *Refusal {
	r := &Refusal{Construct: fmt.Sprintf(format, args...), Remedy: remedy}
	if at >= 0 && at <= len(t) {
		before := string(t[:at])
		r.Line = strings.Count(before, "\n") + 1
		r.Column = len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	}
	return r
}
