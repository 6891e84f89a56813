package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

type attempt struct{ Body request.Attempt }

// RunOutput is the path parameters that name an output of a run.
type RunOutput struct {
	AnyID
	Name string `path:"name" maxLength:"100"`
}

// trialResource is a run on mocks as the policy sees it: its author's, and its
// reviewers' where the site made it for a request.
func (a *API) trialResource(tx store.Tx, run anchorhold.Run) (policy.Resource, error) {
	t, err := tx.Trial(run.ID)
	if err != nil {
		return policy.Resource{}, err
	}
	res, err := request.Resource(tx, anchorhold.Request{ID: run.ID, Author: t.Author, Study: run.Study, Assets: t.Assets})
	res.Type, res.Mock, res.Reviewed = policy.TypeRun, true, run.Request != ""
	return res, err
}

func (a *API) trialOperations() {
	add(a, op("try", http.MethodPost, "/trials", "Run code on the mocks of its assets, in the environment and the sandbox of the site"), policy.RunTry,
		func(ctx context.Context, in *attempt) ([]policy.Resource, error) {
			return a.everyDataset(ctx, in.Body.Study, in.Body.Datasets(), policy.RunTry, policy.DatasetMock)
		},
		func(ctx context.Context, p policy.Permit, in *attempt) (*body[anchorhold.Run], error) {
			run, err := a.Requests.Try(ctx, p, in.Body)
			return &body[anchorhold.Run]{run}, err
		})
	add(a, op("run-output", http.MethodGet, "/runs/{id}/outputs/{name}", "What a run on mocks gave"), policy.RunOutput,
		func(ctx context.Context, in *RunOutput) ([]policy.Resource, error) { return a.onRun(ctx, &in.AnyID) },
		func(ctx context.Context, _ policy.Permit, in *RunOutput) (*fileBytes, error) {
			run, _, err := a.loadRun(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			o, f, err := a.Runs.Output(ctx, run, in.Name)
			if err != nil {
				return nil, err
			}
			return &fileBytes{
				ContentType: o.Media, ETag: strconv.Quote(o.SHA256), Length: strconv.FormatInt(o.Size, 10),
				Disposition: `attachment; filename="` + o.File + `"`, Body: sendBlob(f),
			}, nil
		})
}
