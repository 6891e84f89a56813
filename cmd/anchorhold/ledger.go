package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newLedger(a *app) *cobra.Command {
	return group("ledger", "See what others have learnt from the data", newLedgerShow(a), newLedgerPlan(a))
}

func newLedgerShow(a *app) *cobra.Command {
	limit := 0
	c := &cobra.Command{
		Use:   "show",
		Short: "List what was disclosed, to whom, newest first",
		Long: `Lists exposure in three classes that are never added together: proved (bounded
by our own mechanisms), declared (claimed by reviewed code), and unbounded
(whatever a person released or confirmed).`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runLedgerShow(c.Context(), a, limit) },
	}
	c.Flags().IntVar(&limit, "limit", 0, "at most so many; 0 for all")
	return c
}

func runLedgerShow(ctx context.Context, a *app, limit int) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := client.Collect(c.Ledger(ctx), max(limit, 0))
	if err != nil {
		return err
	}
	return emit(a, all, func(p *show.Printer, all []anchorhold.LedgerEntry) {
		name := namesOf(ctx, c.Client)
		var rows [][]string
		for _, e := range all {
			rows = append(rows, []string{show.Time(e.Created), string(e.Class), e.Population, name(e.Principal), e.Subject, e.What})
		}
		p.Table("Nothing was disclosed yet.", []string{"WHEN", "CLASS", "POPULATION", "TO", "SUBJECT", "WHAT"}, rows)
	})
}
