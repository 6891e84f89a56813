package api

import (
	"context"
	"net/http"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

func (a *API) siteOperations() {
	add(a, op("site", http.MethodGet, "/site", "What the site says of itself"), policy.SiteRead, onSite,
		func(context.Context, policy.Permit, *struct{}) (*body[SiteInfo], error) {
			return &body[SiteInfo]{a.Site()}, nil
		})
	add(a, op("me", http.MethodGet, "/me", "Who the credential says you are"), policy.MeRead, onSite,
		func(ctx context.Context, p policy.Permit, _ *struct{}) (*body[anchorhold.Principal], error) {
			who := p.Principal()
			if who.Bindings == nil {
				who.Bindings = []anchorhold.Binding{}
			}
			return &body[anchorhold.Principal]{who}, nil
		})
}

type role struct {
	Role  anchorhold.Role `json:"role" enum:"owner,reviewer,researcher,auditor"`
	Scope string          `json:"scope,omitempty" maxLength:"200" doc:"as above"`
}

type newUser struct {
	Body struct {
		Email       string          `json:"email" maxLength:"254"`
		Role        anchorhold.Role `json:"role" enum:"owner,reviewer,researcher,auditor"`
		Scope       string          `json:"scope,omitempty" maxLength:"200" doc:"site, dataset:NAME or study:NAME; default site"`
		Also        []role          `json:"also,omitempty" maxItems:"50" doc:"further roles of the same person"`
		ExpiresDays int             `json:"expires_days,omitempty" minimum:"0" maximum:"1825"`
	}
}

type addedUser struct {
	ID      string          `json:"id"`
	Email   string          `json:"email"`
	Role    anchorhold.Role `json:"role"`
	Token   string          `json:"token" doc:"shown this once"`
	Expires time.Time       `json:"expires"`
}

// UserEmail is the path parameter that names a user.
type UserEmail struct {
	Email string `path:"email" maxLength:"254"`
}

type userRole struct {
	UserEmail
	Role  anchorhold.Role `path:"role" enum:"owner,reviewer,researcher,auditor"`
	Scope string          `query:"scope" maxLength:"200" doc:"site, dataset:NAME or study:NAME; default site"`
}

type newToken struct {
	UserEmail
	Body struct {
		ExpiresDays int `json:"expires_days,omitempty" minimum:"0" maximum:"1825"`
	}
}

const day = 24 * time.Hour

func (a *API) accountOperations() {
	add(a, op("list-users", http.MethodGet, "/users", "Users of the site"), policy.UserList, onSite,
		func(ctx context.Context, _ policy.Permit, in *Paging) (*body[page[anchorhold.Principal]], error) {
			return listed(*in, func(p store.Page) ([]anchorhold.Principal, string, error) { return a.Accounts.List(ctx, p) },
				func(p *anchorhold.Principal) bool { return !p.Applicant })
		})
	add(a, op("add-user", http.MethodPost, "/users", "Add a user, or a role to one"), policy.UserAdd, onSite,
		func(ctx context.Context, p policy.Permit, in *newUser) (*body[addedUser], error) {
			var also []anchorhold.Binding
			for _, r := range in.Body.Also {
				also = append(also, anchorhold.Binding(r))
			}
			who, issued, err := a.Accounts.Add(ctx, p, account.New{
				Email: in.Body.Email, Role: in.Body.Role, Scope: in.Body.Scope, Also: also, Life: time.Duration(in.Body.ExpiresDays) * day,
			})
			return &body[addedUser]{addedUser{who.ID, who.Email, in.Body.Role, issued.Token, issued.Expires}}, err
		})
	add(a, op("add-token", http.MethodPost, "/users/{email}/tokens", "Give a user one more token"), policy.UserToken, onSite,
		func(ctx context.Context, p policy.Permit, in *newToken) (*body[account.Issued], error) {
			issued, err := a.Accounts.NewToken(ctx, p, in.Email, time.Duration(in.Body.ExpiresDays)*day)
			return &body[account.Issued]{issued}, err
		})
	add(a, op("revoke-tokens", http.MethodDelete, "/users/{email}/tokens", "Revoke all tokens of a user"), policy.UserToken, onSite,
		func(ctx context.Context, p policy.Permit, in *UserEmail) (*struct{}, error) {
			return nil, a.Accounts.RevokeTokens(ctx, p, in.Email)
		})
	add(a, op("remove-role", http.MethodDelete, "/users/{email}/roles/{role}", "Take one role from a user"), policy.UserRemove, onSite,
		func(ctx context.Context, p policy.Permit, in *userRole) (*struct{}, error) {
			return nil, a.Accounts.RemoveRole(ctx, p, in.Email, anchorhold.Binding{Role: in.Role, Scope: in.Scope})
		})
	add(a, op("remove-user", http.MethodDelete, "/users/{email}", "End a user's access"), policy.UserRemove, onSite,
		func(ctx context.Context, p policy.Permit, in *UserEmail) (*struct{}, error) {
			return nil, a.Accounts.Disable(ctx, p, in.Email)
		})
}
