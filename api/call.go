package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"

	"github.com/danielgtaylor/huma/v2"
)

// Meter counts calls. What it is told must say nothing of private data: no
// names, no ids, no sizes.
type Meter interface {
	// Called counts a call that was answered. Waited says that the caller asked
	// to be kept waiting, so that the time tells nothing of the site.
	Called(operation string, status int, took time.Duration, waited bool)
	// Limited counts a call that was turned away: "person", "address" or "waits".
	Limited(why string)
	// Waiting follows how many calls wait for a change: 1 or -1.
	Waiting(change int)
}

// call is what is known of one HTTP call while it is answered.
type call struct {
	id        string
	operation string
	who       anchorhold.Principal
	waited    bool
	again     func() (anchorhold.Principal, error) // looks at the credential once more
}

type callKey struct{}

// callOf finds the call that a context belongs to.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

func caller(ctx context.Context) anchorhold.Principal { return callOf(ctx).who }

// identify finds who is calling, in the credential alone.
type identify func(*http.Request) (anchorhold.Principal, error)

// guard finds the caller, keeps to the limits, puts what is known of the call
// and for a write its idempotency key into the context, and tells the log.
func (a *API) guard(who identify, limits *limiter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c := &call{id: anchorhold.NewID(anchorhold.PrefixCall), operation: "none", again: func() (anchorhold.Principal, error) { return who(r) }}
		out := &recorder{ResponseWriter: w}
		defer func() { a.tell(r.Context(), c, out.code(), time.Since(began)) }()
		h := out.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Request-Id", c.id)
		var err error
		c.who, err = who(r)
		if refused := a.admit(limits, r, c, err); refused != nil {
			writeProblem(out, refused)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		if r, err = received(out, r); err != nil {
			writeProblem(out, err)
			return
		}
		a.mux.ServeHTTP(out, r)
	})
}

// admit turns away who calls too often, and whose credential does not hold.
func (a *API) admit(limits *limiter, r *http.Request, c *call, failed error) error {
	why, wait := limits.take(r.RemoteAddr, c.who.ID, anchorhold.KindOf(failed) == anchorhold.Unauthenticated && failed != nil)
	if wait <= 0 {
		return failed
	}
	a.limited(why)
	return tooOften(wait)
}

func (a *API) limited(why string) {
	if a.Meter != nil {
		a.Meter.Limited(why)
	}
}

// tell writes the one line that the log has of a call: which operation, by
// whom, how it ended. Never a path, a name, or a value.
func (a *API) tell(ctx context.Context, c *call, status int, took time.Duration) {
	if a.Meter != nil {
		a.Meter.Called(c.operation, status, took, c.waited)
	}
	if a.Log != nil {
		a.Log.InfoContext(ctx, "call", "operation", c.operation, "status", status,
			"took", took.Round(time.Microsecond), "principal", c.who.ID, "call", c.id)
	}
}

// named tells the call which operation it is.
func named(id string) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		callOf(c.Context()).operation = id
		next(c)
	}
}

// stillMay looks at the credential and the rules again, for calls that have
// waited: rights may have ended meanwhile.
func (a *API) stillMay(ctx context.Context, action policy.Action, res policy.Resource) error {
	c := callOf(ctx)
	who, err := c.again()
	if err != nil {
		return err
	}
	c.who = who
	_, err = a.Policy.Check(who, action, res)
	return err
}

// recorder remembers how a call was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// code is the status that the caller saw.
func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK // an empty answer
	}
	return r.status
}

// retryAfter is the cause of an error that passes by itself.
type retryAfter time.Duration

// Error implements error.
func (retryAfter) Error() string { return "too often" }

// tooOften asks a caller to come back later.
func tooOften(wait time.Duration) error {
	return anchorhold.Errorf(anchorhold.Unavailable, "wait as long as Retry-After says, and call less often", "this is called too often").Because(retryAfter(wait))
}

// waitOf is how long the caller of a refused call shall wait, in whole seconds;
// 0 where waiting is not what helps.
func waitOf(err error) int {
	var wait retryAfter
	if !errors.As(err, &wait) {
		return 0
	}
	return max(1, int((time.Duration(wait)+time.Second-1)/time.Second))
}
