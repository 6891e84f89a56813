package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"

	"github.com/danielgtaylor/huma/v2"
)

// How a stream of events is kept: a sign of life while nothing changes, an end
// after a while (whoever still listens connects again, with a credential that
// still holds), and little patience with who does not read.
const (
	streamBeat = 5 * time.Second
	streamLife = 10 * time.Minute
	streamPush = 10 * time.Second
)

// stateEvent is what a stream of events says: no more than asking again and
// again would show.
type stateEvent struct {
	ID    string           `json:"id"`
	State anchorhold.State `json:"state"`
}

// eventStream is an answer of server-sent events.
type eventStream struct {
	ContentType string `header:"Content-Type"`
	Buffering   string `header:"X-Accel-Buffering"` // a proxy in between shall pass events on at once
	Body        func(huma.Context)
}

func (a *API) eventOperations() {
	o := op("follow-request", http.MethodGet, "/requests/{id}/events",
		"Server-sent events: the state of a request as the caller may see it, now and at each change, until it ends")
	add(a, o, policy.RequestRead, a.onRequest, a.followRequest)
}

func (a *API) followRequest(ctx context.Context, _ policy.Permit, in *RequestID) (*eventStream, error) {
	end, ok := a.wait(ctx)
	if !ok {
		a.limited("waits")
		return nil, tooOften(time.Second)
	}
	return &eventStream{ContentType: "text/event-stream", Buffering: "no", Body: func(c huma.Context) {
		defer end()
		a.stream(ctx, c, in.ID)
	}}, nil
}

// wait begins a wait for a change.
func (a *API) wait(ctx context.Context) (end func(), ok bool) {
	c := callOf(ctx)
	c.waited = true
	leave, ok := a.limiter.wait(c.who.ID)
	if !ok || a.Meter == nil {
		return leave, ok
	}
	a.Meter.Waiting(1)
	return func() { leave(); a.Meter.Waiting(-1) }, true
}

// stream writes each new state until the request ends, the caller leaves or
// may no longer see it, or the site is being stopped. An error ends it without
// a word: who asks again is told.
func (a *API) stream(ctx context.Context, c huma.Context, id string) {
	w, ok := c.BodyWriter().(http.ResponseWriter)
	if !ok {
		return
	}
	beat, life := time.NewTicker(streamBeat), time.NewTimer(streamLife)
	defer beat.Stop()
	defer life.Stop()
	for known := anchorhold.State(""); ; {
		changed := a.Books.Changed()
		r, res, err := a.loadRequest(ctx, id)
		if err != nil {
			return
		}
		if a.forCaller(ctx, r, res).State != known {
			if a.stillMay(ctx, policy.RequestRead, res) != nil {
				return
			}
			// As the caller may see it now, who may have lost a role meanwhile.
			if known, ok = told(w, id, known, a.forCaller(ctx, r, res).State); !ok {
				return
			}
		}
		select {
		case <-changed:
		case <-beat.C:
			if a.stillMay(ctx, policy.RequestRead, res) != nil || !send(w, ": still here\n\n") {
				return
			}
		case <-life.C:
			return
		case <-a.closing:
			return
		case <-ctx.Done():
			return
		}
	}
}

// told writes a state that is new, and says whether there may be more.
func told(w http.ResponseWriter, id string, known, state anchorhold.State) (anchorhold.State, bool) {
	if state == known {
		return known, true
	}
	return state, push(w, stateEvent{id, state}) && !state.Ended()
}

func push(w http.ResponseWriter, e stateEvent) bool {
	data, err := json.Marshal(e)
	return err == nil && send(w, fmt.Sprintf("event: state\ndata: %s\n\n", data))
}

// send writes to a caller that has to read soon.
func send(w http.ResponseWriter, text string) bool {
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(streamPush)) // in process there is none to set
	defer c.SetWriteDeadline(time.Time{})              //nolint:errcheck // as above; the connection may carry further calls
	if _, err := w.Write([]byte(text)); err != nil {
		return false
	}
	return c.Flush() == nil
}
