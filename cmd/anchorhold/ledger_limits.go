package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

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
	f.StringVar(&o.researcher, "researcher", "", "e-mail address, or each: what one person may learn")
	f.StringVar(&o.study, "study", "", "name, or each: what may be learnt in one study")
	f.BoolVar(&o.exploration, "exploration", false, "what may be learnt outside of studies")
	f.BoolVar(&o.question, "question", false, "what one question may cost")
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
that probability. What a limit means for one person is said in odds, as bounds for
whoever knows everything about everybody else. What was spent is never given back. Raising a limit needs --reason,
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
		all, err := c.ExplainedExposure(ctx, o.population)
		if err != nil {
			return err
		}
		name := namesOf(ctx, c)
		return emit(a, all, func(p *show.Printer, all []client.Standing) {
			printStandings(p, all, name)
			printMeaning(p, all, name)
		})
	})
}

func newLedgerTry(a *app) *cobra.Command {
	var o limitOptions
	c := &cobra.Command{
		Use:   "try",
		Short: "Say what another limit would have let through of what was asked",
		Long: `Goes through all that was asked of a population, in its order, and says what a
limit would have answered and refused: over all of it, or for a researcher (or
each), a study, exploration, one question. Nothing is changed.`,
		Example: `  anchorhold ledger try --population heart --epsilon 1
  anchorhold ledger try --population heart --researcher each --epsilon 0.5`,
		Args: cobra.NoArgs,
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
	force, table := false, false
	c := &cobra.Command{
		Use:   "export",
		Short: "Write every entry of the ledger to a file, the oldest first",
		Long: `Writes every entry, with amounts as exact decimals that anybody can add up: as CSV
where the file's name ends in .csv or --csv is given, otherwise one JSON object in
each line.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("use --out FILE, or --out - for standard output", "it is not said where to write to")
			}
			return withSite(c.Context(), a, func(ctx context.Context, c *client.Client) error {
				return exportLedger(ctx, a, c, exportOptions{population, out, table || strings.EqualFold(filepath.Ext(out), ".csv"), force})
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "the file, or - for standard output")
	c.Flags().StringVar(&population, "population", "", "only what concerns these people")
	c.Flags().BoolVar(&table, "csv", false, "as CSV, for a spreadsheet")
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return c
}

type exportOptions struct {
	population, out string
	csv, force      bool
}

func exportLedger(ctx context.Context, a *app, c *client.Client, o exportOptions) error {
	all, err := client.Collect(c.Ledger(ctx, o.population), 0)
	if err != nil {
		return err
	}
	slices.Reverse(all)
	write := writeLedger
	if o.csv {
		write = writeLedgerCSV
	}
	var text bytes.Buffer
	if err := write(&text, all); err != nil {
		return err
	}
	if o.out == "-" {
		_, err := text.WriteTo(a.out)
		return err
	}
	if err := save.Path(o.out, o.force, &text); err != nil {
		return err
	}
	return emit(a, map[string]any{"file": o.out, "entries": len(all)}, func(p *show.Printer, _ map[string]any) {
		p.Field("written", fmt.Sprintf("%s, %d entries", o.out, len(all)))
	})
}

func writeLedger(to io.Writer, all []anchorhold.LedgerEntry) error {
	lines := json.NewEncoder(to)
	lines.SetEscapeHTML(false)
	for _, e := range all {
		if err := lines.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

// writeLedgerCSV writes entries for a spreadsheet: what is counted in columns that
// can be added up, and no text that would be taken for a formula.
func writeLedgerCSV(to io.Writer, all []anchorhold.LedgerEntry) error {
	w := csv.NewWriter(to)
	rows := [][]string{{"id", "created", "class", "population", "study", "principal", "subject", "what", "epsilon", "delta", "pure", "rho", "zcdp_delta", "amount"}}
	for _, e := range all {
		row := []string{e.ID, e.Created.UTC().Format(time.RFC3339), string(e.Class), e.Population, e.Study, e.Principal, e.Subject, e.What}
		if price, ok := amountOf(e); ok {
			row = append(row, price.Epsilon.String(), price.Delta.String(), price.Pure.String(), price.Rho.String(), price.ZCDPDelta.String(), "")
		} else {
			row = append(row, "", "", "", "", "", e.Amount)
		}
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
		rows = append(rows, row)
	}
	return w.WriteAll(rows)
}
