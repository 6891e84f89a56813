package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// limitOptions are the flags that say what a limit counts, and how much.
type limitOptions struct {
	population, epsilon, delta, reason string
	researcher, study                  string
	exploration, question, remove      bool
}

func (o *limitOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.population, "population", "", "the people whom it protects (see `anchorhold dataset show`)")
	f.StringVar(&o.epsilon, "epsilon", "", "the most that may be learnt, such as 3")
	f.StringVar(&o.delta, "delta", "", "with this delta, such as 1e-6; without it only mechanisms that need none are used")
}

// ledgerEach stands for everybody who has no limit of their own.
const ledgerEach = "each"

// limit reads the flags.
func (o *limitOptions) limit() (client.NewLimit, error) {
	n := client.NewLimit{Population: o.population, Epsilon: o.epsilon, Delta: o.delta, Reason: o.reason}
	for _, way := range []struct {
		given bool
		scope anchorhold.ExposureScope
		name  string
	}{
		{o.researcher != "", anchorhold.LimitResearcher, o.researcher},
		{o.study != "", anchorhold.LimitStudy, o.study},
		{o.exploration, anchorhold.LimitExploration, ""},
		{o.question, anchorhold.LimitQuestion, ""},
	} {
		if !way.given {
			continue
		}
		if n.Scope != "" {
			return n, usagef("set one limit at a time", "a limit is for one of: a researcher, a study, exploration, a question")
		}
		if n.Scope = way.scope; way.name != ledgerEach {
			n.Name = way.name
		}
	}
	switch {
	case o.population == "":
		return n, usagef("use --population NAME", "it is not said whom the limit protects")
	case o.remove && (o.epsilon != "" || o.delta != ""):
		return n, usagef("use --epsilon to change it, or --remove to end it", "a limit is either set or ended")
	case !o.remove && o.epsilon == "":
		return n, usagef("use --epsilon N, or --remove", "it is not said how much may be learnt")
	}
	return n, nil
}

func newLedgerLimits(a *app) *cobra.Command {
	var o limitOptions
	c := &cobra.Command{
		Use:   "limits",
		Short: "Say how much may be learnt, ever, about one person",
		Long: `Sets a limit of exposure: the most that all answers given without a review may
reveal about one person of a population, to everybody together, since people may
tell each other. Further limits hold within it: for a researcher (or each), for a
study (or each), for exploration, which is what is asked outside of studies, and for
one question. Without --epsilon it shows how all of them stand.

Without --delta answers use mechanisms that need none, and their epsilons add up. With
it, smaller noise is used for many answers, and epsilon is a bound that holds but with
that probability. What was spent is never given back. Raising a limit needs --reason,
which is on record.`,
		Example: `  anchorhold ledger limits --population heart --epsilon 3 --delta 1e-6
  anchorhold ledger limits --population heart --researcher each --epsilon 1
  anchorhold ledger limits --population heart --researcher ada@example.org --epsilon 2 --reason "her protocol was approved"
  anchorhold ledger limits`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runLedgerLimits(c, a, o) },
	}
	f := c.Flags()
	o.flags(f)
	f.StringVar(&o.researcher, "researcher", "", "e-mail address, or each: what one person may learn")
	f.StringVar(&o.study, "study", "", "name, or each: what may be learnt in one study")
	f.BoolVar(&o.exploration, "exploration", false, "what may be learnt outside of studies")
	f.BoolVar(&o.question, "question", false, "what one question may cost")
	f.StringVar(&o.reason, "reason", "", "why more may be learnt than before")
	f.BoolVar(&o.remove, "remove", false, "end the limit; of a population: nothing is answered without a review then")
	return c
}

func runLedgerLimits(cmd *cobra.Command, a *app, o limitOptions) error {
	return withSite(cmd.Context(), a, func(ctx context.Context, c *client.Client) error {
		if o.epsilon != "" || o.delta != "" || o.remove {
			n, err := o.limit()
			if err != nil {
				return err
			}
			if _, err := c.SetLimit(ctx, n); err != nil {
				return err
			}
		}
		all, err := c.Exposure(ctx, o.population)
		if err != nil {
			return err
		}
		name := namesOf(ctx, c)
		return emit(a, all, func(p *show.Printer, all []client.Standing) { printStandings(p, all, name) })
	})
}

func newLedgerTry(a *app) *cobra.Command {
	var o limitOptions
	c := &cobra.Command{
		Use:   "try",
		Short: "Say what another limit would have let through of what was asked",
		Long: `Goes through all that was asked of a population, in its order, and says what a
limit over all of it would have answered and refused. Nothing is changed.`,
		Example: "  anchorhold ledger try --population heart --epsilon 1",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := o.limit()
			if err != nil {
				return err
			}
			return withSite(c.Context(), a, func(ctx context.Context, c *client.Client) error {
				r, err := c.ReplayExposure(ctx, n)
				if err != nil {
					return err
				}
				return emit(a, r, func(p *show.Printer, r client.WhatIf) {
					p.Field("answered", strconv.FormatInt(r.Answered, 10))
					p.Field("refused", strconv.FormatInt(r.Refused, 10))
					p.Field("first refused", r.First)
					p.Field("spent", "ε "+r.Spent.Epsilon.String()+" by addition, ρ "+r.Spent.Rho.String())
				})
			})
		},
	}
	o.flags(c.Flags())
	return c
}

func newLedgerExport(a *app) *cobra.Command {
	var out, population string
	force := false
	c := &cobra.Command{
		Use:   "export",
		Short: "Write every entry of the ledger to a file, the oldest first",
		Long:  "Writes one JSON object in each line, as the audit log knows them; amounts are exact decimals.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("use --out FILE, or --out - for standard output", "it is not said where to write to")
			}
			return withSite(c.Context(), a, func(ctx context.Context, c *client.Client) error {
				return exportLedger(ctx, a, c, population, out, force)
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "the file, or - for standard output")
	c.Flags().StringVar(&population, "population", "", "only what concerns these people")
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return c
}

func exportLedger(ctx context.Context, a *app, c *client.Client, population, out string, force bool) error {
	all, err := client.Collect(c.Ledger(ctx, population), 0)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	for _, e := range slices.Backward(all) {
		if err := lines.Encode(e); err != nil {
			return err
		}
	}
	if out == "-" {
		_, err := text.WriteTo(a.out)
		return err
	}
	if err := save.Path(out, force, &text); err != nil {
		return err
	}
	return emit(a, map[string]any{"file": out, "entries": len(all)}, func(p *show.Printer, _ map[string]any) {
		p.Field("written", fmt.Sprintf("%s, %d entries", out, len(all)))
	})
}
