package run

import (
	"context"
	"time"

	"github.com/anchorhold/anchorhold"
)

// phase is how far a run came. An operator who finds runs failing looks first
// for where; reasons, names and what code printed are not for the log.
type phase string

const (
	phasePreparing phase = "preparing" // its request, its environment, its files
	phaseRunning   phase = "running"   // its code
	phaseChecking  phase = "checking"  // what its code wrote
	phaseEnding    phase = "ending"    // everything is done but writing it down
)

// How the log calls ends that are none of the run: it goes on another time, it is
// somebody else's by now, or its end could not be written.
const (
	endReturned  = "returned"
	endLost      = "lost"
	endUnwritten = "unwritten"
)

// began tells the log of a run that was claimed.
func (s *Service) began(ctx context.Context, run anchorhold.Run) {
	if s.Tell == nil {
		return
	}
	s.Tell.InfoContext(ctx, "run began", append(idsOf(run), "attempt", run.Attempt, "waited", since(run.Queued, run.Started))...)
}

// ended tells the log how a run ended that was claimed at a time, and what it used.
func (s *Service) ended(ctx context.Context, run anchorhold.Run, claimed time.Time, state string, o outcome) {
	if s.Tell == nil {
		return
	}
	now := s.Books.Now()
	s.Tell.InfoContext(ctx, "run ended", append(idsOf(run), "state", state, "phase", string(o.phase),
		"took", since(claimed, &now), "cpu_seconds", o.usage.CPUSeconds, "memory", o.usage.PeakBytes)...)
}

// idsOf are the words of the log that name a run.
func idsOf(run anchorhold.Run) []any {
	out := []any{"run", run.ID}
	if run.Request != "" {
		out = append(out, "request", run.Request)
	}
	if run.Side != "" {
		out = append(out, "side", string(run.Side))
	}
	return out
}

func since(then time.Time, until *time.Time) time.Duration {
	if until == nil {
		return 0
	}
	return until.Sub(then).Round(time.Millisecond)
}
