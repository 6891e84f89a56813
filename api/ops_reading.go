package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// maxNamed is how many deciders are named to whom a request waits for.
const maxNamed = 20

// sees says of a request whether the caller may read it.
func (a *API) sees(ctx context.Context, tx store.Tx) func(anchorhold.Request) bool {
	return func(r anchorhold.Request) bool {
		res, err := request.Resource(tx, r)
		return err == nil && a.may(ctx, policy.RequestRead, res)
	}
}

// waits says which datasets of an undecided request still wait for a decision
// and for whose, as far as the caller may know.
func (a *API) waits(ctx context.Context, r anchorhold.Request, res policy.Resource) (out []anchorhold.Wait, err error) {
	if r.State != anchorhold.StatePending && r.State != anchorhold.StateAsked {
		return nil, nil
	}
	err = a.Books.View(ctx, func(tx store.Tx) error {
		full, err := tx.Request(r.ID) // the caller may see less of the decisions
		if err != nil {
			return err
		}
		panel, err := request.PanelOf(tx, full)
		if err != nil {
			return err
		}
		out, err = a.awaited(ctx, tx, policy.RequestDecide, res, panel)
		return err
	})
	return out, err
}

// awaited says for which datasets a panel waits. Who reviews one of them is told
// for whom; the author, how many words are missing; who reviews others of it
// alone, that it waits.
func (a *API) awaited(ctx context.Context, tx store.Tx, decide policy.Action, res policy.Resource, panel request.Panel) ([]anchorhold.Wait, error) {
	waits := panel.Waits()
	var named []int
	for i, w := range waits {
		switch {
		case a.reviews(ctx, res, w.Dataset):
			named = append(named, i)
		case res.Author != caller(ctx).ID:
			waits[i] = anchorhold.Wait{Dataset: w.Dataset}
		}
	}
	if len(named) == 0 {
		return waits, nil
	}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		people, next, err := tx.ListPrincipals(page)
		if err != nil {
			return nil, err
		}
		for _, i := range named {
			waits[i].Deciders = append(waits[i].Deciders, a.deciders(people, decide, panel, onPart(res, waits[i].Dataset))...)
			waits[i].Deciders = waits[i].Deciders[:min(len(waits[i].Deciders), maxNamed)]
		}
		if next == "" {
			return waits, nil
		}
		page.Cursor = next
	}
}

// reviews says whether the caller reviews, or audits, what concerns one dataset
// of several.
func (a *API) reviews(ctx context.Context, res policy.Resource, dataset string) bool {
	part := onPart(res, dataset)
	part.Type = policy.TypeRequest
	return len(part.Scopes) > 0 && a.may(ctx, policy.RequestReview, part)
}

// deciders names those of some people who may decide on a part and have not.
func (a *API) deciders(people []anchorhold.Principal, decide policy.Action, panel request.Panel, part policy.Resource) (out []string) {
	for _, who := range people {
		if who.Disabled || len(who.Bindings) == 0 || panel.Decided(who.ID, part.Scopes[0].Dataset) {
			continue
		}
		if _, err := a.Policy.Check(who, decide, part); err == nil {
			out = append(out, who.Name())
		}
	}
	return out
}

type seenLines struct {
	RequestID
	Body struct {
		Marks []request.Mark `json:"marks" minItems:"1" maxItems:"200"`
	}
}

func (a *API) readingOperations() {
	add(a, op("request-reading", http.MethodGet, "/requests/{id}/reading", "How far a request has been read, line by line"), policy.RequestReading, a.onRequest,
		func(ctx context.Context, p policy.Permit, in *RequestID) (*body[anchorhold.Reading], error) {
			return a.reading(ctx, p, in.ID)
		})
	add(a, op("mark-seen", http.MethodPost, "/requests/{id}/seen", "Mark lines of a request as seen by oneself"), policy.RequestSeen,
		func(ctx context.Context, in *seenLines) ([]policy.Resource, error) {
			return a.onRequest(ctx, &in.RequestID)
		},
		func(ctx context.Context, p policy.Permit, in *seenLines) (*body[anchorhold.Reading], error) {
			if err := a.Requests.MarkSeen(ctx, p, in.ID, in.Body.Marks); err != nil {
				return nil, err
			}
			return a.reading(ctx, p, in.ID)
		})
}

func (a *API) reading(ctx context.Context, p policy.Permit, id string) (*body[anchorhold.Reading], error) {
	var out anchorhold.Reading
	err := a.Books.View(ctx, func(tx store.Tx) error {
		r, err := tx.Request(id)
		if err != nil {
			return err
		}
		res, err := request.Resource(tx, r)
		if err == nil {
			out, err = request.ReadingOf(tx, r, p.Principal().ID, a.mayBeNamed(ctx, tx, res))
		}
		return err
	})
	return &body[anchorhold.Reading]{out}, err
}

// mayBeNamed says of somebody who has read a text whether the caller may learn of
// it: they decide on a dataset of the request that the caller reviews. The text
// may also have been read for another request, over data of others.
func (a *API) mayBeNamed(ctx context.Context, tx store.Tx, res policy.Resource) func(reader string) (bool, error) {
	return func(reader string) (bool, error) {
		if reader == caller(ctx).ID {
			return true, nil
		}
		who, err := tx.Principal(reader)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for _, s := range res.Scopes {
			if !a.reviews(ctx, res, s.Dataset) {
				continue
			}
			if _, err := a.Policy.Check(who, policy.RequestDecide, onPart(res, s.Dataset)); err == nil {
				return true, nil
			}
		}
		return false, nil
	}
}
