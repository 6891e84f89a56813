package mock

import (
	"math/rand/v2"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// Limits of a pattern.
const (
	maxPatternText = 200 // bytes of the pattern itself
	maxPatternRun  = 64  // characters that it stands for
)

// part is a run of characters of one set, of one length or several.
type part struct {
	set    string
	lo, hi int
}

// CheckPattern says whether a pattern can be used: a regular expression of plain
// characters, \d, sets such as [A-Z0-9], and counts such as {4} or {2,5}.
func CheckPattern(pattern string) error {
	_, err := parsePattern(pattern)
	return err
}

func badPattern(why string) error {
	return wrong(`write it with plain characters, \d, sets such as [A-Z0-9] and counts such as {4} or {2,5}`, "the pattern cannot be used: %s", why)
}

func parsePattern(text string) (parts []part, err error) {
	if text == "" || len(text) > maxPatternText {
		return nil, badPattern("it is empty or very long")
	}
	for rest := text; rest != ""; {
		var p part
		if p.set, rest, err = parseSet(rest); err != nil {
			return nil, err
		}
		if p.lo, p.hi, rest, err = parseCount(rest); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	length := 0
	for _, p := range parts {
		length += p.hi
	}
	if length == 0 || length > maxPatternRun {
		return nil, badPattern("it stands for texts without characters, or for very long ones")
	}
	return parts, nil
}

const digits = "0123456789"

// parseSet reads what one character can be.
func parseSet(text string) (set, rest string, err error) {
	c := text[0]
	switch {
	case c == '[':
		end := strings.IndexByte(text, ']')
		if end < 2 {
			return "", "", badPattern("a set in brackets is empty or has no end")
		}
		set, err = ranges(text[1:end])
		return set, text[end+1:], err
	case strings.HasPrefix(text, `\d`):
		return digits, text[2:], nil
	case c == '\\' && len(text) > 1 && punctuation(text[1]):
		return text[1:2], text[2:], nil
	case c < ' ' || c > '~' || strings.IndexByte(`\^$.|?*+(){}]`, c) >= 0:
		return "", "", badPattern("a character of it means something else in regular expressions, or is not ASCII")
	}
	return text[:1], text[1:], nil
}

func punctuation(c byte) bool {
	return c > ' ' && c < '~' && !strings.ContainsAny(string(rune(c)), digits) && (c|32 < 'a' || c|32 > 'z')
}

// ranges reads what stands between brackets: characters, and ranges of letters
// or digits.
func ranges(text string) (string, error) {
	var set strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < ' ' || c > '~' || c == '^' || c == '\\' || c == '[' {
			return "", badPattern("a set in brackets holds what it cannot")
		}
		to := c
		if i+2 < len(text) && text[i+1] == '-' {
			to = text[i+2]
			i += 2
		}
		if to < c || to > '~' {
			return "", badPattern("a range in brackets goes backwards")
		}
		for ; c <= to; c++ {
			if strings.IndexByte(set.String(), c) < 0 {
				set.WriteByte(c)
			}
		}
	}
	return set.String(), nil
}

// parseCount reads {n} or {m,n}; without one there is one character.
func parseCount(text string) (lo, hi int, rest string, err error) {
	if !strings.HasPrefix(text, "{") {
		return 1, 1, text, nil
	}
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return 0, 0, "", badPattern("a count has no end")
	}
	from, to, several := strings.Cut(text[1:end], ",")
	lo, ok := small(from)
	hi = lo
	if several && ok {
		hi, ok = small(to)
	}
	if !ok || hi < lo || hi > maxPatternRun {
		return 0, 0, "", badPattern("a count is not a number, or too large")
	}
	return lo, hi, text[end+1:], nil
}

func small(text string) (n int, ok bool) {
	if text == "" || len(text) > 3 {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = 10*n + int(text[i]-'0')
	}
	return n, true
}

// fromPattern draws texts that are written like a pattern. Those without
// repetition have its greatest lengths.
func (c *column) fromPattern(f anchorhold.Fact, unique bool) error {
	text, _ := f.Value.(string)
	parts, err := parsePattern(text)
	if err != nil {
		return err
	}
	if !unique {
		c.draw = func() value { return value{text: drawParts(c.rng, parts)} }
		return nil
	}
	var sets []string
	for _, p := range parts {
		for range p.hi {
			sets = append(sets, p.set)
		}
	}
	// The last characters number the texts, as many of them as a number can hold.
	const most = 1 << 40
	combinations, first := int64(1), len(sets)
	for first > 0 && combinations*int64(len(sets[first-1])) <= most {
		first--
		combinations *= int64(len(sets[first]))
	}
	if combinations < int64(c.rows) {
		return tooFew(combinations, "widen it or state fewer rows", "the pattern of the column %q does not have %d different texts", c.Name, c.rows)
	}
	next := permutationOf(c.rng, combinations)
	c.draw = func() value {
		out := make([]byte, len(sets))
		n := next()
		for i := len(sets) - 1; i >= 0; i-- {
			if i < first {
				out[i] = sets[i][c.rng.IntN(len(sets[i]))]
				continue
			}
			out[i] = sets[i][n%int64(len(sets[i]))]
			n /= int64(len(sets[i]))
		}
		return value{text: string(out)}
	}
	return nil
}

func drawParts(rng *rand.Rand, parts []part) string {
	var out []byte
	for _, p := range parts {
		for range p.lo + rng.IntN(p.hi-p.lo+1) {
			out = append(out, p.set[rng.IntN(len(p.set))])
		}
	}
	return string(out)
}
