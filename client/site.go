package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/anchorhold/anchorhold"
)

// Site is what a site says about itself to everybody with an account.
type Site struct {
	Name         string        `json:"name"`
	Origin       string        `json:"origin"`            // first line of its checkpoints
	Key          string        `json:"key"`               // C2SP verifier key of its signatures
	Version      string        `json:"version"`           // of the program that serves it
	Connect      string        `json:"connect,omitempty"` // the address for others; absent while it does not serve
	Environments []Environment `json:"environments"`
	Limits       *Limits       `json:"limits,omitempty"` // of every run; nil where the site does not say
}

// Limits is what a run may use at most.
type Limits struct {
	CPUs     float64       `json:"cpus"`      // processors
	Memory   int64         `json:"memory"`    // bytes of the whole job
	OutBytes int64         `json:"out_bytes"` // bytes of its output
	CPUTime  time.Duration `json:"cpu_time"`  // of the whole job; nanoseconds in JSON
	Wall     time.Duration `json:"wall"`      // from start to end; nanoseconds in JSON
}

// Environment is one set of Python packages in which a site runs code.
type Environment struct {
	Lock     string    `json:"lock"`           // "sha256:..."; what a code digest names
	Name     string    `json:"name,omitempty"` // of a lock that the program knows
	Default  bool      `json:"default"`
	Built    bool      `json:"built"` // code can run in it now
	Python   string    `json:"python"`
	Packages []Package `json:"packages"`
}

// Package is one package of an environment.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Site asks who the site is.
func (c *Client) Site(ctx context.Context) (Site, error) { return get[Site](ctx, c, "/site", nil) }

// Me asks who the site takes the caller for.
func (c *Client) Me(ctx context.Context) (anchorhold.Principal, error) {
	return get[anchorhold.Principal](ctx, c, "/me", nil)
}

// Environments lists the environments that the site has built.
func (c *Client) Environments(ctx context.Context) iter.Seq2[Environment, error] {
	return pages[Environment](ctx, c, "/envs", nil)
}

// NewUser describes an account to make.
type NewUser struct {
	Email       string          `json:"email"`
	Role        anchorhold.Role `json:"role"`
	Scope       string          `json:"scope,omitempty"`        // "site" when empty, else "dataset:NAME" or "study:NAME"
	Also        []NewRole       `json:"also,omitempty"`         // further roles
	ExpiresDays int             `json:"expires_days,omitempty"` // of the first token; 0: the site's default
}

// NewRole is a role to give.
type NewRole struct {
	Role  anchorhold.Role `json:"role"`
	Scope string          `json:"scope,omitempty"`
}

// IssuedToken is a token as it is shown once.
type IssuedToken struct {
	ID      string          `json:"id,omitempty"`
	Email   string          `json:"email,omitempty"`
	Role    anchorhold.Role `json:"role,omitempty"`
	Token   string          `json:"token"`
	Expires time.Time       `json:"expires"`
}

// Users lists the site's principals.
func (c *Client) Users(ctx context.Context) iter.Seq2[anchorhold.Principal, error] {
	return pages[anchorhold.Principal](ctx, c, "/users", nil)
}

// AddUser makes an account, or gives an existing one a further role, and issues
// a token for it.
func (c *Client) AddUser(ctx context.Context, u NewUser) (IssuedToken, error) {
	return send[IssuedToken](ctx, c, http.MethodPost, "/users", u)
}

// lifetime is how long a new token shall hold.
type lifetime struct {
	ExpiresDays int `json:"expires_days,omitempty"`
}

// IssueToken makes a further token for an account; days is its life, 0 the
// site's default.
func (c *Client) IssueToken(ctx context.Context, email string, days int) (IssuedToken, error) {
	return send[IssuedToken](ctx, c, http.MethodPost, "/users/"+segment(email)+"/tokens", lifetime{days})
}

// RevokeTokens ends every token of an account.
func (c *Client) RevokeTokens(ctx context.Context, email string) error {
	return c.remove(ctx, "/users/"+segment(email)+"/tokens")
}

// RemoveRole takes one role from an account, which keeps the others.
func (c *Client) RemoveRole(ctx context.Context, email string, b anchorhold.Binding) error {
	path := "/users/" + segment(email) + "/roles/" + segment(string(b.Role))
	if b.Scope != "" {
		path += "?scope=" + url.QueryEscape(b.Scope)
	}
	return c.remove(ctx, path)
}

// DisableUser ends an account; what it did stays in the books.
func (c *Client) DisableUser(ctx context.Context, email string) error {
	return c.remove(ctx, "/users/"+segment(email))
}

// Ledger lists the record of exposure, newest first, of a population or of all.
func (c *Client) Ledger(ctx context.Context, population string) iter.Seq2[anchorhold.LedgerEntry, error] {
	return pages[anchorhold.LedgerEntry](ctx, c, "/ledger", filter("population", population))
}
