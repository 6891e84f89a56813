package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newEnvRequest(a *app) *cobra.Command {
	reason := ""
	c := &cobra.Command{
		Use:   "request LOCKFILE [--reason TEXT]",
		Short: "Ask the site's owner for a further environment",
		Long: `Sends a lock to the site. Nothing is built before the owner has read it; once it
is there, name it when you submit: --env LOCK.`,
		Example: "  uv pip compile --generate-hashes --universal --no-header --no-annotate my.in -o my.lock\n  anchorhold env request my.lock --reason \"survival curves\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			lock, err := readLock(args[0])
			if err != nil {
				return err
			}
			return withEnvironment(c.Context(), a, func(ctx context.Context, c *client.Client) (client.EnvironmentRequest, error) {
				return c.AskEnvironment(ctx, client.NewEnvironment{Lock: lock.String(), Reason: reason})
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "what it is for")
	return c
}

func newEnvDecline(a *app) *cobra.Command {
	reason := ""
	c := &cobra.Command{
		Use:   "decline ID --reason TEXT",
		Short: "Say that an environment that was asked for will not be added",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usagef("use --reason TEXT", "a refusal needs a reason")
			}
			return withEnvironment(c.Context(), a, func(ctx context.Context, c *client.Client) (client.EnvironmentRequest, error) {
				return c.DecideEnvironment(ctx, args[0], client.NewEnvironmentDecision{Verdict: anchorhold.Deny, Reason: reason})
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why")
	return c
}

func withEnvironment(ctx context.Context, a *app, act func(context.Context, *client.Client) (client.EnvironmentRequest, error)) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		r, err := act(ctx, c)
		if err != nil {
			return err
		}
		return emit(a, r, printEnvironmentRequest)
	})
}

func runEnvShowRequest(ctx context.Context, a *app, id string) error {
	return withEnvironment(ctx, a, func(ctx context.Context, c *client.Client) (client.EnvironmentRequest, error) {
		return c.EnvironmentRequest(ctx, id)
	})
}

func printEnvironmentRequest(p *show.Printer, r client.EnvironmentRequest) {
	p.Field("environment", r.ID)
	p.Field("state", string(r.State))
	p.Field("lock", r.Lock)
	p.Field("python", r.Python)
	p.Field("platform", r.Platform)
	p.Field("builds", strings.Join(r.Builds, ", "))
	p.Field("who", r.AuthorName)
	p.Field("why", r.Reason)
	p.Field("asked", show.Time(r.Created))
	if r.Decided != nil {
		p.Field("decided", show.TimeOf(r.Decided)+" by "+show.Who(r.DeciderName))
	}
	p.Field("answer", r.Answer)
	for _, k := range r.Packages {
		p.Field("package", k)
	}
	if r.State == anchorhold.EnvironmentRequested {
		p.Printf("\nTo add it, on the site's machine: anchorhold env add %s\n", r.ID)
	}
}

func runEnvLsRequested(ctx context.Context, a *app) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		all, err := client.Collect(c.EnvironmentRequests(ctx, anchorhold.EnvironmentRequested), 0)
		if err != nil {
			return err
		}
		return emit(a, all, func(p *show.Printer, all []client.EnvironmentRequest) {
			var rows [][]string
			for _, r := range all {
				rows = append(rows, []string{r.ID, r.AuthorName, show.Time(r.Created), strconv.Itoa(len(r.Packages)), strings.Join(r.Builds, " "), show.Cut(r.Reason, 60)})
			}
			p.Table("Nobody asks for an environment.", []string{"ID", "WHO", "ASKED", "PACKAGES", "BUILDS", "WHY"}, rows)
		})
	})
}
