package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// BenchmarkDatasets lists and searches a site of 1000 datasets of 20 columns,
// half of whose columns are hidden, as a researcher.
func BenchmarkDatasets(b *testing.B) {
	f := newFixture(b)
	err := f.Store.Update(context.Background(), func(tx store.Tx) error {
		for i := range 1000 {
			if err := putMany(tx, i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{
		"first page": "/v1/datasets", "page of 200": "/v1/datasets?limit=200", "last page": "/v1/datasets?cursor=set-0949",
		"a word that all have": "/v1/datasets?q=cohort", "a word of one": "/v1/datasets?q=nr0500", "a word of none": "/v1/datasets?q=absent",
		"a hidden column": "/v1/datasets?q=column:hidden", "a column": "/v1/datasets?column=age&tag=cardiology", "a term of use": "/v1/datasets?duo=GRU",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest("GET", path, nil)
				r.Header.Set("Authorization", "Bearer "+f.tokens["researcher"])
				w := httptest.NewRecorder()
				f.handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
}

func putMany(tx store.Tx, i int) error {
	name := fmt.Sprintf("set-%04d", i)
	d := anchorhold.Dataset{
		ID: "dat-" + name, Name: name, Title: fmt.Sprintf("Cohort nr%04d", i), Population: name, Visibility: anchorhold.VisibleToUsers, Quorum: 1,
		Description: "People who were asked, and what they answered, over many years and in several places.",
		Tags:        []string{"cardiology"}, DUO: []string{"DUO:0000042"},
	}
	v := anchorhold.Version{ID: "ver-" + name, Number: 1, Commitment: lock, Mock: &anchorhold.Mock{Format: "csv", Rows: 100, SHA256: lock}}
	for c := range 19 {
		v.Columns = append(v.Columns, anchorhold.Column{Name: fmt.Sprintf("question_%d", c), Type: anchorhold.TypeInt, Description: "an answer from 0 to 9", Facts: []anchorhold.Fact{
			{Name: anchorhold.FactMin, Value: 0.0, Provenance: anchorhold.Stated}, {Name: anchorhold.FactMax, Value: 9.0, Provenance: anchorhold.Stated},
		}})
	}
	last := "age"
	if i%2 == 1 {
		last = "hidden"
		d.Parts = map[anchorhold.Part]anchorhold.Shown{anchorhold.PartColumns: {To: anchorhold.ShownToNone}}
	}
	v.Columns = append(v.Columns, anchorhold.Column{Name: last, Type: anchorhold.TypeInt})
	if err := tx.PutDataset(d); err != nil {
		return err
	}
	return tx.PutVersion(name, "people", v)
}
