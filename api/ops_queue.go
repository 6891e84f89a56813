package api

import (
	"context"
	"net/http"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/run"
)

type newPriority struct {
	AnyID
	Body struct {
		Priority string `json:"priority" enum:"low,normal,high"`
	}
}

// priorities are the words for them.
var priorities = map[string]int{
	"low": anchorhold.PriorityLow, "normal": anchorhold.PriorityNormal, "high": anchorhold.PriorityHigh,
}

type quota struct {
	Body anchorhold.Quota
}

type userQuota struct {
	UserEmail
	quota
}

// queueOperations are about who waits for whom.
func (a *API) queueOperations() {
	add(a, op("prioritize-run", http.MethodPost, "/runs/{id}/priority", "Have a run, and its request's others, claimed before or after those of others"),
		policy.RunPriority, func(ctx context.Context, in *newPriority) ([]policy.Resource, error) { return a.onRun(ctx, &in.AnyID) },
		func(ctx context.Context, p policy.Permit, in *newPriority) (*body[anchorhold.Run], error) {
			found, res, err := a.loadRun(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			found, err = a.Runs.Prioritize(ctx, p, found.ID, priorities[in.Body.Priority])
			return &body[anchorhold.Run]{a.showRun(ctx, found, res)}, err
		})
	add(a, op("show-queue", http.MethodGet, "/queue", "How many runs wait and go on, and how many started sandboxes are ready"), policy.QueueRead, onSite,
		func(ctx context.Context, _ policy.Permit, _ *struct{}) (*body[run.Queue], error) {
			q, err := a.Runs.Queue(ctx)
			return &body[run.Queue]{q}, err
		})
	add(a, op("show-quota", http.MethodGet, "/quota", "What the runs of everybody without a quota of their own may take"), policy.QuotaRead, onSite,
		func(ctx context.Context, _ policy.Permit, _ *struct{}) (*body[account.Allowance], error) {
			q, err := a.Accounts.Allowance(ctx, "")
			return &body[account.Allowance]{q}, err
		})
	add(a, op("set-quota", http.MethodPut, "/quota", "Bound what the runs of everybody without a quota of their own may take"), policy.QuotaSet, onSite,
		func(ctx context.Context, p policy.Permit, in *quota) (*body[account.Allowance], error) {
			q, err := a.Accounts.SetQuota(ctx, p, "", in.Body)
			return &body[account.Allowance]{q}, err
		})
	add(a, op("show-user-quota", http.MethodGet, "/users/{email}/quota", "What a person's runs may take, and have taken"), policy.QuotaRead, onSite,
		func(ctx context.Context, _ policy.Permit, in *UserEmail) (*body[account.Allowance], error) {
			q, err := a.Accounts.Allowance(ctx, in.Email)
			return &body[account.Allowance]{q}, err
		})
	add(a, op("set-user-quota", http.MethodPut, "/users/{email}/quota", "Bound what a person's runs may take"), policy.QuotaSet, onSite,
		func(ctx context.Context, p policy.Permit, in *userQuota) (*body[account.Allowance], error) {
			q, err := a.Accounts.SetQuota(ctx, p, in.Email, in.Body)
			return &body[account.Allowance]{q}, err
		})
}
