package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/environment"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// EnvironmentID is the path parameter that names a request for an environment.
type EnvironmentID struct {
	ID string `path:"id" maxLength:"100"`
}

type newEnvironment struct {
	Body struct {
		Lock   string `json:"lock" maxLength:"1048576" doc:"the text of the lock"`
		Reason string `json:"reason,omitempty" maxLength:"10000"`
	}
}

type environmentWord struct {
	EnvironmentID
	Body struct {
		Verdict anchorhold.Verdict `json:"verdict" enum:"approve,deny"`
		Reason  string             `json:"reason,omitempty" maxLength:"10000"`
	}
}

type listEnvironments struct {
	Paging
	State string `query:"state" enum:"requested,added,declined" doc:"only requests in this state"`
}

// shownEnvironment is a request for an environment with its lock.
type shownEnvironment struct {
	anchorhold.EnvironmentRequest
	Text string `json:"text" doc:"the lock itself"`
}

func (a *API) onEnvironment(ctx context.Context, in *EnvironmentID) ([]policy.Resource, error) {
	r, err := a.loadEnvironment(ctx, in.ID)
	return []policy.Resource{{Type: policy.TypeEnvironment, ID: in.ID, Author: r.Author}}, err
}

func (a *API) loadEnvironment(ctx context.Context, id string) (r anchorhold.EnvironmentRequest, err error) {
	err = a.Books.View(ctx, func(tx store.Tx) error {
		r, err = tx.EnvironmentRequest(id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = policy.Missing(policy.TypeEnvironment, id)
	}
	return r, err
}

func (a *API) environmentOperations() {
	add(a, op("environments", http.MethodGet, "/envs", "The environments that code may name"), policy.EnvironmentList, onSite,
		func(context.Context, policy.Permit, *struct{}) (*body[page[Environment]], error) {
			return &body[page[Environment]]{page[Environment]{Items: a.Site().Environments}}, nil
		})
	add(a, op("request-environment", http.MethodPost, "/envs/requests", "Ask for a further environment, by its lock"), policy.EnvironmentAsk, onSite,
		func(ctx context.Context, p policy.Permit, in *newEnvironment) (*body[anchorhold.EnvironmentRequest], error) {
			r, err := a.Environments.Ask(ctx, p, environment.New{Lock: in.Body.Lock, Reason: in.Body.Reason})
			return &body[anchorhold.EnvironmentRequest]{r}, err
		})
	add(a, op("list-environment-requests", http.MethodGet, "/envs/requests", "Environments that were asked for, newest first: the caller's own, or for owners all"),
		policy.EnvironmentList, onSite, a.listEnvironments)
	add(a, op("show-environment-request", http.MethodGet, "/envs/requests/{id}", "One request for an environment, with its lock"), policy.EnvironmentRead, a.onEnvironment,
		func(ctx context.Context, _ policy.Permit, in *EnvironmentID) (*body[shownEnvironment], error) {
			r, err := a.loadEnvironment(ctx, in.ID)
			return &body[shownEnvironment]{shownEnvironment{r, r.Text}}, err
		})
	add(a, op("decide-environment", http.MethodPost, "/envs/requests/{id}/decisions", "Say that an environment was added, or will not be"), policy.EnvironmentDecide,
		func(ctx context.Context, in *environmentWord) ([]policy.Resource, error) {
			return a.onEnvironment(ctx, &in.EnvironmentID)
		},
		func(ctx context.Context, p policy.Permit, in *environmentWord) (*body[anchorhold.EnvironmentRequest], error) {
			r, err := a.Environments.Decide(ctx, p, in.ID, in.Body.Verdict, in.Body.Reason)
			return &body[anchorhold.EnvironmentRequest]{r}, err
		})
}

func (a *API) listEnvironments(ctx context.Context, p policy.Permit, in *listEnvironments) (*body[page[anchorhold.EnvironmentRequest]], error) {
	filter := store.EnvironmentFilter{State: anchorhold.EnvironmentState(in.State)}
	if !a.may(ctx, policy.EnvironmentRead, policy.Resource{Type: policy.TypeEnvironment}) {
		filter.Author = p.Principal().ID
	}
	return listed(in.Paging, func(at store.Page) (out []anchorhold.EnvironmentRequest, next string, err error) {
		err = a.Books.View(ctx, func(tx store.Tx) error {
			out, next, err = tx.ListEnvironmentRequests(filter, at)
			return err
		})
		return out, next, err
	}, func(*anchorhold.EnvironmentRequest) bool { return true })
}
