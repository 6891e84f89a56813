package output

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold/disclosure"
)

// parseCSV is the parser of the kind csv: UTF-8, one header, as many fields in
// every row. It is written anew with commas, LF and only the quotation marks that
// are needed, so that no spelling of a table carries anything beside its values.
func parseCSV(_ ManifestEntry, data []byte, lim Limits) (parsed, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return parsed{}, refuse(badText)
	}
	in := csv.NewReader(bytes.NewReader(data))
	in.ReuseRecord = true
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	b := cellBuilder{left: lim.Cells}
	sheet := disclosure.Sheet{}
	rows, columns := int64(-1), 0 // the header is no row
	for ; ; rows++ {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return parsed{}, refuseFor(badCSV, err)
		}
		columns = len(record)
		if err := checkRecord(record, rows+1, lim); err != nil {
			return parsed{}, err
		}
		if err := w.Write(record); err != nil {
			return parsed{}, refuseFor(badCSV, err)
		}
		cells := recordCells(record, rows >= 0)
		switch {
		case rows < 0:
			sheet.Labels = cells
		case (rows+1)*int64(columns) > int64(lim.Cells):
			b.partial, sheet.Rows = true, nil
		case !b.partial:
			sheet.Rows = append(sheet.Rows, cells)
		}
	}
	if w.Flush(); w.Error() != nil || rows < 0 {
		return parsed{}, refuse(badCSV)
	}
	b.addSheet(sheet)
	return parsed{data: out.Bytes(), rows: int(rows), columns: columns, cells: b.cells()}, nil
}

func checkRecord(record []string, row int64, lim Limits) error {
	switch {
	case row > lim.Rows:
		return refuse(tooManyRows)
	case len(record) > lim.Columns:
		return refuse(tooManyColumns)
	case len(record) == 1 && record[0] == "":
		return refuse(badCSV) // written again it would be an empty line, which is no row
	}
	for _, field := range record {
		if len(field) > lim.Text {
			return refuse(tooLongText)
		}
		for i := range len(field) {
			if c := field[i]; c < 0x20 && c != '\n' && c != '\t' || c == 0x7f {
				return refuse(controlText)
			}
		}
	}
	return nil
}

// recordCells are a record's fields for the checks; an empty field of a row is
// a missing value.
func recordCells(record []string, isRow bool) []disclosure.Cell {
	cells := make([]disclosure.Cell, len(record))
	for i, field := range record {
		if field != "" || !isRow {
			cells[i] = disclosure.TextCell(string([]byte(field))) // the reader uses its memory again
		}
	}
	return cells
}
