package output

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// The .npy format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
// (NEP 1), versions 1.0 to 3.0. Only version 1.0 is written.
const (
	npyMagic     = "\x93NUMPY"
	npyAlign     = 64
	maxNpyHeader = 64 << 10
	maxNpyAxes   = 32
	maxNpyItem   = 1 << 20 // bytes of one element, which for text is its width
)

// npyHeader is the header of a .npy file.
type npyHeader struct {
	kind    byte // b, i, u, f, c, U, M or m, as NumPy names them
	size    int  // bytes of an element
	unit    string
	big     bool // big-endian
	fortran bool
	shape   []int64
	count   int64 // elements
}

// parseArray is the parser of the kind array: numbers, truth values, text, dates
// and durations, re-written little-endian and in C order.
func parseArray(_ ManifestEntry, data []byte, lim Limits) (parsed, error) {
	h, body, err := readNpyHeader(data, lim)
	if err != nil {
		return parsed{}, err
	}
	out := h.appendCanonical(make([]byte, 0, len(data)+npyAlign))
	body, err = h.canonicalElements(body, lim)
	if err != nil {
		return parsed{}, err
	}
	rows := 1
	if len(h.shape) > 0 {
		rows = int(h.shape[0])
	}
	return parsed{data: append(out, body...), rows: rows, cells: h.cells(body, lim)}, nil
}

// readNpyHeader reads the header and gives the elements' bytes, whose number is
// exactly what the header says.
func readNpyHeader(data []byte, lim Limits) (npyHeader, []byte, error) {
	text, body, ok := splitNpy(data)
	if !ok {
		return npyHeader{}, nil, refuse(badArray)
	}
	p := npyParser{rest: text}
	h, ok := p.header()
	if !ok {
		if p.object {
			return npyHeader{}, nil, refuse(objectArray)
		}
		return npyHeader{}, nil, refuse(badArray)
	}
	h.count = 1
	for _, n := range h.shape {
		// Each factor and each product stays below the limit on bytes, so
		// nothing overflows. An axis of length 0 is fine, and ends the growth.
		if n > lim.Bytes || h.count*n > lim.Bytes {
			return npyHeader{}, nil, refuse(badDimensions)
		}
		h.count *= n
	}
	if h.count*int64(h.size) != int64(len(body)) {
		return npyHeader{}, nil, refuse(badDimensions)
	}
	return h, body, nil
}

// splitNpy finds the header's text.
func splitNpy(data []byte) (text string, body []byte, ok bool) {
	if len(data) < 12 || string(data[:6]) != npyMagic || data[7] != 0 {
		return "", nil, false
	}
	var n, at int
	switch data[6] {
	case 1:
		n, at = int(binary.LittleEndian.Uint16(data[8:])), 10
	case 2, 3:
		n, at = int(binary.LittleEndian.Uint32(data[8:])), 12
	default:
		return "", nil, false
	}
	if n > maxNpyHeader || n > len(data)-at {
		return "", nil, false
	}
	return string(data[at : at+n]), data[at+n:], true
}

// npyParser reads the one kind of Python dict that a header is.
type npyParser struct {
	rest   string
	object bool // it would hold objects or records
}

// header reads {'descr': …, 'fortran_order': …, 'shape': (…)}, the members in any
// order, each once.
func (p *npyParser) header() (h npyHeader, ok bool) {
	seen := map[string]bool{}
	if !p.skip("{") {
		return h, false
	}
	for !p.skip("}") {
		name, ok := p.quoted()
		if !ok || seen[name] || !p.skip(":") {
			return h, false
		}
		seen[name] = true
		switch name {
		case "descr":
			ok = p.descr(&h)
		case "fortran_order":
			h.fortran = p.skip("True")
			ok = h.fortran || p.skip("False")
		case "shape":
			ok = p.shape(&h)
		default:
			ok = false
		}
		if !ok {
			return h, false
		}
		if !p.skip(",") && !strings.HasPrefix(p.space(), "}") {
			return h, false
		}
	}
	return h, len(seen) == 3 && p.space() == ""
}

// space skips white space and gives what follows.
func (p *npyParser) space() string {
	p.rest = strings.TrimLeft(p.rest, " \n\t")
	return p.rest
}

func (p *npyParser) skip(s string) bool {
	rest, ok := strings.CutPrefix(p.space(), s)
	p.rest = rest
	return ok
}

func (p *npyParser) quoted() (string, bool) {
	if !p.skip("'") {
		return "", false
	}
	s, rest, ok := strings.Cut(p.rest, "'")
	p.rest = rest
	return s, ok
}

// descr reads the type of the elements, such as '<f8' or '<M8[ns]'.
func (p *npyParser) descr(h *npyHeader) bool {
	if strings.HasPrefix(p.space(), "[") {
		p.object = true // a record
		return false
	}
	s, ok := p.quoted()
	if !ok || len(s) < 2 {
		return false
	}
	switch s[0] {
	case '>':
		h.big = true
		s = s[1:]
	case '<', '|', '=':
		s = s[1:]
	}
	s, h.unit, _ = strings.Cut(s, "[")
	if h.unit != "" {
		h.unit, ok = strings.CutSuffix(h.unit, "]")
	}
	if !ok || len(s) < 2 || strings.Trim(s[1:], "0123456789") != "" {
		p.object = s != "" && s[0] == 'O'
		return false
	}
	size, err := strconv.Atoi(s[1:])
	if err != nil || size <= 0 || size > maxNpyItem {
		return false
	}
	h.kind, h.size = s[0], size
	return p.admit(h)
}

// admit checks that kind, size and unit go together.
func (p *npyParser) admit(h *npyHeader) bool {
	sizes := map[byte]string{'b': "1", 'i': "1 2 4 8", 'u': "1 2 4 8", 'f': "2 4 8", 'c': "8 16", 'M': "8", 'm': "8"}
	switch h.kind {
	case 'U':
		h.size *= 4 // a width in characters of four bytes
		return h.unit == ""
	case 'O', 'S', 'V', 'a':
		p.object = true
		return false
	}
	if !oneOf(strconv.Itoa(h.size), strings.Fields(sizes[h.kind])...) {
		return false
	}
	if h.kind == 'M' || h.kind == 'm' {
		return oneOf(h.unit, "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")
	}
	return h.unit == ""
}

// shape reads a tuple of whole numbers.
func (p *npyParser) shape(h *npyHeader) bool {
	if !p.skip("(") {
		return false
	}
	for !p.skip(")") {
		digits := p.space()
		end := 0
		for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
			end++
		}
		n, err := strconv.ParseInt(digits[:end], 10, 64)
		if err != nil || len(h.shape) == maxNpyAxes {
			return false
		}
		h.shape = append(h.shape, n)
		p.rest = digits[end:]
		if !p.skip(",") && (!strings.HasPrefix(p.space(), ")") || len(h.shape) == 1) {
			return false
		}
	}
	return true
}

// appendCanonical writes the header as NumPy does: version 1.0, members in
// alphabetical order, padded with spaces to a multiple of 64 bytes.
func (h npyHeader) appendCanonical(b []byte) []byte {
	order, size, unit := "<", h.size, ""
	if size == 1 {
		order = "|"
	}
	if h.kind == 'U' {
		size /= 4
	}
	if h.unit != "" {
		unit = "[" + h.unit + "]"
	}
	axes := make([]string, len(h.shape))
	for i, n := range h.shape {
		axes[i] = strconv.FormatInt(n, 10)
	}
	shape := strings.Join(axes, ", ")
	if len(axes) == 1 {
		shape += ","
	}
	text := fmt.Sprintf("{'descr': '%s%c%d%s', 'fortran_order': False, 'shape': (%s), }", order, h.kind, size, unit, shape)
	const before = len(npyMagic) + 2 + 2
	pad := (npyAlign - (before+len(text)+1)%npyAlign) % npyAlign
	b = append(append(b, npyMagic...), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)+pad+1))
	b = append(b, text...)
	b = append(b, bytes.Repeat([]byte{' '}, pad)...)
	return append(b, '\n')
}
