// Package run executes granted requests, and trials on the mocks: claim, seal in,
// run, take out, check, finish. The table of runs is the queue.
//
// It promises that a run on private data happens only under a grant, and that
// nothing of a private side is in reach of a trial; that it happens on files that are exactly
// those registered (looked at before and after, through one descriptor), behind
// the sandbox or not at all; that its output is parsed by a program that holds
// no keys; and that a crash at any instant neither loses a queued run nor
// finishes one twice: all that a run produced becomes visible in one
// transaction, by the claimant that still holds the lease. Of a failed run on
// private data its author learns that it failed. The tests run real code in the
// real sandbox and kill the site at each step.
package run

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/failpoint"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/run/job"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/warm"
	"github.com/anchorhold/anchorhold/store"
)

// How a claim is kept: a claimant that does not renew its lease is taken for
// dead, and a run that killed so many of its claimants is given up.
const (
	lease       = 6 * time.Second
	renewal     = time.Second
	maxAttempts = 3
)

// Actions of the site itself that the audit log records of runs.
const (
	actionStart  policy.Action = "run.start"
	actionFinish policy.Action = "run.finish"
	actionReturn policy.Action = "run.return"
)

// Service executes runs and answers for them.
type Service struct {
	Books    *books.Books
	Blobs    *blob.Store
	Releases *release.Service
	Envs     *pyenv.Store
	IndexKey disclosure.Key
	Limits   sandbox.Limits
	// Boxes gives the sessions in which jobs run; Parser is the path of the static
	// program that parses their outputs in a session of its own.
	Boxes  *warm.Pool
	Parser string
	// Room is the folder for files without a name that a run needs; empty: the
	// system's.
	Room string
	// Slots is how many runs may go on at once.
	Slots int
	// Tell is a log that is told how runs begin and end, in ids and figures; nil: none.
	Tell *slog.Logger

	wake   chan struct{}
	places places
	trials trials
}

// Ready prepares the service for Wake.
func (s *Service) Ready() { s.wake = make(chan struct{}, 1) }

// Wake says that a run may be waiting. It never blocks.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // somebody has been told already
	}
}

// KeepWarm keeps sessions of an environment ready from now on, where it is built.
func (s *Service) KeepWarm(lock string) {
	if env, ok := s.Envs.Find(lock); ok {
		s.Boxes.Keep(s.kind(env))
		s.Boxes.Keep(s.parserKind())
	}
}

// kind is the kind of session in which an environment's jobs run. All slots share
// the processors evenly.
func (s *Service) kind(env pyenv.Env) warm.Kind {
	return job.Kind(env, s.Limits, runtime.GOMAXPROCS(0)/max(s.Slots, 1))
}

// Work executes queued runs until the context ends, then waits for those that
// it has begun: they are stopped and put back into the queue. It must be the only
// one that works on the site: what a site that was killed had begun goes on at
// once, and not when its lease has ended.
func (s *Service) Work(ctx context.Context) {
	if err := s.Books.Store.Update(ctx, func(tx store.Tx) error { return tx.EndLeases() }); err != nil {
		slog.Error("what was begun before has to wait for its lease", "kind", anchorhold.KindOf(err))
	}
	slots := make(chan struct{}, max(s.Slots, 1))
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { s.Boxes.Work(ctx) })
	poll := time.NewTicker(lease / 3) // for runs whose claimant died
	defer poll.Stop()
	for {
		if !s.slot(ctx, slots, poll.C) {
			return
		}
		claimant := anchorhold.NewID("wrk") // one for each claim: not even this process may renew another's lease
		run, err := s.claim(ctx, claimant)
		if err != nil {
			<-slots
			if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, books.ErrFrozen) && ctx.Err() == nil {
				slog.Error("the queue cannot be read", "kind", anchorhold.KindOf(err))
			}
			select {
			case <-s.wake:
			case <-poll.C:
			case <-ctx.Done():
				return
			}
			continue
		}
		running.Go(func() {
			defer func() { <-slots; s.Wake() }()
			s.Boxes.Begin()
			defer s.Boxes.Done()
			s.execute(ctx, run, claimant)
		})
	}
}

// claim takes the next run, if any; an empty queue costs no write.
func (s *Service) claim(ctx context.Context, claimant string) (run anchorhold.Run, err error) {
	now := s.Books.Now()
	err = s.Books.View(ctx, func(tx store.Tx) error {
		_, waiting, err := tx.RunWaiting(now)
		if err == nil && !waiting {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return run, err
	}
	return books.On(ctx, s.Books, policy.SiteAct(actionStart, claimant), books.Runs(), func(tx store.Tx) (anchorhold.Run, books.Record, error) {
		run, err := tx.ClaimRun(claimant, now, now.Add(lease))
		return run, books.Record{Subject: run.ID, Details: about(run)}, err
	})
}

// execute does a claimed run, writes how it ended, and tells the log.
func (s *Service) execute(ctx context.Context, run anchorhold.Run, claimant string) {
	claimed := s.Books.Now()
	s.began(ctx, run)
	state, done := s.settle(ctx, run, claimant)
	s.ended(context.WithoutCancel(ctx), run, claimed, state, done)
}

// settle is execute without what the log is told: the state in which the run is
// now, and how it got there.
func (s *Service) settle(ctx context.Context, run anchorhold.Run, claimant string) (state string, done outcome) {
	failpoint.Hit("run/claimed")
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var renewing sync.WaitGroup
	renewing.Go(func() { s.renew(working, run.ID, claimant, stop) })
	if run.Side == anchorhold.SideMock {
		s.trials.begin(run.ID, stop)
		defer s.trials.end(run.ID)
	}
	done = s.perform(working, run)
	stop(nil)
	renewing.Wait()
	// What follows is written even while the site is being stopped.
	ctx, stopping := context.WithoutCancel(ctx), ctx.Err() != nil
	if errors.Is(context.Cause(working), errLost) {
		return s.charge(ctx, run.ID, done), done // cancelled or taken over: not ours to finish
	}
	if (stopping || errors.Is(context.Cause(working), errGaveWay)) && done.state != anchorhold.RunDone {
		s.giveBack(ctx, run, claimant, done.usage.CPUSeconds)
		return endReturned, done
	}
	failpoint.Hit("run/performed")
	err := s.finish(ctx, run.ID, claimant, done)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return endLost, done
	case err != nil:
		slog.Error("a run's end could not be written; it will be run again", "run", run.ID, "kind", anchorhold.KindOf(err))
		return endUnwritten, done
	}
	return string(done.state), done
}

// charge writes what a run used that was ended before its end: cancelling in time
// must not be a way to more processor time than one may have. It gives the state
// that the run is in.
func (s *Service) charge(ctx context.Context, id string, o outcome) (state string) {
	now := s.Books.Now()
	state = endLost
	err := s.Books.Store.Update(ctx, func(tx store.Tx) error {
		run, err := tx.Run(id)
		if errors.Is(err, store.ErrNotFound) { // a trial that was removed with its dataset
			return nil
		}
		if err == nil && run.State == anchorhold.RunCancelled && run.Started != nil {
			state = string(run.State)
			run.Usage, run.Boundary = o.usage, o.boundary
			// One that was cancelled before its code began took time all the same.
			run.Usage.WallSeconds = max(run.Usage.WallSeconds, now.Sub(*run.Started).Seconds())
			err = tx.PutRun(run)
		}
		return errors.Join(err, tx.Spend(id, now, o.usage.CPUSeconds))
	})
	if err != nil {
		slog.Error("what a cancelled run used could not be written", "run", id, "kind", anchorhold.KindOf(err))
	}
	return state
}

// giveBack returns a run to the queue because the site is being stopped, or a
// trial because a run on private data waits: it costs none of its attempts, and
// its author the processor time that it took.
func (s *Service) giveBack(ctx context.Context, run anchorhold.Run, claimant string, cpuSeconds float64) {
	_, err := books.Act(ctx, s.Books, policy.SiteAct(actionReturn, claimant), func(tx store.Tx) (struct{}, books.Record, error) {
		return struct{}{}, books.Record{Subject: run.ID, Details: about(run)},
			errors.Join(tx.ReturnRun(run.ID, claimant), tx.Spend(run.ID, s.Books.Now(), cpuSeconds))
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		slog.Error("a run could not be returned to the queue; it counts as an attempt", "run", run.ID, "kind", anchorhold.KindOf(err))
	}
}

var errLost = errors.New("the lease was lost")

// renew keeps the lease; when it is lost (cancelled, or taken over) the work is
// stopped.
func (s *Service) renew(ctx context.Context, id, claimant string, stop context.CancelCauseFunc) {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		changed := s.Books.Changed() // a cancellation should be noticed at once
		select {
		case <-tick.C:
		case <-changed:
			if s.holds(ctx, id) {
				continue
			}
		case <-ctx.Done():
			return
		}
		err := s.Books.Store.Update(ctx, func(tx store.Tx) error { return tx.ExtendLease(id, claimant, s.Books.Now().Add(lease)) })
		if errors.Is(err, store.ErrNotFound) {
			stop(errLost)
			return
		}
	}
}

// holds says whether a run is still going on, as far as reading tells.
func (s *Service) holds(ctx context.Context, id string) bool {
	going := true
	_ = s.Books.View(ctx, func(tx store.Tx) error { // on an error the next renewal decides
		run, err := tx.Run(id)
		going = err != nil || run.State == anchorhold.RunRunning || run.State == anchorhold.RunChecking
		return err
	})
	return going
}

// outcome is how a run ended.
type outcome struct {
	state    anchorhold.RunState
	phase    phase
	reason   string // for owners
	env      pyenv.Env
	boundary string
	usage    anchorhold.Usage
	log      []byte
	failure  string   // of a trial: the code's traceback
	read     *reading // of a trial for a request: what was found in the code
	outputs  []anchorhold.Output
}

// finish writes the end of a run with all that it produced, if the claimant
// still holds it.
func (s *Service) finish(ctx context.Context, id, claimant string, o outcome) error {
	log, err := s.keepLog(o.log)
	if err != nil {
		return err
	}
	_, err = books.Act(ctx, s.Books, policy.SiteAct(actionFinish, claimant), func(tx store.Tx) (struct{}, books.Record, error) {
		var none struct{}
		if err := tx.ExtendLease(id, claimant, s.Books.Now()); err != nil {
			return none, books.Record{}, err
		}
		run, err := tx.Run(id)
		if err != nil {
			return none, books.Record{}, err
		}
		now := s.Books.Now()
		run.State, run.Reason, run.Finished, run.Boundary, run.Usage, run.Log = o.state, o.reason, &now, o.boundary, o.usage, log
		run.Failure = o.failure
		if run.Replay != nil {
			run.Replay = compared(run.Replay, o.outputs)
		}
		run.Lock, run.Environment, run.Python = o.env.LockDigest, o.env.BuiltDigest, o.env.PythonVersion
		if err := errors.Join(tx.PutRun(run), tx.Spend(id, now, o.usage.CPUSeconds)); err != nil {
			return none, books.Record{}, err
		}
		if o.read != nil {
			if err := tx.PutLint(o.read.digest, o.read.lint); err != nil {
				return none, books.Record{}, err
			}
		}
		if run.State == anchorhold.RunFailed && run.Side == "" {
			if err := request.CountFailure(tx, s.Books, run.Grant); err != nil {
				return none, books.Record{}, err
			}
		}
		rec := books.Record{Subject: id, Details: about(run, "state", string(o.state))}
		return none, rec, s.offer(tx, run, o.outputs)
	})
	return err
}

// about is what the audit log says of a run: its request, or that it is a trial.
func about(run anchorhold.Run, more ...string) map[string]string {
	out := map[string]string{}
	if run.Request != "" {
		out["request"] = run.Request
	}
	if run.Side != "" {
		out["side"] = string(run.Side)
	}
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

func (s *Service) keepLog(log []byte) (string, error) {
	if len(log) == 0 {
		return "", nil
	}
	return s.putBlob(log)
}

// offer stores the outputs of a run, those on private data each with a release.
func (s *Service) offer(tx store.Tx, run anchorhold.Run, outputs []anchorhold.Output) error {
	switch run.Side {
	case anchorhold.SideMock:
		return putOutputs(tx, outputs)
	case anchorhold.SideReplay:
		return nil
	}
	r, err := tx.Request(run.Request)
	if err != nil {
		return err
	}
	for _, o := range outputs {
		g, err := tx.Grant(run.Grant) // anew: an output that stops changes it for those after it
		if err != nil {
			return err
		}
		if err := s.Releases.Offer(tx, r, g, o); err != nil {
			return err
		}
	}
	return nil
}

// Cancel ends a run that waits or goes on, and the grants under which the same
// could run again; whoever executes it notices within a second.
func (s *Service) Cancel(ctx context.Context, p policy.Permit, id string) (anchorhold.Run, error) {
	return books.On(ctx, s.Books, p, books.Runs(), func(tx store.Tx) (anchorhold.Run, books.Record, error) {
		run, err := tx.Run(id)
		if err != nil {
			return run, books.Record{}, err
		}
		if run.Ended() {
			return run, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the run has already ended")
		}
		if err := request.Cancel(tx, run, s.Books.Now()); err != nil {
			return run, books.Record{}, err
		}
		if err := s.revokeFor(tx, p, run); err != nil {
			return run, books.Record{}, err
		}
		run, err = tx.Run(id)
		return run, books.Record{Subject: id, Details: about(run)}, err
	})
}

// revokeFor ends the grants under which what was cancelled could run again. A
// trial has none.
func (s *Service) revokeFor(tx store.Tx, p policy.Permit, run anchorhold.Run) error {
	if run.Side != "" {
		return nil
	}
	r, err := tx.Request(run.Request)
	if err != nil {
		return err
	}
	return request.RevokeCancelled(tx, p, r, run, s.Books.Now())
}

// Log gives what a run printed, for owners and reviewers.
func (s *Service) Log(_ context.Context, run anchorhold.Run) (text string, truncated bool, err error) {
	if run.Log == "" {
		return "", false, nil
	}
	f, err := s.Blobs.Open(run.Log)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, s.Limits.LogBytes+1))
	if int64(len(data)) > s.Limits.LogBytes {
		data, truncated = data[:s.Limits.LogBytes], true
	}
	return string(data), truncated, err
}
