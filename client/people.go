package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/anchorhold/anchorhold"
)

// NotifyConfig says where a site's notices go; what is nil is off.
type NotifyConfig struct {
	Hook      *NotifyHook `json:"hook,omitempty"`
	Mail      *NotifyMail `json:"mail,omitempty"`
	PublicURL string      `json:"public_url,omitempty"`
}

// NotifyHook is the one program or address that is told what happens.
type NotifyHook struct {
	Command []string                `json:"command,omitempty"`
	URL     string                  `json:"url,omitempty"`
	Kinds   []anchorhold.NoticeKind `json:"kinds,omitempty"`
}

// NotifyMail is the server by which people are written to.
type NotifyMail struct {
	Server       string `json:"server"`
	From         string `json:"from"`
	Security     string `json:"security,omitempty"`
	User         string `json:"user,omitempty"`
	PasswordFile string `json:"password_file,omitempty"`
}

// Notify reads where notices go.
func (c *Client) Notify(ctx context.Context) (NotifyConfig, error) {
	return get[NotifyConfig](ctx, c, "/notify", nil)
}

// SetNotify says where notices go and gives the secret that signs hooks.
func (c *Client) SetNotify(ctx context.Context, n NotifyConfig) (secret string, err error) {
	answer, err := send[struct {
		Secret string `json:"secret"`
	}](ctx, c, http.MethodPut, "/notify", n)
	return answer.Secret, err
}

// TestNotify sends a test to the hook and, unless it is empty, to an address.
func (c *Client) TestNotify(ctx context.Context, to string) error {
	return c.act(ctx, http.MethodPost, "/notify/test", map[string]string{"to": to})
}

// PreferNotify says how often the caller is written to.
func (c *Client) PreferNotify(ctx context.Context, f anchorhold.Frequency) error {
	return c.act(ctx, http.MethodPut, "/me/notices", map[string]string{"mail": string(f)})
}

// Applying is what somebody says of themselves to be given an account.
type Applying struct {
	Email       string `json:"email"`
	Name        string `json:"name"`
	Affiliation string `json:"affiliation,omitempty"`
	Purpose     string `json:"purpose"`
}

// Applied is an application with the token of its applicant, shown once.
type Applied struct {
	Application anchorhold.Application `json:"application"`
	Token       string                 `json:"token"`
}

// Apply asks for an account.
func (c *Client) Apply(ctx context.Context, a Applying) (Applied, error) {
	return send[Applied](ctx, c, http.MethodPost, "/applications", a)
}

// ProveApplication enters the code that was mailed to the caller's address.
func (c *Client) ProveApplication(ctx context.Context, code string) (anchorhold.Application, error) {
	return send[anchorhold.Application](ctx, c, http.MethodPost, "/applications/mine/proof", map[string]string{"code": code})
}

// Application reads an application by its id, or the caller's own as "mine".
func (c *Client) Application(ctx context.Context, id string) (anchorhold.Application, error) {
	return get[anchorhold.Application](ctx, c, "/applications/"+segment(id), nil)
}

// Applications lists applications in a state, newest first; empty: all.
func (c *Client) Applications(ctx context.Context, state anchorhold.ApplicationState) iter.Seq2[anchorhold.Application, error] {
	query := url.Values{}
	if state != "" {
		query.Set("state", string(state))
	}
	return pages[anchorhold.Application](ctx, c, "/applications", query)
}

// ApplicationWord is an owner's answer to an application.
type ApplicationWord struct {
	Verdict anchorhold.Verdict `json:"verdict"`
	Role    anchorhold.Role    `json:"role,omitempty"`
	Scope   string             `json:"scope,omitempty"`
	Reason  string             `json:"reason,omitempty"`
}

// DecideApplication accepts or declines.
func (c *Client) DecideApplication(ctx context.Context, id string, w ApplicationWord) (anchorhold.Application, error) {
	return send[anchorhold.Application](ctx, c, http.MethodPost, "/applications/"+segment(id)+"/decisions", w)
}

// SetApplicationForm opens or closes the form for strangers.
func (c *Client) SetApplicationForm(ctx context.Context, open bool) error {
	return c.act(ctx, http.MethodPut, "/application-form", map[string]bool{"open": open})
}
