package catalog

import (
	"fmt"
	"strings"
)

// What is looked for in texts: a few runs of letters, of digits, and of what
// divides them.
const (
	maxRuns    = 16
	maxRunText = 64  // bytes
	maxPattern = 200 // bytes of the expression; what mocks are made from is no longer
)

// run is a run of characters of one class, over all values seen.
type run struct {
	class  byte          // 'A', 'a', '0', or the character itself
	text   string        // the same in all values; empty where it is not
	varies bool          // text is no longer the same
	length map[int]int64 // values with a run of this length
}

// shapeFinder finds how all values of a column are written.
type shapeFinder struct {
	runs  []run
	begun bool
	gone  bool // they are not all written alike
}

func classOf(b byte) byte {
	switch {
	case b >= 'A' && b <= 'Z':
		return 'A'
	case b >= 'a' && b <= 'z':
		return 'a'
	case b >= '0' && b <= '9':
		return '0'
	}
	return b
}

func (s *shapeFinder) add(c Cell) {
	if s.gone {
		return
	}
	if c.Kind != CellText || c.Text == "" || len(c.Text) > maxRunText {
		s.gone = true
		return
	}
	n := 0
	for rest := c.Text; rest != ""; n++ {
		class := classOf(rest[0])
		length := 1
		for length < len(rest) && classOf(rest[length]) == class {
			length++
		}
		if !s.note(n, class, rest[:length]) {
			s.gone = true
			return
		}
		rest = rest[length:]
	}
	s.gone = n != len(s.runs)
	s.begun = true
}

// note compares the n-th run of a value with those before it.
func (s *shapeFinder) note(n int, class byte, text string) bool {
	if class < ' ' || class > '~' || n == maxRuns {
		return false
	}
	if n == len(s.runs) {
		if s.begun {
			return false
		}
		s.runs = append(s.runs, run{class: class, text: strings.Clone(text), length: map[int]int64{}})
	}
	r := &s.runs[n]
	if r.class != class {
		return false
	}
	r.length[len(text)]++
	r.varies = r.varies || r.text != text
	return true
}

// pattern gives it as a regular expression. There is none where a few values
// alone have a length, for these would be somebody's; nor where there is nothing
// that varies.
func (s *shapeFinder) pattern() string {
	if s.gone || !s.begun {
		return ""
	}
	var out strings.Builder
	varies, longest := false, 0
	for _, r := range s.runs {
		varies = varies || r.varies
		out.WriteString(r.expression())
		long := 0
		for length, n := range r.length {
			if n < rowsPerCategory {
				return ""
			}
			long = max(long, length)
		}
		longest += long
	}
	if !varies || longest > maxRunText || out.Len() > maxPattern {
		return ""
	}
	return out.String()
}

func (r run) expression() string {
	if !r.varies {
		var out strings.Builder
		for _, c := range []byte(r.text) {
			out.WriteString(literal(c))
		}
		return out.String()
	}
	set := map[byte]string{'A': "[A-Z]", 'a': "[a-z]", '0': `\d`}[r.class]
	if set == "" {
		set = literal(r.class)
	}
	lo, hi := maxRunText, 0
	for n := range r.length {
		lo, hi = min(lo, n), max(hi, n)
	}
	switch {
	case hi == 1:
		return set
	case lo == hi:
		return fmt.Sprintf("%s{%d}", set, hi)
	}
	return fmt.Sprintf("%s{%d,%d}", set, lo, hi)
}

// literal is a character that stands for itself.
func literal(c byte) string {
	if strings.IndexByte(`\^$.|?*+(){}[]`, c) >= 0 {
		return `\` + string(rune(c))
	}
	return string(rune(c))
}
