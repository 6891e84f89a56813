package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newGrant(a *app) *cobra.Command {
	return group("grant", "See what may run without asking again, and end it",
		newGrantLs(a), newGrantShow(a), newGrantRevoke(a), newGrantResume(a))
}

type grantLsOptions struct {
	dataset string
	all     bool
	limit   int
}

func newGrantLs(a *app) *cobra.Command {
	var o grantLsOptions
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the grants that permit something, newest first",
		Long: `Lists grants: to owners and reviewers those of their datasets, to researchers
those under which they may run. A grant is made by "anchorhold request approve".`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runGrantLs(c.Context(), a, o) },
	}
	c.Flags().StringVar(&o.dataset, "dataset", "", "only those about this dataset")
	c.Flags().BoolVar(&o.all, "all", false, "also those that are used up, expired or revoked")
	c.Flags().IntVar(&o.limit, "limit", 100, "at most so many; 0 for all")
	return c
}

func runGrantLs(ctx context.Context, a *app, o grantLsOptions) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		found := []client.Grant{}
		for g, err := range c.Grants(ctx, o.dataset) {
			if err != nil {
				return err
			}
			if o.all || g.State == anchorhold.GrantActive || g.State == anchorhold.GrantSuspended {
				found = append(found, g)
			}
			if o.limit > 0 && len(found) == o.limit {
				break
			}
		}
		return emit(a, found, func(p *show.Printer, all []client.Grant) {
			var rows [][]string
			for _, g := range all {
				who := ""
				if g.GrantInside != nil {
					who = g.AuthorName
				}
				rows = append(rows, []string{g.ID, string(g.State), who, g.Entry, usesOf(g), show.TimeOf(g.Expires), g.Covers})
			}
			p.Table("There are no such grants.", []string{"ID", "STATE", "ASKED BY", "CODE", "USED", "UNTIL", "COVERS"}, rows)
		})
	})
}

// usesOf says how many runs there were of how many, to whom the site says it.
func usesOf(g client.Grant) string {
	if g.GrantCount == nil {
		return ""
	}
	return fmt.Sprintf("%d of %d", g.Used, g.Uses)
}

func newGrantShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show what a grant covers and what became of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withGrant(c.Context(), a, func(ctx context.Context, c *client.Client) (client.Grant, error) { return c.Grant(ctx, args[0]) })
		},
	}
}

func newGrantRevoke(a *app) *cobra.Command {
	reason := ""
	c := &cobra.Command{
		Use:   "revoke ID",
		Short: "End a grant, and what waits or runs under it",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withGrant(c.Context(), a, func(ctx context.Context, c *client.Client) (client.Grant, error) {
				return c.RevokeGrant(ctx, args[0], reason)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the books")
	return c
}

func newGrantResume(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "resume ID",
		Short: "Let a suspended grant permit runs again",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withGrant(c.Context(), a, func(ctx context.Context, c *client.Client) (client.Grant, error) { return c.ResumeGrant(ctx, args[0]) })
		},
	}
}

func withGrant(ctx context.Context, a *app, act func(context.Context, *client.Client) (client.Grant, error)) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		g, err := act(ctx, c)
		if err != nil {
			return err
		}
		return emit(a, g, printGrant)
	})
}

func printGrant(p *show.Printer, g client.Grant) {
	p.Field("grant", g.ID)
	p.Field("state", string(g.State))
	p.Field("code", g.Entry)
	p.Field("code digest", g.CodeDigest)
	p.Field("purpose", g.Purpose)
	p.Field("study", g.Study)
	p.Field("covers", g.Covers)
	p.Field("used", usesOf(g))
	if g.GrantCount != nil {
		p.Field("decided on", g.Request)
	}
	if g.GrantInside != nil {
		printGrantInside(p, *g.GrantInside)
	}
}

func printGrantInside(p *show.Printer, g anchorhold.GrantInside) {
	p.Field("asked by", g.AuthorName)
	p.Field("for", strings.Join(g.For, ", "))
	if g.FailureLimit > 0 {
		p.Field("failures", fmt.Sprintf("%d; suspended at %d", g.Failures, g.FailureLimit))
	}
	if g.Stopped {
		p.Field("releases", "by a person: a check stopped an output (resume the grant to change that)")
	}
	if g.Suspended != nil {
		p.Field("suspended", show.TimeOf(g.Suspended))
	}
	if g.Revoked != nil {
		p.Field("revoked", fmt.Sprintf("%s by %s", show.TimeOf(g.Revoked), g.RevokedBy))
		p.Field("reason", g.Reason)
	}
}
