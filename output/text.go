package output

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold/disclosure"
)

// maxCheckedLines bounds the text that is compared line by line: more of it is a
// table in disguise or a log, and a person must look.
const maxCheckedLines = 200

// parseText is the parser of the kind text: UTF-8 without control characters but
// tab and line end. CR LF becomes LF, so that one text has one form.
func parseText(_ ManifestEntry, data []byte, lim Limits) (parsed, error) {
	if !utf8.Valid(data) {
		return parsed{}, refuse(badText)
	}
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	for _, r := range string(data) {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return parsed{}, refuse(controlText)
		}
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	b := cellBuilder{left: lim.Cells, partial: len(lines) > maxCheckedLines}
	sheet := disclosure.Sheet{}
	for _, line := range lines[:min(len(lines), maxCheckedLines)] {
		c := disclosure.Cell{}
		if len(line) <= longestCell {
			c = disclosure.TextCell(string(line))
		} else {
			b.partial = true
		}
		sheet.Rows = append(sheet.Rows, []disclosure.Cell{c})
	}
	b.addSheet(sheet)
	return parsed{data: data, rows: len(lines), cells: b.cells()}, nil
}
