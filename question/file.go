package question

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/receipt"
)

// Media is the type of an answer's file.
const Media = "application/json"

// version is that of an answer's file: docs/spec/answer.md.
const version = 1

// File is an answer as it is kept and handed out: one text, whose digest the
// receipt holds, the same for everybody who is given the answer.
type File struct {
	Version    int                 `json:"v" doc:"1"`
	Statement  string              `json:"statement" doc:"digest of the question's text"`
	Columns    []QuotedItem        `json:"columns"`
	Rows       [][]Cell            `json:"rows"`
	Level      float64             `json:"level" doc:"the probability with which a value lies between its low and high"`
	Mechanism  string              `json:"mechanism"`
	Population string              `json:"population"`
	Unit       []receipt.Unit      `json:"unit" doc:"whose the rows of each table are"`
	MaxGroups  int64               `json:"max_groups" doc:"to so many groups one unit contributes, at most"`
	MaxRows    int64               `json:"max_rows" doc:"with so many rows in each, at most"`
	Bounds     []receipt.Influence `json:"bounds" doc:"by how much one unit can move each aggregate in a group"`
	Price      exposure.Amount     `json:"price"`

	made *made
}

// Answer is what leaves: the file, and what concerns its asker.
type Answer struct {
	ID string `json:"id"`
	File
	// Again says that the answer was there already: the population was not charged.
	Again bool `json:"again,omitempty"`
	// Late counts the fixed times that passed before the answer was ready.
	Late int `json:"late,omitempty"`
}

// file is an answer without its rows: what is known before any data.
func (q *prepared) file() (File, error) {
	items, err := q.items()
	if err != nil {
		return File{}, err
	}
	groups, rows := q.contribution()
	return File{
		Version: version, Statement: statementDigest(q.asked.SQL), Columns: items, Rows: [][]Cell{}, Level: q.asked.Level, Mechanism: q.mechanism(),
		Population: q.dataset.Population, Unit: unitsOf(q.dataset), MaxGroups: groups, MaxRows: rows, Bounds: q.bounds(), Price: q.amount,
	}, nil
}

func statementDigest(sql string) string { return digest.SHA256([]byte(sql)) }

// ParseFile reads an answer's file. Whole keys stay whole, whatever their size.
func ParseFile(data []byte) (File, error) {
	k, err := parse(data)
	return k.File, err
}

func parse(data []byte) (kept, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var f kept
	if err := d.Decode(&f); err != nil || f.Version != version {
		return f, anchorhold.Errorf(anchorhold.Invalid, "name the file that `anchorhold query --format json --out` wrote, or use a newer program", "this is no file of an answer").Because(err)
	}
	for _, row := range f.Rows {
		if len(row) != len(f.Columns) {
			return f, anchorhold.Errorf(anchorhold.Invalid, "get the answer anew from the site", "a row of the answer has not the columns of the others")
		}
		for i := range row {
			row[i].Value = plainValue(f.Columns[i], row[i].Value)
		}
	}
	return f, nil
}

// plainValue gives a number its own type: whole ones only where they are keys.
func plainValue(c QuotedItem, v any) any {
	n, ok := v.(json.Number)
	if !ok {
		if list, ok := v.([]any); ok {
			for i := range list {
				list[i] = plainValue(c, list[i])
			}
		}
		return v
	}
	if c.Kind == kindKey && !strings.ContainsAny(n.String(), ".eE") {
		if i, err := n.Int64(); err == nil {
			return i
		}
	}
	f, err := n.Float64()
	if err != nil {
		return nil
	}
	return f
}
