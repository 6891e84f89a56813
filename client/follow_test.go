package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
)

// An older site has no stream of events: it is asked again and again.
func TestWait(t *testing.T) {
	states := []string{"pending", "pending", "queued", "running", "released"}
	var n int
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			http.NotFound(w, r)
			return
		}
		if q := r.URL.Query(); n > 1 && (q.Get("wait") == "" || q.Get("state") != states[n-1]) {
			t.Errorf("call %d is no long poll: %s", n, r.URL.RawQuery)
		}
		fmt.Fprintf(w, `{"id":"req-1","state":%q}`, states[n])
		n++
	})
	var told []string
	r, err := c.Wait(t.Context(), "req-1", func(r anchorhold.Request) bool {
		told = append(told, string(r.State))
		return r.State.Ended()
	})
	if err != nil || r.State != anchorhold.StateReleased || strings.Join(told, " ") != "pending queued running released" {
		t.Fatalf("%v %v %q", r.State, err, told)
	}
}

// A site that tells events is not asked before there is something to hear; one
// that breaks off, or talks nonsense, is asked.
func TestWaitByEvents(t *testing.T) {
	for name, c := range map[string]struct {
		stream string
		want   int // long polls
	}{
		"events":      {": still here\n\nevent: state\ndata: {\"id\":\"req-1\",\"state\":\"pending\"}\n\nevent: state\ndata: {\"state\":\"released\"}\n\n", 0},
		"breaks off":  {"event: state\ndata: {\"state\":\"pending\"}\n\n", 1},
		"nonsense":    {"data: hello\n\n", 1},
		"a long line": {"data: " + strings.Repeat("x", 1<<20), 1},
	} {
		var asked, polls int
		at := at(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/events"):
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprint(w, c.stream)
				return
			case r.URL.Query().Get("wait") != "":
				polls++
			}
			state := "pending"
			if asked++; asked > 1 && (c.want == 0 || polls > 0) {
				state = "released"
			}
			fmt.Fprintf(w, `{"id":"req-1","state":%q}`, state)
		})
		r, err := at.Wait(t.Context(), "req-1", func(r anchorhold.Request) bool { return r.State.Ended() })
		if err != nil || r.State != anchorhold.StateReleased || polls != c.want {
			t.Errorf("%s: %s, %v, after %d long polls", name, r.State, err, polls)
		}
	}
}
