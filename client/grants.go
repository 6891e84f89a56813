package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/anchorhold/anchorhold"
)

// Grant is a grant as a site shows it: what it covers and, to those who decide
// or audit, what became of it.
type Grant = anchorhold.GrantView

// Grants lists the grants that the caller may see, newest first.
func (c *Client) Grants(ctx context.Context, dataset string) iter.Seq2[Grant, error] {
	return pages[Grant](ctx, c, "/grants", filter("dataset", dataset))
}

// Grant reads one grant.
func (c *Client) Grant(ctx context.Context, id string) (Grant, error) {
	return get[Grant](ctx, c, "/grants/"+segment(id), nil)
}

// RevokeGrant ends a grant, and what waits or runs under it.
func (c *Client) RevokeGrant(ctx context.Context, id, reason string) (Grant, error) {
	return send[Grant](ctx, c, http.MethodPost, "/grants/"+segment(id)+"/revoke", struct {
		Reason string `json:"reason,omitempty"`
	}{reason})
}

// ResumeGrant lets a suspended grant permit runs again.
func (c *Client) ResumeGrant(ctx context.Context, id string) (Grant, error) {
	return send[Grant](ctx, c, http.MethodPost, "/grants/"+segment(id)+"/resume", nil)
}
