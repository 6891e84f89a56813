package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// How a stream of events is read: its lines are short, and a site gives a sign
// of life more often than this.
const (
	maxEventLine = 64 << 10
	streamIdle   = 30 * time.Second
)

// Wait follows a request until stop says that its state is what the caller
// waits for. Each new state is told to stop once, the first one included. The
// site tells of changes as they happen; one that cannot is asked again and
// again.
func (c *Client) Wait(ctx context.Context, id string, stop func(anchorhold.Request) bool) (anchorhold.Request, error) {
	r, err := c.Request(ctx, id)
	streams := true
	for err == nil && !stop(r) {
		known := r.State
		for err == nil && r.State == known {
			if streams {
				streams = c.follow(ctx, id, known) == nil
				r, err = c.Request(ctx, id)
				continue
			}
			asked := time.Now()
			if r, err = c.Changed(ctx, id, known); err == nil && r.State == known {
				err = sleep(ctx, min(time.Second, longPoll-time.Since(asked)))
			}
		}
	}
	return r, err
}

// errNoStream says that a site tells no events, or breaks off: ask it instead.
var errNoStream = errors.New("no stream of events")

// follow reads a request's events until its state is another than known. No
// error is of interest to people: asking the site again gives the one to show.
func (c *Client) follow(ctx context.Context, id string, known anchorhold.State) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := time.AfterFunc(streamIdle, cancel)
	defer idle.Stop()
	act := read("/requests/"+segment(id)+"/events", nil)
	act.accept = "text/event-stream"
	res, err := c.once(ctx, act)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); res.StatusCode != http.StatusOK || media != "text/event-stream" {
		return errNoStream
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEventLine)
	for lines.Scan() {
		idle.Reset(streamIdle)
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var e struct{ State anchorhold.State }
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return err
		}
		if e.State != known {
			return nil
		}
	}
	return errors.Join(errNoStream, lines.Err())
}
