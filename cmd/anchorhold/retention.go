package main

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newRetention(a *app) *cobra.Command {
	return group("retention", "Say how long what is kept, and remove what is older", newRetentionShow(a), newRetentionSet(a), newRetentionSweep(a))
}

func newRetentionShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "List what is removed for its age, and when",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.periods(c.Context(), func(ctx context.Context, c *client.Client) ([]client.Period, error) { return c.Retention(ctx) })
		},
	}
}

func newRetentionSet(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "set KIND DAYS",
		Short:   "Change how long something is kept; 0 or \"forever\" for ever",
		Example: "  anchorhold retention set run-logs 30d",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			days, err := strconv.Atoi(strings.TrimSuffix(strings.Replace(args[1], "forever", "0", 1), "d"))
			if err != nil {
				return usagef("write it like 30d, or forever", "%q is no number of days", args[1])
			}
			return a.periods(c.Context(), func(ctx context.Context, c *client.Client) ([]client.Period, error) {
				return c.SetRetention(ctx, args[0], days)
			})
		},
	}
}

func (a *app) periods(ctx context.Context, do func(context.Context, *client.Client) ([]client.Period, error)) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	list, err := do(ctx, c.Client)
	if err != nil {
		return err
	}
	return emit(a, list, func(p *show.Printer, list []client.Period) {
		var rows [][]string
		for _, e := range list {
			kept := strconv.Itoa(e.Days) + " days"
			switch e.Days {
			case 0:
				kept = "for ever"
			case 1:
				kept = "1 day"
			}
			rows = append(rows, []string{e.Kind, kept, e.What})
		}
		p.Table("", []string{"KIND", "KEPT", "WHAT"}, rows)
	})
}

func newRetentionSweep(a *app) *cobra.Command {
	dry := false
	c := &cobra.Command{
		Use:   "sweep",
		Short: "Remove now what is older than its period",
		Long: `Removes what is older than its period, as a serving site does by itself every few
hours. What is removed is counted in the audit log. With --dry-run nothing is
removed, and nothing is logged.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runSweep(c.Context(), a, dry) },
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would be removed, and remove nothing")
	return c
}

func runSweep(ctx context.Context, a *app, dry bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Sweep(ctx, dry)
	if err != nil {
		return err
	}
	return emit(a, s, func(p *show.Printer, s client.Swept) {
		did := "removed"
		if s.DryRun {
			did = "would be removed"
		}
		var rows [][]string
		for _, kind := range slices.Sorted(maps.Keys(s.Removed)) {
			rows = append(rows, []string{kind, strconv.Itoa(s.Removed[kind])})
		}
		p.Table("", []string{"KIND", strings.ToUpper(did)}, rows)
		p.Printf("%s of stored files.\n", show.Size(s.Bytes))
	})
}
