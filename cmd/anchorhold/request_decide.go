package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

type approveOptions struct {
	uses, failureLimit                       int
	expires, reason, dataset                 string
	params, people                           []string
	autoRelease, anyLaterVersion, anyPurpose bool
}

func newRequestApprove(a *app) *cobra.Command {
	var o approveOptions
	c := &cobra.Command{
		Use:   "approve ID",
		Short: "Let a request run on the private data, once or as a standing grant",
		Long: `Lets a request run: exactly this code, with these parameters, on these versions,
for this purpose, by its author. What it computes is still held until its release
is approved, unless --auto-release lets it leave once every disclosure check has
passed. The run begins at once, also where you mean to hand in what was made
elsewhere: "anchorhold run deposit" takes that once the run has ended, well or
badly (to cancel it ends the approval, too). Leave --auto-release out then, so
that nothing of the run here leaves.

With --uses, the same may run again without another decision; --param,
--any-later-version, --any-purpose and --for say how far it may differ. Failed
runs count as uses; after --failure-limit of them, or of outputs that a check
stopped, the grant is suspended until you resume it. See "anchorhold grant".`,
		Example: `  anchorhold request approve req-… --uses 3 --expires 30d --auto-release
  anchorhold request approve req-… --uses 50 --param age=int:18..120 --param sex=str:{F,M} \
    --any-later-version --for bob@example.org`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runRequestApprove(c.Context(), a, args[0], o) },
	}
	f := c.Flags()
	f.IntVar(&o.uses, "uses", 1, "how many runs the approval covers")
	f.StringVar(&o.expires, "expires", "", "until when, such as 30d or 2027-01-31 (default: no end)")
	f.BoolVar(&o.autoRelease, "auto-release", false, "release the output when every check passes")
	list(f, &o.params, "param", "values that are covered too: k=int:0..120, k=float:0..1, k=str:{a,b} or k=any (default: exactly those asked)")
	f.BoolVar(&o.anyLaterVersion, "any-later-version", false, "cover later versions of the data too")
	f.BoolVar(&o.anyPurpose, "any-purpose", false, "cover other purposes too")
	list(f, &o.people, "for", "who else may run it: an e-mail address, or everybody who may submit on the data")
	f.IntVar(&o.failureLimit, "failure-limit", 0, "failures after which the grant is suspended (default: the site's, 3)")
	f.StringVar(&o.reason, "reason", "", "why; the author reads it")
	f.StringVar(&o.dataset, "dataset", "", "decide for this dataset of several only")
	return c
}

func runRequestApprove(ctx context.Context, a *app, id string, o approveOptions) error {
	if o.uses < 1 {
		return usagef("use --uses 1 or more", "an approval covers at least one run")
	}
	expires, err := parseExpiry(o.expires, time.Now())
	if err != nil {
		return err
	}
	params, err := parseBounds(o.params)
	if err != nil {
		return err
	}
	return withRequest(ctx, a, func(c *client.Client) (anchorhold.Request, error) {
		r, err := c.Decide(ctx, id, client.NewDecision{
			Verdict: anchorhold.Approve, Reason: o.reason, Dataset: o.dataset, Terms: anchorhold.Terms{
				Uses: o.uses, Expires: expires, AutoRelease: o.autoRelease, FailureLimit: o.failureLimit, Params: params,
				AnyLaterVersion: o.anyLaterVersion, AnyPurpose: o.anyPurpose, For: o.people,
			},
		})
		for _, out := range r.Code.Outputs {
			if err == nil && o.autoRelease && out.Tells() == anchorhold.Individual {
				show.NewPrinter(a.err).Printf("The output %s tells of single people: a person releases it all the same.\n", out.Name)
			}
		}
		return r, err
	})
}

type denyOptions struct{ reason, category, accept, dataset string }

func newRequestDeny(a *app) *cobra.Command {
	var o denyOptions
	c := &cobra.Command{
		Use:   "deny ID --reason TEXT",
		Short: "Refuse a request, with the reason that its author reads",
		Example: `  anchorhold request deny req-… --category disclosure-risk --reason "It returns single patients." \
    --accept "Group by decade, with ten patients or more in each group."`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(o.reason) == "" {
				return usagef("use --reason TEXT; the author reads it", "a denial needs a reason")
			}
			return decide(c.Context(), a, args[0], client.NewDecision{
				Verdict: anchorhold.Deny, Reason: o.reason, Category: o.category, WouldAccept: o.accept, Dataset: o.dataset,
			})
		},
	}
	c.Flags().StringVar(&o.reason, "reason", "", "why; the author reads it")
	c.Flags().StringVar(&o.category, "category", "", "which sort of reason: "+strings.Join(anchorhold.DenialCategories(), ", ")+" (default: other)")
	c.Flags().StringVar(&o.accept, "accept", "", "what you would accept instead; the author reads it")
	c.Flags().StringVar(&o.dataset, "dataset", "", "decide for this dataset of several only")
	return c
}
