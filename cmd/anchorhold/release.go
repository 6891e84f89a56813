package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newRelease(a *app) *cobra.Command {
	return group("release", "Decide what leaves, and fetch what left",
		newReleaseLs(a), newReleaseShow(a), newReleaseApprove(a), newReleaseDeny(a), newReleaseGet(a))
}

type releaseLsOptions struct {
	state string
	limit int
}

func newReleaseLs(a *app) *cobra.Command {
	var o releaseLsOptions
	c := &cobra.Command{
		Use:   "ls",
		Short: "List releases, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return runReleaseLs(c.Context(), a, o) },
	}
	c.Flags().StringVar(&o.state, "state", "", "only those in this state: held, approved or denied")
	c.Flags().IntVar(&o.limit, "limit", 100, "at most so many; 0 for all")
	return c
}

func runReleaseLs(ctx context.Context, a *app, o releaseLsOptions) error {
	switch anchorhold.ReleaseState(o.state) {
	case "", anchorhold.ReleaseHeld, anchorhold.ReleaseApproved, anchorhold.ReleaseDenied:
	default:
		return usagef("use --state held, approved or denied", "%q is not the state of a release", o.state)
	}
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		all, err := client.Collect(c.Releases(ctx, anchorhold.ReleaseState(o.state)), max(o.limit, 0))
		if err != nil {
			return err
		}
		return emit(a, all, func(p *show.Printer, all []client.Release) {
			var rows [][]string
			for _, r := range all {
				rows = append(rows, []string{r.ID, string(r.State), r.Request, r.Output.Name, r.Output.Kind, show.Who(r.DeciderName), show.TimeOf(r.Decided)})
			}
			p.Table("There are no such releases.", []string{"ID", "STATE", "REQUEST", "OUTPUT", "KIND", "DECIDED BY", "AT"}, rows)
		})
	})
}

func newReleaseShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a release with its output's checks (of a request: its newest)",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withRelease(c.Context(), a, func(ctx context.Context, c *client.Client) (client.Release, error) {
				return releaseOf(ctx, c, args[0])
			})
		},
	}
}

// releaseOf finds a release. Of a request of which nothing is to be seen yet, it
// says how far it has come.
func releaseOf(ctx context.Context, c *client.Client, id string) (client.Release, error) {
	r, err := c.Release(ctx, id)
	if err == nil || anchorhold.KindOf(err) != anchorhold.NotFound || !anchorhold.IsID(anchorhold.PrefixRequest, id) {
		return r, err
	}
	asked, unseen := c.Request(ctx, id)
	if unseen != nil {
		return r, err
	}
	return r, anchorhold.Errorf(anchorhold.Conflict, "see `anchorhold request show "+id+"`", "nothing of %s has left: %s", id, meaning(asked.State))
}

func newReleaseApprove(a *app) *cobra.Command {
	d := client.NewReleaseDecision{Verdict: anchorhold.Approve}
	c := &cobra.Command{
		Use:   "approve ID",
		Short: "Let an output leave (of a request: the one that waits)",
		Long: `Lets an output leave as far as you decide on it. It leaves when every dataset of
its request has as many approvals as its owner asks; one denial keeps it here.`,
		Example: "  anchorhold release approve rel-… --dataset heart",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return decideRelease(c.Context(), a, args[0], d)
		},
	}
	c.Flags().StringVar(&d.Reason, "reason", "", "why")
	c.Flags().StringVar(&d.Dataset, "dataset", "", "decide for this dataset of several only")
	return c
}

func newReleaseDeny(a *app) *cobra.Command {
	d := client.NewReleaseDecision{Verdict: anchorhold.Deny}
	c := &cobra.Command{
		Use:   "deny ID --reason TEXT",
		Short: "Keep an output here for good (of a request: the one that waits)",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(d.Reason) == "" {
				return usagef("use --reason TEXT", "a denial needs a reason")
			}
			return decideRelease(c.Context(), a, args[0], d)
		},
	}
	c.Flags().StringVar(&d.Reason, "reason", "", "why")
	c.Flags().StringVar(&d.Dataset, "dataset", "", "decide for this dataset of several; one denial is enough")
	return c
}

func decideRelease(ctx context.Context, a *app, id string, d client.NewReleaseDecision) error {
	return withRelease(ctx, a, func(ctx context.Context, c *client.Client) (client.Release, error) {
		return c.DecideRelease(ctx, id, d)
	})
}

func withRelease(ctx context.Context, a *app, act func(context.Context, *client.Client) (client.Release, error)) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		r, err := act(ctx, c)
		if err != nil {
			return err
		}
		return emit(a, r, printRelease)
	})
}

func printRelease(p *show.Printer, r client.Release) {
	p.Field("release", r.ID)
	p.Field("request", r.Request)
	p.Field("state", string(r.State))
	for _, w := range r.Waits {
		p.Field("waits for", waiting(w))
	}
	if r.Decided != nil {
		p.Field("decided", strings.TrimSuffix(show.TimeOf(r.Decided)+" by "+show.Who(r.DeciderName), " by "))
	}
	p.Field("reason", r.Reason)
	printOutput(p, r.Output)
	printDecisions(p, r.Decisions)
}

type releaseGetOptions struct {
	out, receipt string
	force        bool
}

func newReleaseGet(a *app) *cobra.Command {
	var o releaseGetOptions
	c := &cobra.Command{
		Use:   "get ID --out DIR [--receipt FILE]",
		Short: "Fetch what a release let out, and its receipt (of a request: all of its newest run)",
		Long: `Writes the output into a folder, readable by you only, after checking that it is
byte for byte what was approved. Nothing is replaced without --force, and
symbolic links are not followed. Of a request with several outputs all that left
are fetched, and each receipt's file has its output's name: receipt-NAME.json.
Who decides on outputs gets those that wait, to look at, while there are any.`,
		Example: "  anchorhold release get req-… --out results --receipt results/receipt.json",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runReleaseGet(c.Context(), a, args[0], o) },
	}
	c.Flags().StringVar(&o.out, "out", "", "the folder to write into; it is made when it is absent")
	c.Flags().StringVar(&o.receipt, "receipt", "", "the file to write the receipt to")
	c.Flags().BoolVar(&o.force, "force", false, "replace files that are there")
	return c
}

// fetched is what release get answers.
type fetched struct {
	Release string                  `json:"release"`
	State   anchorhold.ReleaseState `json:"state"`
	Path    string                  `json:"path"`
	Kind    string                  `json:"kind"`
	Size    int64                   `json:"size"`
	SHA256  string                  `json:"sha256"`
	Receipt string                  `json:"receipt,omitempty"`
	Also    []fetched               `json:"also,omitempty"` // of a request: the other outputs of its run
}

func runReleaseGet(ctx context.Context, a *app, id string, o releaseGetOptions) error {
	if o.out == "" {
		return usagef("use --out DIR", "no folder to write into is given")
	}
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		r, err := releaseOf(ctx, c, id)
		if err != nil {
			return err
		}
		all, err := outputsWith(ctx, c, id, r)
		if err != nil {
			return err
		}
		got, err := a.fetchRelease(ctx, c, all[0], o, len(all) > 1)
		for i := 1; i < len(all) && err == nil; i++ {
			var more fetched
			more, err = a.fetchRelease(ctx, c, all[i], o, true)
			got.Also = append(got.Also, more)
		}
		if err != nil {
			return err
		}
		return emit(a, got, func(p *show.Printer, f fetched) {
			for _, f := range append([]fetched{f}, f.Also...) {
				p.Printf("%s: %s, %s%s\n", f.Path, f.Kind, show.Size(f.Size), waitsToLeave(f.State))
				if f.Receipt != "" {
					p.Printf("%s: its receipt; check it with `anchorhold receipt verify`\n", f.Receipt)
				}
			}
		})
	})
}

// waitsToLeave reminds who looks at an output that it has not left.
func waitsToLeave(s anchorhold.ReleaseState) string {
	if s == anchorhold.ReleaseHeld {
		return "; it waits for a decision and has not left"
	}
	return ""
}

// outputsWith gives a release and, where a request was asked for, those of the
// other outputs of its run that have left like it, or wait like it: an answer in
// several parts is one answer.
func outputsWith(ctx context.Context, c *client.Client, asked string, r client.Release) ([]client.Release, error) {
	all := []client.Release{r}
	if asked != r.Request {
		return all, nil
	}
	request, err := c.Request(ctx, r.Request)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(request.Runs, func(run anchorhold.Run) bool { return run.ID == r.Output.Run })
	if at < 0 {
		return all, nil
	}
	for _, o := range request.Runs[at].Outputs {
		if o.Release == nil || o.Release.ID == r.ID || o.Release.State != r.State {
			continue
		}
		other, err := c.Release(ctx, o.Release.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, other)
	}
	return all, nil
}

// fetchRelease writes one output and its receipt; of several, each receipt's
// file has the output's name in its own.
func (a *app) fetchRelease(ctx context.Context, c *client.Client, r client.Release, o releaseGetOptions, several bool) (fetched, error) {
	w := a.watch("fetching " + r.Output.File)
	path, err := fetchOutput(ctx, c, r, o)
	w.end()
	gone := r.Output.Gone && anchorhold.KindOf(err) == anchorhold.Conflict // its receipt is there all the same
	if several && o.receipt != "" {
		ext, name := filepath.Ext(o.receipt), filepath.Base(r.Output.File)
		o.receipt = strings.TrimSuffix(o.receipt, ext) + "-" + strings.TrimSuffix(name, filepath.Ext(name)) + ext
	}
	if o.receipt != "" && (err == nil || gone) {
		err = errors.Join(err, fetchReceipt(ctx, c, r.ID, o))
		if gone {
			show.NewPrinter(a.err).Printf("%s: the receipt of what was deleted\n", o.receipt)
		}
	}
	return fetched{Release: r.ID, State: r.State, Path: path, Kind: r.Output.Kind, Size: r.Output.Size, SHA256: r.Output.SHA256, Receipt: o.receipt}, err
}

func fetchOutput(ctx context.Context, c *client.Client, r client.Release, o releaseGetOptions) (string, error) {
	body, err := c.Output(ctx, r.ID)
	if err != nil {
		return "", err
	}
	defer body.Close()
	return save.File(o.out, r.Output.File, o.force, newChecked(body, r.Output.Size, r.Output.SHA256))
}

func fetchReceipt(ctx context.Context, c *client.Client, id string, o releaseGetOptions) error {
	data, err := c.Receipt(ctx, id)
	if err != nil {
		return err
	}
	return save.Path(o.receipt, o.force, bytes.NewReader(data))
}
