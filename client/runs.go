package client

import (
	"context"
	"io"
	"iter"
	"net/http"

	"github.com/anchorhold/anchorhold"
)

// Log is what a run wrote to its standard output and error; of a run on private
// data for owners only.
type Log struct {
	Text      string `json:"text"`
	Truncated bool   `json:"truncated"`
}

// Runs lists runs, newest first; with an id, those of that request alone.
func (c *Client) Runs(ctx context.Context, request string) iter.Seq2[anchorhold.Run, error] {
	return pages[anchorhold.Run](ctx, c, "/runs", filter("request", request))
}

// Replays lists what was replayed, newest first; for those who review it.
func (c *Client) Replays(ctx context.Context) iter.Seq2[anchorhold.Run, error] {
	return pages[anchorhold.Run](ctx, c, "/runs", filter("side", string(anchorhold.SideReplay)))
}

// Run reads one run; a request's id means its newest.
func (c *Client) Run(ctx context.Context, id string) (anchorhold.Run, error) {
	return get[anchorhold.Run](ctx, c, "/runs/"+segment(id), nil)
}

// RunLog reads a run's log.
func (c *Client) RunLog(ctx context.Context, id string) (Log, error) {
	return get[Log](ctx, c, "/runs/"+segment(id)+"/log", nil)
}

// CancelRun ends a run that is queued or running.
func (c *Client) CancelRun(ctx context.Context, id string) (anchorhold.Run, error) {
	return send[anchorhold.Run](ctx, c, http.MethodPost, "/runs/"+segment(id)+"/cancel", nil)
}

// Prioritize has a run, and its request's others, claimed before or after those
// of others: priority is low, normal or high.
func (c *Client) Prioritize(ctx context.Context, id, priority string) (anchorhold.Run, error) {
	body := struct {
		Priority string `json:"priority"`
	}{priority}
	return send[anchorhold.Run](ctx, c, http.MethodPost, "/runs/"+segment(id)+"/priority", body)
}

// Queue is what goes on at a site; owners only.
type Queue struct {
	Slots   int            `json:"slots"`
	Waiting int            `json:"waiting"`
	Running int            `json:"running"`
	Ready   map[string]int `json:"ready"`
}

// Queue counts what waits and what goes on.
func (c *Client) Queue(ctx context.Context) (Queue, error) {
	return get[Queue](ctx, c, "/queue", nil)
}

// Allowance is what somebody's runs may take, and what they have taken.
type Allowance struct {
	anchorhold.Quota
	Own    bool    `json:"own"`
	Open   int     `json:"open"`
	Spent  float64 `json:"spent"`
	Person string  `json:"person"`
}

// Quota reads what a person's runs may take, or with "" those of everybody
// without a quota of their own.
func (c *Client) Quota(ctx context.Context, email string) (Allowance, error) {
	return get[Allowance](ctx, c, quotaPath(email), nil)
}

// SetQuota bounds what a person's runs may take, or with "" those of everybody
// without a quota of their own.
func (c *Client) SetQuota(ctx context.Context, email string, q anchorhold.Quota) (Allowance, error) {
	return send[Allowance](ctx, c, http.MethodPut, quotaPath(email), q)
}

func quotaPath(email string) string {
	if email == "" {
		return "/quota"
	}
	return "/users/" + segment(email) + "/quota"
}

// newDeposit names the folder of what was made elsewhere.
type newDeposit struct {
	Dir string `json:"dir"`
}

// Deposit hands in what was made elsewhere for an approved request: a folder of
// the site's machine with one file for each declared output.
func (c *Client) Deposit(ctx context.Context, request, dir string) (anchorhold.Run, error) {
	return send[anchorhold.Run](ctx, c, http.MethodPost, "/requests/"+segment(request)+"/deposits", newDeposit{dir})
}

// newReplay holds a receipt.
type newReplay struct {
	Receipt string `json:"receipt"`
}

// Replay runs again what a receipt of the site speaks of; the run's Replay says
// in the end whether the same came out.
func (c *Client) Replay(ctx context.Context, receipt []byte) (anchorhold.Run, error) {
	return send[anchorhold.Run](ctx, c, http.MethodPost, "/replays", newReplay{string(receipt)})
}

// Release is a release with the output that it speaks of.
type Release struct {
	anchorhold.Release
	Waits  []anchorhold.Wait `json:"waits_for,omitempty"` // while it is held: datasets with decisions to come
	Output anchorhold.Output `json:"output"`
}

// NewReleaseDecision says whether an output may leave.
type NewReleaseDecision struct {
	Dataset string             `json:"dataset,omitempty"` // that is decided for; empty: all of its request's
	Verdict anchorhold.Verdict `json:"verdict"`
	Reason  string             `json:"reason,omitempty"`
}

// Releases lists releases, newest first; state selects, and is empty for all.
func (c *Client) Releases(ctx context.Context, state anchorhold.ReleaseState) iter.Seq2[Release, error] {
	return pages[Release](ctx, c, "/releases", filter("state", string(state)))
}

// Release reads one release; a request's id means its newest.
func (c *Client) Release(ctx context.Context, id string) (Release, error) {
	return get[Release](ctx, c, "/releases/"+segment(id), nil)
}

// DecideRelease approves or denies a release. It leaves when every dataset has
// its quorum of approvals, and stays for good at one denial.
func (c *Client) DecideRelease(ctx context.Context, id string, d NewReleaseDecision) (Release, error) {
	return send[Release](ctx, c, http.MethodPost, "/releases/"+segment(id)+"/decisions", d)
}

// Output opens the bytes that a release let out, or that await it; the caller
// closes them.
func (c *Client) Output(ctx context.Context, id string) (io.ReadCloser, error) {
	return c.stream(ctx, "/releases/"+segment(id)+"/output")
}

// maxReceipt bounds a receipt file.
const maxReceipt = 4 << 20

// Receipt reads a release's receipt file.
func (c *Client) Receipt(ctx context.Context, id string) ([]byte, error) {
	return c.fetch(ctx, "/releases/"+segment(id)+"/receipt", maxReceipt)
}
