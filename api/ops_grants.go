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

// grantResource is a grant as the policy sees it.
func (a *API) grantResource(ctx context.Context, tx store.Tx, g anchorhold.Grant) (policy.Resource, error) {
	res, err := request.Resource(tx, anchorhold.Request{ID: g.ID, Author: g.Author, Study: g.Study, Assets: g.Assets})
	if err != nil {
		return res, err
	}
	submits := true
	for _, s := range res.Scopes {
		submits = submits && a.may(ctx, policy.RequestSubmit, policy.Resource{Type: policy.TypeDataset, ID: s.Dataset, Scopes: []policy.Scope{s}})
	}
	who := caller(ctx)
	res.Type, res.Grantee, res.Named = policy.TypeGrant, request.MayRunUnder(g, who, submits), g.Names(who.Email)
	return res, nil
}

// loadGrant finds a grant and what it is to the policy.
func (a *API) loadGrant(ctx context.Context, id string) (g anchorhold.Grant, res policy.Resource, err error) {
	err = a.Books.View(ctx, func(tx store.Tx) error {
		if g, err = tx.Grant(id); err != nil {
			return err
		}
		res, err = a.grantResource(ctx, tx, g)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = policy.Missing(policy.TypeGrant, id)
	}
	return g, res, err
}

// GrantID is the path parameter that names a grant.
type GrantID struct {
	ID string `path:"id" maxLength:"100"`
}

func (a *API) onGrant(ctx context.Context, in *GrantID) ([]policy.Resource, error) {
	_, res, err := a.loadGrant(ctx, in.ID)
	return []policy.Resource{res}, err
}

// showGrant shows a grant as the caller may see it.
func (a *API) showGrant(ctx context.Context, g anchorhold.Grant, res policy.Resource) anchorhold.GrantView {
	if a.may(ctx, policy.GrantReview, res) {
		v := request.GrantForDecider(g, res.Grantee, a.Books.Now())
		asRequest := res
		asRequest.Type = policy.TypeRequest
		if !a.may(ctx, policy.RequestReview, asRequest) {
			v = request.GrantForPart(v)
		}
		return v
	}
	return request.GrantForGrantee(g, caller(ctx), a.Books.Now())
}

func (a *API) answerGrant(ctx context.Context, id string) (*body[anchorhold.GrantView], error) {
	g, res, err := a.loadGrant(ctx, id)
	if err != nil {
		return nil, err
	}
	return &body[anchorhold.GrantView]{a.showGrant(ctx, g, res)}, nil
}

type listGrants struct {
	Paging
	Dataset string `query:"dataset" maxLength:"100"`
}

type revokeGrant struct {
	GrantID
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"10000"`
	}
}

func (a *API) grantOperations() {
	add(a, op("list-grants", http.MethodGet, "/grants", "Grants that the caller may see, newest first"), policy.GrantList, onSite, a.listGrants)
	add(a, op("show-grant", http.MethodGet, "/grants/{id}", "One grant"), policy.GrantRead, a.onGrant,
		func(ctx context.Context, _ policy.Permit, in *GrantID) (*body[anchorhold.GrantView], error) {
			return a.answerGrant(ctx, in.ID)
		})
	add(a, op("revoke-grant", http.MethodPost, "/grants/{id}/revoke", "End a grant, and what waits or runs under it"), policy.GrantRevoke,
		func(ctx context.Context, in *revokeGrant) ([]policy.Resource, error) {
			return a.onGrant(ctx, &in.GrantID)
		},
		func(ctx context.Context, p policy.Permit, in *revokeGrant) (*body[anchorhold.GrantView], error) {
			if _, err := a.Requests.RevokeGrant(ctx, p, in.ID, in.Body.Reason); err != nil {
				return nil, err
			}
			return a.answerGrant(ctx, in.ID)
		})
	add(a, op("resume-grant", http.MethodPost, "/grants/{id}/resume", "Let a suspended grant permit runs again"), policy.GrantResume, a.onGrant,
		func(ctx context.Context, p policy.Permit, in *GrantID) (*body[anchorhold.GrantView], error) {
			if _, err := a.Requests.ResumeGrant(ctx, p, in.ID); err != nil {
				return nil, err
			}
			return a.answerGrant(ctx, in.ID)
		})
}

func (a *API) listGrants(ctx context.Context, p policy.Permit, in *listGrants) (*body[page[anchorhold.GrantView]], error) {
	filter := store.GrantFilter{Dataset: in.Dataset}
	if who := p.Principal(); onlyResearches(who) {
		filter.People = []string{who.ID, who.Email, anchorhold.Everybody}
	}
	return listed(in.Paging, func(at store.Page) (out []anchorhold.GrantView, next string, err error) {
		err = a.Books.View(ctx, func(tx store.Tx) error {
			grants, n, err := tx.ListGrants(filter, at)
			next = n
			for _, g := range grants {
				res, err := a.grantResource(ctx, tx, g)
				if err != nil {
					return err
				}
				shown := anchorhold.GrantView{}
				if a.may(ctx, policy.GrantRead, res) {
					shown = a.showGrant(ctx, g, res)
				}
				out = append(out, shown)
			}
			return err
		})
		return out, next, err
	}, func(g *anchorhold.GrantView) bool { return g.ID != "" })
}
