package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// OfPopulation selects a population.
type OfPopulation struct {
	Population string `query:"population" maxLength:"100" doc:"empty: all that the caller may know of"`
}

// AskedExposure selects a population, and whether to say what amounts mean.
type AskedExposure struct {
	OfPopulation

	Odds bool `query:"odds" doc:"say what limits, and what was spent, mean for one person"`
}

type setLimit struct{ Body exposure.NewLimit }

type planExposure struct {
	Body struct {
		Events []any   `json:"events" maxItems:"100" doc:"mechanism, its parameter, and perhaps sensitivity, sampling_probability and count of each"`
		Delta  float64 `json:"delta" exclusiveMinimum:"0" exclusiveMaximum:"1"`
	}
}

type standings struct {
	Accounts []exposure.Standing `json:"accounts"`
}

type limitsBody struct {
	Limits []anchorhold.ExposureLimit `json:"limits"`
}

func (a *API) exposureOperations() {
	add(a, op("exposure", http.MethodGet, "/exposure", "How limits of exposure stand: the caller's own, and those over everybody"), policy.ExposureRead,
		onSite, a.exposure)
	add(a, op("set-exposure-limit", http.MethodPut, "/exposure/limits", "Set, change or end a limit of exposure; the limits of the population come back"), policy.ExposureLimit,
		onSite,
		func(ctx context.Context, p policy.Permit, in *setLimit) (*body[limitsBody], error) {
			l, err := a.Exposure.SetLimit(ctx, p, in.Body)
			return &body[limitsBody]{limitsBody{append([]anchorhold.ExposureLimit{}, l...)}}, err
		})
	add(a, op("plan-exposure", http.MethodPost, "/exposure/plans", "What mechanisms would cost together that are all fixed before the first is used; touches nothing"), policy.ExposureReview,
		onSite,
		func(_ context.Context, _ policy.Permit, in *planExposure) (*body[exposure.Planned], error) {
			plan, err := exposure.Plan(in.Body.Events, in.Body.Delta)
			return &body[exposure.Planned]{plan}, err
		})
	add(a, op("replay-exposure", http.MethodPost, "/exposure/replays", "What another limit would have let through of what was asked; changes nothing"), policy.ExposureReview,
		onSite,
		func(ctx context.Context, _ policy.Permit, in *setLimit) (*body[exposure.WhatIf], error) {
			r, err := a.Exposure.Replay(ctx, in.Body)
			return &body[exposure.WhatIf]{r}, err
		})
}

// exposure tells of the populations of datasets that the caller may see: of
// accounts that name somebody else, only to who reviews exposure.
func (a *API) exposure(ctx context.Context, _ policy.Permit, in *AskedExposure) (*body[standings], error) {
	all := a.may(ctx, policy.ExposureReview, policy.Site())
	known, err := a.populations(ctx)
	if err != nil {
		return nil, err
	}
	who := caller(ctx).ID
	sees := func(e anchorhold.ExposureAccount) bool {
		return all || e.Scope != anchorhold.LimitResearcher && e.Scope != anchorhold.LimitStudy || e.Name == "" || e.Name == who
	}
	out := standings{Accounts: []exposure.Standing{}}
	for _, population := range known {
		if in.Population != "" && in.Population != population {
			continue
		}
		list, err := a.Exposure.Standings(ctx, population, sees)
		if err != nil {
			return nil, err
		}
		if in.Odds {
			if err := exposure.Explain(list); err != nil {
				return nil, err
			}
		}
		out.Accounts = append(out.Accounts, list...)
	}
	return &body[standings]{out}, nil
}

// populations lists whom the datasets describe that the caller may see.
func (a *API) populations(ctx context.Context) (out []string, err error) {
	sees := func(d store.FoundDataset) bool { return a.may(ctx, policy.DatasetRead, policy.Dataset(d.Dataset)) }
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		list, next, err := a.Datasets.List(ctx, store.DatasetFilter{}, page, sees)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			out = append(out, d.Population)
		}
		if next == "" {
			slices.Sort(out)
			return slices.Compact(out), nil
		}
		page.Cursor = next
	}
}
