package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/anchorhold/anchorhold"
)

// NewEnvironment asks for a further environment.
type NewEnvironment struct {
	Lock   string `json:"lock"` // its text
	Reason string `json:"reason,omitempty"`
}

// EnvironmentRequest is a request for an environment; the text of its lock is
// there where one request was read.
type EnvironmentRequest struct {
	anchorhold.EnvironmentRequest
	Text string `json:"text,omitempty"`
}

// AskEnvironment asks the site's owner to add an environment.
func (c *Client) AskEnvironment(ctx context.Context, n NewEnvironment) (EnvironmentRequest, error) {
	return send[EnvironmentRequest](ctx, c, http.MethodPost, "/envs/requests", n)
}

// EnvironmentRequests lists what was asked for, newest first: for owners
// everything, for others their own. state selects, and is empty for all.
func (c *Client) EnvironmentRequests(ctx context.Context, state anchorhold.EnvironmentState) iter.Seq2[EnvironmentRequest, error] {
	return pages[EnvironmentRequest](ctx, c, "/envs/requests", filter("state", string(state)))
}

// EnvironmentRequest reads one request with its lock.
func (c *Client) EnvironmentRequest(ctx context.Context, id string) (EnvironmentRequest, error) {
	return get[EnvironmentRequest](ctx, c, "/envs/requests/"+segment(id), nil)
}

// NewEnvironmentDecision says that an environment was added, or will not be.
type NewEnvironmentDecision struct {
	Verdict anchorhold.Verdict `json:"verdict"`
	Reason  string             `json:"reason,omitempty"`
}

// DecideEnvironment answers a request for an environment.
func (c *Client) DecideEnvironment(ctx context.Context, id string, d NewEnvironmentDecision) (EnvironmentRequest, error) {
	return send[EnvironmentRequest](ctx, c, http.MethodPost, "/envs/requests/"+segment(id)+"/decisions", d)
}
