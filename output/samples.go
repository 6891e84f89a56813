package output

import "slices"

// parseSamples is the parser of the kind samples: a table with at most so many
// rows, whose columns have names of the private ones. Masked columns and the
// index, which could be a masked column, are taken out here, whatever the code
// did: by their names, so a person must still look whether another column holds
// what one of them should have.
func parseSamples(entry ManifestEntry, data []byte, lim Limits) (parsed, error) {
	if lim.Samples == nil {
		return parsed{}, refuse(noSamples)
	}
	if err := checkFooter(data, lim); err != nil {
		return parsed{}, err
	}
	t := tableReader{lim: lim, mem: &budget{left: lim.Memory}}
	if err := t.open(data, entry.Python); err != nil {
		return parsed{}, err
	}
	if t.rows > lim.Samples.Rows {
		return parsed{}, refuse(tooManySamples)
	}
	columns, err := t.read()
	if err != nil {
		return parsed{}, err
	}
	if columns, err = t.mask(columns); err != nil {
		return parsed{}, err
	}
	out, err := writeTable(columns, &t.meta, t.rows, lim)
	if err != nil {
		return parsed{}, err
	}
	return parsed{data: out, rows: int(t.rows), columns: len(columns), cells: tableCells(columns, &t.meta, t.rows, lim)}, nil
}

// mask takes index and masked columns out of a table and its description.
func (t *tableReader) mask(columns []*column) ([]*column, error) {
	m := &t.meta
	var labels []*jsonValue
	var kept []*column
	for i, label := range m.columns {
		if label.kind != jsonString || !slices.Contains(t.lim.Samples.Columns, label.text) {
			return nil, refuse(foreignSamples)
		}
		if c := columns[len(m.index)+i]; !slices.Contains(t.lim.Samples.Masked, label.text) {
			labels, kept = append(labels, label), append(kept, c)
		}
	}
	if len(kept) == 0 {
		return nil, refuse(foreignSamples)
	}
	before := m.names()[len(m.index):]
	m.columns, m.index, m.seriesName = labels, nil, nil
	if m.rangeIndex = nil; m.python == "pandas.DataFrame" {
		m.rangeIndex = &rangeIndex{0, t.rows, 1}
	}
	if m.dtypes != nil {
		dtypes := &jsonValue{kind: jsonObject}
		for i, name := range m.dtypes.names {
			if slices.Contains(before, name) && slices.Contains(m.names(), name) {
				dtypes.names, dtypes.items = append(dtypes.names, name), append(dtypes.items, m.dtypes.items[i])
			}
		}
		m.dtypes = dtypes
	}
	for i, name := range m.names() {
		kept[i].field.Name = name
	}
	return kept, nil
}
