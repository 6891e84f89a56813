package query_test

import "github.com/anchorhold/anchorhold/dp/query"

// The tables of the tests: visits of patients, what they were billed (by way
// of the visit), the patients, a public table of cities, and a survey whose
// every row is a unit. They hold what an adversary would put there.

var schema = query.Schema{Tables: []query.Table{
	{Name: "visits", Alias: "clinic", Columns: []query.Column{
		{Name: "visit_id", Type: query.Int},
		{Name: "patient_id", Type: query.Int},
		{Name: "sex", Type: query.Int},
		{Name: "age", Type: query.Int},
		{Name: "weight", Type: query.Double},
		{Name: "ratio", Type: query.Double},
		{Name: "cost", Type: query.Decimal, Precision: 10, Scale: 2},
		{Name: "note", Type: query.Text},
		{Name: "region", Type: query.Text},
		{Name: "smoker", Type: query.Bool},
		{Name: "day", Type: query.Date},
		{Name: "moment", Type: query.Timestamp},
		{Name: "big", Type: query.Int},
		{Name: "wild", Type: query.Double},
		{Name: "secret", Type: query.Text},
	}},
	{Name: "bills", Columns: []query.Column{
		{Name: "visit", Type: query.Int}, {Name: "amount", Type: query.Int}, {Name: "kind", Type: query.Text},
	}},
	{Name: "patients", Columns: []query.Column{
		{Name: "patient_id", Type: query.Int}, {Name: "city", Type: query.Text}, {Name: "born", Type: query.Date}, {Name: "height", Type: query.Double},
	}},
	{Name: "cities", Columns: []query.Column{
		{Name: "city", Type: query.Text}, {Name: "zone", Type: query.Text}, {Name: "people", Type: query.Int},
	}},
	{Name: "survey", Columns: []query.Column{
		{Name: "g", Type: query.Text}, {Name: "x", Type: query.Double}, {Name: "y", Type: query.Int, NotNull: true}, {Name: "answered", Type: query.Bool},
	}},
}}

func privacy() query.Privacy {
	return query.Privacy{
		MaxGroups: 2, MaxRows: 3, Size: 5000,
		Tables: map[string]query.TablePrivacy{
			"visits": {Unit: []string{"patient_id"}, Columns: map[string]query.ColumnPrivacy{
				"sex": {Domain: []string{"0", "1"}}, "age": {Lo: "0", Hi: "120"}, "weight": {Lo: "0", Hi: "300"}, "ratio": {Lo: "-1", Hi: "1"},
				"cost": {Lo: "-50.00", Hi: "1000.00"}, "region": {Domain: []string{"N", "S", "it's", `E\`}, Null: true}, "secret": {Never: true},
				"day": {Lo: "2000-01-01", Hi: "2030-12-31"},
			}},
			"bills": {
				Unit: []string{"patient_id"}, Via: []query.Link{{Columns: []string{"visit"}, Table: "visits", Key: []string{"visit_id"}}},
				Columns: map[string]query.ColumnPrivacy{"amount": {Lo: "0", Hi: "500"}},
			},
			"patients": {Unit: []string{"patient_id"}, Columns: map[string]query.ColumnPrivacy{"height": {Lo: "0", Hi: "2.5"}}},
			"cities":   {Public: true, Key: []string{"city"}, Columns: map[string]query.ColumnPrivacy{"people": {Lo: "0", Hi: "10000000"}}},
			"survey": {Row: true, Columns: map[string]query.ColumnPrivacy{
				"x": {Lo: "-1000", Hi: "1000"}, "y": {Lo: "0", Hi: "10"}, "g": {Domain: []string{"a", "b", "c"}},
			}},
		},
	}
}
