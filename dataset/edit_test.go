package dataset_test

import (
	"context"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

func (b *bench) edit(e dataset.Edit) (anchorhold.Dataset, error) {
	b.t.Helper()
	p := bookstest.Permit(b.t, owner, policy.DatasetEdit, policy.Resource{Type: policy.TypeDataset, ID: "heart"})
	return b.Edit(context.Background(), p, "heart", e)
}

func to[T any](v T) *T { return &v }

// TestEditChangesWhatIsSaid and nothing else, in one act that says what.
func TestEditChangesWhatIsSaid(t *testing.T) {
	b := newBench(t)
	first := b.mustAdd(heart(hospital(t, "va.csv"), &dataset.NewMock{Generate: &dataset.Generate{}, Facts: []string{everything}}))
	entries := len(b.Events())
	d, err := b.edit(dataset.Edit{
		Title: to("Hearts"), Tags: &[]string{" Cardiology", "x-ray", "cardiology"}, DUO: &[]string{"gru", "DUO_0000018"},
		Contacts: &[]anchorhold.Contact{{Name: "Olga", Email: "olga@example.org"}},
		Asking:   &anchorhold.Asking{Wait: "3 days", Reviewed: "every line"},
		Parts: map[anchorhold.Part]anchorhold.Shown{
			anchorhold.PartCounts: {To: anchorhold.ShownToNone}, anchorhold.PartMock: {To: anchorhold.ShownToNamed, People: []string{"ada@example.org"}},
		},
		Columns: []dataset.ColumnEdit{{Asset: "patients", Name: "age", Description: to("Age"), Unit: to("a")}, {Asset: "patients", Name: "sex", Unit: to("1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := b.patients(d)
	if d.Title != "Hearts" || strings.Join(d.Tags, " ") != "cardiology x-ray" || strings.Join(d.DUO, " ") != "DUO:0000018 DUO:0000042" || d.Contacts[0].Name != "Olga" {
		t.Errorf("the card is %+v", d)
	}
	if c := column(t, v, "age"); c.Description != "Age" || c.Unit != "a" || len(c.Facts) != len(column(t, first, "age").Facts) {
		t.Errorf("the column is %+v", c)
	}
	if v.ID != first.ID || v.Commitment != first.Commitment || v.Private == nil || v.Private.Path != first.Private.Path || v.Mock.SHA256 != first.Mock.SHA256 {
		t.Errorf("an edit made another version: %+v", v)
	}
	events := b.Events()
	last := events[len(events)-1]
	if len(events) != entries+1 || last.Action != "dataset.edit" || last.Subject != d.ID || last.Details["title"] != "changed" ||
		!strings.Contains(last.Details["parts"], "ada@example.org") || last.Details["description"] != "" || last.Details["columns of patients"] != "changed" {
		t.Errorf("the record is %+v of %d", last, len(events)-entries)
	}
	// What is not said anew stays; an empty list takes all away.
	d, err = b.edit(dataset.Edit{
		Asking: &anchorhold.Asking{Wait: " "}, Tags: &[]string{},
		Parts: map[anchorhold.Part]anchorhold.Shown{anchorhold.PartMock: {To: anchorhold.ShownToAll}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.Title != "Hearts" || d.Asking.Wait != "" || d.Asking.Reviewed != "every line" || len(d.Tags) != 0 || len(d.DUO) != 2 ||
		d.ShownPart(anchorhold.PartCounts).To != anchorhold.ShownToNone || d.ShownPart(anchorhold.PartMock).To != anchorhold.ShownToAll {
		t.Errorf("the card is %+v", d)
	}
	found, _, err := b.List(context.Background(), store.DatasetFilter{DUO: []string{"DUO:0000042"}}, store.Page{}, nil)
	if err != nil || len(found) != 1 {
		t.Errorf("the edited card is not found: %v, %v", found, err)
	}
	b.VerifyLog()
}

func TestEditRefuses(t *testing.T) {
	b := newBench(t)
	b.mustAdd(heart(hospital(t, "va.csv"), nil))
	part := func(p string, to anchorhold.Audience, people ...string) dataset.Edit {
		return dataset.Edit{Parts: map[anchorhold.Part]anchorhold.Shown{anchorhold.Part(p): {To: to, People: people}}}
	}
	for says, e := range map[string]dataset.Edit{
		"says so already":           {Quorum: to(1)},
		"Data Use Ontology":         {DUO: &[]string{"DUO:0000001"}},
		"control characters":        {Title: to("a\x1b[31m")},
		"a tag is empty":            {Tags: &[]string{"a", " "}},
		"no name":                   {Contacts: &[]anchorhold.Contact{{Email: "a@example.org"}}},
		"not an e-mail address":     {Contacts: &[]anchorhold.Contact{{Name: "A", Email: "here"}}},
		"no such part":              part("rows", anchorhold.ShownToNone),
		"no such audience":          part("mock", "everybody"),
		"people are named":          part("mock", anchorhold.ShownToNone, "a@example.org"),
		"has no e-mail address":     part("mock", anchorhold.ShownToNamed, "ada"),
		"no such visibility":        {Visibility: to(anchorhold.Visibility("all"))},
		`no asset "labs"`:           {Columns: []dataset.ColumnEdit{{Asset: "labs", Name: "age"}}},
		`no column "Age"`:           {Columns: []dataset.ColumnEdit{{Asset: "patients", Name: "Age"}}},
		"the meaning of a column":   {Columns: []dataset.ColumnEdit{{Asset: "patients", Name: "age", Description: to("\x00")}}},
		"the waiting time":          {Asking: &anchorhold.Asking{Wait: "a\nb"}},
		"the unit of a column hold": {Columns: []dataset.ColumnEdit{{Asset: "patients", Name: "age", Unit: to("\x7f")}}},
	} {
		kind := anchorhold.Invalid
		switch says {
		case "says so already":
			kind = anchorhold.Conflict
		case `no asset "labs"`, `no column "Age"`:
			kind = anchorhold.NotFound
		}
		b.refuses(kind, says, func() error { _, err := b.edit(e); return err })
	}
}
