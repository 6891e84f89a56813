package client

import (
	"context"
	"net/http"

	"github.com/anchorhold/anchorhold"
)

// Mark says that the caller has seen lines of a text of a request.
type Mark struct {
	Path   string `json:"path"`
	Digest string `json:"digest"` // of the text that was read
	anchorhold.Span
}

// Reading says how far a request has been read, line by line.
func (c *Client) Reading(ctx context.Context, id string) (anchorhold.Reading, error) {
	return get[anchorhold.Reading](ctx, c, "/requests/"+segment(id)+"/reading", nil)
}

// MarkSeen marks lines of a request as seen by the caller.
func (c *Client) MarkSeen(ctx context.Context, id string, marks []Mark) (anchorhold.Reading, error) {
	return send[anchorhold.Reading](ctx, c, http.MethodPost, "/requests/"+segment(id)+"/seen", struct {
		Marks []Mark `json:"marks"`
	}{marks})
}
