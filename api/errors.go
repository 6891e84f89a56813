package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is an error as it leaves the site: RFC 9457, with the kind and the
// remedy of an anchorhold.Error. It never carries a value that the caller sent.
type Problem struct {
	Type   string          `json:"type"`
	Title  string          `json:"title"`
	Status int             `json:"status"`
	Detail string          `json:"detail"`
	Kind   anchorhold.Kind `json:"kind"`
	Remedy string          `json:"remedy,omitempty"`

	wait int // seconds after which to try again; 0: not said
}

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	if p.wait == 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(p.wait)}}
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// statusOf maps each kind of error to its one HTTP status.
var statusOf = map[anchorhold.Kind]int{
	anchorhold.Invalid:         http.StatusUnprocessableEntity,
	anchorhold.Unauthenticated: http.StatusUnauthorized,
	anchorhold.Denied:          http.StatusForbidden,
	anchorhold.NotFound:        http.StatusNotFound,
	anchorhold.Conflict:        http.StatusConflict,
	anchorhold.TooLarge:        http.StatusRequestEntityTooLarge,
	anchorhold.Unavailable:     http.StatusServiceUnavailable,
	anchorhold.Internal:        http.StatusInternalServerError,
}

// problem turns any error into a Problem. What is not an anchorhold.Error has a
// text that nobody vetted: it stays here, in the log only by its type.
func problem(operation string, err error) *Problem {
	var e *anchorhold.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.Canceled):
		e = anchorhold.Errorf(anchorhold.Unavailable, "ask again", "the caller left")
	case errors.Is(err, store.ErrNotFound):
		e = anchorhold.Errorf(anchorhold.NotFound, "check the id", "there is no such thing here")
	default:
		slog.Error("an operation failed", "error_type", errorType(err), "operation", operation)
		e = anchorhold.Errorf(anchorhold.Internal, "look at the site's log, and report it if it happens again", "the site failed to do this")
	}
	status, wait := statusOf[e.Kind], waitOf(err)
	if wait > 0 {
		status = http.StatusTooManyRequests
	}
	return &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Kind: e.Kind, Remedy: e.Remedy, wait: wait,
	}
}

// frameworkProblem turns the framework's own errors (a field that is missing or
// has the wrong type) into a Problem: where it is wrong, never what was sent.
func frameworkProblem(m *huma.ErrorModel) *Problem {
	kind := anchorhold.Invalid
	for k, status := range statusOf {
		if status == m.Status {
			kind = k
		}
	}
	p := &Problem{Type: "about:blank", Title: m.Title, Status: m.Status, Detail: m.Detail, Kind: kind}
	if len(m.Errors) > 0 {
		p.Detail = "the request is not of the operation's form: " + m.Errors[0].Location + ": " + m.Errors[0].Message
		p.Remedy = "see /v1/openapi.json for the form"
	}
	return p
}

// noEcho is a transformer that keeps the framework from repeating input.
func noEcho(_ huma.Context, _ string, v any) (any, error) {
	if m, ok := v.(*huma.ErrorModel); ok {
		return frameworkProblem(m), nil
	}
	return v, nil
}

// writeProblem answers outside the framework.
func writeProblem(w http.ResponseWriter, err error) {
	p := problem("before any", err)
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone if this fails
}
