package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/catalog/mock"
	"github.com/anchorhold/anchorhold/disclosure"
)

func TestProposeFacts(t *testing.T) {
	// 80 rows: id all distinct, group two values, score with gaps, day and time.
	var b strings.Builder
	b.WriteString("id,group,score,day,at,word,big,odd\n")
	for i := range 80 {
		score := fmt.Sprint(i%7) + ".5"
		if i%8 == 0 {
			score = "NA"
		}
		fmt.Fprintf(&b, "%d,%c,%s,2024-01-%02d,2024-01-01T00:00:%02d,%s,inf,%d\n", i, 'a'+i%2, score, i%28+1, i%60, strings.Repeat("w", 70), i%3)
	}
	p, err := ProposeFacts(t.Context(), writeFile(t, "facts.csv", b.String()), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p.Version)
	if err != nil || string(text) != `[{"name":"rows","value":80,"provenance":"measured"}]` {
		t.Errorf("%s, %v", text, err)
	}
	want := map[string]string{
		"id":    `[unique:true min:0 max:79]`,
		"group": `[categories:[a b]]`,
		"score": `[categories:[0.5 1.5 2.5 3.5 4.5 5.5 6.5] missing-rate:0.125]`,
		"day":   `[min:2024-01-01 max:2024-01-28]`,
		"at":    `[min:2024-01-01T00:00:00Z max:2024-01-01T00:00:59Z]`,
		"word":  `[]`, // one text of 70 letters: not a category to show
		"big":   `[]`, // infinity is no JSON number
		"odd":   `[categories:[0 1 2]]`,
	}
	// 70 scores share seven values: exactly ten each.
	for _, c := range p.Columns {
		var got []string
		for _, f := range c.Facts {
			if f.Provenance != anchorhold.Measured {
				t.Errorf("%s: %+v", c.Name, f)
			}
			got = append(got, fmt.Sprintf("%s:%v", f.Name, f.Value))
		}
		if s := fmt.Sprint(got); s != want[c.Name] {
			t.Errorf("%s: %s, want %s", c.Name, s, want[c.Name])
		}
	}
}

// A value that few rows have is somebody's: neither it nor its column's other
// values are proposed, and no extremes of a small table.
func TestRareValuesAreNotListed(t *testing.T) {
	table := "ward,wage\n" + strings.Repeat("A,1\n", 30) + strings.Repeat("B,2\n", 9)
	p, err := ProposeFacts(t.Context(), writeFile(t, "rare.csv", table), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Columns {
		if len(c.Facts) != 0 {
			t.Errorf("%s: %v", c.Name, c.Facts)
		}
	}
}

func TestSmallTablesAreNotListed(t *testing.T) {
	p, err := ProposeFacts(t.Context(), writeFile(t, "small.csv", "name\nAnna\nBert\nCleo\n"), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Columns[0].Facts) != 0 {
		t.Errorf("three people would be named: %v", p.Columns[0].Facts)
	}
}

// TestMockFromConfirmedFacts goes the way of a generated mock: facts proposed,
// confirmed, generated, compared with the private columns, in both formats.
func TestMockFromConfirmedFacts(t *testing.T) {
	for _, hospital := range []string{"cleveland", "hungarian", "switzerland", "va"} {
		private := filepath.Join("..", "demo", "data", hospital+".csv")
		var index bytes.Buffer
		reg, err := Register(t.Context(), private, Options{Label: "d/a", Propose: true, IndexWriter: &index})
		if err != nil {
			t.Fatal(err)
		}
		card := mock.Card{Facts: reg.Proposal.Version}
		for i, c := range reg.Columns {
			c.Facts = append(c.Facts, reg.Proposal.Columns[i].Facts...)
			card.Columns = append(card.Columns, c)
		}
		for _, format := range []string{FormatCSV, FormatParquet} {
			var out bytes.Buffer
			rows, err := mock.Generate(t.Context(), card, 1, &out, format)
			if err != nil || rows != reg.Rows {
				t.Fatalf("%s: %d rows, %v", hospital, rows, err)
			}
			path := writeFile(t, "mock."+format, out.String())
			m, differences, err := CompareMock(t.Context(), Side{Format: format, Columns: reg.Columns, Nulls: reg.Nulls}, path, ReadOptions{})
			if err != nil || len(differences) != 0 || m.Rows != rows || m.Format != format {
				t.Errorf("%s: %+v, %v, %v", hospital, m, differences, err)
			}
			again, err := ProposeFacts(t.Context(), path, ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range again.Columns {
				checkWithin(t, hospital, reg.Proposal.Columns[i], c)
			}
		}
		x, err := disclosure.OpenIndex(disclosure.Key{}, bytes.NewReader(index.Bytes()), int64(index.Len()))
		if err != nil {
			t.Fatal(err)
		}
		checks, err := CheckMock(t.Context(), x, private, ReadOptions{})
		if err != nil || result(checks, disclosure.CheckPrivateRows) != anchorhold.CheckFailed {
			t.Errorf("%s: the private table itself passes as a mock: %v, %v", hospital, checks, err)
		}
	}
}

// checkWithin holds what is measured of a mock against the facts of its card.
func checkWithin(t *testing.T, where string, card, mock anchorhold.Column) {
	t.Helper()
	for _, name := range []string{anchorhold.FactMin, anchorhold.FactMax} {
		f, ok := card.Fact(name)
		g, _ := mock.Fact(name)
		if !ok || g.Value == nil {
			continue
		}
		a, b := f.Value.(float64), g.Value.(float64)
		if name == anchorhold.FactMin && b < a || name == anchorhold.FactMax && b > a {
			t.Errorf("%s: %s of %s is %v in the mock and %v on the card", where, name, card.Name, b, a)
		}
	}
}

func result(checks []anchorhold.Check, name string) anchorhold.CheckResult {
	for _, c := range checks {
		if c.Name == name {
			return c.Result
		}
	}
	return ""
}

func TestCheckMock(t *testing.T) {
	var private, other strings.Builder
	private.WriteString("id,age,chol,city\n")
	other.WriteString("id,age,chol,city\n")
	for i := range 200 {
		fmt.Fprintf(&private, "%d,%d,%d,%s\n", 100000+i*37, 20+i*7%61, 150+i*13%211, []string{"Bern", "Genf", "Chur"}[i%3])
		fmt.Fprintf(&other, "%d,%d,%d,%s\n", 900000+i, 20+i*11%61, 1000+i, []string{"Bern", "Genf", "Chur"}[i%3])
	}
	var index bytes.Buffer
	_, err := Register(t.Context(), writeFile(t, "private.csv", private.String()), Options{Label: "d/a", IndexWriter: &index, Identifiers: []string{"id"}})
	if err != nil {
		t.Fatal(err)
	}
	x, err := disclosure.OpenIndex(disclosure.Key{}, bytes.NewReader(index.Bytes()), int64(index.Len()))
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(private.String(), "\n")
	identifier := strings.SplitN(rows[9], ",", 2)[0]
	for _, c := range []struct {
		what, mock, check string
		want              anchorhold.CheckResult
	}{
		{"made up", other.String(), disclosure.CheckPrivateRows, anchorhold.CheckPassed},
		{"made up", other.String(), disclosure.CheckIdentifiers, anchorhold.CheckPassed},
		{"one private row", other.String() + rows[7] + "\n", disclosure.CheckPrivateRows, anchorhold.CheckFailed},
		{"one identifier", other.String() + identifier + ",1,2000,Rom\n", disclosure.CheckIdentifiers, anchorhold.CheckFailed},
		{"the last row of many", other.String() + strings.Repeat("1,1,1,x\n", 19000) + rows[7] + "\n", disclosure.CheckPrivateRows, anchorhold.CheckFailed},
	} {
		checks, err := CheckMock(t.Context(), x, writeFile(t, "mock.csv", c.mock), ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := result(checks, c.check); got != c.want {
			t.Errorf("%s: %s %s, want %s (%v)", c.what, c.check, got, c.want, checks)
		}
		for _, check := range checks {
			if strings.Contains(check.Detail, identifier) {
				t.Errorf("%s: a value is shown: %s", c.what, check.Detail)
			}
		}
	}
}

func TestCompareMock(t *testing.T) {
	private := []anchorhold.Column{
		{Name: "id", Type: anchorhold.TypeInt},
		{Name: "share", Type: anchorhold.TypeFloat},
		{Name: "at", Type: anchorhold.TypeTimestamp},
		{Name: "name", Type: anchorhold.TypeString},
	}
	for mock, want := range map[string][]string{
		"id,share,at,name\n1,0.5,2024-01-01T10:00:00,x\n": nil,
		"id,share,at,name\n1,1,2024-01-01,7\n":            nil, // narrower
		"id,share,at,name\n1,,,\n":                        nil, // no values at all
		"id,share,at\n1,1,2024-01-01\n":                   {`the mock has no column "name"`},
		"id,share,at,name,more\n1,1,2024-01-01,x,y\n":     {`the mock has a column "more", which the private table does not have`},
		"share,id,at,name\n1,1,2024-01-01,x\n":            {`column "id" is number 2 in the mock and number 1 in the private table`},
		"id,share,at,name\nA7,x,5,x\n": {
			`column "id" is string in the mock and int in the private table`,
			`column "share" is string in the mock and float in the private table`,
			`column "at" is int in the mock and timestamp in the private table`,
		},
	} {
		m, differences, err := CompareMock(t.Context(), Side{Format: "csv", Columns: private}, writeFile(t, "mock.csv", mock), ReadOptions{})
		if err != nil || m.Rows != 1 {
			t.Fatalf("%+v, %v", m, err)
		}
		var got []string
		for _, d := range differences {
			got = append(got, d.String())
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", mock, got, want)
		}
	}
	_, _, err := CompareMock(t.Context(), Side{Format: "csv", Columns: private}, writeFile(t, "mock.csv", "a,a\n"+canary+",1\n"), ReadOptions{})
	checkRefusal(t, err, "have the same name")
}

// TestCompareMockNulls: whether a column has missing values at all has to be the
// same, in every format of tables; how many is the mock's affair.
func TestCompareMockNulls(t *testing.T) {
	for name, text := range map[string]string{
		"mock.csv":   "id,dose,ward\n1,,east\n2,0.5,\n3,1.5,west\n",
		"mock.jsonl": "{\"id\":1,\"dose\":null,\"ward\":\"east\"}\n{\"id\":2,\"dose\":0.5,\"ward\":null}\n",
	} {
		path := writeFile(t, name, text)
		reg, err := Register(t.Context(), path, Options{Label: "d/a"})
		if err != nil || !reflect.DeepEqual(reg.Nulls, []bool{false, true, true}) {
			t.Fatalf("%s: %v, %v", name, reg.Nulls, err)
		}
		side := Side{Format: reg.Format, Columns: reg.Columns, Nulls: []bool{true, true, false}}
		_, differences, err := CompareMock(t.Context(), side, path, ReadOptions{})
		var got []string
		for _, d := range differences {
			got = append(got, d.Code("patients")+" "+d.String())
		}
		want := []string{
			`nulls:patients.id column "id" has no missing values in the mock and missing values in the private table`,
			`nulls:patients.ward column "ward" has missing values in the mock and no missing values in the private table`,
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		side.Nulls = nil
		if _, differences, err = CompareMock(t.Context(), side, path, ReadOptions{}); err != nil || len(differences) != 0 {
			t.Errorf("%s: %v, %v", name, differences, err)
		}
	}
}

// TestDifferencesHaveCodes by which they are accepted: the same for ever.
func TestDifferencesHaveCodes(t *testing.T) {
	side := Side{Format: "parquet", Columns: []anchorhold.Column{
		{Name: "id", Type: anchorhold.TypeInt}, {Name: "a.b", Type: anchorhold.TypeFloat}, {Name: "gone", Type: anchorhold.TypeInt}, {Name: "age", Type: anchorhold.TypeInt},
	}, Nulls: []bool{false, false, false, true}}
	_, differences, err := CompareMock(t.Context(), side, writeFile(t, "mock.csv", "a.b,id,age,more\nx,1,2,3\n"), ReadOptions{})
	var got []string
	for _, d := range differences {
		got = append(got, d.Code("t"))
	}
	if want := "format:t order:t.id type:t.a.b absent:t.gone extra:t.more nulls:t.age"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q, want %q, %v", got, want, err)
	}
}

func TestCompareMockExactTypes(t *testing.T) {
	int32s := anchorhold.Column{Name: "n", Type: anchorhold.TypeInt, Facts: []anchorhold.Fact{{Name: anchorhold.FactStorage, Value: "int32"}}}
	empty := anchorhold.Column{Name: "n", Type: anchorhold.TypeFloat, Facts: []anchorhold.Fact{{Name: anchorhold.FactStorage, Value: "null"}}}
	for _, c := range []struct {
		private, mock anchorhold.Column
		want          int
	}{
		{int32s, int32s, 0},
		{int32s, anchorhold.Column{Name: "n", Type: anchorhold.TypeInt}, 1},
		{empty, anchorhold.Column{Name: "n", Type: anchorhold.TypeFloat}, 0},
	} {
		got := differences([]anchorhold.Column{c.private}, []anchorhold.Column{c.mock}, []typeSet{bit(c.mock.Type)})
		if len(got) != c.want {
			t.Errorf("%+v against %+v: %v", c.mock, c.private, got)
		}
	}
}

// FuzzIndexWiring: whatever table is read, its own rows are found in its index.
func FuzzIndexWiring(f *testing.F) {
	f.Add("12345", "Anna Muster", 0.5)
	f.Add("2024-01-01T00:00:00.000000001Z", " x ", -1e300)
	f.Add("True", "0x10", 1e22)
	f.Fuzz(func(t *testing.T, a, b string, c float64) {
		row := []Cell{{Kind: CellText, Text: a}, {Kind: CellText, Text: b}, {Kind: CellFloat, Float: c}}
		for i := range 2 {
			if row[i].Text != "" {
				row[i] = codec.ParseCell(row[i].Text)
			}
		}
		for _, cell := range row {
			want := disclosure.TextCell(cell.Text)
			if got := indexCell(cell); cell.Text != "" && got != want {
				t.Errorf("the text %q is %v in the index and %v in an output", cell.Text, got, want)
			}
		}
		var index bytes.Buffer
		x, err := newIndexer(Options{IndexWriter: &index}, &Table{content: &Content{path: "fuzz"}, reader: &wide{width: len(row)}}, make([]anchorhold.Column, len(row)))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := x.add([][]Cell{row}); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.close(); err != nil {
			t.Fatal(err)
		}
		opened, err := disclosure.OpenIndex(disclosure.Key{}, bytes.NewReader(index.Bytes()), int64(index.Len()))
		if err != nil || opened.Rows() != 3 {
			t.Fatalf("%v", err)
		}
	})
}

// What a mock carries beside its rows is a difference that its owner has to accept,
// also where a guest in a sandbox says so.
func TestCompareMockBeside(t *testing.T) {
	for name, want := range map[string]string{"whole.arrow": "", "plain.arrow": "unseen:patients"} {
		path := filepath.Join("codec", "testdata", name)
		table, err := Open(path, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		side := Side{Format: "arrow", Columns: table.Columns()}
		if err := table.Close(); err != nil {
			t.Error(err)
		}
		_, differences, err := CompareMock(t.Context(), side, path, ReadOptions{})
		var found string
		for _, d := range differences {
			found += d.Code("patients")
			if d.What == DiffUnseen && !strings.Contains(d.String(), "the mock carries") {
				t.Errorf("%s: %s", name, d)
			}
		}
		if err != nil || found != want {
			t.Errorf("%s: %q, %v", name, found, err)
		}
	}
}

// wide is a reader of rows of so many cells.
type wide struct {
	codec.Reader
	width int
}

// Width implements codec.Reader.
func (w *wide) Width() int { return w.width }
