package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/anchorhold/anchorhold"
)

// NewRequest is a question as its author submits it.
type NewRequest struct {
	Code    anchorhold.Code            `json:"code"`
	Assets  map[string]AssetName       `json:"assets"`     // by parameter name
	Values  map[string]json.RawMessage `json:"parameters"` // by parameter name
	Purpose string                     `json:"purpose"`
	Study   string                     `json:"study,omitempty"`
	Expect  *anchorhold.Resources      `json:"expect,omitempty"`
}

// AssetName names an asset in its newest version.
type AssetName struct {
	Dataset string `json:"dataset"`
	Asset   string `json:"asset"`
}

// NewDecision is one person's word on a request.
type NewDecision struct {
	Verdict     anchorhold.Verdict `json:"verdict"`
	Reason      string             `json:"reason,omitempty"`
	Category    string             `json:"category,omitempty"`     // of a denial
	WouldAccept string             `json:"would_accept,omitempty"` // of a denial
	Dataset     string             `json:"dataset,omitempty"`      // one of several that the request uses
	anchorhold.Terms
}

// Diff compares a request's code with an earlier one of the same author.
type Diff struct {
	Text     string `json:"text"`     // unified; empty when nothing differs
	Base     string `json:"base"`     // id of the earlier request; empty when there is none
	Approved bool   `json:"approved"` // everybody who had to decide has approved the earlier one
}

// Submit hands a question in. The same content by the same author is the same
// request.
func (c *Client) Submit(ctx context.Context, r NewRequest) (anchorhold.Request, error) {
	return send[anchorhold.Request](ctx, c, http.MethodPost, "/requests", r)
}

// Requests lists the requests that the caller may see, newest first; state
// selects, and is empty for all.
func (c *Client) Requests(ctx context.Context, state anchorhold.State) iter.Seq2[anchorhold.Request, error] {
	return pages[anchorhold.Request](ctx, c, "/requests", filter("state", string(state)))
}

// Request reads one request.
func (c *Client) Request(ctx context.Context, id string) (anchorhold.Request, error) {
	return get[anchorhold.Request](ctx, c, "/requests/"+segment(id), nil)
}

// longPoll is how long a site may hold back its answer while nothing changes.
const longPoll = 25 * time.Second

// Changed reads a request once its state is another than known, or after some
// time in any state.
func (c *Client) Changed(ctx context.Context, id string, known anchorhold.State) (anchorhold.Request, error) {
	return get[anchorhold.Request](ctx, c, "/requests/"+segment(id),
		filter("wait", strconv.Itoa(int(longPoll.Seconds())), "state", string(known)))
}

// Diff compares a request with the last approved version of its author's, or
// where there is none with the newest earlier one.
func (c *Client) Diff(ctx context.Context, id string) (Diff, error) {
	return get[Diff](ctx, c, "/requests/"+segment(id)+"/diff", nil)
}

// Decide approves or denies a request.
func (c *Client) Decide(ctx context.Context, id string, d NewDecision) (anchorhold.Request, error) {
	return send[anchorhold.Request](ctx, c, http.MethodPost, "/requests/"+segment(id)+"/decisions", d)
}

// said is the body of a question or an answer.
type said struct {
	Text string `json:"text"`
}

// Ask puts a question to a request's author.
func (c *Client) Ask(ctx context.Context, id, text string) (anchorhold.Request, error) {
	return send[anchorhold.Request](ctx, c, http.MethodPost, "/requests/"+segment(id)+"/questions", said{text})
}

// Answer answers a question about one's own request.
func (c *Client) Answer(ctx context.Context, id, text string) (anchorhold.Request, error) {
	return send[anchorhold.Request](ctx, c, http.MethodPost, "/requests/"+segment(id)+"/answers", said{text})
}

// Withdraw takes a request back; only its author may.
func (c *Client) Withdraw(ctx context.Context, id string) (anchorhold.Request, error) {
	return send[anchorhold.Request](ctx, c, http.MethodPost, "/requests/"+segment(id)+"/withdraw", nil)
}
