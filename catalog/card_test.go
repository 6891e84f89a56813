package catalog

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
)

var update = flag.Bool("update", false, "write golden files anew")

// privatePath and the other values of the private side must never appear.
const privatePath = "/srv/patients/" + canary + ".csv"

func exampleDataset() anchorhold.Dataset {
	stated := func(name string, v any) anchorhold.Fact {
		return anchorhold.Fact{Name: name, Value: v, Provenance: anchorhold.Stated}
	}
	return anchorhold.Dataset{
		ID: "dat-0123456789abcdef", Name: "heart-cleveland", Title: "Heart disease in Cleveland",
		Description: "Patients examined for coronary heart disease at the Cleveland Clinic Foundation.",
		License:     "https://creativecommons.org/licenses/by/4.0/", Population: "cleveland-patients",
		Visibility: anchorhold.VisibleToUsers, Created: time.Date(2024, 5, 17, 9, 0, 0, 0, time.UTC),
		Tags: []string{"angiography", "cardiology"}, DUO: []string{"DUO:0000006", "DUO:0000021"},
		Contacts: []anchorhold.Contact{{Name: "Olga Ortiz", Email: "olga@example.org", Role: "data steward"}, {Name: "The registry"}},
		Asking:   &anchorhold.Asking{Automatic: "Nothing.", Reviewed: "Every line.\nGroups of 10 or more.", Wait: "3 working days", Contact: "olga@example.org"},
		Parts:    map[anchorhold.Part]anchorhold.Shown{anchorhold.PartMock: {To: anchorhold.ShownToNamed, People: []string{canary + "@example.org"}}},
		Assets: []anchorhold.Asset{{Name: "patients", Kind: "table", Version: anchorhold.Version{
			ID: "ver-0123456789abcdef", Number: 2, Missing: []string{"?"},
			Columns: []anchorhold.Column{
				{Name: "age", Type: anchorhold.TypeInt, Description: "age in years", Unit: "a", Facts: []anchorhold.Fact{
					stated(anchorhold.FactMin, 18.0), {Name: anchorhold.FactMax, Value: 77.0, Provenance: anchorhold.Measured},
				}},
				{Name: "sex", Type: anchorhold.TypeInt, Description: "1 male, 0 female", Facts: []anchorhold.Fact{stated(anchorhold.FactCategories, []any{0.0, 1.0})}},
				{Name: "ST depression", Type: anchorhold.TypeFloat, Unit: "mm"},
				{Name: "smokes", Type: anchorhold.TypeBool},
				{Name: "ward", Type: anchorhold.TypeString},
				{Name: "admitted", Type: anchorhold.TypeDate},
				{Name: "measured <at>", Type: anchorhold.TypeTimestamp},
			},
			Facts:      []anchorhold.Fact{stated(anchorhold.FactRows, 300.0)},
			Commitment: "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
			Mock: &anchorhold.Mock{
				Origin: "generated", Format: FormatCSV, Rows: 300, Size: 9000, Blob: "blob-" + canary,
				SHA256: "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100",
			},
			Private: &anchorhold.Source{
				Path: privatePath, Format: FormatCSV, Size: 31337, Rows: 303, Index: "index-" + canary,
				Secret: []byte(canary), Stamp: anchorhold.Stamp{Size: 31337},
			},
		}}},
	}
}

// TestCroissantGolden: the tests of the Python package validate these files with
// mlcroissant.
func TestCroissantGolden(t *testing.T) {
	golden(t, "testdata/croissant.json", exampleDataset())
	frozen := exampleDataset()
	frozen.State = anchorhold.DatasetFrozen
	golden(t, "testdata/croissant-hidden.json", Seen(frozen, Sight{}))
	golden(t, "testdata/croissant-no-mock.json", Seen(exampleDataset(), Sight{Columns: true}))
}

func golden(t *testing.T, golden string, d anchorhold.Dataset) {
	t.Helper()
	got, err := Croissant(d, "https://data.example.org/")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the card has changed (validate it with mlcroissant, then run with -update):\n%s", got)
	}
}

func TestNothingOfThePrivateSideIsOnACard(t *testing.T) {
	d := exampleDataset()
	card, err := Croissant(d, "")
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := json.Marshal(HideFrom(d))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(hidden), "named") {
		t.Error("who may see which part is shown")
	}
	for what, text := range map[string]string{"the card": string(card), "what a researcher sees": string(hidden)} {
		for _, private := range []string{canary, "31337", "303", "srv", "private"} {
			if strings.Contains(strings.ReplaceAll(text, "300", ""), private) {
				t.Errorf("%s shows %q", what, private)
			}
		}
	}
	if !strings.Contains(string(card), `"contentUrl": "/v1/datasets/heart-cleveland/assets/patients/mock"`) {
		t.Error("without an address of the site the mock's link is not relative")
	}
	if seen := HideFrom(d); seen.Assets[0].Version.Private != nil || seen.Assets[0].Version.Mock.Blob != "" {
		t.Error("the private side or the mock's blob is still there")
	}
	if !reflect.DeepEqual(d, exampleDataset()) {
		t.Error("HideFrom changed its argument")
	}
}

func TestCroissantWithoutMock(t *testing.T) {
	d := exampleDataset()
	d.Assets[0].Version.Mock = nil
	d.Description = ""
	text, err := Croissant(d, "")
	if err != nil {
		t.Fatal(err)
	}
	var card struct {
		Description   string
		IsLiveDataset bool
		Distribution  []map[string]any
		RecordSet     []struct{ Field []map[string]any }
	}
	if err := json.Unmarshal(text, &card); err != nil {
		t.Fatal(err)
	}
	// A file stands behind the columns, of which nothing can be fetched or guessed.
	if len(card.Distribution) != 1 || len(card.RecordSet[0].Field) != 7 || !card.IsLiveDataset {
		t.Errorf("%s", text)
	}
	for _, told := range []string{"sha256", "md5", "contentSize"} {
		if _, ok := card.Distribution[0][told]; ok {
			t.Errorf("the private table has a %s", told)
		}
	}
	if card.Description != d.Title {
		t.Errorf("description %q", card.Description)
	}
}

// TestSeenLeavesNoTrace: of a part that somebody may not see nothing is left,
// and nothing else is missing.
func TestSeenLeavesNoTrace(t *testing.T) {
	d := exampleDataset()
	d.Assets[0].Version.Columns[0].Facts = append(d.Assets[0].Version.Columns[0].Facts, anchorhold.Fact{Name: anchorhold.FactMissingRate, Value: 0.125, Provenance: anchorhold.Measured})
	all := Sight{Columns: true, Counts: true, Mock: true}
	for part, words := range map[anchorhold.Part][]string{
		anchorhold.PartColumns: {"depression", "age in years", "categories", `"?"`, "missing-rate"},
		anchorhold.PartCounts:  {`"rows","value":300`, "0.125"},
		anchorhold.PartMock:    {"generated", "ffeeddcc", "9000"},
	} {
		may := all
		switch part {
		case anchorhold.PartColumns:
			may.Columns = false
		case anchorhold.PartCounts:
			may.Counts = false
		case anchorhold.PartMock:
			may.Mock = false
		}
		with, err := json.Marshal(Seen(d, all))
		without, err2 := json.Marshal(Seen(d, may))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		for _, w := range words {
			if !strings.Contains(string(with), w) || strings.Contains(string(without), w) {
				t.Errorf("%s: %q in %s, %s", part, w, with, without)
			}
		}
		if other := `"Heart disease in Cleveland"`; !strings.Contains(string(without), other) {
			t.Errorf("%s: the title is gone", part)
		}
	}
}

// Which columns are masked in samples names columns.
func TestMaskedColumnsAreColumns(t *testing.T) {
	d := anchorhold.Dataset{Samples: &anchorhold.SampleRule{Rows: 5, Mask: []string{"insurance"}}}
	if got := Seen(d, Sight{}).Samples; got == nil || got.Rows != 5 || got.Mask != nil {
		t.Errorf("who may not see columns sees %+v", got)
	}
	if got := Seen(d, Sight{Columns: true}).Samples; len(got.Mask) != 1 || len(d.Samples.Mask) != 1 {
		t.Errorf("who may see columns sees %+v", got)
	}
}
