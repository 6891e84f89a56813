package request_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/request"
)

// Whoever adds a field to what an author is shown says here if it is hidden: one
// that private data may have shaped, or that speaks of others.
func TestEveryFieldIsShownOrHidden(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	released := &anchorhold.Release{State: anchorhold.ReleaseApproved}
	for _, c := range []struct {
		of     string
		view   func(any) any
		full   any
		hidden []string
	}{
		{"a request", func(v any) any { return request.ForAuthor(v.(anchorhold.Request), now) }, &anchorhold.Request{}, []string{"Priority"}},
		{"a decision", func(v any) any { return request.DecisionForAuthor(v.(anchorhold.Decision)) }, &anchorhold.Decision{}, nil},
		{"an approval's terms", func(v any) any {
			return request.DecisionForAuthor(anchorhold.Decision{Terms: v.(anchorhold.Terms)}).Terms
		}, &anchorhold.Terms{}, []string{"For"}},
		{"a run", func(v any) any { return request.RunForAuthor(v.(anchorhold.Run)) }, &anchorhold.Run{}, []string{
			"Side", "Opening", "Attempt", "Reason", "Python", "Boundary", "Usage", "Log", "Failure", "Priority", "Deposit", "Replay", "Ahead", // Ahead is added where the queue is known
		}},
		{"an output", func(v any) any {
			o := v.(anchorhold.Output)
			o.Release = released
			return request.OutputForAuthor(o)
		}, &anchorhold.Output{}, []string{"Checks"}},
		{"samples", func(v any) any {
			s := v.(anchorhold.Samples)
			return *request.OutputForAuthor(anchorhold.Output{Samples: &s}).Samples
		}, &anchorhold.Samples{}, []string{"Masked"}},
	} {
		full := reflect.ValueOf(c.full).Elem()
		fill(full)
		shown := reflect.ValueOf(c.view(full.Interface()))
		for i := range full.NumField() {
			name := full.Type().Field(i).Name
			if visible := !empty(shown.Field(i)); visible == slices.Contains(c.hidden, name) {
				t.Errorf("%s: its author sees %s: %v; list the field as hidden, or show it", c.of, name, visible)
			}
		}
	}
}

// empty says whether a field shows nothing.
func empty(v reflect.Value) bool {
	return v.IsZero() || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

// fill gives every field a value that is not its zero, the time of a clock for
// times, and released outputs for runs.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 21, 12, 34, 0, 0, time.UTC)))
			return
		}
		if v.Type() == reflect.TypeFor[anchorhold.Output]() {
			v.Set(reflect.ValueOf(anchorhold.Output{Release: &anchorhold.Release{State: anchorhold.ReleaseApproved}}))
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() && v.Field(i).IsZero() {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if v.Type() != reflect.TypeFor[*anchorhold.Run]() { // a trial may hold another
			fill(v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.Zero(v.Type().Key()), reflect.Zero(v.Type().Elem()))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	}
}

// A replay is the owner's affair: it changes no state of the request that it does
// over, and its digests, of what may never have left, are for owners alone.
func TestReplaysAreForOwners(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := anchorhold.Request{Opening: 1, Runs: []anchorhold.Run{
		{ID: "run-1", Opening: 1, State: anchorhold.RunDone, Outputs: []anchorhold.Output{{Release: &anchorhold.Release{State: anchorhold.ReleaseApproved}}}},
		{ID: "run-2", Opening: 1, Side: anchorhold.SideReplay, State: anchorhold.RunQueued, Replay: &anchorhold.Replay{
			Run: "run-1", Outputs: []anchorhold.Replayed{{Name: "other", Then: "digest-then", Now: "digest-now"}},
		}},
	}}
	for _, state := range []anchorhold.RunState{anchorhold.RunQueued, anchorhold.RunRunning, anchorhold.RunFailed, anchorhold.RunDone} {
		r.Runs[1].State = state
		if got := request.StateOf(r, now); got != anchorhold.StateReleased {
			t.Errorf("with a replay that is %s the request is %s", state, got)
		}
	}
	if a := request.ForAuthor(r, now); len(a.Runs) != 1 {
		t.Errorf("the author sees %+v", a.Runs)
	}
	if a := request.RunForAuditor(r.Runs[1]); a.Replay != nil {
		t.Errorf("an auditor sees %+v", a.Replay)
	}
}
