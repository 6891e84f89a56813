package dataset_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/disclosure"
)

func TestGivenMockIsPublishedAsItIs(t *testing.T) {
	b := newBench(t)
	text := made(12)
	path := write(t, "mock.csv", text)
	v := b.mustAdd(heart(hospital(t, "cleveland.csv"), &dataset.NewMock{Path: path}))
	if v.Mock == nil || v.Mock.Origin != "given" || v.Mock.Format != "csv" || v.Mock.Rows != 12 {
		t.Errorf("the mock is %+v", v.Mock)
	}
	if checkMock(t, b, v) != text {
		t.Error("the mock is not what was given")
	}
	if len(b.ledger()) != 0 || len(provenances(v)) != 0 {
		t.Error("a given mock disclosed facts of the private side")
	}
	// It is kept: what happens to the file afterwards does not matter.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if checkMock(t, b, v) != text {
		t.Error("the mock went with its file")
	}
}

// TestMocksThatCopyAreRefused gives mocks that somebody cut from the private
// table, in ways that ought not to help.
func TestMocksThatCopyAreRefused(t *testing.T) {
	b := newBench(t)
	private := hospital(t, "cleveland.csv")
	lines := strings.Split(strings.TrimSpace(read(t, private)), "\n")
	head := lines[0] + "\n"
	for name, text := range map[string]string{
		"the table itself":   strings.Join(lines, "\n"),
		"its first rows":     strings.Join(lines[:11], "\n"),
		"one row among many": made(40) + lines[200] + "\n",
		"one row alone":      head + lines[17],
		"backwards":          head + lines[9] + "\n" + lines[8] + "\n" + lines[7],
		"disturbed":          head + strings.Replace(lines[17], "1", "1.0001", 1) + "\n" + strings.Replace(lines[18], "1", "1.0001", 1),
	} {
		t.Run(name, func(t *testing.T) {
			mock := write(t, "mock.csv", text)
			b.refuses(anchorhold.Conflict, "", func() error { _, err := b.add(heart(private, &dataset.NewMock{Path: mock})); return err })
			n := heart(private, &dataset.NewMock{Path: mock, Accept: b.differences(private, mock)})
			b.refuses(anchorhold.Conflict, "may not be published", func() error { _, err := b.add(n); return err })
			b.mockless()
		})
	}
}

// mockless makes sure that no mock is among the blobs: only indexes, which
// nothing refers to.
func (b *bench) mockless() {
	b.t.Helper()
	stored, err := b.Blobs.List()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, s := range stored {
		data, err := b.Blobs.ReadAll(s.ID, 1<<30)
		if err != nil {
			b.t.Fatal(err)
		}
		if strings.Contains(string(data), "age,sex,cp") {
			b.t.Error("a refused mock was kept")
		}
	}
}

func TestIdentifiersInMocksAreRefused(t *testing.T) {
	b := newBench(t)
	var private, mock strings.Builder
	private.WriteString("patient,ward\n")
	mock.WriteString("patient,ward\n")
	for i := range 60 {
		private.WriteString("P" + strconv.Itoa(770000+i*37) + ",w" + strconv.Itoa(i%3) + "\n")
		mock.WriteString("M" + strconv.Itoa(i) + ",v" + strconv.Itoa(i%3) + "\n")
	}
	path := write(t, "private.csv", private.String())
	unique := anchorhold.Column{Name: "patient", Facts: []anchorhold.Fact{stated(anchorhold.FactUnique, true)}}
	leaky := write(t, "leaky.csv", mock.String()+"P770037,v9\n")
	b.refuses(anchorhold.Conflict, "may not be published", func() error {
		_, err := b.add(heart(path, &dataset.NewMock{Path: leaky}, unique))
		return err
	})
	v := b.mustAdd(heart(path, &dataset.NewMock{Path: write(t, "clean.csv", mock.String())}, unique))
	b.refuses(anchorhold.Conflict, "may not be published", func() error {
		_, err := b.version(dataset.NewAsset{Mock: &dataset.NewMock{Path: leaky}})
		return err
	})
	if checkMock(t, b, v) != mock.String() {
		t.Error("the refused mock replaced the good one")
	}
}

// differences gives the codes of what a refusal lists: nil where there is none.
func (b *bench) differences(private, mock string) []string {
	b.t.Helper()
	_, err := b.add(heart(private, &dataset.NewMock{Path: mock}))
	_, listed, _ := strings.Cut(fmt.Sprint(err), "not like the private side")
	listed, _, _ = strings.Cut(listed, "mend the mock")
	return regexp.MustCompile(`[a-z]+:patients[.\w]*`).FindAllString(listed, -1)
}

func TestDifferencesAreListedAndAccepted(t *testing.T) {
	private := hospital(t, "cleveland.csv")
	old := strings.Replace(made(9), "\n1000,", "\nold,", 1)
	for name, c := range map[string]struct {
		text  string
		codes []string
		says  string
	}{
		"absent column":  {dropLast(made(9)), []string{"absent:patients.num"}, "the mock has no column"},
		"extra column":   {addColumn(made(9), "extra"), []string{"extra:patients.extra"}, "which the private table does not have"},
		"other type":     {old, []string{"type:patients.age"}, `column "age" is string in the mock and int in the private table`},
		"other order":    {strings.Replace(made(9), "age,sex", "sex,age", 1), []string{"order:patients.age"}, "is number 2 in the mock"},
		"never missing":  {made(1), []string{"nulls:patients.ca", "nulls:patients.thal"}, `column "ca" has no missing values in the mock and missing values in the private table`},
		"missing in num": {strings.Replace(made(9), ",1001\n", ",\n", 1), []string{"nulls:patients.num"}, `column "num" has missing values in the mock`},
		"two at once":    {dropLast(old), []string{"absent:patients.num", "type:patients.age"}, "; "},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			mock := write(t, "m.csv", c.text)
			add := func(accept ...string) error {
				_, err := b.add(heart(private, &dataset.NewMock{Path: mock, Accept: accept}))
				return err
			}
			for i, code := range c.codes {
				b.refuses(anchorhold.Conflict, code, func() error { return add() })
				b.refuses(anchorhold.Conflict, "--accept-difference "+code, func() error { return add() })
				others := append(append([]string{}, c.codes[:i]...), c.codes[i+1:]...)
				b.refuses(anchorhold.Conflict, code, func() error { return add(others...) })
				b.refuses(anchorhold.Conflict, code, func() error { return add(append(others, code[:len(code)-1], "*", strings.ToUpper(code))...) })
			}
			b.refuses(anchorhold.Conflict, c.says, func() error { return add() })
			b.refuses(anchorhold.Invalid, `no difference "type:patients.sex"`, func() error { return add(append(c.codes, "type:patients.sex")...) })
			v := b.mustAdd(heart(private, &dataset.NewMock{Path: mock, Accept: c.codes}))
			if checkMock(t, b, v) != c.text || len(v.Columns) != 14 || len(v.Mock.Differences) != len(c.codes) {
				t.Errorf("the mock is %+v, the card has %d columns", v.Mock, len(v.Columns))
			}
			var logged, kept []string
			for _, d := range v.Mock.Differences {
				kept = append(kept, d.Code)
			}
			for _, e := range b.Events() {
				if e.Subject == v.ID {
					logged = append(logged, strings.Split(e.Details["accepted differences"], ", ")...)
				}
			}
			slices.Sort(kept)
			slices.Sort(logged)
			if !slices.Equal(kept, c.codes) || !slices.Equal(logged, c.codes) {
				t.Errorf("accepted %q, kept %q, logged %q", c.codes, kept, logged)
			}
			// That columns have missing values is something learnt of the private side.
			if n := len(b.ledger()); n != strings.Count(strings.Join(c.codes, " ")+" ", "nulls:")/max(1, strings.Count(strings.Join(c.codes, " "), "nulls:")) {
				t.Errorf("%d ledger entries", n)
			}
		})
	}
}

// TestAcceptedDifferencesStay where a mock is kept; a further one is asked about.
func TestAcceptedDifferencesStay(t *testing.T) {
	b := newBench(t)
	private := hospital(t, "cleveland.csv")
	mock := write(t, "m.csv", strings.Replace(made(9), "\n1000,", "\nold,", 1))
	first := b.mustAdd(heart(private, &dataset.NewMock{Path: mock, Accept: []string{"type:patients.age"}}))
	if v := b.mustVersion(dataset.NewAsset{}); !reflect.DeepEqual(v.Mock, first.Mock) {
		t.Errorf("the mock is %+v, it was %+v", v.Mock, first.Mock)
	}
	if err := os.WriteFile(private, []byte(addColumn(read(t, private), "height")), 0o600); err != nil {
		t.Fatal(err)
	}
	b.refuses(anchorhold.Conflict, "absent:patients.height", func() error { _, err := b.version(dataset.NewAsset{}); return err })
	v := b.mustVersion(dataset.NewAsset{Mock: &dataset.NewMock{Accept: []string{"absent:patients.height"}}})
	if len(v.Mock.Differences) != 2 || v.Mock.SHA256 != first.Mock.SHA256 {
		t.Errorf("the mock is %+v", v.Mock)
	}
	// What was accepted is the difference as it was: the same column as another type is another one.
	b.refuses(anchorhold.Conflict, "type:patients.age", func() error {
		_, err := b.version(dataset.NewAsset{Columns: []anchorhold.Column{{Name: "age", Type: anchorhold.TypeFloat}}})
		return err
	})
	// Nothing can be kept where there is nothing.
	b.refuses(anchorhold.Invalid, "comes from nowhere", func() error {
		_, err := b.add(dataset.New{Name: "other", Assets: []dataset.NewAsset{{Name: "a", Path: private, Mock: &dataset.NewMock{Accept: []string{"type:a.age"}}}}})
		return err
	})
}

// TestWhatIsInCommonIsOverriddenWithAReason, which is logged, told to those who
// decide, and counted as a disclosure.
func TestWhatIsInCommonIsOverriddenWithAReason(t *testing.T) {
	b := newBench(t)
	private := hospital(t, "cleveland.csv")
	text := made(12) + strings.Split(read(t, private), "\n")[17] + "\n"
	mock := write(t, "m.csv", text)
	add := func(reason string) error {
		_, err := b.add(heart(private, &dataset.NewMock{Path: mock, OverrideCommon: reason}))
		return err
	}
	b.refuses(anchorhold.Conflict, "--override-common patients=REASON", func() error { return add("") })
	b.refuses(anchorhold.Conflict, "may not be published", func() error { return add("  ") })
	b.refuses(anchorhold.Invalid, "control characters", func() error { return add("two\nlines") })
	b.refuses(anchorhold.Conflict, "has nothing in common", func() error {
		_, err := b.add(heart(private, &dataset.NewMock{Path: write(t, "clean.csv", made(12)), OverrideCommon: "to be sure"}))
		return err
	})
	const reason = "the row is a published example"
	v := b.mustAdd(heart(private, &dataset.NewMock{Path: mock, OverrideCommon: reason}))
	if checkMock(t, b, v) != text || v.Mock.Common == nil || v.Mock.Common.Reason != reason || v.Mock.Common.By != owner.ID ||
		!strings.Contains(strings.Join(v.Mock.Common.Found, " "), disclosure.CheckPrivateRows) {
		t.Errorf("the mock is %+v, %+v", v.Mock, v.Mock.Common)
	}
	logged := false
	for _, e := range b.Events() {
		logged = logged || e.Subject == v.ID && e.Details["override-common"] == reason && strings.Contains(e.Details["in common"], disclosure.CheckPrivateRows)
	}
	entries := b.ledger()
	if !logged || len(entries) != 1 || entries[0].Class != anchorhold.ExposureUnbounded || entries[0].Population != "cleveland" ||
		entries[0].Subject != v.ID || !strings.Contains(entries[0].What, reason) {
		t.Errorf("logged: %v; the ledger has %+v", logged, entries)
	}
	// Researchers are not told that a row among those of the mock is somebody's.
	d, err := b.Find(t.Context(), "heart")
	if err != nil {
		t.Fatal(err)
	}
	if seen := b.patients(catalog.HideFrom(d)); seen.Mock.Common != nil || b.patients(d).Mock.Common == nil {
		t.Errorf("shown to all: %+v", seen.Mock)
	}
	// Another version shares something anew.
	b.refuses(anchorhold.Conflict, "may not be published", func() error { _, err := b.version(dataset.NewAsset{}); return err })
	b.mustVersion(dataset.NewAsset{Mock: &dataset.NewMock{OverrideCommon: reason}})
	if n := len(b.ledger()); n != 2 {
		t.Errorf("%d ledger entries for two overrides", n)
	}
	b.VerifyLog()
}

// TestNestedColumns: the parts of columns are compared as columns are, and a part
// that was copied is found.
func TestNestedColumns(t *testing.T) {
	b := newBench(t)
	private := write(t, "p.jsonl", `{"id":1,"home":{"town":"east","zip":8001},"visits":[{"ward":"ophthalmology","code":77101},{"ward":"oncology","code":77102}]}
{"id":2,"home":{"town":"west","zip":8002},"visits":[]}
{"id":3,"home":{"town":"west","zip":8002},"visits":[{"ward":"paediatrics","code":77103}]}
`)
	mock := func(row string) *dataset.NewMock { return &dataset.NewMock{Path: write(t, "m.jsonl", row+"\n")} }
	for row, want := range map[string]string{
		`{"id":9,"home":{"town":"a","zip":"b"},"visits":[{"ward":"x","code":1}]}`:                   `type:patients.home.zip (column "home.zip" is string in the mock and int in the private table)`,
		`{"id":9,"home":{"zip":1,"town":"a"},"visits":[{"ward":"x","code":1}]}`:                     `order:patients.home.town`,
		`{"id":9,"home":{"town":"a","zip":1,"who":2},"visits":[{"ward":"x","code":1}]}`:             `extra:patients.home.who`,
		`{"id":9,"home":{"town":"a","zip":1},"visits":[{"ward":"x"}]}`:                              `absent:patients.visits.item.code`,
		`{"id":9,"home":{"town":"a","zip":1},"visits":[["x",1]]}`:                                   `not of the type`,
		`{"id":9,"home":[1],"visits":[{"ward":"x","code":1}]}`:                                      `type:patients.home (column "home" is list in the mock and struct in the private table)`,
		`{"id":9,"home":{"town":"a","zip":1},"visits":[{"ward":"oncology","code":77102}]}`:          "may not be published",
		`{"id":3,"home":{"town":"west","zip":8002},"visits":[{"ward":"paediatrics","code":77103}]}`: "may not be published",
	} {
		_, err := b.add(heart(private, mock(row)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", row, err, want)
		}
	}
	v := b.mustAdd(heart(private, mock(`{"id":9,"home":{"town":"a","zip":1},"visits":[{"ward":"x","code":1}]}`)))
	if got := v.Columns[1].TypeText() + " " + v.Columns[2].TypeText(); got != "struct<town string, zip int> list<struct<ward string, code int>>" {
		t.Error(got)
	}
}

// TestWholeNumbersMayBeWritten: as pandas writes them where there once was a missing
// value beside them.
func TestWholeNumbersMayBeWritten(t *testing.T) {
	b := newBench(t)
	private := write(t, "p.csv", "age,weight\n63,70.5\n41,81.25\n")
	b.refuses(anchorhold.Conflict, "type:patients.age", func() error {
		_, err := b.add(heart(private, &dataset.NewMock{Path: write(t, "m.csv", "age,weight\n900.5,900.5\n901.0,1.5\n")}))
		return err
	})
	if v := b.mustAdd(heart(private, &dataset.NewMock{Path: write(t, "m.csv", "age,weight\n900.0,900.5\n901.0,1.5\n")})); len(v.Mock.Differences) > 0 {
		t.Errorf("%+v", v.Mock)
	}
}

// TestDeclaredNullability: what a file declares is compared, whatever its rows have.
func TestDeclaredNullability(t *testing.T) {
	b := newBench(t)
	file := func(nullable bool, rows string) string {
		schema := arrow.NewSchema([]arrow.Field{{Name: "age", Type: arrow.PrimitiveTypes.Int64, Nullable: nullable}}, nil)
		return parquetOf(t, schema, rows)
	}
	private := file(false, `[{"age":63},{"age":41}]`)
	b.refuses(anchorhold.Conflict, `nullable:patients.age (column "age" is declared as nullable in the mock and as required in the private table)`, func() error {
		_, err := b.add(heart(private, &dataset.NewMock{Path: file(true, `[{"age":900},{"age":901}]`)}))
		return err
	})
	v := b.mustAdd(heart(private, &dataset.NewMock{Path: file(false, `[{"age":900},{"age":901}]`)}))
	if !v.Columns[0].Required || len(v.Mock.Differences) > 0 {
		t.Errorf("%+v", v)
	}
}

func dropLast(csv string) string {
	lines := strings.Split(strings.TrimSpace(csv), "\n")
	for i, l := range lines {
		lines[i] = l[:strings.LastIndexByte(l, ',')]
	}
	return strings.Join(lines, "\n") + "\n"
}

func addColumn(csv, name string) string {
	lines := strings.Split(strings.TrimSpace(csv), "\n")
	for i := range lines {
		if i == 0 {
			lines[i] += "," + name
		} else {
			lines[i] += ",1"
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestMockOfAnotherFormat(t *testing.T) {
	b := newBench(t)
	private := parquetFile(t, arrow.PrimitiveTypes.Int32, `[{"age":63,"weight":70.5,"ward":"east"},{"age":41,"weight":81.25,"ward":"west"}]`)
	mock := write(t, "m.csv", "age,weight,ward\n900,900.5,north\n901,901.5,south\n")
	b.refuses(anchorhold.Conflict, "the mock is csv and the private table is parquet", func() error {
		_, err := b.add(heart(private, &dataset.NewMock{Path: mock}))
		return err
	})
	v := b.mustAdd(heart(private, &dataset.NewMock{Path: mock, Accept: []string{"format:patients", "type:patients.age"}}))
	if v.Mock.Format != "csv" || v.Private.Format != "parquet" || v.Mock.Rows != 2 {
		t.Errorf("the version is %+v, its mock %+v", v, v.Mock)
	}
	checkMock(t, b, v)
}

// TestFormatAloneIsADifference: equal columns in another format still are what
// code that opens the file by itself trips over.
func TestFormatAloneIsADifference(t *testing.T) {
	b := newBench(t)
	private := write(t, "p.csv", "age,weight,ward\n900,900.5,north\n901,901.5,south\n")
	mock := parquetFile(t, arrow.PrimitiveTypes.Int64, `[{"age":63,"weight":70.5,"ward":"east"},{"age":41,"weight":81.25,"ward":"west"}]`)
	b.refuses(anchorhold.Conflict, "the private side: format:patients (the mock is parquet and the private table is csv); mend the mock", func() error {
		_, err := b.add(heart(private, &dataset.NewMock{Path: mock}))
		return err
	})
	v := b.mustAdd(heart(private, &dataset.NewMock{Path: mock, Accept: []string{"format:patients"}}))
	if v.Mock.Format != "parquet" || v.Private.Format != "csv" || checkMock(t, b, v) != read(t, mock) {
		t.Errorf("the mock is %+v", v.Mock)
	}
}

func TestBadMocksLeaveNothingBehind(t *testing.T) {
	b := newBench(t)
	private := hospital(t, "cleveland.csv")
	for name, c := range map[string]struct {
		path string
		kind anchorhold.Kind
	}{
		"absent":            {"/nowhere/mock.csv", anchorhold.NotFound},
		"directory":         {t.TempDir(), anchorhold.Invalid},
		"empty":             {write(t, "e.csv", ""), anchorhold.Invalid},
		"header only":       {write(t, "h.csv", strings.SplitAfter(made(1), "\n")[0]), anchorhold.Invalid},
		"duplicate columns": {write(t, "d.csv", "a,a\n1,2\n"), anchorhold.Invalid},
		"wrong encoding":    {write(t, "w.csv", "a,b\n1,M\xfcller\n"), anchorhold.Invalid},
	} {
		t.Log(name)
		b.refuses(c.kind, "", func() error {
			_, err := b.add(heart(private, &dataset.NewMock{Path: c.path, Accept: []string{"type:patients.age"}}))
			return err
		})
	}
}
