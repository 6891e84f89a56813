package client

import (
	"context"
	"net/http"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/account"
)

// NewLimit is a limit of exposure as an owner states it: an empty epsilon ends
// it.
type NewLimit struct {
	Population string                   `json:"population"`
	Scope      anchorhold.ExposureScope `json:"scope,omitempty"` // empty: all answers about the population
	Name       string                   `json:"name,omitempty"`  // e-mail address, or study; empty: each of them
	Epsilon    string                   `json:"epsilon,omitempty"`
	Delta      string                   `json:"delta,omitempty"`
	Reason     string                   `json:"reason,omitempty"`
}

// Standing is how an account of exposure stands.
type Standing struct {
	anchorhold.ExposureAccount

	Limit      *anchorhold.ExposureLimit `json:"limit,omitempty"`
	Spent      account.Charge            `json:"spent"`
	Epsilon    account.Epsilon           `json:"epsilon"`       // that holds for all of it together
	Plain      account.Epsilon           `json:"plain_epsilon"` // what the prices add up to
	PlainDelta account.Delta             `json:"plain_delta"`
	Left       *account.Charge           `json:"left,omitempty"`
	Typical    account.Epsilon           `json:"typical,omitempty"` // of a usual question
	Fits       *int64                    `json:"fits,omitempty"`    // how many more of them
	Meaning    *Meaning                  `json:"meaning,omitempty"` // of the limit
	Now        *Meaning                  `json:"now,omitempty"`     // of what was spent
}

// Meaning says in odds what exposure means for one person.
type Meaning struct {
	Guess      float64  `json:"guess"`
	Accused    float64  `json:"accused"`
	Recognised float64  `json:"recognised"`
	Words      []string `json:"words"`
}

// WhatIf is what a past would have been under another limit.
type WhatIf struct {
	Answered int64  `json:"answered"`
	Refused  int64  `json:"refused"`
	First    string `json:"first_refused,omitempty"` // id of the question
	Spent    struct {
		Epsilon account.Epsilon `json:"epsilon"`
		Delta   account.Delta   `json:"delta"`
		Pure    account.Epsilon `json:"pure"`
		Rho     account.Rho     `json:"rho"`
	} `json:"spent"`
}

// Exposure tells how accounts stand of a population, or of all that the caller
// may know of.
func (c *Client) Exposure(ctx context.Context, population string) ([]Standing, error) {
	out, err := get[struct {
		Accounts []Standing `json:"accounts"`
	}](ctx, c, "/exposure", filter("population", population))
	return out.Accounts, err
}

// ExplainedExposure is Exposure, with what limits and sums mean.
func (c *Client) ExplainedExposure(ctx context.Context, population string) ([]Standing, error) {
	out, err := get[struct {
		Accounts []Standing `json:"accounts"`
	}](ctx, c, "/exposure", filter("population", population, "odds", "true"))
	return out.Accounts, err
}

// PlanExposure bounds what mechanisms cost together that are all fixed before the
// first is used.
func (c *Client) PlanExposure(ctx context.Context, events []map[string]any, delta float64) (account.Plan, error) {
	return send[account.Plan](ctx, c, http.MethodPost, "/exposure/plans", map[string]any{"events": events, "delta": delta})
}

// SetLimit sets, changes or ends a limit of exposure.
func (c *Client) SetLimit(ctx context.Context, n NewLimit) ([]anchorhold.ExposureLimit, error) {
	out, err := send[struct {
		Limits []anchorhold.ExposureLimit `json:"limits"`
	}](ctx, c, http.MethodPut, "/exposure/limits", n)
	return out.Limits, err
}

// ReplayExposure says what a limit would have let through of what was asked.
func (c *Client) ReplayExposure(ctx context.Context, n NewLimit) (WhatIf, error) {
	return send[WhatIf](ctx, c, http.MethodPost, "/exposure/replays", n)
}
