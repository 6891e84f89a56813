// Package api is the site's one HTTP API: it translates and never decides.
//
// Every operation is registered through add, which names its action, finds what
// it acts on, asks the policy, and only then calls the service with the permit;
// an operation without these does not compile. The OpenAPI 3.1 document comes
// from the same types, and a test walks it with every role and every kind of
// credential. The principal comes from the credential alone.
package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/backup"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/environment"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/keep"
	"github.com/anchorhold/anchorhold/notify"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/run"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/store"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Services are what the operations call.
type Services struct {
	Books    *books.Books
	Policy   *policy.Authorizer
	Accounts *account.Service
	Datasets *dataset.Service
	Requests *request.Service
	Runs     *run.Service
	Releases *release.Service

	Exposure     *exposure.Service
	Questions    *question.Service
	Environments *environment.Service
	Site         func() SiteInfo // what the site says of itself
	Notify       *notify.Service
	Applications *account.Applications

	Keep *keep.Service
	// Backup notes that a backup is made and gives what writes it.
	Backup func(context.Context, policy.Permit, backup.Seal) (func(context.Context, io.Writer) error, error)

	// TLS changes the key of the door for others.
	TLS TLSDoor

	Limits Limits       // of calls over the network
	Meter  Meter        // nil: nobody counts
	Log    *slog.Logger // one line for each call; nil: none
}

// SiteInfo is what a site says of itself to anybody.
type SiteInfo struct {
	Name         string        `json:"name"`
	Origin       string        `json:"origin"`
	Key          string        `json:"key" doc:"the site's public key, as a C2SP signed-note verifier key"`
	Version      string        `json:"version"`
	Connect      string        `json:"connect,omitempty" doc:"the address for others, with the key that they shall insist on; absent while the site does not serve"`
	Environments []Environment `json:"environments"`
	// Limits bounds every run here.
	Limits sandbox.Limits `json:"limits"`
}

// Environment is an environment that code may name.
type Environment struct {
	Lock     string    `json:"lock"`
	Name     string    `json:"name,omitempty" doc:"of a lock that the program knows"`
	Default  bool      `json:"default"`
	Built    bool      `json:"built"`
	Python   string    `json:"python"`
	Packages []Package `json:"packages"`
}

// Package is one package of an environment.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Limits of requests.
const (
	maxBody    = 8 << 20 // bytes of a request's body
	maxKey     = 200     // bytes of an idempotency key
	bodyTime   = time.Minute
	maxWait    = 60 * time.Second
	tokenLabel = "Bearer "
)

// API answers requests. Its zero value is not usable: see New.
type API struct {
	Services
	huma    huma.API
	mux     *http.ServeMux
	limiter *limiter
	closing chan struct{} // closed when waits shall end
}

// New registers every operation.
func New(s Services) *API {
	a := &API{Services: s, mux: http.NewServeMux(), limiter: newLimiter(s.Limits), closing: make(chan struct{})}
	config := huma.DefaultConfig("Anchorhold site", anchorhold.ProgramVersion)
	config.CreateHooks = nil // no $schema member in answers
	config.DocsPath, config.SchemasPath = "", ""
	config.OpenAPIPath = "/v1/openapi"
	config.Transformers = []huma.Transformer{noEcho}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	a.huma = humago.New(a.mux, config)
	a.siteOperations()
	a.environmentOperations()
	a.accountOperations()
	a.datasetOperations()
	a.haltOperations()
	a.uploadOperations()
	a.requestOperations()
	a.eventOperations()
	a.grantOperations()
	a.runOperations()
	a.trialOperations()
	a.queueOperations()
	a.releaseOperations()
	a.bookOperations()
	a.exposureOperations()
	a.queryOperations()
	a.notifyOperations()
	a.applicationOperations()
	a.keepOperations()
	return a
}

// Observe says how the site shall be watched and guarded from now on; before
// anything is served.
func (a *API) Observe(l Limits, m Meter, log *slog.Logger) {
	a.Limits, a.Meter, a.Log, a.limiter = l, m, log, newLimiter(l)
}

// EndWaits answers every call that waits for a change, now and later, at once:
// the site is being stopped. It is called once.
func (a *API) EndWaits() { close(a.closing) }

// OpenAPI is the description of all operations.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

// Handler answers requests whose credential is in the Authorization header.
func (a *API) Handler() http.Handler {
	return a.guard(func(r *http.Request) (anchorhold.Principal, error) {
		header := r.Header.Get("Authorization")
		token, ok := strings.CutPrefix(header, tokenLabel)
		if header != "" && !ok {
			return anchorhold.Principal{}, anchorhold.Errorf(anchorhold.Unauthenticated, "send Authorization: Bearer TOKEN", "this credential is of an unknown kind")
		}
		return a.Accounts.Authenticate(r.Context(), token)
	}, a.limiter)
}

// LocalHandler answers requests of somebody who acts on the site's own machine
// as the user uid: the caller must have proved that. Any Authorization header
// is ignored.
func (a *API) LocalHandler(uid func(*http.Request) (int, error)) http.Handler {
	return a.guard(func(r *http.Request) (anchorhold.Principal, error) {
		id, err := uid(r)
		return policy.Local(id), err
	}, nil)
}

// received reads the body of a write, which must come soon, and puts its
// idempotency key into the context. Of a caller whom nobody knows nothing is
// read but a short application: they are turned away next. Nor is much read of
// whoever applies.
func received(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	most := int64(maxBody)
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		most = 0
	case caller(r.Context()).Applicant: // a stranger still
		most = maxAnonymous
	case caller(r.Context()).ID == "":
		most = 0
		if r.Method == http.MethodPost && r.URL.Path == applyPath {
			most = maxAnonymous
		}
	}
	if most == 0 {
		r.Body = http.NoBody
		return r, nil
	}
	// Not the server's ReadTimeout: that would also end the context of an act
	// that takes longer than its body took to arrive.
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTime)) // in process there is none to set
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	_ = deadline.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return r, anchorhold.Errorf(anchorhold.TooLarge, "send less", "the request is larger than %d bytes", most)
	}
	if err != nil {
		return r, anchorhold.Errorf(anchorhold.Invalid, "send it again", "the request did not arrive whole").Because(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return keyed(r, body)
}

// keyed reads the idempotency key of a write and fingerprints what it asks for.
func keyed(r *http.Request, body []byte) (*http.Request, error) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" || caller(r.Context()).ID == "" { // a key belongs to whom it is used by
		return r, nil
	}
	if len(key) > maxKey {
		return r, anchorhold.Errorf(anchorhold.Invalid, "use a random key of 16 bytes or more", "the idempotency key is longer than %d bytes", maxKey)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %s\n", r.Method, r.URL.RequestURI())
	sum.Write(body)
	return r.WithContext(books.WithKey(r.Context(), key, sum.Sum(nil))), nil
}

// actionField is where the OpenAPI document says which action an operation is.
const actionField = "x-action"

// add registers an operation: first what it acts on, then the policy's word on
// every part of that, then the act. do receives the permit of the last part;
// all parts were asked about the same principal and action.
func add[I, O any](a *API, op huma.Operation, action policy.Action,
	on func(context.Context, *I) ([]policy.Resource, error), do func(context.Context, policy.Permit, *I) (*O, error),
) {
	op.Extensions = map[string]any{actionField: string(action)}
	op.Security = []map[string][]string{{"token": {}}, {}}
	op.MaxBodyBytes = maxBody
	op.BodyReadTimeout = -1 // guard has read the body; a deadline left behind would end long acts
	op.Errors = []int{401, 403, 404, 409, 413, 422, 429, 500, 503}
	op.Middlewares = huma.Middlewares{named(op.OperationID), a.knownCaller(action)}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		who := caller(ctx)
		resources, err := on(ctx, in)
		if err != nil {
			return nil, problem(op.OperationID, err)
		}
		var permit policy.Permit
		for _, r := range resources {
			if permit, err = a.Policy.Check(who, action, r); err != nil {
				return nil, problem(op.OperationID, err)
			}
		}
		out, err := do(ctx, permit, in)
		if err != nil {
			return nil, problem(op.OperationID, err)
		}
		return out, nil
	})
}

// knownCaller turns away callers without a credential before anything that they
// sent is read, unless the action is for anybody: neither what exists nor what
// is well-formed is theirs to learn.
func (a *API) knownCaller(action policy.Action) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		if who := caller(c.Context()); who.ID == "" {
			if _, err := a.Policy.Check(who, action, policy.Site()); err != nil {
				p := problem(string(action), err)
				c.SetHeader("Content-Type", p.ContentType(""))
				c.SetStatus(p.Status)
				_ = json.NewEncoder(c.BodyWriter()).Encode(p) // the client is gone if this fails
				return
			}
		}
		next(c)
	}
}

// onSite is the resource of operations on the site as a whole.
func onSite[I any](context.Context, *I) ([]policy.Resource, error) {
	return []policy.Resource{policy.Site()}, nil
}

// body wraps an answer's JSON.
type body[T any] struct{ Body T }

// page is a part of a list.
type page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next" doc:"cursor of the next page; null on the last"`
}

// Paging holds the parameters of every list.
type Paging struct {
	Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"at most this many items; 0 means 50"`
	Cursor string `query:"cursor" maxLength:"300" doc:"next of the page before"`
}

func (p Paging) page() store.Page { return store.Page{Limit: p.Limit, Cursor: p.Cursor} }

// listed reads pages until one is full of items to keep, or the list ends.
func listed[T any](p Paging, read func(store.Page) ([]T, string, error), keep func(*T) bool) (*body[page[T]], error) {
	out := page[T]{Items: []T{}}
	at := p.page()
	for {
		want := at
		want.Limit = at.Size() - len(out.Items)
		items, next, err := read(want)
		if err != nil {
			return nil, err
		}
		for i := range items {
			if keep(&items[i]) {
				out.Items = append(out.Items, items[i])
			}
		}
		if next == "" {
			return &body[page[T]]{out}, nil
		}
		at.Cursor = next
		if len(out.Items) == at.Size() {
			break
		}
	}
	// A further page is announced only where it holds something to keep: a
	// cursor before an empty page would tell of things that are hidden.
	out.Next = new(string)
	*out.Next = at.Cursor
	for probe, some := at.Cursor, 1; ; some = min(8*some, at.Size()) {
		items, next, err := read(store.Page{Limit: some, Cursor: probe})
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(items, func(item T) bool { return keep(&item) }) {
			return &body[page[T]]{out}, nil
		}
		if next == "" {
			out.Next = nil
			return &body[page[T]]{out}, nil
		}
		probe = next
	}
}

// may says whether the caller may do an action, for choosing what to show.
func (a *API) may(ctx context.Context, action policy.Action, r policy.Resource) bool {
	_, err := a.Policy.Check(caller(ctx), action, r)
	return err == nil
}

// errorType names an error's type for the log, without its text.
func errorType(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Sprintf("%T", err)
		}
		err = inner
	}
}

func op(id, method, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: "/v1" + path, Summary: summary}
}
