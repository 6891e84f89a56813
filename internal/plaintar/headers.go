package plaintar

import (
	"archive/tar"
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// MaxHeaders is the most that the headers of one entry take: its own, and an
// extended one with as long a content as archive/tar reads.
const MaxHeaders = 1<<20 + 3*block

const block = 512

// OddHeaders says what makes an entry of an owner's archive more than a plain
// file; empty: nothing. Other than Odd it takes the format of GNU, which tar
// writes unless told otherwise, and so looks at the bytes themselves: raw are all
// blocks between the entry before and the content of this one. archive/tar passes
// over whatever lies between and behind the fields that it knows, over extended
// headers that a later one replaces, and over names that a longer one replaces;
// an archive that is handed on whole would carry it along.
func OddHeaders(h *tar.Header, raw []byte) string {
	if odd := oddKind(h); odd != "" {
		return odd
	}
	if h.Format&(tar.FormatUSTAR|tar.FormatPAX|tar.FormatGNU) == 0 {
		return "is in a format other than ustar, pax or GNU's"
	}
	if len(raw) < block || len(raw)%block != 0 || !plainRaw(h, raw) {
		return "has a header with more in it than name, size, owner and times"
	}
	return ""
}

func plainRaw(h *tar.Header, raw []byte) bool {
	own := raw[len(raw)-block:]
	if before := raw[:len(raw)-block]; len(before) > 0 {
		if len(before) < 2*block || !extends(h, before[:block], before[block:]) {
			return false
		}
		return plainBlock(own) && drawn(shortName(own), h.Name)
	}
	return plainBlock(own) && shortName(own) == h.Name
}

// plainBlock says whether all of a header is one of its fields, and says nothing
// behind its end.
func plainBlock(b []byte) bool {
	gnu := bytes.Equal(b[257:265], []byte("ustar  \x00"))
	if !gnu && !bytes.Equal(b[257:265], []byte("ustar\x0000")) {
		return false
	}
	for _, number := range [][2]int{{100, 108}, {108, 116}, {116, 124}, {124, 136}, {136, 148}, {148, 156}, {329, 337}, {337, 345}} {
		if !plainNumber(b[number[0]:number[1]]) {
			return false
		}
	}
	rest := b[345:]
	if !gnu {
		if !plainText(b[345:500]) {
			return false
		}
		rest = b[500:]
	}
	return zeros(rest) && zeros(b[157:257]) && plainText(b[:100]) && plainText(b[265:297]) && plainText(b[297:329])
}

var octal = regexp.MustCompile(`^ *[0-7]*[ \x00]*$`)

// plainNumber takes octal digits, and the binary form of GNU, of which every byte
// counts.
func plainNumber(b []byte) bool { return b[0]&0x80 != 0 || octal.Match(b) }

func plainText(b []byte) bool {
	_, behind, _ := bytes.Cut(b, []byte{0})
	return zeros(behind)
}

func zeros(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// shortName is the name in a header's own fields.
func shortName(b []byte) string {
	text := func(b []byte) string { s, _, _ := strings.Cut(string(b), "\x00"); return s }
	name := text(b[:100])
	if prefix := text(b[345:500]); prefix != "" {
		return prefix + "/" + name
	}
	return name
}

// drawn says whether a name, shortened and without its letters beyond ASCII as
// writers put it beside the full one, has nothing that the full one has not.
func drawn(short, full string) bool {
	for i := range len(short) {
		at := strings.IndexByte(full, short[i])
		switch {
		case at >= 0:
			full = full[at+1:]
		case short[i] != '?': // stands for such a letter
			return false
		}
	}
	return true
}

// extends says whether an extended header holds nothing but what is known of the
// entry behind it: GNU's long name, or each record of pax once.
func extends(h *tar.Header, head, content []byte) bool {
	if !plainBlock(head) {
		return false
	}
	switch head[156] {
	case 'L':
		text, behind, ended := bytes.Cut(content, []byte{0})
		return ended && string(text) == h.Name && zeros(behind) && len(content)-len(text) <= block && shortName(head) == "././@LongLink"
	case tar.TypeXHeader:
		size, err := strconv.ParseInt(strings.Trim(string(head[124:136]), " \x00"), 8, 64)
		if err != nil || size < 0 || size > int64(len(content)) || int64(len(content))-size >= block {
			return false
		}
		return recordsOnce(content[:size]) && zeros(content[size:]) && extendedName(shortName(head), h.Name)
	}
	return false
}

// recordsOnce says whether every record stands there once: of two, the first is
// not heard.
func recordsOnce(b []byte) bool {
	seen := map[string]bool{}
	for len(b) > 0 {
		digits, _, _ := bytes.Cut(b, []byte(" "))
		n, err := strconv.Atoi(string(digits))
		if err != nil || digits[0] == '0' || digits[0] == '+' || n <= len(digits)+1 || n > len(b) || b[n-1] != '\n' {
			return false
		}
		key, _, _ := strings.Cut(string(b[len(digits)+1:n]), "=")
		if seen[key] {
			return false
		}
		seen[key] = true
		b = b[n:]
	}
	return true
}

// The names that writers give to an extended header: none is asked for.
var paxFolder = regexp.MustCompile(`^(@?PaxHeaders?)(\.[0-9]+)?$`)

func extendedName(name, full string) bool {
	var rest []string
	for part := range strings.SplitSeq(name, "/") {
		if part != "." && part != "" && !paxFolder.MatchString(part) {
			rest = append(rest, part)
		}
	}
	return drawn(strings.Join(rest, "/"), full)
}
