package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"

	"github.com/danielgtaylor/huma/v2"
)

// sendBlob streams a file and closes it.
func sendBlob(f io.ReadCloser) func(huma.Context) {
	return func(c huma.Context) {
		defer f.Close()
		_, _ = io.Copy(c.BodyWriter(), f) // the client is gone if this fails
	}
}

// AnyID is the path parameter that names a run or a release, or by a request
// its newest.
type AnyID struct {
	ID string `path:"id" maxLength:"100" doc:"id of the thing, or of a request: its newest"`
}

// loadRun finds a run by its id, or the newest run of a request.
func (a *API) loadRun(ctx context.Context, id string) (run anchorhold.Run, res policy.Resource, err error) {
	err = a.Books.View(ctx, func(tx store.Tx) error {
		if anchorhold.IsID(anchorhold.PrefixRequest, id) {
			r, err := tx.Request(id)
			if err != nil {
				return err
			}
			if run, err = newestRun(r); err != nil {
				return err
			}
		} else if run, err = tx.Run(id); err != nil {
			return err
		}
		res, err = a.runResource(tx, run)
		if err == nil && run.Side == anchorhold.SideReplay && !a.seesReplay(ctx, res) {
			err = store.ErrNotFound
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = policy.Missing(policy.TypeRun, id)
	}
	res.ID = id // as the caller knows it
	return run, res, err
}

// newestRun is the run that a request's id stands for. A replay of it is named by
// its own id alone: it must not stand before the author's run.
func newestRun(r anchorhold.Request) (anchorhold.Run, error) {
	for _, run := range slices.Backward(r.Runs) {
		if run.Side != anchorhold.SideReplay {
			return run, nil
		}
	}
	return anchorhold.Run{}, store.ErrNotFound
}

func (a *API) runResource(tx store.Tx, run anchorhold.Run) (policy.Resource, error) {
	if run.Side == anchorhold.SideMock {
		return a.trialResource(tx, run)
	}
	r, err := tx.RequestHead(run.Request)
	if err != nil {
		return policy.Resource{}, err
	}
	res, err := request.Resource(tx, r)
	res.Type, res.ID = policy.TypeRun, run.ID
	return res, err
}

// seesReplay says whether a replay is there for the caller: it is for those who
// review its request, and no affair of the author's.
func (a *API) seesReplay(ctx context.Context, res policy.Resource) bool {
	res.Type = policy.TypeRequest
	return a.may(ctx, policy.RequestReview, res)
}

func (a *API) onRun(ctx context.Context, in *AnyID) ([]policy.Resource, error) {
	_, res, err := a.loadRun(ctx, in.ID)
	return []policy.Resource{res}, err
}

// placed says of runs that wait about how many come before them. It reads by
// itself, so it must not be called within a View: each may wait for the other.
func (a *API) placed(ctx context.Context, runs []anchorhold.Run) {
	for i := range runs {
		runs[i].Ahead = a.Runs.Ahead(ctx, runs[i])
	}
}

// showRun shows a run as the caller may see it.
func (a *API) showRun(ctx context.Context, run anchorhold.Run, res policy.Resource) anchorhold.Run {
	res.Type = policy.TypeRequest
	switch {
	case run.Side == anchorhold.SideMock:
		return request.TrialShown(run) // whoever may read it at all may see the mocks
	case !a.may(ctx, policy.RequestReview, res):
		run = request.RunForAuthor(run)
		if res.Author != caller(ctx).ID {
			run = request.RunForPart(run, func(dataset string) bool { return a.reviews(ctx, res, dataset) })
		}
		return run
	case !a.seesOutputs(ctx, res):
		return request.RunForAuditor(run)
	}
	return run
}

type newDeposit struct {
	RequestID
	Body struct {
		Dir string `json:"dir" minLength:"1" maxLength:"4096" doc:"full path of a folder with one file for each declared output"`
	}
}

type newReplay struct {
	Body struct {
		Receipt string `json:"receipt" maxLength:"1048576" doc:"the text of a receipt file"`
	}
}

type runLog struct {
	Text      string `json:"text"`
	Truncated bool   `json:"truncated"`
}

func (a *API) runOperations() {
	add(a, op("list-runs", http.MethodGet, "/runs", "Runs that the caller may see, newest first"), policy.RunList, onSite, a.listRuns)
	add(a, op("show-run", http.MethodGet, "/runs/{id}", "One run; waits for a change of state if asked to"), policy.RunRead,
		func(ctx context.Context, in *watchRun) ([]policy.Resource, error) { return a.onRun(ctx, &in.AnyID) }, a.watchRun)
	add(a, op("run-log", http.MethodGet, "/runs/{id}/log", "What a run printed"), policy.RunLog, a.onRun,
		func(ctx context.Context, _ policy.Permit, in *AnyID) (*body[runLog], error) {
			run, _, err := a.loadRun(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			text, truncated, err := a.Runs.Log(ctx, run)
			return &body[runLog]{runLog{text, truncated}}, err
		})
	add(a, op("deposit", http.MethodPost, "/requests/{id}/deposits", "Hand in what was made elsewhere for an approved request, from a folder of the site's machine"),
		policy.RunDeposit, func(ctx context.Context, in *newDeposit) ([]policy.Resource, error) {
			return a.onRequest(ctx, &in.RequestID)
		},
		func(ctx context.Context, p policy.Permit, in *newDeposit) (*body[anchorhold.Run], error) {
			run, err := a.Runs.Deposit(ctx, p, in.ID, in.Body.Dir)
			return &body[anchorhold.Run]{run}, err
		})
	add(a, op("replay", http.MethodPost, "/replays", "Run again what a receipt of this site speaks of, and compare; nothing is released by it"), policy.RunReplay, onSite,
		func(ctx context.Context, p policy.Permit, in *newReplay) (*body[anchorhold.Run], error) {
			run, err := a.Runs.Replay(ctx, p, []byte(in.Body.Receipt))
			if err != nil {
				return nil, err
			}
			var res policy.Resource
			err = a.Books.View(ctx, func(tx store.Tx) error {
				res, err = a.runResource(tx, run)
				return err
			})
			return &body[anchorhold.Run]{a.showRun(ctx, run, res)}, err
		})
	add(a, op("cancel-run", http.MethodPost, "/runs/{id}/cancel", "End a run that waits or goes on"), policy.RunCancel, a.onRun,
		func(ctx context.Context, p policy.Permit, in *AnyID) (*body[anchorhold.Run], error) {
			run, res, err := a.loadRun(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			run, err = a.Runs.Cancel(ctx, p, run.ID)
			return &body[anchorhold.Run]{a.showRun(ctx, run, res)}, err
		})
}

type watchRun struct {
	AnyID
	Wait  int    `query:"wait" minimum:"0" maximum:"60" doc:"answer only once the state differs from the one given, or after so many seconds"`
	State string `query:"state" maxLength:"20" doc:"the state that the caller knows"`
}

func (a *API) watchRun(ctx context.Context, _ policy.Permit, in *watchRun) (*body[anchorhold.Run], error) {
	return watched(ctx, a, in.Wait, in.State, watch[body[anchorhold.Run]]{
		read: func() (*body[anchorhold.Run], string, bool, error) {
			run, res, err := a.loadRun(ctx, in.ID)
			ended := run.Ended()
			shown := []anchorhold.Run{a.showRun(ctx, run, res)}
			a.placed(ctx, shown)
			run = shown[0]
			return &body[anchorhold.Run]{run}, string(run.State), ended, err
		},
		still: func() error {
			_, res, err := a.loadRun(ctx, in.ID)
			if err != nil {
				return err
			}
			return a.stillMay(ctx, policy.RunRead, res)
		},
	})
}

type listRuns struct {
	Paging
	Side    string `query:"side" enum:"private,mock,replay" doc:"runs on private data (the default), trials on the mocks, or what was replayed"`
	Request string `query:"request" maxLength:"64" doc:"only those of this request"`
}

func (a *API) listRuns(ctx context.Context, p policy.Permit, in *listRuns) (*body[page[anchorhold.Run]], error) {
	filter := store.RunFilter{Request: in.Request}
	if side := anchorhold.Side(in.Side); side == anchorhold.SideMock || side == anchorhold.SideReplay {
		filter.Side = side
	}
	if onlyResearches(p.Principal()) {
		filter.Author = p.Principal().ID
	}
	return listed(in.Paging, func(p store.Page) (out []anchorhold.Run, next string, err error) {
		err = a.Books.View(ctx, func(tx store.Tx) error {
			if out, next, err = tx.ListRuns(filter, p); err != nil {
				return err
			}
			for i, run := range out {
				res, err := a.runResource(tx, run)
				if err != nil {
					return err
				}
				if a.may(ctx, policy.RunRead, res) && (run.Side != anchorhold.SideReplay || a.seesReplay(ctx, res)) {
					out[i] = a.showRun(ctx, run, res)
				} else {
					out[i] = anchorhold.Run{}
				}
			}
			return nil
		})
		return out, next, err
	}, func(r *anchorhold.Run) bool { return r.ID != "" })
}

// shownRelease is a release with the output that it is about.
type shownRelease struct {
	ID          string                  `json:"id"`
	Request     string                  `json:"request"`
	State       anchorhold.ReleaseState `json:"state"`
	Decider     string                  `json:"decider,omitempty"`
	DeciderName string                  `json:"decider_name,omitempty"`
	Reason      string                  `json:"reason,omitempty"`
	Decided     *time.Time              `json:"decided,omitempty"`
	Decisions   []anchorhold.Decision   `json:"decisions,omitempty" doc:"one for each dataset and person, of those that the caller may see"`
	Waits       []anchorhold.Wait       `json:"waits_for,omitempty" doc:"while it is held: datasets with decisions to come"`
	Output      anchorhold.Output       `json:"output" doc:"its checks are for reviewers"`
}

// onHeld finds the release that a decision is about, and the part of it that is
// decided for. A request stands for the one output of it that waits; where
// several do, a person has to name the one that they looked at.
func (a *API) onHeld(ctx context.Context, in *releaseWord) ([]policy.Resource, error) {
	_, res, err := a.loadRelease(ctx, in.ID)
	if err != nil || !anchorhold.IsID(anchorhold.PrefixRequest, in.ID) {
		return a.onPartOf(ctx, res, in.Body.Dataset, policy.ReleaseDecide, err)
	}
	var held []string
	err = a.Books.View(ctx, func(tx store.Tx) error {
		r, err := tx.Request(in.ID)
		for _, run := range r.Runs {
			for _, o := range run.Outputs {
				if o.Release != nil && o.Release.State == anchorhold.ReleaseHeld {
					held = append(held, o.Release.ID)
				}
			}
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(held) == 1:
		in.ID = held[0]
	case len(held) > 1 && len(a.parts(ctx, res, policy.ReleaseDecide)) > 0:
		return nil, anchorhold.Errorf(anchorhold.Conflict, "look at each and name one: "+strings.Join(held, " "), "%d outputs of this request wait for a decision", len(held))
	}
	return a.onPartOf(ctx, res, in.Body.Dataset, policy.ReleaseDecide, nil)
}

// loadRelease finds a release by its id, or of a request the one that newestRelease
// chooses.
func (a *API) loadRelease(ctx context.Context, id string) (out shownRelease, res policy.Resource, err error) {
	err = a.Books.View(ctx, func(tx store.Tx) error {
		named := id
		if anchorhold.IsID(anchorhold.PrefixRequest, id) {
			if named, err = a.newestRelease(ctx, tx, id); err != nil {
				return err
			}
		}
		r, err := tx.Release(named)
		if err != nil {
			return err
		}
		if out, res, err = a.releaseResource(tx, r); err != nil || !res.Held {
			return err
		}
		out.Waits, err = a.releaseWaits(ctx, tx, r, res)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = policy.Missing(policy.TypeRelease, id)
	}
	res.ID = id // as the caller knows it
	return out, res, err
}

// newestRelease is what a request's id stands for: of its newest run with outputs
// the one that waits for a decision, or else the first, of those that the caller
// may see. To its author it is the first that has left, whatever still waits.
func (a *API) newestRelease(ctx context.Context, tx store.Tx, id string) (chosen string, err error) {
	r, err := tx.Request(id)
	if err != nil {
		return "", err
	}
	res, err := request.Resource(tx, r)
	if err != nil {
		return "", err
	}
	res.Type = policy.TypeRelease
	for _, run := range slices.Backward(r.Runs) {
		seen := false
		for _, o := range run.Outputs {
			if o.Release == nil {
				continue
			}
			res.Released, res.Held = o.Release.State == anchorhold.ReleaseApproved, o.Release.State == anchorhold.ReleaseHeld
			switch _, sees := a.showRelease(ctx, shownRelease{}, res); {
			case sees && res.Held:
				return o.Release.ID, nil
			case chosen == "", sees && !seen:
				chosen, seen = o.Release.ID, sees
			}
		}
		if chosen != "" {
			return chosen, nil
		}
	}
	return "", store.ErrNotFound
}

func (a *API) releaseResource(tx store.Tx, r anchorhold.Release) (shownRelease, policy.Resource, error) {
	out := shownRelease{
		ID: r.ID, Request: r.Request, State: r.State, Decider: r.Decider, DeciderName: r.DeciderName,
		Reason: r.Reason, Decided: r.Decided, Decisions: r.Decisions,
	}
	o, err := tx.Output(r.Output)
	if err != nil {
		return out, policy.Resource{}, err
	}
	o.Release = nil
	out.Output = o
	req, err := tx.RequestHead(r.Request)
	if err != nil {
		return out, policy.Resource{}, err
	}
	res, err := request.Resource(tx, req)
	res.Type, res.ID, res.Released, res.Held = policy.TypeRelease, r.ID, r.State == anchorhold.ReleaseApproved, r.State == anchorhold.ReleaseHeld
	return out, res, err
}

// releaseWaits says whose word on a held output is missing.
func (a *API) releaseWaits(ctx context.Context, tx store.Tx, r anchorhold.Release, res policy.Resource) ([]anchorhold.Wait, error) {
	req, err := tx.RequestHead(r.Request)
	if err != nil {
		return nil, err
	}
	panel, err := request.ReleasePanel(tx, req, r)
	if err != nil {
		return nil, err
	}
	return a.awaited(ctx, tx, policy.ReleaseDecide, res, panel)
}

func (a *API) onRelease(ctx context.Context, in *AnyID) ([]policy.Resource, error) {
	_, res, err := a.loadRelease(ctx, in.ID)
	return []policy.Resource{res}, err
}

// showRelease shows a release as the caller may see it. That an output waits,
// its size and what the checks found are not for its author.
func (a *API) showRelease(ctx context.Context, r shownRelease, res policy.Resource) (shownRelease, bool) {
	asRequest := res
	asRequest.Type = policy.TypeRequest
	switch {
	case a.may(ctx, policy.RequestReview, asRequest):
		if !a.seesOutputs(ctx, res) {
			r.Output = asAudited(r)
		}
		return r, true
	case len(a.parts(ctx, res, policy.ReleaseDecide)) > 0:
		return a.releaseForPart(ctx, r, res), true
	case res.Released && a.may(ctx, policy.ReleaseRead, res):
		r.Output, r.Decisions = request.OutputForAuthor(r.Output), request.DecisionsForAuthor(r.Decisions)
		return r, true
	}
	return shownRelease{}, false
}

// releaseForPart is a release as those see it who decide for some of its
// datasets: what others said is not theirs. They look at the output while it
// waits for them, and at no detail of what the checks found, which may speak of
// the others' data.
func (a *API) releaseForPart(ctx context.Context, r shownRelease, res policy.Resource) shownRelease {
	shown := r.Output
	r.Output = asAudited(r)
	if a.may(ctx, policy.ReleaseOutput, res) {
		r.Output.SHA256, r.Output.Size = shown.SHA256, shown.Size
	}
	if m := r.Output.Samples; m != nil {
		r.Output.Samples = &anchorhold.Samples{Rows: m.Rows, Cap: m.Cap}
	}
	r.Decisions = slices.DeleteFunc(slices.Clone(r.Decisions), func(d anchorhold.Decision) bool { return !a.reviews(ctx, res, d.Dataset) })
	r.Decider, r.DeciderName, r.Reason = "", "", ""
	return r
}

// asAudited is a release's output as auditors see it.
func asAudited(r shownRelease) anchorhold.Output {
	r.Output.Release = &anchorhold.Release{State: r.State}
	o := request.OutputForAuditor(r.Output)
	o.Release = nil
	return o
}

type listReleases struct {
	Paging
	State string `query:"state" enum:"held,approved,denied" doc:"only releases in this state"`
}

type releaseWord struct {
	AnyID
	Body release.Said
}

func (a *API) releaseOperations() {
	add(a, op("list-releases", http.MethodGet, "/releases", "Releases that the caller may see, newest first"), policy.ReleaseList, onSite, a.listReleases)
	add(a, op("show-release", http.MethodGet, "/releases/{id}", "One release with its output's description"), policy.ReleaseRead, a.onRelease,
		func(ctx context.Context, _ policy.Permit, in *AnyID) (*body[shownRelease], error) {
			r, res, err := a.loadRelease(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			shown, ok := a.showRelease(ctx, r, res)
			if !ok {
				return nil, policy.Missing(policy.TypeRelease, in.ID)
			}
			return &body[shownRelease]{shown}, nil
		})
	add(a, op("decide-release", http.MethodPost, "/releases/{id}/decisions", "Let an output out, or refuse it"), policy.ReleaseDecide,
		a.onHeld,
		func(ctx context.Context, p policy.Permit, in *releaseWord) (*body[shownRelease], error) {
			r, _, err := a.loadRelease(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			if _, err := a.Releases.Decide(ctx, p, r.ID, in.Body); err != nil {
				return nil, err
			}
			r, res, err := a.loadRelease(ctx, r.ID)
			if err != nil {
				return nil, err
			}
			shown, _ := a.showRelease(ctx, r, res)
			return &body[shownRelease]{shown}, nil
		})
	add(a, op("release-output", http.MethodGet, "/releases/{id}/output", "The output, byte for byte as approved"), policy.ReleaseOutput, a.onRelease, a.output)
	add(a, op("release-receipt", http.MethodGet, "/releases/{id}/receipt", "The receipt"), policy.ReleaseReceipt, a.onRelease,
		func(ctx context.Context, _ policy.Permit, in *AnyID) (*fileBytes, error) {
			r, _, err := a.loadRelease(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			file, err := a.Releases.Receipt(ctx, r.ID)
			return &fileBytes{
				ContentType: "application/json", Disposition: `attachment; filename="receipt.json"`,
				Body: func(c huma.Context) { _, _ = c.BodyWriter().Write(file) },
			}, err
		})
}

func (a *API) output(ctx context.Context, _ policy.Permit, in *AnyID) (*fileBytes, error) {
	r, _, err := a.loadRelease(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	f, err := a.Releases.Open(ctx, r.Output, func(d anchorhold.Dataset) anchorhold.Dataset { return a.showDataset(ctx, d) })
	if err != nil {
		return nil, err
	}
	return &fileBytes{
		ContentType: r.Output.Media, ETag: strconv.Quote(r.Output.SHA256), Length: strconv.FormatInt(r.Output.Size, 10),
		Disposition: `attachment; filename="` + r.Output.File + `"`, Body: sendBlob(f),
	}, nil
}

// listReleases leaves out who may decide: to ask that of everybody is for one
// release at a time.
func (a *API) listReleases(ctx context.Context, p policy.Permit, in *listReleases) (*body[page[shownRelease]], error) {
	filter := store.ReleaseFilter{State: anchorhold.ReleaseState(in.State)}
	if onlyResearches(p.Principal()) {
		filter.Author = p.Principal().ID
	}
	return listed(in.Paging, func(at store.Page) (out []shownRelease, next string, err error) {
		err = a.Books.View(ctx, func(tx store.Tx) error {
			releases, n, err := tx.ListReleases(filter, at)
			next = n
			for _, r := range releases {
				full, res, err := a.releaseResource(tx, r)
				if err != nil {
					return err
				}
				shown, _ := a.showRelease(ctx, full, res)
				out = append(out, shown)
			}
			return err
		})
		return out, next, err
	}, func(r *shownRelease) bool { return r.ID != "" })
}
