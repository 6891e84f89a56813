package api

import (
	"context"
	"net/http"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/notify"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// applyPath is the one write whose body is read of somebody whom nobody knows.
const applyPath = "/v1/applications"

// maxAnonymous is how much of it, in bytes.
const maxAnonymous = 16 << 10

type notifyConfig struct{ Body notify.Config }

type notifySet struct {
	Secret string `json:"secret" doc:"signs what a hook is sent, by Standard Webhooks"`
}

type notifyTest struct {
	Body struct {
		To string `json:"to,omitempty" maxLength:"254" doc:"address to write to; empty: only the hook"`
	}
}

type preference struct {
	Body struct {
		Mail anchorhold.Frequency `json:"mail" enum:"each,hourly,daily,off"`
	}
}

type linkToken struct {
	Token string `path:"token" maxLength:"200"`
}

// leaflet is what a person sees who follows the link of a mail. It says the same to
// everybody, whatever the link, and loads nothing.
type leaflet struct {
	ContentType string `header:"Content-Type"`
	Policy      string `header:"Content-Security-Policy"`
	Referrer    string `header:"Referrer-Policy"` // the link is a credential
	Body        []byte
}

func newLeaflet(text string) *leaflet {
	return &leaflet{
		ContentType: "text/html; charset=utf-8", Policy: "default-src 'none'; form-action 'self'; frame-ancestors 'none'", Referrer: "no-referrer",
		Body: []byte("<!doctype html><html lang=\"en\"><meta name=\"viewport\" content=\"width=device-width\"><title>Mail of this site</title><body>" + text + "</body></html>\n"),
	}
}

func (a *API) notifyOperations() {
	add(a, op("show-notify", http.MethodGet, "/notify", "Where notices go"), policy.NotifyRead, onSite,
		func(ctx context.Context, _ policy.Permit, _ *struct{}) (*body[notify.Config], error) {
			c, err := a.Notify.Configured(ctx)
			return &body[notify.Config]{c}, err
		})
	add(a, op("set-notify", http.MethodPut, "/notify", "Say where notices go; what is left out is off"), policy.NotifySet, onSite,
		func(ctx context.Context, p policy.Permit, in *notifyConfig) (*body[notifySet], error) {
			secret, err := a.Notify.Configure(ctx, p, in.Body)
			return &body[notifySet]{notifySet{secret}}, err
		})
	add(a, op("test-notify", http.MethodPost, "/notify/test", "Send a test to the hook, and by mail to an address"), policy.NotifyTest, onSite,
		func(ctx context.Context, _ policy.Permit, in *notifyTest) (*struct{}, error) {
			return nil, a.Notify.Test(ctx, in.Body.To)
		})
	add(a, op("prefer-notify", http.MethodPut, "/me/notices", "Say how often one is written to"), policy.NotifyPrefer, onSite,
		func(ctx context.Context, p policy.Permit, in *preference) (*struct{}, error) {
			return nil, a.Notify.Prefer(ctx, p, in.Body.Mail)
		})
	add(a, op("ask-end-notices", http.MethodGet, "/unsubscribe/{token}", "The page that a mail's link opens: it asks, and ends nothing"), policy.NotifyAskEnd, onSite,
		func(context.Context, policy.Permit, *linkToken) (*leaflet, error) {
			return newLeaflet(`<form method="post"><p>Shall this site write you no more mail?</p><button>No more mail</button></form>`), nil
		})
	add(a, op("end-notices", http.MethodPost, "/unsubscribe/{token}", "End the mail of whom a link was sent to (RFC 8058)"), policy.NotifyEnd, onSite,
		func(ctx context.Context, p policy.Permit, in *linkToken) (*leaflet, error) {
			return newLeaflet(`<p>You get no more mail from this site. To be written to again: anchorhold notify prefer each</p>`), a.Notify.Unsubscribe(ctx, p, in.Token)
		})
}

type applicationForm struct {
	Body struct {
		Open bool `json:"open"`
	}
}

type applying struct {
	Body struct {
		Email       string `json:"email" maxLength:"254"`
		Name        string `json:"name" maxLength:"200"`
		Affiliation string `json:"affiliation,omitempty" maxLength:"200"`
		Purpose     string `json:"purpose" maxLength:"4096"`
	}
}

type applied struct {
	Application anchorhold.Application `json:"application"`
	Token       string                 `json:"token" doc:"shown this once; an account's token once an owner has accepted"`
}

// ApplicationID is the path parameter that names an application.
type ApplicationID struct {
	ID string `path:"id" maxLength:"100" doc:"id of an application; mine: the caller's own"`
}

type proof struct {
	ApplicationID
	Body struct {
		Code string `json:"code" maxLength:"100" doc:"that was mailed to the address"`
	}
}

type applicationWord struct {
	ApplicationID
	Body struct {
		Verdict anchorhold.Verdict `json:"verdict" enum:"approve,deny"`
		Role    anchorhold.Role    `json:"role,omitempty" enum:"owner,reviewer,researcher,auditor" doc:"default researcher"`
		Scope   string             `json:"scope,omitempty" maxLength:"200" doc:"site, dataset:NAME or study:NAME; default site"`
		Reason  string             `json:"reason,omitempty" maxLength:"10000"`
	}
}

type listApplications struct {
	Paging
	State string `query:"state" enum:"unproved,open,accepted,declined"`
}

// application finds an application, or the caller's own.
func (a *API) application(ctx context.Context, id string) (app anchorhold.Application, err error) {
	if id != "mine" {
		return a.Applications.Find(ctx, id)
	}
	err = a.Books.View(ctx, func(tx store.Tx) error {
		app, err = tx.ApplicationOf(caller(ctx).ID)
		return err
	})
	if err != nil {
		err = policy.Missing(policy.TypeApplication, id)
	}
	return app, err
}

func (a *API) onApplication(ctx context.Context, in *ApplicationID) ([]policy.Resource, error) {
	app, err := a.application(ctx, in.ID)
	return []policy.Resource{{Type: policy.TypeApplication, ID: in.ID, Author: app.Principal}}, err
}

func (a *API) applicationOperations() {
	add(a, op("application-form", http.MethodPut, "/application-form", "Open or close the form for strangers"), policy.ApplicationForm, onSite,
		func(ctx context.Context, p policy.Permit, in *applicationForm) (*struct{}, error) {
			return nil, a.Applications.SetForm(ctx, p, in.Body.Open)
		})
	add(a, op("apply", http.MethodPost, "/applications", "Ask for an account"), policy.ApplicationSubmit, onSite,
		func(ctx context.Context, p policy.Permit, in *applying) (*body[applied], error) {
			app, issued, err := a.Applications.Apply(ctx, p, account.Applying(in.Body))
			return &body[applied]{applied{app, issued.Token}}, err
		})
	add(a, op("list-applications", http.MethodGet, "/applications", "Who asks for an account, newest first"), policy.ApplicationList, onSite,
		func(ctx context.Context, _ policy.Permit, in *listApplications) (*body[page[anchorhold.Application]], error) {
			return listed(in.Paging, func(p store.Page) ([]anchorhold.Application, string, error) {
				return a.Applications.List(ctx, anchorhold.ApplicationState(in.State), p)
			}, func(*anchorhold.Application) bool { return true })
		})
	add(a, op("show-application", http.MethodGet, "/applications/{id}", "One application"), policy.ApplicationRead, a.onApplication,
		func(ctx context.Context, _ policy.Permit, in *ApplicationID) (*body[anchorhold.Application], error) {
			app, err := a.application(ctx, in.ID)
			return &body[anchorhold.Application]{app}, err
		})
	add(a, op("prove-application", http.MethodPost, "/applications/{id}/proof", "Enter the code that was mailed"), policy.ApplicationProve,
		func(ctx context.Context, in *proof) ([]policy.Resource, error) {
			return a.onApplication(ctx, &in.ApplicationID)
		},
		func(ctx context.Context, p policy.Permit, in *proof) (*body[anchorhold.Application], error) {
			app, err := a.application(ctx, in.ID)
			if err == nil {
				app, err = a.Applications.Prove(ctx, p, app.ID, in.Body.Code)
			}
			return &body[anchorhold.Application]{app}, err
		})
	add(a, op("decide-application", http.MethodPost, "/applications/{id}/decisions", "Accept, which makes the account, or decline"), policy.ApplicationDecide,
		func(ctx context.Context, in *applicationWord) ([]policy.Resource, error) {
			return a.onApplication(ctx, &in.ApplicationID)
		}, a.decideApplication)
}

func (a *API) decideApplication(ctx context.Context, p policy.Permit, in *applicationWord) (*body[anchorhold.Application], error) {
	app, err := a.application(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	w := account.Word{Verdict: in.Body.Verdict, Role: in.Body.Role, Scope: in.Body.Scope, Reason: in.Body.Reason}
	if w.Role == "" {
		w.Role = anchorhold.RoleResearcher
	}
	app, err = a.Applications.Decide(ctx, p, app.ID, w)
	return &body[anchorhold.Application]{app}, err
}
