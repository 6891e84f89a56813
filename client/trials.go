package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/anchorhold/anchorhold"
)

// NewTrial is code to run on the mocks of its assets.
type NewTrial struct {
	Code   anchorhold.Code            `json:"code"`
	Assets map[string]AssetName       `json:"assets"`     // by parameter name
	Values map[string]json.RawMessage `json:"parameters"` // by parameter name
	Study  string                     `json:"study,omitempty"`
	Expect *anchorhold.Resources      `json:"expect,omitempty"`
}

// Try queues a run on the mocks.
func (c *Client) Try(ctx context.Context, t NewTrial) (anchorhold.Run, error) {
	return send[anchorhold.Run](ctx, c, http.MethodPost, "/trials", t)
}

// Trials lists runs on the mocks that the caller may see, newest first.
func (c *Client) Trials(ctx context.Context) iter.Seq2[anchorhold.Run, error] {
	return pages[anchorhold.Run](ctx, c, "/runs", filter("side", string(anchorhold.SideMock)))
}

// WaitRun follows a run until it has ended. Each new state is told to step once,
// the first one included.
func (c *Client) WaitRun(ctx context.Context, id string, step func(anchorhold.Run)) (anchorhold.Run, error) {
	r, err := c.Run(ctx, id)
	for err == nil {
		step(r)
		if r.Ended() {
			return r, nil
		}
		for known := r.State; err == nil && r.State == known; {
			r, err = get[anchorhold.Run](ctx, c, "/runs/"+segment(id), filter("wait", strconv.Itoa(int(longPoll.Seconds())), "state", string(known)))
		}
	}
	return r, err
}

// RunOutput opens what a run on mocks gave under a name; the caller closes it.
func (c *Client) RunOutput(ctx context.Context, id, name string) (io.ReadCloser, error) {
	return c.stream(ctx, "/runs/"+segment(id)+"/outputs/"+segment(name))
}
