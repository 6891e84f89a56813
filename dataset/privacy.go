package dataset

import (
	"context"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// StatePrivacy replaces what is stated of a dataset's people. It reads nothing of
// the private side: only the names and types of columns, which stand on the card.
func (s *Service) StatePrivacy(ctx context.Context, p policy.Permit, name string, said anchorhold.Privacy) (anchorhold.Dataset, error) {
	return books.On(ctx, s.Books, p, books.Datasets(), func(tx store.Tx) (anchorhold.Dataset, books.Record, error) {
		d, err := tx.Dataset(name)
		if err != nil {
			return d, books.Record{}, err
		}
		if d.State == anchorhold.DatasetWithdrawn {
			return d, books.Record{}, withdrawn(name)
		}
		if text(d.Privacy) == text(said) {
			return d, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "this is stated already")
		}
		if err := catalog.CheckPrivacy(d, said); err != nil {
			return d, books.Record{}, err
		}
		d.Privacy = &said
		return d, books.Record{Subject: d.ID, Details: map[string]string{"dataset": name, "privacy": text(said)}}, tx.PutDataset(d)
	})
}
