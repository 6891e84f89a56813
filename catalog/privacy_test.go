package catalog_test

import (
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
)

// clinicTables is a dataset as its card describes it: CheckPrivacy reads no more.
func clinicTables() anchorhold.Dataset {
	table := func(name string, columns ...anchorhold.Column) anchorhold.Asset {
		return anchorhold.Asset{Name: name, Kind: anchorhold.KindTable, Version: anchorhold.Version{Columns: columns}}
	}
	column := func(name string, t anchorhold.ColumnType) anchorhold.Column {
		return anchorhold.Column{Name: name, Type: t}
	}
	return anchorhold.Dataset{Name: "clinic", Assets: []anchorhold.Asset{
		table("patients", column("id", anchorhold.TypeInt), column("age", anchorhold.TypeFloat), column("sex", anchorhold.TypeInt), column("born", anchorhold.TypeDate), column("name", anchorhold.TypeString)),
		table("visits", column("patient", anchorhold.TypeInt), column("days", anchorhold.TypeInt), column("ward", anchorhold.TypeString)),
		table("homes", column("id", anchorhold.TypeInt), column("household", anchorhold.TypeString)),
		{Name: "scans", Kind: anchorhold.KindFiles},
	}}
}

func patientsUnit() anchorhold.AssetPrivacy { return anchorhold.AssetPrivacy{Unit: []string{"id"}} }

func visitsVia() anchorhold.AssetPrivacy {
	return anchorhold.AssetPrivacy{Via: &anchorhold.Via{Columns: []string{"patient"}, Asset: "patients", Key: []string{"id"}}}
}

func TestWhatAnOwnerCanState(t *testing.T) {
	with := func(of anchorhold.AssetPrivacy, column string, said anchorhold.ColumnPrivacy) anchorhold.Privacy {
		of.Columns = map[string]anchorhold.ColumnPrivacy{column: said}
		return anchorhold.Privacy{Assets: map[string]anchorhold.AssetPrivacy{"patients": of}}
	}
	good := []anchorhold.Privacy{
		{},
		{MaxGroups: 4, MaxRows: 10, Size: 5000, Price: &anchorhold.Price{Epsilon: "0.1", Delta: "1e-6"}},
		with(patientsUnit(), "age", anchorhold.ColumnPrivacy{Low: "-0.5", High: "1e2"}),
		with(patientsUnit(), "born", anchorhold.ColumnPrivacy{Low: "1900-01-01", High: "2020-12-31"}),
		with(anchorhold.AssetPrivacy{Row: true}, "sex", anchorhold.ColumnPrivacy{Domain: []string{"0", "1"}}),
		with(patientsUnit(), "name", anchorhold.ColumnPrivacy{Never: true}),
		{Assets: map[string]anchorhold.AssetPrivacy{"patients": patientsUnit(), "visits": visitsVia(), "homes": {Public: true}}},
	}
	for i, p := range good {
		if err := catalog.CheckPrivacy(clinicTables(), p); err != nil {
			t.Errorf("statement %d is refused: %v", i, err)
		}
	}
	via := func(columns, key []string, other string) anchorhold.Privacy {
		return anchorhold.Privacy{Assets: map[string]anchorhold.AssetPrivacy{"visits": {Via: &anchorhold.Via{Columns: columns, Asset: other, Key: key}}}}
	}
	for what, p := range map[string]anchorhold.Privacy{
		"a negative bound on groups":     {MaxGroups: -1},
		"rows beyond every sum":          {MaxRows: 2_000_000_000},
		"no epsilon":                     {Price: &anchorhold.Price{Epsilon: "0"}},
		"an epsilon that is no number":   {Price: &anchorhold.Price{Epsilon: "NaN"}},
		"an epsilon that is infinite":    {Price: &anchorhold.Price{Epsilon: "1e99"}},
		"a delta of one":                 {Price: &anchorhold.Price{Epsilon: "1", Delta: "1"}},
		"a table that is not there":      {Assets: map[string]anchorhold.AssetPrivacy{"doctors": {Row: true}}},
		"an asset that is no table":      {Assets: map[string]anchorhold.AssetPrivacy{"scans": {Row: true}}},
		"two ways to say whose":          {Assets: map[string]anchorhold.AssetPrivacy{"patients": {Row: true, Unit: []string{"id"}}}},
		"a unit that is not there":       {Assets: map[string]anchorhold.AssetPrivacy{"patients": {Unit: []string{"nobody"}}}},
		"a unit of floating point":       {Assets: map[string]anchorhold.AssetPrivacy{"patients": {Unit: []string{"age"}}}},
		"a unit named twice":             {Assets: map[string]anchorhold.AssetPrivacy{"patients": {Unit: []string{"id", "id"}}}},
		"a way to itself":                via([]string{"patient"}, []string{"patient"}, "visits"),
		"a way to nowhere":               via([]string{"patient"}, []string{"id"}, "doctors"),
		"a way without columns":          via(nil, nil, "patients"),
		"a way with too few columns":     via([]string{"patient"}, []string{"id", "sex"}, "patients"),
		"a way between types":            via([]string{"ward"}, []string{"id"}, "patients"),
		"a range of text":                with(patientsUnit(), "name", anchorhold.ColumnPrivacy{Low: "a", High: "b"}),
		"a range from high to low":       with(patientsUnit(), "age", anchorhold.ColumnPrivacy{Low: "9", High: "1"}),
		"a range of one value":           with(patientsUnit(), "age", anchorhold.ColumnPrivacy{Low: "9", High: "9"}),
		"half a range":                   with(patientsUnit(), "age", anchorhold.ColumnPrivacy{Low: "9"}),
		"a range to infinity":            with(patientsUnit(), "age", anchorhold.ColumnPrivacy{Low: "0", High: "inf"}),
		"a range with hexadecimal":       with(patientsUnit(), "age", anchorhold.ColumnPrivacy{Low: "0", High: "0x10"}),
		"a range that takes long to say": with(patientsUnit(), "age", anchorhold.ColumnPrivacy{Low: "0", High: "1e999999999"}),
		"a fraction in a set of numbers": with(patientsUnit(), "sex", anchorhold.ColumnPrivacy{Domain: []string{"0.5"}}),
		"a value twice":                  with(patientsUnit(), "sex", anchorhold.ColumnPrivacy{Domain: []string{"1", "1"}}),
		"a text with a bell":             with(patientsUnit(), "name", anchorhold.ColumnPrivacy{Domain: []string{"a\ab"}}),
		"a text that is not UTF-8":       with(patientsUnit(), "name", anchorhold.ColumnPrivacy{Domain: []string{"\xff"}}),
		"a set of floating point":        with(patientsUnit(), "age", anchorhold.ColumnPrivacy{Domain: []string{"1"}}),
		"a set and a range":              with(patientsUnit(), "sex", anchorhold.ColumnPrivacy{Low: "0", High: "1", Domain: []string{"1"}}),
		"nothing of a column":            with(patientsUnit(), "sex", anchorhold.ColumnPrivacy{}),
		"a column that is not there":     with(patientsUnit(), "shoe", anchorhold.ColumnPrivacy{Never: true}),
		"a circle": {Assets: map[string]anchorhold.AssetPrivacy{
			"visits":   visitsVia(),
			"patients": {Via: &anchorhold.Via{Columns: []string{"id"}, Asset: "visits", Key: []string{"patient"}}},
		}},
	} {
		if err := catalog.CheckPrivacy(clinicTables(), p); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// TestWhatIsMissing is said until it is stated, and then how far one person can
// move an answer.
func TestWhatIsMissing(t *testing.T) {
	d := clinicTables()
	if got := d.MissingPrivacy(); len(got) != 1 || !strings.Contains(got[0], "--unit") {
		t.Errorf("of nothing %q is missing", got)
	}
	d.Privacy = &anchorhold.Privacy{Assets: map[string]anchorhold.AssetPrivacy{"patients": patientsUnit(), "visits": visitsVia()}}
	got := strings.Join(d.MissingPrivacy(), "\n")
	for _, want := range []string{"rows of homes", "--max-groups", "--max-rows"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not said to be missing in %q", want, got)
		}
	}
	if strings.Contains(got, "visits") || len(d.WorstCases()) != 0 {
		t.Errorf("missing: %q, worst cases %q", got, d.WorstCases())
	}
	visits := visitsVia()
	visits.Columns = map[string]anchorhold.ColumnPrivacy{"days": {Low: "-1.5", High: "24"}}
	d.Privacy.Assets["visits"], d.Privacy.Assets["homes"] = visits, anchorhold.AssetPrivacy{Public: true}
	d.Privacy.MaxGroups, d.Privacy.MaxRows = 4, 10
	if got := d.MissingPrivacy(); len(got) != 0 {
		t.Errorf("%q is missing", got)
	}
	worst := strings.Join(d.WorstCases(), "\n")
	for _, want := range []string{"visits: one id can move a sum of days by at most 240 in a group", "visits: one id can move a count by at most 10, in 4 groups of a question", "patients: one id"} {
		if !strings.Contains(worst, want) {
			t.Errorf("the worst case %q is not in %q", want, worst)
		}
	}
	if strings.Contains(worst, "homes") {
		t.Errorf("a public table has a worst case: %q", worst)
	}
}

// TestNamesThatDifferInCase are one name in SQL: nothing is asked of such a dataset.
func TestNamesThatDifferInCase(t *testing.T) {
	d := clinicTables()
	d.Privacy = &anchorhold.Privacy{MaxGroups: 1, MaxRows: 1, Assets: map[string]anchorhold.AssetPrivacy{
		"patients": patientsUnit(), "visits": visitsVia(), "homes": {Public: true, Key: []string{"id"}},
	}}
	if err := catalog.CheckPrivacy(d, *d.Privacy); err != nil || len(d.MissingPrivacy()) != 0 {
		t.Fatalf("%v, missing %q", err, d.MissingPrivacy())
	}
	d.Assets[0].Version.Columns = append(d.Assets[0].Version.Columns, anchorhold.Column{Name: "AGE", Type: anchorhold.TypeInt})
	if got := strings.Join(d.MissingPrivacy(), "\n"); !strings.Contains(got, "age and AGE of patients") {
		t.Errorf("missing is %q", got)
	}
	if err := catalog.CheckPrivacy(d, *d.Privacy); err == nil || !strings.Contains(err.Error(), "case alone") {
		t.Errorf("it can be stated: %v", err)
	}
	d = clinicTables()
	d.Assets[1].Name = "Patients"
	if err := catalog.CheckPrivacy(d, anchorhold.Privacy{}); err == nil {
		t.Error("two tables with one name can be stated")
	}
	for what, of := range map[string]anchorhold.AssetPrivacy{
		"a key of rows":                {Row: true, Key: []string{"id"}},
		"a key that is not there":      {Public: true, Key: []string{"city"}},
		"a key of floating point":      {Public: true, Key: []string{"age"}},
		"a key with a range":           {Public: true, Key: []string{"id"}, Columns: map[string]anchorhold.ColumnPrivacy{"id": {Low: "0", High: "9"}}},
		"a key with one column thrice": {Public: true, Key: []string{"id", "id"}},
	} {
		if err := catalog.CheckPrivacy(clinicTables(), anchorhold.Privacy{Assets: map[string]anchorhold.AssetPrivacy{"patients": of}}); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
