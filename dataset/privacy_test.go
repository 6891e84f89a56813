package dataset_test

import (
	"context"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/policy"
)

// TestStatedIsAnAct with all of it in the audit log, and refused of what was
// taken back for good.
func TestStatedIsAnAct(t *testing.T) {
	b := newBench(t)
	b.mustAdd(heart(hospital(t, "va.csv"), nil))
	state := func(p anchorhold.Privacy) (anchorhold.Dataset, error) {
		permit := bookstest.Permit(t, owner, policy.DatasetPrivacy, policy.Resource{Type: policy.TypeDataset, ID: "heart"})
		return b.StatePrivacy(context.Background(), permit, "heart", p)
	}
	said := anchorhold.Privacy{MaxGroups: 1, MaxRows: 1, Assets: map[string]anchorhold.AssetPrivacy{
		"patients": {Row: true, Columns: map[string]anchorhold.ColumnPrivacy{"age": {Low: "0", High: "120"}}},
	}}
	d, err := state(said)
	if err != nil {
		t.Fatal(err)
	}
	if d.Privacy == nil || len(d.MissingPrivacy()) != 0 || d.Privacy.Assets["patients"].Columns["age"].High != "120" {
		t.Errorf("stated is %+v", d.Privacy)
	}
	events := b.Events()
	if last := events[len(events)-1]; last.Action != "dataset.privacy" || last.Subject != d.ID || !strings.Contains(last.Details["privacy"], `"high":"120"`) {
		t.Errorf("the record is %+v", last)
	}
	if _, err := state(said); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("the same is stated again: %v", err)
	}
	if _, err := state(anchorhold.Privacy{MaxRows: -1}); anchorhold.KindOf(err) != anchorhold.Invalid || len(b.Events()) != len(events) {
		t.Errorf("what cannot be is stated: %v", err)
	}
}
