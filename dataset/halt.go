package dataset

import (
	"context"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Halting is why a dataset is halted or goes on.
type Halting struct {
	Reason     string `json:"reason" maxLength:"4096"`
	ShowReason bool   `json:"show_reason,omitempty" doc:"researchers see the reason too"`
}

// Check refuses a reason that is none.
func (h Halting) Check() error {
	if strings.TrimSpace(h.Reason) == "" {
		return anchorhold.Errorf(anchorhold.Invalid, "say it in a sentence", "the reason is empty")
	}
	return plain("reason", h.Reason, true)
}

// Freeze stops new requests and new runs over a dataset until it is thawed.
// What runs already ends held: nothing leaves without a person's decision.
func (s *Service) Freeze(ctx context.Context, p policy.Permit, name string, h Halting) (anchorhold.Dataset, error) {
	return s.turn(ctx, p, name, h, anchorhold.DatasetFrozen)
}

// Thaw lets a frozen dataset go on; runs that waited are next.
func (s *Service) Thaw(ctx context.Context, p policy.Permit, name string, h Halting) (anchorhold.Dataset, error) {
	return s.turn(ctx, p, name, h, anchorhold.DatasetOpen)
}

func (s *Service) turn(ctx context.Context, p policy.Permit, name string, h Halting, to anchorhold.DatasetState) (anchorhold.Dataset, error) {
	if err := h.Check(); err != nil {
		return anchorhold.Dataset{}, err
	}
	return books.On(ctx, s.Books, p, books.Datasets(), func(tx store.Tx) (anchorhold.Dataset, books.Record, error) {
		d, err := tx.Dataset(name)
		if err != nil {
			return d, books.Record{}, err
		}
		switch {
		case d.State == anchorhold.DatasetWithdrawn:
			return d, books.Record{}, withdrawn(name)
		case d.State == to && to == anchorhold.DatasetFrozen:
			return d, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the dataset %q is frozen already", name)
		case d.State == to:
			return d, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the dataset %q is not frozen", name)
		}
		Halt(&d, to, p, h, s.Books)
		details := map[string]string{"dataset": name, "reason": h.Reason, "reason_shown": strconv.FormatBool(h.ShowReason)}
		return d, books.Record{Subject: d.ID, Details: details}, tx.PutDataset(d)
	})
}

// Halt writes a dataset's new state into it.
func Halt(d *anchorhold.Dataset, to anchorhold.DatasetState, p policy.Permit, h Halting, b *books.Books) {
	d.State, d.Halt = to, nil
	if to != anchorhold.DatasetOpen {
		d.Halt = &anchorhold.Halt{Since: b.Now(), By: p.Principal().Name(), Reason: h.Reason, ShowReason: h.ShowReason}
	}
}
