package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// searches finds datasets by what stands on their cards, in the newest version
// of every asset, and says which would not be found without their columns.
func searches(t *testing.T, s store.Store) {
	put := func(tx store.Tx, name, title string, tags, duo []string, columns ...anchorhold.Column) error {
		d := dataset(name)
		d.Title, d.Description, d.Tags, d.DUO = title, "It's \"quoted\" text", tags, duo
		return errors.Join(tx.PutDataset(d), tx.PutVersion(name, "patients", anchorhold.Version{ID: "ver-" + name, Number: 1, Columns: columns}))
	}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(
			put(tx, "heart", "Café Cleveland", []string{"cardiology"}, []string{"DUO:0000042"},
				anchorhold.Column{Name: "blood pressure", Description: "at rest"}, anchorhold.Column{Name: "ca_score"}),
			put(tx, "lung", "Smokers of cleveland", []string{"cardiology", "x-ray"}, nil, anchorhold.Column{Name: "Blood Pressure"}, anchorhold.Column{Name: "age", Description: "not the heart's"}),
			put(tx, "skin", "Other", nil, []string{"DUO:0000042", "DUO:0000018"}),
		)
	})
	type found []string // with * by its columns alone
	expect := func(name string, f store.DatasetFilter, want ...string) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got := found{}
			list, next, err := tx.ListDatasets(f, store.Page{}, func(d store.FoundDataset) bool {
				mark := ""
				if d.ByColumns {
					mark = "*"
				}
				got = append(got, d.Name+mark)
				return d.Name != "lung"
			})
			for _, d := range list {
				if d.Name == "lung" || len(d.Assets) != 1 {
					t.Errorf("%s: the page holds %+v", name, d)
				}
			}
			if !slices.Equal(got, want) || next != "" {
				t.Errorf("%s: found %q, want %q", name, got, want)
			}
			return err
		})
	}
	words := func(w ...string) store.DatasetFilter { return store.DatasetFilter{Words: w} }
	expect("everything", store.DatasetFilter{}, "heart", "lung", "skin")
	expect("the beginning of a word", words("CLEV"), "heart", "lung")
	expect("not its middle", words("eveland"))
	expect("accents make no difference", words("cafe"), "heart")
	expect("an asset", words("patients"), "heart", "lung", "skin")
	expect("every word", words("smok", "clev"), "lung")
	expect("a phrase", words("of clev"), "lung")
	expect("of a card and of columns", words("clev", "rest"), "heart*")
	expect("on the card, and on another by its columns", words("heart"), "heart", "lung*")
	expect("nothing is syntax", words(`"quoted" OR`, "NOT", "*", "card:", "(", `"`))
	expect("quotes inside", words(`"quoted"`), "heart", "lung", "skin")
	expect("signs alone", words("-"))
	expect("a column's whole name", store.DatasetFilter{Columns: []string{"BLOOD pressure"}}, "heart*", "lung*")
	expect("not a part of it", store.DatasetFilter{Columns: []string{"blood"}})
	expect("a tag", store.DatasetFilter{Tags: []string{"Cardiology"}}, "heart", "lung")
	expect("every tag", store.DatasetFilter{Tags: []string{"cardiology", "x-ray"}}, "lung")
	expect("a code", store.DatasetFilter{DUO: []string{"DUO:0000042"}}, "heart", "skin")
	expect("all at once", store.DatasetFilter{Words: []string{"smokers"}, Columns: []string{"age"}, Tags: []string{"x-ray"}}, "lung*")
	view(t, s, func(tx store.Tx) error {
		list, next, err := tx.ListDatasets(words("clev"), store.Page{Limit: 1}, nil)
		if len(list) != 1 || list[0].Name != "heart" || next != "heart" || len(list[0].Assets) != 1 {
			t.Errorf("the first page holds %v, then %q", list, next)
		}
		return err
	})
	// What was changed is found by what it says now.
	update(t, s, func(tx store.Tx) error {
		d := dataset("skin")
		d.Title = "Eczema"
		return errors.Join(tx.PutDataset(d), tx.PutVersion("heart", "patients", anchorhold.Version{ID: "ver-2", Number: 2, Columns: []anchorhold.Column{{Name: "sex"}}}))
	})
	expect("what it says now", words("eczema"), "skin")
	expect("not what it said", words("other"))
	expect("the tags that it has now", store.DatasetFilter{DUO: []string{"DUO:0000018"}})
	expect("the newest version's columns", store.DatasetFilter{Columns: []string{"sex"}}, "heart*")
	expect("not those of one before", store.DatasetFilter{Columns: []string{"ca_score"}})
	failed := errors.New("no")
	err := s.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(put(tx, "bone", "Fracture", nil, nil), failed)
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	expect("nothing of an update that failed", words("fracture"))
}
