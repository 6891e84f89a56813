package question

import (
	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/query"
)

// schemaOf is a dataset as questions see it. Where it has one table, its own name
// stands for that.
func schemaOf(d anchorhold.Dataset) query.Schema {
	var out query.Schema
	all := tables(d)
	for _, a := range all {
		t := query.Table{Name: a.Name}
		if len(all) == 1 {
			t.Alias = d.Name
		}
		for _, c := range a.Version.Columns {
			if typ, ok := typeOf(c); ok {
				t.Columns = append(t.Columns, query.Column{Name: c.Name, Type: typ})
			}
		}
		out.Tables = append(out.Tables, t)
	}
	return out
}

func typeOf(c anchorhold.Column) (query.Type, bool) {
	switch c.Type {
	case anchorhold.TypeBool:
		return query.Bool, true
	case anchorhold.TypeInt:
		return query.Int, true
	case anchorhold.TypeFloat:
		return query.Double, true
	case anchorhold.TypeString:
		return query.Text, true
	case anchorhold.TypeDate:
		return query.Date, true
	case anchorhold.TypeTimestamp:
		return query.Timestamp, true
	}
	return 0, false
}

// privacyOf is what an owner stated, in the words of package query.
func privacyOf(d anchorhold.Dataset) query.Privacy {
	out := query.Privacy{Tables: map[string]query.TablePrivacy{}, MaxGroups: int64(d.Privacy.MaxGroups), MaxRows: int64(d.Privacy.MaxRows), Size: d.Privacy.Size}
	for name, of := range d.Privacy.Assets {
		path, at, ok := d.Privacy.UnitOf(name)
		if !ok {
			continue
		}
		t := query.TablePrivacy{Public: at.Public, Key: at.Key, Row: at.Row, Unit: at.Unit, Columns: map[string]query.ColumnPrivacy{}}
		if at.Row && len(path) > 0 { // many rows here belong to one there, which its key names
			t.Row, t.Unit = false, path[len(path)-1].Key
		}
		for _, v := range path {
			t.Via = append(t.Via, query.Link{Columns: v.Columns, Table: v.Asset, Key: v.Key})
		}
		for column, c := range of.Columns {
			t.Columns[column] = query.ColumnPrivacy{Lo: c.Low, Hi: c.High, Domain: c.Domain, Never: c.Never}
		}
		out.Tables[name] = t
	}
	return out
}
