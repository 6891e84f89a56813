package query

import "strings"

type tokenKind uint8

const (
	space  tokenKind = iota // white space and comments
	word                    // a keyword or an unquoted name
	quoted                  // a name in double quotes
	str                     // a string of any kind
	number
	symbol // anything else: "=>" as one, otherwise one character
)

type token struct {
	kind     tokenKind
	from, to int // bytes of the text
}

// lex splits a statement as DuckDB's scanner (PostgreSQL's) does, so that
// what looks like a clause inside of a string, a name or a comment is not one.
// The tokens cover the text without gaps.
func lex(sql string) ([]token, error) {
	var tokens []token
	for at := 0; at < len(sql); {
		kind, n := next(sql[at:])
		if n <= 0 {
			return nil, text(sql).refuse(at, "close it", "a string, name or comment that does not end")
		}
		tokens = append(tokens, token{kind, at, at + n})
		at += n
	}
	return tokens, nil
}

// next gives the first token's kind and length; 0 where it does not end.
func next(s string) (tokenKind, int) { //nolint:cyclop // a list, one case for each
	c := s[0]
	switch {
	case isSpace(c):
		n := 1
		for n < len(s) && isSpace(s[n]) {
			n++
		}
		return space, n
	case strings.HasPrefix(s, "--"):
		if n := strings.IndexAny(s, "\r\n"); n >= 0 {
			return space, n
		}
		return space, len(s)
	case strings.HasPrefix(s, "/*"):
		return space, comment(s)
	case c == '\'':
		return str, quotedBy(s, '\'', false)
	case (c == 'e' || c == 'E') && len(s) > 1 && s[1] == '\'':
		if n := quotedBy(s[1:], '\'', true); n > 0 {
			return str, n + 1
		}
		return str, 0
	case c == '"':
		return quoted, quotedBy(s, '"', false)
	case c == '$':
		return dollar(s)
	case isStart(c):
		n := 1
		for n < len(s) && isPart(s[n]) {
			n++
		}
		return word, n
	case isDigit(c) || c == '.' && len(s) > 1 && isDigit(s[1]):
		return number, digits(s)
	case strings.HasPrefix(s, "=>"):
		return symbol, 2
	}
	return symbol, 1
}

func comment(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

func quotedBy(s string, quote byte, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] != quote:
		case i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return 0
}

func dollar(s string) (tokenKind, int) {
	n := 1
	for n < len(s) && (isStart(s[n]) || n > 1 && isDigit(s[n])) {
		n++
	}
	if n == len(s) || s[n] != '$' {
		return symbol, 1
	}
	tag := s[:n+1]
	end := strings.Index(s[n+1:], tag)
	if end < 0 {
		return str, 0
	}
	return str, n + 1 + end + len(tag)
}

func digits(s string) int {
	n := 1
	for n < len(s) {
		c := s[n]
		sign := (c == '+' || c == '-') && (s[n-1] == 'e' || s[n-1] == 'E') && n+1 < len(s) && isDigit(s[n+1])
		if !isDigit(c) && c != '.' && c != '_' && !isStart(c) && !sign {
			break
		}
		n++
	}
	return n
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isStart(c byte) bool { return c == '_' || c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isPart(c byte) bool  { return isStart(c) || isDigit(c) || c == '$' }
