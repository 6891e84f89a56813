// Package show puts text before a person: tables, fields, times, code with line
// numbers, and JSON.
//
// It promises that no text from elsewhere can act on the terminal or deceive
// its reader: control characters, bidirectional overrides and invisible
// characters are made visible, in JSON as escapes of the same value. It must
// never drop a character silently. Tests feed it the known attacks; a fuzz
// target looks for any byte that a terminal would obey.
package show

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// One makes text safe within a line: what would move the cursor, end the line,
// turn its direction or hide becomes ⟨U+XXXX⟩, and bytes that are not UTF-8
// become ⟨0xXX⟩.
func One(s string) string { return escape(s, deceives) }

// Lines makes text of several lines safe and keeps its line ends; tabs become
// four spaces.
func Lines(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\t", "    ")
	return escape(s, func(r rune) bool { return r != '\n' && deceives(r) })
}

func escape(s string, hide func(rune) bool) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "⟨0x%02X⟩", s[0])
		case hide(r):
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// isPlain is the quick answer for printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// deceives says whether a terminal obeys the character or a reader cannot see
// it: controls, formats (bidirectional marks, joiners, tags), separators other
// than the space, and letters or marks that draw nothing.
func deceives(r rune) bool {
	if r >= ' ' && r <= '~' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) ||
		unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Noncharacter_Code_Point, r) ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r) ||
		r == '\u2800' || r == '\u180E' || r == '\u115F' || r == '\u1160' || r == '\u3164' || r == '\uFFA0'
}

// Finding is one line of code that a reviewer should look at twice.
type Finding struct {
	Line int
	What string
}

// Suspicious finds the lines of source text whose look may differ from what
// Python reads: characters that deceive, and letters beyond ASCII, which can
// look like others.
func Suspicious(source string) []Finding {
	var found []Finding
	for i, line := range strings.Split(strings.ReplaceAll(source, "\r\n", "\n"), "\n") {
		if hidden := hiddenIn(line); hidden != "" {
			found = append(found, Finding{i + 1, "hidden or control characters: " + hidden})
		}
		if letters := foreignLetters(line); letters != "" {
			found = append(found, Finding{i + 1, "letters that may look like others: " + letters})
		}
	}
	return found
}

func hiddenIn(line string) string {
	var names []string
	for i, r := range line {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(line[i:], "\uFFFD"):
			names = appendNew(names, fmt.Sprintf("0x%02X", line[i]))
		case r != '\t' && deceives(r):
			names = appendNew(names, fmt.Sprintf("U+%04X", r))
		}
	}
	return strings.Join(names, ", ")
}

func foreignLetters(line string) string {
	var names []string
	for _, r := range line {
		if r > unicode.MaxASCII && unicode.IsLetter(r) {
			names = appendNew(names, fmt.Sprintf("%c (U+%04X)", r, r))
		}
	}
	return strings.Join(names, ", ")
}

// appendNew adds a name once, and at most eight in all.
func appendNew(names []string, name string) []string {
	for _, n := range names {
		if n == name {
			return names
		}
	}
	switch len(names) {
	case 8:
		return append(names, "…")
	case 9:
		return names
	}
	return append(names, name)
}

// Code writes source text with line numbers.
func Code(source string) string {
	lines := strings.Split(strings.TrimSuffix(Lines(source), "\n"), "\n")
	width := len(fmt.Sprint(len(lines)))
	var b strings.Builder
	for i, line := range lines {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%*d  %s", width, i+1, line), " "))
		b.WriteByte('\n')
	}
	return b.String()
}
