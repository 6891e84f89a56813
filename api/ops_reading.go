package api

import (
	"context"
	"net/http"
	"slices"

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
// and, to those who decide or audit, for whose.
func (a *API) waits(ctx context.Context, r anchorhold.Request, res policy.Resource) (out []anchorhold.Wait, err error) {
	if r.State != anchorhold.StatePending && r.State != anchorhold.StateAsked {
		return nil, nil
	}
	err = a.Books.View(ctx, func(tx store.Tx) error {
		if out, err = request.Waiting(tx, r); err != nil || !a.may(ctx, policy.RequestReading, res) {
			return err
		}
		for page := (store.Page{Limit: store.MaxLimit}); ; {
			people, next, err := tx.ListPrincipals(page)
			if err != nil {
				return err
			}
			for i := range out {
				out[i].Deciders = append(out[i].Deciders, a.deciders(people, r, onPart(res, out[i].Dataset))...)
				out[i].Deciders = out[i].Deciders[:min(len(out[i].Deciders), maxNamed)]
			}
			if next == "" {
				return nil
			}
			page.Cursor = next
		}
	})
	return out, err
}

// deciders names those of some people who may decide on a part of a request and
// have not.
func (a *API) deciders(people []anchorhold.Principal, r anchorhold.Request, part policy.Resource) (out []string) {
	for _, who := range people {
		if who.Disabled || len(who.Bindings) == 0 {
			continue
		}
		if _, err := a.Policy.Check(who, policy.RequestDecide, part); err != nil {
			continue
		}
		decided := slices.ContainsFunc(r.Decisions, func(d anchorhold.Decision) bool {
			return d.Opening == r.Opening && d.Dataset == part.Scopes[0].Dataset && d.Decider == who.ID
		})
		if !decided {
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
		if err == nil {
			out, err = request.ReadingOf(tx, r, p.Principal().ID)
		}
		return err
	})
	return &body[anchorhold.Reading]{out}, err
}
