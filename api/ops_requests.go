package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// loadRequest finds a request and what it is to the policy.
func (a *API) loadRequest(ctx context.Context, id string) (r anchorhold.Request, res policy.Resource, err error) {
	err = a.Books.View(ctx, func(tx store.Tx) error {
		if r, err = tx.Request(id); err != nil {
			return err
		}
		res, err = request.Resource(tx, r)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = policy.Missing(policy.TypeRequest, id)
	}
	return r, res, err
}

// forCaller shows a request as the caller may see it.
func (a *API) forCaller(ctx context.Context, r anchorhold.Request, res policy.Resource) anchorhold.Request {
	trial := res
	trial.Type, trial.Mock, trial.Reviewed = policy.TypeRun, true, true
	if !a.may(ctx, policy.RunRead, trial) { // some of its mocks are hidden from the caller, who must not learn whether there are any
		r.Trial, r.TrialNote = nil, ""
	}
	if !a.may(ctx, policy.RequestReview, res) {
		r = request.ForAuthor(r, a.Books.Now())
		if r.Author != caller(ctx).ID {
			r = request.ForPart(r, caller(ctx).ID, func(dataset string) bool { return a.reviews(ctx, res, dataset) })
		}
		return r
	}
	r = request.ForReviewer(r, a.Books.Now())
	if !a.seesOutputs(ctx, res) {
		for i := range r.Runs {
			r.Runs[i] = request.RunForAuditor(r.Runs[i])
		}
	}
	return r
}

// seesOutputs says whether the caller may read outputs before their release.
func (a *API) seesOutputs(ctx context.Context, res policy.Resource) bool {
	res.Type, res.Released, res.Held = policy.TypeRelease, false, false
	return a.may(ctx, policy.ReleaseOutput, res)
}

// RequestID is the path parameter that names a request.
type RequestID struct {
	ID string `path:"id" maxLength:"100"`
}

func (a *API) onRequest(ctx context.Context, in *RequestID) ([]policy.Resource, error) {
	_, res, err := a.loadRequest(ctx, in.ID)
	return []policy.Resource{res}, err
}

// answer reads a request again and shows it to the caller: what services return
// inside an act is not yet complete for people.
func (a *API) answer(ctx context.Context, id string) (*body[anchorhold.Request], error) {
	r, res, err := a.loadRequest(ctx, id)
	if err != nil {
		return nil, err
	}
	shown := a.forCaller(ctx, r, res)
	a.placed(ctx, shown.Runs)
	shown.Waits, err = a.waits(ctx, shown, res)
	return &body[anchorhold.Request]{shown}, err
}

type submission struct{ Body request.Submission }

type listRequests struct {
	Paging
	State   string `query:"state" maxLength:"20" doc:"only requests in this state"`
	Dataset string `query:"dataset" maxLength:"100"`
}

type watchRequest struct {
	RequestID
	Wait  int    `query:"wait" minimum:"0" maximum:"60" doc:"answer only once the state differs from the one given, or after so many seconds"`
	State string `query:"state" maxLength:"20" doc:"the state that the caller knows"`
}

type word struct {
	RequestID
	Body request.Word
}

type text struct {
	RequestID
	Body struct {
		Text string `json:"text" maxLength:"10000"`
	}
}

func (a *API) requestOperations() {
	add(a, op("submit-request", http.MethodPost, "/requests", "Submit code with its assets and purpose"), policy.RequestSubmit, a.onSubmission,
		func(ctx context.Context, p policy.Permit, in *submission) (*body[anchorhold.Request], error) {
			r, err := a.Requests.Submit(ctx, p, in.Body)
			if err != nil {
				return nil, err
			}
			return a.answer(ctx, r.ID)
		})
	add(a, op("list-requests", http.MethodGet, "/requests", "Requests that the caller may see, newest first"), policy.RequestList, onSite, a.listRequests)
	add(a, op("show-request", http.MethodGet, "/requests/{id}", "One request; waits for a change of state if asked to"), policy.RequestRead,
		func(ctx context.Context, in *watchRequest) ([]policy.Resource, error) {
			return a.onRequest(ctx, &in.RequestID)
		}, a.watchRequest)
	add(a, op("diff-request", http.MethodGet, "/requests/{id}/diff", "What changed since the author's last approved version, or where there is none the newest earlier one"), policy.RequestRead, a.onRequest,
		func(ctx context.Context, _ policy.Permit, in *RequestID) (*body[request.Diff], error) {
			var d request.Diff
			err := a.Books.View(ctx, func(tx store.Tx) error {
				r, err := tx.Request(in.ID)
				if err == nil {
					d, err = request.DiffToLast(tx, r, a.sees(ctx, tx))
				}
				return err
			})
			return &body[request.Diff]{d}, err
		})
	add(a, op("decide-request", http.MethodPost, "/requests/{id}/decisions", "Approve or deny"), policy.RequestDecide, a.onDecision,
		func(ctx context.Context, p policy.Permit, in *word) (*body[anchorhold.Request], error) {
			if _, err := a.Requests.Decide(ctx, p, in.ID, in.Body); err != nil {
				return nil, err
			}
			return a.answer(ctx, in.ID)
		})
	a.messageOperations()
	a.readingOperations()
	add(a, op("withdraw-request", http.MethodPost, "/requests/{id}/withdraw", "Withdraw one's own request"), policy.RequestWithdraw, a.onRequest,
		func(ctx context.Context, p policy.Permit, in *RequestID) (*body[anchorhold.Request], error) {
			if _, err := a.Requests.Withdraw(ctx, p, in.ID); err != nil {
				return nil, err
			}
			return a.answer(ctx, in.ID)
		})
}

func (a *API) messageOperations() {
	onText := func(ctx context.Context, in *text) ([]policy.Resource, error) { return a.onRequest(ctx, &in.RequestID) }
	say := func(ctx context.Context, p policy.Permit, in *text) (*body[anchorhold.Request], error) {
		if _, err := a.Requests.Say(ctx, p, in.ID, in.Body.Text); err != nil {
			return nil, err
		}
		return a.answer(ctx, in.ID)
	}
	add(a, op("ask", http.MethodPost, "/requests/{id}/questions", "Ask the author"), policy.RequestAsk, onText, say)
	add(a, op("answer", http.MethodPost, "/requests/{id}/answers", "Answer as the author"), policy.RequestAnswer, onText, say)
}

// onSubmission asks about every dataset by itself, so that one that is hidden
// and one that does not exist are refused in the same words.
func (a *API) onSubmission(ctx context.Context, in *submission) ([]policy.Resource, error) {
	return a.everyDataset(ctx, in.Body.Study, in.Body.Datasets(), policy.RequestSubmit)
}

// everyDataset asks about every action on each dataset in turn, in the name of a
// study where the caller belongs to it.
func (a *API) everyDataset(ctx context.Context, study string, names []string, actions ...policy.Action) (out []policy.Resource, err error) {
	if len(names) == 0 {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give at least one asset", "the request uses no asset")
	}
	if !caller(ctx).In(anchorhold.ScopeStudy(study)) {
		study = ""
	}
	for _, name := range names {
		res, err := a.datasetResource(ctx, name)
		res.Study = study
		for _, action := range actions {
			if err == nil { // at once: whether the next one exists must not show before
				_, err = a.Policy.Check(caller(ctx), action, res)
			}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, res)
	}
	return out, nil
}

// onDecision asks about the dataset that is decided for, or about all.
func (a *API) onDecision(ctx context.Context, in *word) ([]policy.Resource, error) {
	_, res, err := a.loadRequest(ctx, in.ID)
	return a.onPartOf(ctx, res, in.Body.Dataset, policy.RequestDecide, err)
}

// onPartOf is the part of a request or a release that somebody decides for: one
// of its datasets, or all.
func (a *API) onPartOf(ctx context.Context, res policy.Resource, dataset string, decide policy.Action, err error) ([]policy.Resource, error) {
	if err != nil {
		return []policy.Resource{res}, err
	}
	if dataset == "" {
		if parts := a.parts(ctx, res, decide); len(parts) > 0 && !a.may(ctx, decide, res) {
			return nil, anchorhold.Errorf(anchorhold.Denied, "name the dataset that you decide for: --dataset "+strings.Join(parts, ", or --dataset "),
				"others decide for some of its datasets")
		}
		return []policy.Resource{res}, nil
	}
	one := onPart(res, dataset)
	if len(one.Scopes) == 0 {
		return nil, policy.Missing(res.Type, res.ID)
	}
	_, err = a.Policy.Check(caller(ctx), decide, one)
	if anchorhold.KindOf(err) == anchorhold.NotFound && a.may(ctx, policy.ReadOf(res.Type), res) {
		return nil, anchorhold.Errorf(anchorhold.Denied, "one of its own reviewers or owners has to decide", "you may not decide for this dataset")
	}
	return []policy.Resource{one}, nil
}

// parts names the datasets of a request or a release for which the caller may
// decide.
func (a *API) parts(ctx context.Context, res policy.Resource, decide policy.Action) (names []string) {
	for _, s := range res.Scopes {
		if a.may(ctx, decide, onPart(res, s.Dataset)) {
			names = append(names, s.Dataset)
		}
	}
	return names
}

// onPart is a request as far as it is about one dataset.
func onPart(res policy.Resource, dataset string) policy.Resource {
	scopes := res.Scopes
	res.Scopes = nil
	for _, s := range scopes {
		if s.Dataset == dataset {
			res.Scopes = []policy.Scope{s}
		}
	}
	return res
}

func (a *API) listRequests(ctx context.Context, p policy.Permit, in *listRequests) (*body[page[anchorhold.Request]], error) {
	filter := store.RequestFilter{Dataset: in.Dataset, States: request.Summaries(anchorhold.State(in.State))}
	if onlyResearches(p.Principal()) {
		filter.Author = p.Principal().ID
	}
	return listed(in.Paging, func(at store.Page) (out []anchorhold.Request, next string, err error) {
		err = a.Books.View(ctx, func(tx store.Tx) error {
			if out, next, err = tx.ListRequests(filter, at); err != nil {
				return err
			}
			return a.showAll(ctx, tx, out)
		})
		return out, next, err
	}, func(r *anchorhold.Request) bool { return r.ID != "" && (in.State == "" || string(r.State) == in.State) })
}

// showAll replaces each request by what the caller may see of it; those that
// the caller may not see at all lose their id.
func (a *API) showAll(ctx context.Context, tx store.Tx, requests []anchorhold.Request) error {
	for i, r := range requests {
		res, err := request.Resource(tx, r)
		if err != nil {
			return err
		}
		if a.may(ctx, policy.RequestRead, res) {
			requests[i] = a.forCaller(ctx, r, res)
		} else {
			requests[i] = anchorhold.Request{}
		}
	}
	return nil
}

// onlyResearches says whether a principal can see no requests but its own.
func onlyResearches(p anchorhold.Principal) bool {
	for _, b := range p.Bindings {
		if b.Role != anchorhold.RoleResearcher {
			return false
		}
	}
	return !strings.HasPrefix(p.ID, "local:")
}

func (a *API) watchRequest(ctx context.Context, _ policy.Permit, in *watchRequest) (*body[anchorhold.Request], error) {
	return watched(ctx, a, in.Wait, in.State, watch[body[anchorhold.Request]]{
		read: func() (*body[anchorhold.Request], string, bool, error) {
			out, err := a.answer(ctx, in.ID)
			if err != nil {
				return nil, "", false, err
			}
			return out, string(out.Body.State), out.Body.State.Ended(), err
		},
		still: func() error {
			_, res, err := a.loadRequest(ctx, in.ID)
			if err != nil {
				return err
			}
			return a.stillMay(ctx, policy.RequestRead, res)
		},
	})
}

// watch is how something is watched: read gives it as the caller may see it
// with its state, and still says whether the caller may see it yet.
type watch[T any] struct {
	read  func() (out *T, state string, ended bool, err error)
	still func() error
}

// watched reads until the state is another than the one known, or has ended, or
// so many seconds are over. Rights may have ended while it waited: they are
// looked at again before it answers.
func watched[T any](ctx context.Context, a *API, seconds int, known string, w watch[T]) (*T, error) {
	changed := a.Books.Changed()
	out, state, ended, err := w.read()
	if err != nil || seconds == 0 || state != known || ended {
		return out, err
	}
	end, ok := a.wait(ctx)
	if !ok { // who waits in too many places is answered at once
		a.limited("waits")
		return out, nil
	}
	defer end()
	deadline := time.NewTimer(min(time.Duration(seconds)*time.Second, maxWait))
	defer deadline.Stop()
	for over := false; !over && state == known && !ended; {
		select {
		case <-changed:
		case <-deadline.C:
			over = true
		case <-a.closing:
			over = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		changed = a.Books.Changed()
		if _, state, ended, err = w.read(); err != nil {
			return nil, err
		}
	}
	if err := w.still(); err != nil {
		return nil, err
	}
	out, _, _, err = w.read()
	return out, err
}
