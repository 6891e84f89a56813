package dataset_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/dataset"
)

// checkMock reads the mock of "heart/patients" back and holds it against the
// version's card.
func checkMock(t *testing.T, b *bench, v anchorhold.Version) string {
	t.Helper()
	m, err := b.Mock(context.Background(), "heart", "patients")
	if err != nil {
		t.Fatal(err)
	}
	defer m.File.Close()
	data, err := io.ReadAll(m.File)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if v.Mock == nil || hex.EncodeToString(sum[:]) != v.Mock.SHA256 || m.SHA256 != v.Mock.SHA256 || v.Mock.Size != int64(len(data)) {
		t.Errorf("the mock has %d bytes with SHA-256 %x, the card says %+v", len(data), sum, v.Mock)
	}
	return string(data)
}

// cells reads a CSV text without quotation marks by columns.
func cells(text string) map[string][]string {
	out := map[string][]string{}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	names := strings.Split(lines[0], ",")
	for _, line := range lines[1:] {
		for i, cell := range strings.Split(line, ",") {
			out[names[i]] = append(out[names[i]], cell)
		}
	}
	return out
}

// made is a mock table like the hospitals' that nobody copied from anywhere.
func made(rows int) string {
	var s strings.Builder
	s.WriteString("age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num\n")
	for i := range rows {
		for c := range 14 {
			if c > 0 {
				s.WriteByte(',')
			}
			if i%3 == 1 && (c == 11 || c == 12) { // as ca and thal are missing there
				continue
			}
			s.WriteString(strconv.Itoa(1000 + (i*(c+3))%7))
			if c == 9 {
				s.WriteString(".5")
			}
		}
		s.WriteByte('\n')
	}
	return s.String()
}

func TestGeneratedMockShowsOnlyWhatIsStated(t *testing.T) {
	b := newBench(t)
	v := b.mustAdd(heart(hospital(t, "cleveland.csv"), &dataset.NewMock{Generate: &dataset.Generate{Seed: 1}},
		anchorhold.Column{Name: "age", Facts: []anchorhold.Fact{stated(anchorhold.FactMin, 200.0), stated(anchorhold.FactMax, 210.0)}},
		anchorhold.Column{Name: "sex", Facts: []anchorhold.Fact{stated(anchorhold.FactCategories, []any{7.0, 8.0})}}))
	if n := provenances(v); n[anchorhold.Measured] != 0 || n[anchorhold.Stated] != 3 || len(v.Facts) != 0 || len(b.ledger()) != 0 {
		t.Errorf("the card has the facts %v, %+v; the ledger %+v", n, v.Facts, b.ledger())
	}
	mock := cells(checkMock(t, b, v))
	if v.Mock.Origin != "generated" || v.Mock.Rows != 100 || len(mock["age"]) != 100 {
		t.Errorf("the mock is %+v with %d rows", v.Mock, len(mock["age"]))
	}
	for i, age := range mock["age"] {
		if n, err := strconv.Atoi(age); err != nil || n < 200 || n > 210 || mock["sex"][i] != "7" && mock["sex"][i] != "8" {
			t.Fatalf("row %d has the age %q and the sex %q", i, age, mock["sex"][i])
		}
	}
	for name, column := range mock { // missing rates are measured: none may show
		for _, cell := range column {
			if cell == "" {
				t.Fatalf("the column %s has missing values that nobody stated", name)
			}
		}
	}
}

// TestUnconfirmedMocksAreBlind: with the same card, two different private sides
// give the same mock.
func TestUnconfirmedMocksAreBlind(t *testing.T) {
	var mocks []string
	for _, private := range []string{"a,b\n1,x\n2,y\n3,z\n", "a,b\n900001," + canary + "\n900002,\n"} {
		b := newBench(t)
		v := b.mustAdd(heart(write(t, "t.csv", private), &dataset.NewMock{Generate: &dataset.Generate{Seed: 5, Rows: 20}}))
		mocks = append(mocks, checkMock(t, b, v))
	}
	if mocks[0] != mocks[1] {
		t.Errorf("the mocks depend on the private side:\n%s\n%s", mocks[0], mocks[1])
	}
}

func TestConfirmedFactsStandInTheLedger(t *testing.T) {
	b := newBench(t)
	v := b.mustAdd(heart(hospital(t, "cleveland.csv"), &dataset.NewMock{Generate: &dataset.Generate{Seed: 1}, Facts: []string{everything}},
		anchorhold.Column{Name: "age", Facts: []anchorhold.Fact{stated(anchorhold.FactMin, 18.0)}}))
	if got := fact(column(t, v, "age"), anchorhold.FactMin); got != "18 stated" {
		t.Errorf("what was stated became %s", got)
	}
	if got := fact(column(t, v, "age"), anchorhold.FactMax); got != "77 measured" {
		t.Errorf("the largest age is %s", got)
	}
	if got := fact(column(t, v, "ca"), anchorhold.FactMissingRate); got != "0.013 measured" {
		t.Errorf("the missing rate is %s", got)
	}
	if len(v.Facts) != 1 || v.Facts[0].Name != anchorhold.FactRows || v.Facts[0].Value != 303.0 || v.Facts[0].Provenance != anchorhold.Measured {
		t.Errorf("the table's facts are %+v", v.Facts)
	}
	mock := cells(checkMock(t, b, v))
	if v.Mock.Rows != 303 || len(mock["sex"]) != 303 {
		t.Errorf("the mock has %d rows", v.Mock.Rows)
	}
	for _, sex := range mock["sex"] {
		if sex != "0" && sex != "1" {
			t.Fatalf("a sex of %q", sex)
		}
	}
	b.wantLedger(v)
	// Each further version that is confirmed discloses anew.
	second := b.mustVersion(dataset.NewAsset{Mock: &dataset.NewMock{Generate: &dataset.Generate{}, Facts: []string{everything}}})
	b.wantLedger(second, v)
	b.mustVersion(dataset.NewAsset{})
	b.mustVersion(dataset.NewAsset{Mock: &dataset.NewMock{Generate: &dataset.Generate{}}})
	b.wantLedger(second, v)
}

// wantLedger wants exactly one unbounded entry for each version, newest first.
func (b *bench) wantLedger(versions ...anchorhold.Version) {
	b.t.Helper()
	entries := b.ledger()
	if len(entries) != len(versions) {
		b.t.Fatalf("%d ledger entries for %d versions", len(entries), len(versions))
	}
	for i, e := range entries {
		if e.Class != anchorhold.ExposureUnbounded || e.Population != "cleveland" || e.Subject != versions[i].ID || e.Amount != "{}" ||
			!strings.Contains(e.What, "heart/patients") || e.Principal == "" || !anchorhold.IsID(anchorhold.PrefixLedger, e.ID) {
			b.t.Errorf("entry %d is %+v", i, e)
		}
	}
}

// TestRowsOfTheMockSayNothingOfTheTable: how many rows a mock has is its own
// affair, and the card's number is a fact like others.
func TestRowsOfTheMockSayNothingOfTheTable(t *testing.T) {
	for _, confirm := range [][]string{nil, {everything}} {
		b := newBench(t)
		v := b.mustAdd(heart(hospital(t, "cleveland.csv"), &dataset.NewMock{Generate: &dataset.Generate{Rows: 12}, Facts: confirm}))
		if v.Mock.Rows != 12 || len(cells(checkMock(t, b, v))["age"]) != 12 {
			t.Errorf("the mock is %+v", v.Mock)
		}
		if confirm == nil {
			if len(v.Facts) != 0 || len(b.ledger()) != 0 {
				t.Errorf("without a confirmation the card has %+v and the ledger %+v", v.Facts, b.ledger())
			}
			continue
		}
		if len(v.Facts) != 1 || v.Facts[0].Value != 303.0 || v.Facts[0].Provenance != anchorhold.Measured {
			t.Errorf("the card has %+v", v.Facts)
		}
		b.wantLedger(v)
	}
}

func TestSeedMakesTheMock(t *testing.T) {
	var mocks []string
	for _, seed := range []uint64{1, 1, 2} {
		b := newBench(t)
		mocks = append(mocks, checkMock(t, b, b.mustAdd(heart(hospital(t, "va.csv"), &dataset.NewMock{Generate: &dataset.Generate{Seed: seed}}))))
	}
	if mocks[0] != mocks[1] || mocks[0] == mocks[2] {
		t.Error("the same seed gives another mock, or another seed the same")
	}
}

func TestCardsThatContradictThemselvesAreRefused(t *testing.T) {
	b := newBench(t)
	path := hospital(t, "cleveland.csv")
	for name, facts := range map[string][]anchorhold.Fact{
		"min above max":    {stated(anchorhold.FactMin, 10.0), stated(anchorhold.FactMax, 1.0)},
		"min is text":      {stated(anchorhold.FactMin, "ten")},
		"rate beyond one":  {stated(anchorhold.FactMissingRate, 1.5)},
		"categories alone": {stated(anchorhold.FactCategories, 3.0)},
	} {
		t.Log(name)
		n := heart(path, &dataset.NewMock{Generate: &dataset.Generate{}, Facts: []string{everything}}, anchorhold.Column{Name: "age", Facts: facts})
		b.refuses(anchorhold.Invalid, "age", func() error { _, err := b.add(n); return err })
	}
}

// TestMissingMockFile: what is served is the card's mock or an error.
func TestMissingMockFile(t *testing.T) {
	b := newBench(t)
	v := b.mustAdd(heart(hospital(t, "va.csv"), &dataset.NewMock{Generate: &dataset.Generate{}}))
	if err := b.Blobs.Remove(v.Mock.Blob); err != nil {
		t.Fatal(err)
	}
	b.refuses(anchorhold.Internal, "the mock's file is missing", func() error { _, err := b.Mock(context.Background(), "heart", "patients"); return err })
}

func TestVersionsKeepWhatWasSaid(t *testing.T) {
	b := newBench(t)
	path := write(t, "t.csv", "id,age,dose,ward\n007,63,1,east\n008,41,2,?\n009,55,3,west\n")
	n := heart(path, &dataset.NewMock{Generate: &dataset.Generate{}, Facts: []string{everything}},
		anchorhold.Column{Name: "id", Type: anchorhold.TypeString, Description: "a number with zeros"},
		anchorhold.Column{Name: "dose", Unit: "mg", Facts: []anchorhold.Fact{stated(anchorhold.FactMin, 0.0)}},
		anchorhold.Column{Name: "age", Type: anchorhold.TypeFloat, Facts: []anchorhold.Fact{stated(anchorhold.FactMax, 120.0)}})
	n.Assets[0].Missing = []string{"?"}
	first := b.mustAdd(n)
	if provenances(first)[anchorhold.Measured] == 0 {
		t.Fatal("nothing was measured")
	}
	// The file grows, dose becomes fractional, ward goes and height comes.
	if err := os.WriteFile(path, []byte("id,age,dose,height\n007,63,1.5,?\n008,41,2,170\n009,55,3,180\n010,70,4,190\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(3600e9)
	for number := 2; number <= 4; number++ { // and it stays said from version to version
		v := b.mustVersion(dataset.NewAsset{Mock: &dataset.NewMock{Generate: &dataset.Generate{}}})
		if v.Number != number || v.ID == first.ID || v.Commitment == first.Commitment || !v.Created.Equal(b.Clock.Now()) || v.Private.Path != path || v.Private.Rows != 4 {
			t.Errorf("version %d is %+v", number, v)
		}
		names := ""
		for _, c := range v.Columns {
			names += c.Name + " " + string(c.Type) + ","
		}
		if names != "id string,age float,dose float,height int," {
			t.Errorf("version %d has the columns %s", number, names)
		}
		if c := column(t, v, "id"); c.Description != "a number with zeros" {
			t.Errorf("version %d: %+v", number, c)
		}
		if c := column(t, v, "dose"); c.Unit != "mg" || fact(c, anchorhold.FactMin) != "0 stated" || fact(c, anchorhold.FactMax) != "none" {
			t.Errorf("version %d: %+v", number, c)
		}
		if c := column(t, v, "age"); fact(c, anchorhold.FactMax) != "120 stated" || fact(c, anchorhold.FactMin) != "none" {
			t.Errorf("version %d: %+v", number, c)
		}
		if n := provenances(v); n[anchorhold.Measured] != 0 || len(v.Facts) != 0 {
			t.Errorf("version %d keeps measured facts: %+v, %+v", number, v.Facts, v.Columns)
		}
		if len(v.Missing) != 1 || v.Missing[0] != "?" {
			t.Errorf("version %d has the missing texts %q", number, v.Missing)
		}
		if mock := cells(checkMock(t, b, v)); v.Mock.SHA256 == first.Mock.SHA256 || len(mock["height"]) == 0 || len(mock["ward"]) != 0 {
			t.Errorf("version %d has the mock %+v", number, v.Mock)
		}
	}
	if len(b.ledger()) != 1 {
		t.Errorf("%d ledger entries for one confirmation", len(b.ledger()))
	}
	b.VerifyLog()
}

// TestVersionsKeepTheirMock as long as it is like the private side and shares
// nothing with it.
func TestVersionsKeepTheirMock(t *testing.T) {
	b := newBench(t)
	private, text := hospital(t, "cleveland.csv"), made(12)
	first := b.mustAdd(heart(private, &dataset.NewMock{Path: write(t, "m.csv", text)}))
	for number := 2; number <= 3; number++ {
		v := b.mustVersion(dataset.NewAsset{})
		if v.Number != number || v.Mock == nil || !reflect.DeepEqual(v.Mock, first.Mock) || checkMock(t, b, v) != text {
			t.Errorf("version %d has the mock %+v", number, v.Mock)
		}
	}
	// A row of the mock turns up in the private table.
	lines := strings.SplitAfter(text, "\n")
	if err := os.WriteFile(private, []byte(read(t, private)+lines[3]), 0o600); err != nil {
		t.Fatal(err)
	}
	b.refuses(anchorhold.Conflict, "may not be published", func() error { _, err := b.version(dataset.NewAsset{}); return err })
	// A generated mock lacks the column that the private table got.
	b = newBench(t)
	private = hospital(t, "va.csv")
	v := b.mustAdd(heart(private, &dataset.NewMock{Generate: &dataset.Generate{}}))
	if err := os.WriteFile(private, []byte(addColumn(read(t, private), "height")), 0o600); err != nil {
		t.Fatal(err)
	}
	b.refuses(anchorhold.Conflict, `"height"`, func() error { _, err := b.version(dataset.NewAsset{}); return err })
	checkMock(t, b, v)
	if v := b.mustVersion(dataset.NewAsset{Mock: &dataset.NewMock{Generate: &dataset.Generate{}}}); len(cells(checkMock(t, b, v))["height"]) == 0 {
		t.Errorf("the mock is %+v", v.Mock)
	}
}

// TestKeptMockKeepsItsFacts: a mock that is kept goes on telling what was
// confirmed for it, so the card says so, and of which version it is true; nothing
// is disclosed anew.
func TestKeptMockKeepsItsFacts(t *testing.T) {
	b := newBench(t)
	private := hospital(t, "cleveland.csv")
	first := b.mustAdd(heart(private, &dataset.NewMock{Generate: &dataset.Generate{}, Facts: []string{everything}}))
	if err := os.WriteFile(private, []byte(read(t, "../demo/data/cleveland.csv")+"99,1,1,100,200,0,0,150,0,1,1,0,3,0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for number := 2; number <= 3; number++ {
		v := b.mustVersion(dataset.NewAsset{})
		if !reflect.DeepEqual(v.Mock, first.Mock) || len(v.Facts) != len(first.Facts) {
			t.Fatalf("version %d is %+v", number, v)
		}
		for i, c := range first.Columns {
			for _, f := range c.Facts {
				got, ok := v.Columns[i].Fact(f.Name)
				if !ok || fmt.Sprint(got.Value) != fmt.Sprint(f.Value) || f.Provenance == anchorhold.Measured && got.Of != first.ID {
					t.Errorf("version %d: the fact %q of %q is %+v", number, f.Name, c.Name, got)
				}
			}
		}
	}
	if n := len(b.ledger()); n != 1 {
		t.Errorf("%d ledger entries for one confirmation", n)
	}
	if v := b.mustVersion(dataset.NewAsset{Mock: &dataset.NewMock{Generate: &dataset.Generate{}}}); provenances(v)[anchorhold.Measured] != 0 {
		t.Errorf("a mock made anew leaves measured facts: %+v", v)
	}
}

// TestVersionsTakeWhatIsSaidAnew: what is given replaces what was said.
func TestVersionsTakeWhatIsSaidAnew(t *testing.T) {
	b := newBench(t)
	first := b.mustAdd(heart(hospital(t, "cleveland.csv"), &dataset.NewMock{Path: write(t, "m.csv", made(9))},
		anchorhold.Column{Name: "age", Type: anchorhold.TypeFloat, Unit: "years"}))
	other := hospital(t, "hungarian.csv")
	v := b.mustVersion(dataset.NewAsset{Path: other, Missing: []string{"-"}, Columns: []anchorhold.Column{{Name: "chol", Unit: "mg/dl"}}, Mock: &dataset.NewMock{Generate: &dataset.Generate{Rows: 4}}})
	if v.Number != 2 || v.Private.Path != other || v.Private.Rows != 294 || v.Mock.Origin != "generated" || v.Mock.SHA256 == first.Mock.SHA256 || v.Missing[0] != "-" {
		t.Errorf("the version is %+v", v)
	}
	if c := column(t, v, "age"); c.Unit != "" || c.Type != anchorhold.TypeInt {
		t.Errorf("the column is %+v", c)
	}
	if c := column(t, v, "chol"); c.Unit != "mg/dl" {
		t.Errorf("the column is %+v", c)
	}
	// Both versions stay in the books, and the first can still be named.
	events := b.Events()
	for _, want := range []anchorhold.Version{first, v} {
		found := false
		for _, e := range events {
			found = found || e.Subject == want.ID && e.Digest == want.Commitment
		}
		if !found {
			t.Errorf("no entry commits to version %d", want.Number)
		}
	}
}

// TestEqualFilesHaveUnequalCommitments: a commitment must not confirm a guess.
func TestEqualFilesHaveUnequalCommitments(t *testing.T) {
	b := newBench(t)
	path := hospital(t, "va.csv")
	first, second := b.mustAdd(heart(path, nil)), b.mustVersion(dataset.NewAsset{})
	if first.Commitment == second.Commitment {
		t.Error("two versions of the same bytes have one commitment")
	}
	link := filepath.Join(t.TempDir(), "link.csv")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if third := b.mustVersion(dataset.NewAsset{Path: link}); third.Private.Path != path || third.Private.Format != catalog.FormatCSV {
		t.Errorf("through a link the private side is %+v", third.Private)
	}
}
