package dataset_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/catalog/mock"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/policy"
)

func (b *bench) make(name string, m dataset.Making) (anchorhold.Dataset, error) {
	b.t.Helper()
	if slices.Contains(m.Confirm, everything) {
		shown, err := b.Propose(context.Background(), name, m.Assets)
		if err != nil {
			return anchorhold.Dataset{}, err
		}
		m.Confirm = nil
		for _, f := range shown {
			m.Confirm = append(m.Confirm, f.Code)
		}
	}
	return b.MakeMocks(context.Background(), b.permit(owner, policy.DatasetMake), name, m)
}

func (b *bench) mustMake(name string, m dataset.Making) anchorhold.Dataset {
	b.t.Helper()
	d, err := b.make(name, m)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// mockOf reads a mock's bytes.
func (b *bench) mockOf(name, asset string) []byte {
	b.t.Helper()
	m, err := b.Mock(context.Background(), name, asset)
	if err != nil {
		b.t.Fatal(err)
	}
	defer m.File.Close()
	data, err := io.ReadAll(m.File)
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}

func (b *bench) proposed(name string, assets ...string) map[string]catalog.Proposed {
	b.t.Helper()
	all, err := b.Propose(context.Background(), name, assets)
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]catalog.Proposed{}
	for _, p := range all {
		out[p.Code] = p
	}
	return out
}

// registry is a dataset of two tables, of which one refers to the other.
func registry(t *testing.T) (patients, visits string) {
	t.Helper()
	var p, v strings.Builder
	p.WriteString("patient_id,code,sex,weight\n")
	v.WriteString("visit,patient_id,seen\n")
	for i := range 120 {
		weight := fmt.Sprint(50+i%40) + ".5"
		if i%10 == 3 {
			weight = ""
		}
		fmt.Fprintf(&p, "%d,P-%04d,%c,%s\n", 7000+3*i, i*71, "fm"[i%2], weight)
	}
	for i := range 300 {
		day := fmt.Sprintf("2024-%02d-%02d", 1+i%12, 1+i%28)
		if i%50 == 7 {
			day = fmt.Sprintf("%02d.%02d.2024", 1+i%28, 1+i%12)
		}
		fmt.Fprintf(&v, "%d,%d,%s\n", i, 7000+3*(i*7%120), day)
	}
	return write(t, "patients.csv", p.String()), write(t, "visits.csv", v.String())
}

func (b *bench) addRegistry() (patients, visits string) {
	b.t.Helper()
	patients, visits = registry(b.t)
	made := &dataset.NewMock{Generate: &dataset.Generate{}}
	if _, err := b.add(dataset.New{Name: "reg", Population: "people", Assets: []dataset.NewAsset{{Name: "visits", Path: visits, Mock: made}, {Name: "patients", Path: patients, Mock: made}}}); err != nil {
		b.t.Fatal(err)
	}
	return patients, visits
}

// TestOnlyWhatIsConfirmedIsUsed, each confirmation is a disclosure, and what was
// confirmed stays.
func TestOnlyWhatIsConfirmedIsUsed(t *testing.T) {
	b := newBench(t)
	b.addRegistry()
	before := b.state()
	all := b.proposed("reg")
	if b.state() != before {
		t.Error("looking at proposals left something")
	}
	for _, code := range []string{
		"rows:patients", "unique:patients.patient_id", "range:patients.patient_id", "pattern:patients.code", "categories:patients.sex",
		"missing-rate:patients.weight", "references:visits.patient_id", "range:visits.visit",
	} {
		if p, ok := all[code]; !ok || p.Confirmed || !strings.Contains(p.Says, strings.SplitN(code, ":", 2)[1]) {
			t.Errorf("%s: %+v", code, p)
		}
	}
	if len(b.ledger()) != 0 {
		t.Errorf("the ledger has %+v", b.ledger())
	}
	first, _ := mustFind(b, "reg").Asset("patients")
	d := b.mustMake("reg", dataset.Making{Confirm: []string{"rows:patients", "categories:patients.sex"}})
	patients, _ := d.Asset("patients")
	if v := patients.Version; v.ID != first.Version.ID || v.Number != 1 || v.Commitment != first.Version.Commitment || v.Mock.Rows != 120 || v.Mock.SHA256 == first.Version.Mock.SHA256 {
		t.Errorf("the version is %+v", v)
	}
	if n := provenances(patients.Version); n[anchorhold.Measured] != 2 || len(patients.Version.Facts) != 1 {
		t.Errorf("the card has %+v, %+v", patients.Version.Facts, patients.Version.Columns)
	}
	text := cells(string(b.mockOf("reg", "patients")))
	if got := text["code"][0]; strings.HasPrefix(got, "P-") || slices.Contains(text["weight"], "") {
		t.Errorf("what nobody confirmed is in the mock: %s, %v", got, text["weight"])
	}
	entries := b.ledger()
	if len(entries) != 1 || entries[0].Class != anchorhold.ExposureUnbounded || entries[0].Population != "people" || entries[0].Subject != patients.Version.ID ||
		!strings.HasSuffix(entries[0].What, "rows:patients, categories:patients.sex") {
		t.Errorf("the ledger has %+v", entries)
	}
	logged := false
	for _, e := range b.Events() {
		logged = logged || e.Subject == patients.Version.ID && e.Action == string(policy.DatasetMake) && e.Details["confirmed facts"] == "rows:patients, categories:patients.sex"
	}
	if !logged {
		t.Error("the confirmation is not in the log")
	}
	// Confirmed before, confirmed now, and nothing twice.
	if all := b.proposed("reg"); !all["rows:patients"].Confirmed || all["rows:visits"].Confirmed {
		t.Errorf("%+v", all)
	}
	b.mustMake("reg", dataset.Making{Confirm: []string{"rows:patients", "pattern:patients.code"}})
	if entries := b.ledger(); len(entries) != 2 || !strings.HasSuffix(entries[0].What, ": pattern:patients.code") {
		t.Errorf("the ledger has %+v", entries)
	}
	text = cells(string(b.mockOf("reg", "patients")))
	if !strings.HasPrefix(text["code"][0], "P-") || len(text["code"]) != 120 || !slices.Contains([]string{"f", "m"}, text["sex"][0]) {
		t.Errorf("%v", text)
	}
	b.VerifyLog()
}

func mustFind(b *bench, name string) anchorhold.Dataset {
	b.t.Helper()
	d, err := b.Find(context.Background(), name)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// TestJoinsWorkOnTheMocks, also when one of them is made anew, or its table gets
// another version.
func TestJoinsWorkOnTheMocks(t *testing.T) {
	b := newBench(t)
	b.addRegistry()
	joins := func(what string) {
		t.Helper()
		ids := cells(string(b.mockOf("reg", "patients")))["patient_id"]
		for _, id := range cells(string(b.mockOf("reg", "visits")))["patient_id"] {
			if !slices.Contains(ids, id) {
				t.Fatalf("%s: the visit of %s is nobody's", what, id)
			}
		}
	}
	seed := uint64(9)
	b.mustMake("reg", dataset.Making{Confirm: []string{everything}})
	joins("both made")
	visits := b.mockOf("reg", "visits")
	b.mustMake("reg", dataset.Making{Assets: []string{"patients"}, Seed: &seed, State: []dataset.StatedFact{{Asset: "patients", Column: "patient_id", Name: anchorhold.FactMin, Value: 9000.0}, {Asset: "patients", Column: "patient_id", Name: anchorhold.FactMax, Value: 9999.0}}})
	joins("one made anew")
	if bytes.Equal(visits, b.mockOf("reg", "visits")) {
		t.Error("the visits still refer to the former patients")
	}
	p := b.permit(owner, policy.DatasetVersion)
	if _, err := b.AddVersion(t.Context(), p, "reg", "patients", dataset.NewAsset{Mock: &dataset.NewMock{Generate: &dataset.Generate{Seed: 33, Rows: 5}}}); err != nil {
		t.Fatal(err)
	}
	joins("another version")
	mine := write(t, "mine.csv", "patient_id,code,sex,weight\n1,a,f,\n2,b,m,1.5\n")
	if _, err := b.AddVersion(t.Context(), p, "reg", "patients", dataset.NewAsset{Mock: &dataset.NewMock{Path: mine}}); err != nil {
		t.Fatal(err)
	}
	joins("a mock of the owner's own")
	// That one is left alone by what makes mocks, unless it is named.
	b.mustMake("reg", dataset.Making{Seed: &seed})
	if string(b.mockOf("reg", "patients")) != read(t, mine) {
		t.Error("a mock of the owner's own was replaced")
	}
	b.mustMake("reg", dataset.Making{Assets: []string{"patients"}})
	if d := mustFind(b, "reg"); d.Assets[0].Version.Mock.Origin != "generated" {
		t.Errorf("%+v", d.Assets[0].Version.Mock)
	}
	joins("generated again")
}

// TestSeedReplacesInPlace: another seed gives another mock, the former one the
// former, and nothing else changes.
func TestSeedReplacesInPlace(t *testing.T) {
	b := newBench(t)
	b.addRegistry()
	b.mustMake("reg", dataset.Making{Confirm: []string{everything}})
	card, first, entries := mustFind(b, "reg"), b.mockOf("reg", "patients"), len(b.ledger())
	one, two := uint64(1), uint64(2)
	b.mustMake("reg", dataset.Making{Seed: &one})
	second := b.mockOf("reg", "patients")
	b.mustMake("reg", dataset.Making{}) // as before
	if again := b.mockOf("reg", "patients"); bytes.Equal(first, second) || !bytes.Equal(second, again) {
		t.Error("a seed does not make the mock")
	}
	b.mustMake("reg", dataset.Making{Seed: &two})
	zero := uint64(0)
	d := b.mustMake("reg", dataset.Making{Seed: &zero})
	if !bytes.Equal(first, b.mockOf("reg", "patients")) || !reflect.DeepEqual(d, card) || len(b.ledger()) != entries {
		t.Errorf("the dataset is %+v, it was %+v; %d ledger entries", d, card, len(b.ledger()))
	}
}

// TestStatedFaultsAreInTheMock through the whole way of a dataset, in text and in
// typed formats.
func TestStatedFaultsAreInTheMock(t *testing.T) {
	b := newBench(t)
	b.addRegistry()
	b.mustMake("reg", dataset.Making{Confirm: []string{"rows:visits", "rows:patients"}, State: []dataset.StatedFact{
		{Asset: "visits", Column: "seen", Name: anchorhold.FactLike, Value: "date"},
		{Asset: "visits", Column: "seen", Name: anchorhold.FaultFormat, Value: 0.02},
		{Asset: "patients", Column: "patient_id", Name: anchorhold.FaultDuplicates, Value: 0.05},
		{Asset: "patients", Column: "weight", Name: anchorhold.FactMax, Value: 150.0},
		{Asset: "patients", Column: "weight", Name: anchorhold.FactMin, Value: 40.0},
		{Asset: "patients", Column: "weight", Name: anchorhold.FaultRange, Value: 0.1},
		{Asset: "patients", Column: "sex", Name: anchorhold.FaultBlanks, Value: 0.1},
	}})
	visits, patients := cells(string(b.mockOf("reg", "visits"))), cells(string(b.mockOf("reg", "patients")))
	count := func(column []string, is func(string) bool) (n int) {
		for _, v := range column {
			if is(v) {
				n++
			}
		}
		return n
	}
	ids := map[string]bool{}
	for _, id := range patients["patient_id"] {
		ids[id] = true
	}
	for what, got := range map[string][2]int{
		"dates in another form": {count(visits["seen"], func(s string) bool { return strings.Contains(s, ".") }), 6},
		"repeated keys":         {120 - len(ids), 6},
		"blanks":                {count(patients["sex"], func(s string) bool { return strings.HasSuffix(s, " ") }), 12},
		"out of range": {count(patients["weight"], func(s string) bool {
			var f float64
			_, err := fmt.Sscan(s, &f)
			return err == nil && (f < 40 || f > 150)
		}), 12},
	} {
		if got[0] != got[1] {
			t.Errorf("%d %s, want %d", got[0], what, got[1])
		}
	}
	// They are stated, on the card, and no disclosure; taken back, they are gone.
	if n := len(b.ledger()); n != 2 {
		t.Errorf("%d ledger entries", n)
	}
	d := b.mustMake("reg", dataset.Making{State: []dataset.StatedFact{{Asset: "patients", Column: "sex", Name: anchorhold.FaultBlanks}}})
	a, _ := d.Asset("patients")
	if got := fact(column(t, a.Version, "sex"), anchorhold.FaultBlanks); got != "none" {
		t.Errorf("the fault is %s", got)
	}
	if strings.Contains(string(b.mockOf("reg", "patients")), " ") {
		t.Error("blanks are left")
	}
	// A version that keeps its mock keeps what was stated, faults too.
	p := b.permit(owner, policy.DatasetVersion)
	d, err := b.AddVersion(t.Context(), p, "reg", "visits", dataset.NewAsset{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ = d.Asset("visits")
	if got := fact(column(t, a.Version, "seen"), anchorhold.FaultFormat); got != "0.02 stated" {
		t.Errorf("the fault is %s", got)
	}
}

// TestKeptMocksMayHaveTheirFaults: dates in another form make a column of texts,
// and that is no difference to be accepted.
func TestKeptMocksMayHaveTheirFaults(t *testing.T) {
	b := newBench(t)
	path := write(t, "p.csv", "seen,n\n2024-01-01,1\n2024-01-02,2\n")
	b.mustAdd(heart(path, &dataset.NewMock{Generate: &dataset.Generate{}}, anchorhold.Column{Name: "seen", Facts: []anchorhold.Fact{stated(anchorhold.FaultFormat, 0.1)}}))
	if !strings.Contains(string(b.mockOf("heart", "patients")), ".20") {
		t.Error("the fault is not in the mock")
	}
	b.mustVersion(dataset.NewAsset{})
}

func TestMakingRefusals(t *testing.T) {
	b := newBench(t)
	patients, _ := b.addRegistry()
	for name, c := range map[string]struct {
		kind  anchorhold.Kind
		says  string
		m     dataset.Making
		asset string
	}{
		"a code that is not proposed": {anchorhold.Invalid, `"range:patients.sex" is proposed`, dataset.Making{Confirm: []string{"range:patients.sex"}}, ""},
		"a code of nothing":           {anchorhold.Invalid, "whose mock is not made now", dataset.Making{Confirm: []string{"rows"}}, ""},
		"no such asset":               {anchorhold.NotFound, "no asset", dataset.Making{Assets: []string{"labs"}}, ""},
		"another asset's":             {anchorhold.Invalid, "not made now", dataset.Making{Assets: []string{"visits"}, Confirm: []string{"rows:patients"}}, ""},
		"no such column":              {anchorhold.NotFound, "no column", dataset.Making{State: []dataset.StatedFact{{Asset: "visits", Column: "x", Name: "min", Value: 1.0}}}, ""},
		"no such fact":                {anchorhold.Invalid, "no fact is called", dataset.Making{State: []dataset.StatedFact{{Asset: "visits", Column: "visit", Name: "storage", Value: "int8"}}}, ""},
		"no such key":                 {anchorhold.Invalid, "does not refer", dataset.Making{State: []dataset.StatedFact{{Asset: "visits", Column: "visit", Name: "references", Value: "patients.sex"}}}, ""},
		"itself":                      {anchorhold.Invalid, "does not refer", dataset.Making{State: []dataset.StatedFact{{Asset: "visits", Column: "visit", Name: "references", Value: "visits.patient_id"}}}, ""},
		"a circle": {anchorhold.Invalid, "circle", dataset.Making{State: []dataset.StatedFact{
			{Asset: "visits", Column: "visit", Name: "references", Value: "patients.patient_id"}, {Asset: "patients", Column: "patient_id", Name: "references", Value: "visits.visit"},
		}}, ""},
		"a contradiction": {anchorhold.Invalid, "larger than its max", dataset.Making{State: []dataset.StatedFact{{Asset: "visits", Column: "visit", Name: "min", Value: 5.0}, {Asset: "visits", Column: "visit", Name: "max", Value: 1.0}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.refuses(c.kind, c.says, func() error { _, err := b.make("reg", c.m); return err })
		})
	}
	b.t = t
	// A file that is not what was registered is not measured, and its mock stays.
	if err := os.WriteFile(patients, []byte(read(t, patients)+"1,"+canary+",f,1.5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.refuses(anchorhold.Conflict, "changed since it was registered", func() error { _, err := b.Propose(t.Context(), "reg", nil); return err })
	b.refuses(anchorhold.Conflict, "changed since it was registered", func() error { _, err := b.make("reg", dataset.Making{Confirm: []string{everything}}); return err })
	b.mustMake("reg", dataset.Making{}) // which reads no private side
}

// TestEqualFactsGiveEqualMocks: whatever two private sides hold, with equal
// confirmed facts and an equal seed their mocks are equal to the byte, in every
// format that can be generated.
func TestEqualFactsGiveEqualMocks(t *testing.T) {
	b := newBench(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, format := range []string{"csv", "parquet", "arrow", "arrows", "jsonl", "npy", "npz", "safetensors", "tar"} {
		for round := range 6 {
			equalFacts(t, b, fmt.Sprintf("%s-%d", format, round), format, rng)
		}
	}
}

// equalFacts makes two private files of one kind, confirms what is equal of both,
// and compares the mocks.
func equalFacts(t *testing.T, b *bench, name, format string, rng *rand.Rand) {
	t.Helper()
	codec, ok := catalog.FormatNamed(format)
	if !ok {
		t.Fatalf("there is no format %s", format)
	}
	card := privateCard(format, rng)
	var files [2]string
	var kept []string
	seed := rng.Uint64()
	for i := range files {
		var content bytes.Buffer
		if _, err := codec.Generate(t.Context(), card, rng.Uint64(), &content); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files[i] = write(t, "private"+codec.Format().Extensions[0], content.String())
	}
	proposals := [2]map[string]catalog.Proposed{}
	for i, file := range files {
		made := &dataset.NewMock{Generate: &dataset.Generate{}}
		if _, err := b.add(dataset.New{Name: fmt.Sprintf("%s-%d", name, i), Assets: []dataset.NewAsset{{Name: "patients", Path: file, Mock: made}}}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		proposals[i] = b.proposed(fmt.Sprintf("%s-%d", name, i))
	}
	for code, p := range proposals[0] {
		if q, ok := proposals[1][code]; ok && reflect.DeepEqual(p.Facts, q.Facts) && rng.IntN(4) > 0 {
			kept = append(kept, code)
		}
	}
	var mocks [3][]byte
	for i := range files {
		b.mustMake(fmt.Sprintf("%s-%d", name, i), dataset.Making{Confirm: kept, Seed: &seed})
		mocks[i] = b.mockOf(fmt.Sprintf("%s-%d", name, i), "patients")
	}
	// Added at once, it is the same.
	made := &dataset.NewMock{Generate: &dataset.Generate{Seed: seed}, Facts: kept}
	if _, err := b.add(dataset.New{Name: name + "-2", Assets: []dataset.NewAsset{{Name: "patients", Path: files[1], Mock: made}}}); err != nil {
		t.Fatal(err)
	}
	mocks[2] = b.mockOf(name+"-2", "patients")
	if same := bytes.Equal([]byte(read(t, files[0])), []byte(read(t, files[1]))); same || !bytes.Equal(mocks[0], mocks[1]) || !bytes.Equal(mocks[0], mocks[2]) {
		t.Errorf("%s: with %v confirmed, the mocks have %d, %d and %d bytes and differ (equal private files: %v)", name, kept, len(mocks[0]), len(mocks[1]), len(mocks[2]), same)
	}
}

// privateCard is what private files of a format are made from in tests.
func privateCard(format string, rng *rand.Rand) mock.Card {
	rows := float64(60 + rng.IntN(200))
	card := mock.Card{Facts: []anchorhold.Fact{stated(anchorhold.FactRows, rows)}}
	add := func(name string, t anchorhold.ColumnType, facts ...anchorhold.Fact) {
		card.Columns = append(card.Columns, anchorhold.Column{Name: name, Type: t, Facts: facts})
	}
	switch format {
	case "npy":
		add("array", anchorhold.TypeFloat, stated(anchorhold.FactShape, []any{"n", 3.0}))
	case "npz", "safetensors":
		add("w", anchorhold.TypeFloat, stated(anchorhold.FactShape, []any{"n", 3.0}))
		add("n", anchorhold.TypeInt, stated(anchorhold.FactShape, []any{"n"}), stated(anchorhold.FactMin, 0.0), stated(anchorhold.FactMax, 1.0))
	case "tar":
		add("*.txt", anchorhold.TypeString)
	default:
		add("id", anchorhold.TypeInt, stated(anchorhold.FactUnique, true))
		add("age", anchorhold.TypeInt, stated(anchorhold.FactMin, 18.0), stated(anchorhold.FactMax, 20.0+float64(rng.IntN(5))), stated(anchorhold.FactMissingRate, rng.Float64()/2))
		add("dose", anchorhold.TypeFloat, stated(anchorhold.FactMin, 0.0), stated(anchorhold.FactMax, 2.0))
		add("code", anchorhold.TypeString, stated(anchorhold.FactPattern, `P-\d{4}`), stated(anchorhold.FactUnique, true))
		add("ward", anchorhold.TypeString, stated(anchorhold.FactCategories, []any{"east", "west"}))
		add("well", anchorhold.TypeBool)
		add("born", anchorhold.TypeDate, stated(anchorhold.FactMin, "1990-01-01"), stated(anchorhold.FactMax, "1990-01-04"))
		add("at", anchorhold.TypeTimestamp)
		add("note", anchorhold.TypeString)
	}
	return card
}

// FuzzEqualFactsGiveEqualMocks is the same for whatever two CSV files somebody
// has: what is confirmed of both alike, and nothing else, makes their mocks.
func FuzzEqualFactsGiveEqualMocks(f *testing.F) {
	f.Add([]byte("1,x\n2,y\n"), []byte("7,zzz\n9,\n"), uint64(3))
	f.Add([]byte(strings.Repeat("5,a\n6,b\n", 40)), []byte(strings.Repeat("6,b\n5,a\n", 40)), uint64(4))
	f.Fuzz(func(t *testing.T, one, two []byte, seed uint64) {
		b := newBench(t)
		var mocks [][]byte
		var of []map[string]catalog.Proposed
		for i, body := range [][]byte{one, two} {
			path := filepath.Join(t.TempDir(), "p.csv")
			if err := os.WriteFile(path, append([]byte("a,b\n"), body...), 0o600); err != nil {
				t.Fatal(err)
			}
			columns := []anchorhold.Column{{Name: "a", Type: anchorhold.TypeString}, {Name: "b", Type: anchorhold.TypeString}}
			_, err := b.add(dataset.New{Name: fmt.Sprint("d", i), Assets: []dataset.NewAsset{{Name: "t", Path: path, Columns: columns, Mock: &dataset.NewMock{Generate: &dataset.Generate{}}}}})
			if err != nil {
				return // no table
			}
			of = append(of, b.proposed(fmt.Sprint("d", i)))
		}
		var kept []string
		for code, p := range of[0] {
			if q, ok := of[1][code]; ok && reflect.DeepEqual(p.Facts, q.Facts) {
				kept = append(kept, code)
			}
		}
		for i := range of {
			b.mustMake(fmt.Sprint("d", i), dataset.Making{Confirm: kept, Seed: &seed})
			mocks = append(mocks, b.mockOf(fmt.Sprint("d", i), "t"))
		}
		if !bytes.Equal(mocks[0], mocks[1]) {
			t.Errorf("confirmed were %v, and the mocks differ:\n%s\n%s", kept, mocks[0], mocks[1])
		}
	})
}

// TestNothingIsConfirmedUnseen: what one word confirms may not have been shown.
func TestNothingIsConfirmedUnseen(t *testing.T) {
	b := newBench(t)
	n := heart(hospital(t, "cleveland.csv"), &dataset.NewMock{Generate: &dataset.Generate{}, Confirm: true})
	b.refuses(anchorhold.Invalid, "confirmed without naming them", func() error { _, err := b.add(n); return err })
}

// everything, among the facts that are confirmed, stands for whatever an inspection
// shows.
const everything = "everything"

// confirmAll names all that an inspection shows where a test says everything. What
// cannot be inspected cannot be added either.
func (b *bench) confirmAll(assets ...dataset.NewAsset) {
	b.t.Helper()
	if !slices.ContainsFunc(assets, func(n dataset.NewAsset) bool { return n.Mock != nil && slices.Contains(n.Mock.Facts, everything) }) {
		return
	}
	var looked []dataset.NewAsset
	for _, n := range assets {
		if n.Path == "" {
			d, err := b.Find(context.Background(), "heart")
			if err != nil {
				continue
			}
			n.Name, n.Path, n.Missing = "patients", b.patients(d).Private.Path, b.patients(d).Missing
		}
		if filepath.IsAbs(n.Path) {
			looked = append(looked, n)
		}
	}
	i, err := b.Inspect(context.Background(), bookstest.Permit(b.t, owner, policy.DatasetAdd, policy.Site()), looked...)
	for _, a := range assets {
		if a.Mock == nil {
			continue
		}
		a.Mock.Facts = slices.DeleteFunc(slices.Clone(a.Mock.Facts), func(code string) bool { return code == everything })
		for _, f := range i.Proposals {
			if err == nil && (f.Asset == a.Name || a.Name == "") {
				a.Mock.Facts = append(a.Mock.Facts, f.Code)
			}
		}
	}
}

// TestTwoWhoMakeAMock: what two people confirm at the same time is on the card, or
// one of them is told.
func TestTwoWhoMakeAMock(t *testing.T) {
	b := newBench(t)
	b.addRegistry()
	want := []string{"rows:patients", "unique:patients.patient_id", "categories:patients.sex", "pattern:patients.code"}
	failed := make(chan error, len(want))
	begin := make(chan struct{})
	permit := b.permit(owner, policy.DatasetMake)
	for _, code := range want {
		go func() {
			<-begin
			for {
				_, err := b.MakeMocks(context.Background(), permit, "reg", dataset.Making{Assets: []string{"patients"}, Confirm: []string{code}})
				if anchorhold.KindOf(err) != anchorhold.Conflict {
					failed <- err
					return
				}
			}
		}()
	}
	close(begin)
	for range want {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range b.proposed("reg") {
		if slices.Contains(want, p.Code) && !p.Confirmed {
			t.Errorf("%s was confirmed and is not on the card", p.Code)
		}
	}
	b.VerifyLog()
}
