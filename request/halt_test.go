package request_test

import (
	"context"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// TestHaltedDatasetsTakeNoRequest, not even under a grant, and say why only
// where their owner chose to.
func TestHaltedDatasetsTakeNoRequest(t *testing.T) {
	b := newBench(t)
	r := b.mustDecide(owner, b.submit(submission("heart", "1")), request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 5}})
	b.endRun(r, anchorhold.RunDone)
	for state, show := range map[anchorhold.DatasetState]bool{anchorhold.DatasetFrozen: false, anchorhold.DatasetWithdrawn: true} {
		err := b.Store.Update(context.Background(), func(tx store.Tx) error {
			d, err := tx.Dataset("heart")
			if err != nil {
				return err
			}
			d.State, d.Halt = state, &anchorhold.Halt{Since: b.Clock.Now(), Reason: "a leak", ShowReason: show}
			return tx.PutDataset(d)
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"1", "2"} {
			p := bookstest.Permit(t, author, policy.RequestSubmit, policy.Resource{Type: policy.TypeDataset, ID: "heart", Scopes: []policy.Scope{{Dataset: "heart", Visibility: anchorhold.VisibleToUsers}}})
			_, err := b.Submit(context.Background(), p, submission("heart", value))
			if anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), string(state)) || strings.Contains(err.Error(), "a leak") != show {
				t.Errorf("%s: got %v", state, err)
			}
		}
	}
}
