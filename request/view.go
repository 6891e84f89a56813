package request

import (
	"errors"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Resource is a request as the policy sees it.
func Resource(tx store.Tx, r anchorhold.Request) (policy.Resource, error) {
	res := policy.Resource{Type: policy.TypeRequest, ID: r.ID, Author: r.Author}
	if r.Study != "" {
		author, err := tx.Principal(r.Author)
		if err != nil && !errors.Is(err, store.ErrNotFound) { // who is on the machine is in no study
			return res, err
		}
		if author.In(anchorhold.ScopeStudy(r.Study)) {
			res.Study = r.Study
		}
	}
	for _, name := range datasets(r.Assets) {
		d, err := tx.DatasetHead(name)
		if err != nil {
			return res, err
		}
		res.Scopes = append(res.Scopes, policy.ScopeOf(d))
	}
	return res, nil
}

// StateOf summarises a request at a time: the newest run of this opening, or
// the decisions where none was queued yet.
func StateOf(r anchorhold.Request, now time.Time) anchorhold.State {
	if r.Withdrawn {
		return anchorhold.StateWithdrawn
	}
	for i := len(r.Runs) - 1; i >= 0; i-- {
		if r.Runs[i].Opening == r.Opening && r.Runs[i].Side != anchorhold.SideReplay {
			return RunStateOf(r.Runs[i])
		}
	}
	return decisionState(r, now)
}

func decisionState(r anchorhold.Request, now time.Time) anchorhold.State {
	state := anchorhold.StatePending
	for _, m := range r.Messages {
		if m.Opening == r.Opening {
			state = anchorhold.StatePending
			if m.Question {
				state = anchorhold.StateAsked
			}
		}
	}
	if r.Undecided != nil && !now.Before(*r.Undecided) {
		state = anchorhold.StateExpired
	}
	for _, d := range r.Decisions {
		switch {
		case d.Opening != r.Opening:
		case d.Verdict == anchorhold.Deny:
			return anchorhold.StateDenied
		case d.Expires != nil && !now.Before(*d.Expires):
			state = anchorhold.StateExpired // approved by some, but too late for the rest
		}
	}
	return state
}

// Summary is what the store keeps of a request's state: StateOf, but for what
// time alone changes.
func Summary(r anchorhold.Request) anchorhold.State { return StateOf(r, r.Opened) }

// Summaries are those under which a request may be kept that people see in a
// state.
func Summaries(s anchorhold.State) []anchorhold.State {
	switch s {
	case "":
		return nil // all
	case anchorhold.StateDeciding:
		return []anchorhold.State{anchorhold.StateChecking, anchorhold.StateHeld}
	case anchorhold.StateExpired:
		return []anchorhold.State{anchorhold.StateExpired, anchorhold.StatePending, anchorhold.StateAsked}
	}
	return []anchorhold.State{s}
}

// RunStateOf summarises a run with its outputs and releases.
func RunStateOf(run anchorhold.Run) anchorhold.State {
	if run.State != anchorhold.RunDone {
		return anchorhold.State(run.State)
	}
	state := anchorhold.StateRefused
	for _, o := range run.Outputs {
		switch {
		case o.Release == nil || o.Release.State == anchorhold.ReleaseHeld:
			return anchorhold.StateHeld
		case o.Release.State == anchorhold.ReleaseApproved:
			state = anchorhold.StateReleased
		}
	}
	return state
}

// ForReviewer completes a request for those who may review it.
func ForReviewer(r anchorhold.Request, now time.Time) anchorhold.Request {
	r.State = StateOf(r, now)
	return withoutIdleTrial(r)
}

// withoutIdleTrial leaves out a trial in which the code was only read: why it was
// not tried is said by the note.
func withoutIdleTrial(r anchorhold.Request) anchorhold.Request {
	if r.TrialNote != "" && r.Trial != nil && r.Trial.Side == anchorhold.SideMock {
		r.Trial = nil
	}
	if r.Trial != nil {
		trial := TrialShown(*r.Trial)
		r.Trial = &trial
	}
	return r
}

// TrialShown is a trial as people see it. One that has begun and waits gave way to
// a run on private data, which is nobody's business: it goes on.
func TrialShown(run anchorhold.Run) anchorhold.Run {
	if run.State == anchorhold.RunQueued && run.Started != nil {
		run.State = anchorhold.RunRunning
	}
	return run
}

// ForAuthor is a request as its author sees it, without anything that private
// data could have shaped before a release: reasons of failures, checks, held
// outputs, use of resources, exact times. It names what is shown, so that a new
// field is hidden until somebody decides about it; a test asks them to.
func ForAuthor(r anchorhold.Request, now time.Time) anchorhold.Request {
	out := anchorhold.Request{
		ID: r.ID, Digest: r.Digest, CodeDigest: r.CodeDigest, Code: r.Code, Author: r.Author, AuthorName: r.AuthorName, Assets: r.Assets,
		Values: r.Values, Purpose: r.Purpose, Study: r.Study, Expect: r.Expect, Created: r.Created, Opening: r.Opening, Opened: r.Opened, Undecided: r.Undecided,
		Forgotten: r.Forgotten, WordsForgotten: r.WordsForgotten,
		Withdrawn: r.Withdrawn, Messages: r.Messages, Waits: r.Waits, Trial: r.Trial, TrialNote: r.TrialNote, Lint: r.Lint,
		State: authorState(StateOf(r, now)), Decisions: make([]anchorhold.Decision, len(r.Decisions)), Runs: []anchorhold.Run{},
	}
	for i, d := range r.Decisions {
		out.Decisions[i] = DecisionForAuthor(d)
	}
	for _, run := range r.Runs {
		if run.Side != anchorhold.SideReplay { // that is for owners
			out.Runs = append(out.Runs, RunForAuthor(run))
		}
	}
	return withoutIdleTrial(out)
}

// ForPart is a request, as its author sees it, for those who review some of its
// datasets alone: who decides for the others, and what they said, is not theirs.
func ForPart(r anchorhold.Request, reader string, reviews func(dataset string) bool) anchorhold.Request {
	r.Decisions = decisionsOn(r.Decisions, reviews)
	messages := slices.Clone(r.Messages)
	for i, m := range messages {
		if m.Author != r.Author && m.Author != reader {
			messages[i].Author, messages[i].Name = "", ""
		}
	}
	r.Messages = messages
	for i, run := range r.Runs {
		r.Runs[i] = RunForPart(run, reviews)
	}
	return r
}

// RunForPart is a run, as its author sees it, for those who review some of its
// datasets alone.
func RunForPart(run anchorhold.Run, reviews func(dataset string) bool) anchorhold.Run {
	run.Outputs = slices.Clone(run.Outputs)
	for i, o := range run.Outputs {
		if o.Release != nil {
			rel := *o.Release
			rel.Decider, rel.DeciderName, rel.Reason, rel.Decisions = "", "", "", decisionsOn(rel.Decisions, reviews)
			run.Outputs[i].Release = &rel
		}
	}
	return run
}

func decisionsOn(all []anchorhold.Decision, reviews func(dataset string) bool) []anchorhold.Decision {
	return slices.DeleteFunc(slices.Clone(all), func(d anchorhold.Decision) bool { return !reviews(d.Dataset) })
}

// DecisionForAuthor is a decision as the request's author sees it: without whom
// else an approval names.
func DecisionForAuthor(d anchorhold.Decision) anchorhold.Decision {
	return anchorhold.Decision{
		ID: d.ID, Request: d.Request, Opening: d.Opening, Dataset: d.Dataset, Verdict: d.Verdict, Decider: d.Decider, DeciderName: d.DeciderName,
		Reason: d.Reason, Category: d.Category, WouldAccept: d.WouldAccept, Review: d.Review, Created: d.Created, Rule: d.Rule,
		Terms: anchorhold.Terms{
			Uses: d.Uses, Expires: d.Expires, AutoRelease: d.AutoRelease, FailureLimit: d.FailureLimit, Params: d.Params,
			AnyLaterVersion: d.AnyLaterVersion, AnyPurpose: d.AnyPurpose,
		},
	}
}

// RunForAuthor is a run as the request's author sees it.
func RunForAuthor(run anchorhold.Run) anchorhold.Run {
	out := anchorhold.Run{
		ID: run.ID, Request: run.Request, Grant: run.Grant, Study: run.Study, Lock: run.Lock, Environment: run.Environment,
		State: anchorhold.RunState(authorState(RunStateOf(run))), Queued: anchorhold.Coarse(run.Queued),
		Started: coarse(run.Started), Finished: coarse(run.Finished), Outputs: []anchorhold.Output{},
	}
	for _, o := range run.Outputs {
		if o.Release != nil && o.Release.State == anchorhold.ReleaseApproved {
			out.Outputs = append(out.Outputs, OutputForAuthor(o))
		}
	}
	return out
}

// RunForAuditor is a run as somebody sees it who reads decisions and nothing
// private: of an output that was not released no digest, which would confirm a
// guess, no size, and of its checks the results alone.
func RunForAuditor(run anchorhold.Run) anchorhold.Run {
	outputs := make([]anchorhold.Output, len(run.Outputs))
	for i, o := range run.Outputs {
		outputs[i] = OutputForAuditor(o)
	}
	run.Outputs, run.Replay = outputs, nil // a replay has digests of what never left, too
	return run
}

// OutputForAuditor is an output as RunForAuditor shows it.
func OutputForAuditor(o anchorhold.Output) anchorhold.Output {
	if o.Release == nil || o.Release.State != anchorhold.ReleaseApproved {
		o.SHA256, o.Size = "", 0
	}
	checks := make([]anchorhold.Check, len(o.Checks))
	for i, c := range o.Checks {
		c.Detail = ""
		checks[i] = c
	}
	o.Checks = checks
	return o
}

// OutputForAuthor is a released output as the request's author sees it. The
// names of masked columns may be of columns that are hidden from them.
func OutputForAuthor(o anchorhold.Output) anchorhold.Output {
	o.Checks = []anchorhold.Check{}
	if o.Samples != nil {
		o.Samples = &anchorhold.Samples{Rows: o.Samples.Rows, Cap: o.Samples.Cap}
	}
	if o.Release != nil {
		rel := *o.Release
		rel.Decisions = DecisionsForAuthor(rel.Decisions)
		o.Release = &rel
	}
	return o
}

// DecisionsForAuthor are decisions as DecisionForAuthor shows each.
func DecisionsForAuthor(all []anchorhold.Decision) (out []anchorhold.Decision) {
	for _, d := range all {
		out = append(out, DecisionForAuthor(d))
	}
	return out
}

func authorState(s anchorhold.State) anchorhold.State {
	if s == anchorhold.StateChecking || s == anchorhold.StateHeld {
		return anchorhold.StateDeciding
	}
	return s
}

func coarse(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	c := anchorhold.Coarse(*t)
	return &c
}
