package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	dpaccount "github.com/anchorhold/anchorhold/dp/account"
)

func newLedger(a *app) *cobra.Command {
	return group("ledger", "See what others have learnt from the data, and limit it",
		newLedgerShow(a), newLedgerLimits(a), newLedgerTry(a), newLedgerExport(a), newLedgerPlan(a))
}

type ledgerShowOptions struct {
	population string
	limit      int
}

// ledgerShown is the ledger of a population, its three classes apart.
type ledgerShown struct {
	Population string                                              `json:"population"`
	Accounts   []client.Standing                                   `json:"accounts"` // of what is proved
	Entries    map[anchorhold.LedgerClass][]anchorhold.LedgerEntry `json:"entries"`
}

func newLedgerShow(a *app) *cobra.Command {
	var o ledgerShowOptions
	c := &cobra.Command{
		Use:   "show",
		Short: "List what was disclosed, to whom, newest first",
		Long: `Lists exposure in three classes that are never added together: proved (bounded
by our own mechanisms), declared (claimed by reviewed code), and unbounded
(whatever a person released or confirmed).

With --population it also tells what was spent of each limit: the bound that holds
for all answers together, and beside it the plain sum of their prices, which
anybody can check by addition.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runLedgerShow(c.Context(), a, o) },
	}
	c.Flags().StringVar(&o.population, "population", "", "only what concerns these people, with their limits")
	c.Flags().IntVar(&o.limit, "limit", 0, "at most so many; 0 for all")
	return c
}

func runLedgerShow(ctx context.Context, a *app, o ledgerShowOptions) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		all, err := client.Collect(c.Ledger(ctx, o.population), max(o.limit, 0))
		if err != nil {
			return err
		}
		name := namesOf(ctx, c)
		if o.population == "" {
			return emit(a, all, func(p *show.Printer, all []anchorhold.LedgerEntry) { printEntries(p, all, name) })
		}
		shown := ledgerShown{Population: o.population, Entries: map[anchorhold.LedgerClass][]anchorhold.LedgerEntry{}}
		if shown.Accounts, err = c.Exposure(ctx, o.population); err != nil {
			return err
		}
		for _, class := range classes() {
			shown.Entries[class] = []anchorhold.LedgerEntry{}
		}
		for _, e := range all {
			shown.Entries[e.Class] = append(shown.Entries[e.Class], e)
		}
		return emit(a, shown, func(p *show.Printer, s ledgerShown) { printLedger(p, s, name) })
	})
}

func classes() []anchorhold.LedgerClass {
	return []anchorhold.LedgerClass{anchorhold.ExposureProved, anchorhold.ExposureDeclared, anchorhold.ExposureUnbounded}
}

func printEntries(p *show.Printer, all []anchorhold.LedgerEntry, name func(string) string) {
	var rows [][]string
	for _, e := range all {
		rows = append(rows, []string{show.Time(e.Created), string(e.Class), e.Population, name(e.Principal), e.Subject, e.What})
	}
	p.Table("Nothing was disclosed yet.", []string{"WHEN", "CLASS", "POPULATION", "TO", "SUBJECT", "WHAT"}, rows)
}

func printLedger(p *show.Printer, s ledgerShown, name func(string) string) {
	printStandings(p, s.Accounts, name)
	for _, class := range classes() {
		p.Heading(map[anchorhold.LedgerClass]string{
			anchorhold.ExposureProved:    "Proved: bounded by our own mechanisms",
			anchorhold.ExposureDeclared:  "Declared: what reviewed code says of itself",
			anchorhold.ExposureUnbounded: "Unbounded: released or confirmed by a person",
		}[class])
		var rows [][]string
		for _, e := range s.Entries[class] {
			rows = append(rows, []string{show.Time(e.Created), name(e.Principal), e.Study, e.Subject, e.What})
		}
		p.Table("Nothing.", []string{"WHEN", "TO", "STUDY", "SUBJECT", "WHAT"}, rows)
	}
}

// typical is the price of which it is said how many more would fit.
const typical = dpaccount.Epsilon(1e11) // ε = 0.1

func printStandings(p *show.Printer, accounts []client.Standing, name func(string) string) {
	var rows [][]string
	for _, s := range accounts {
		limit, left, more := "none", "", ""
		if s.Limit != nil {
			limit = limitText(s.Limit.Epsilon, s.Limit.Delta)
			left, more = leftOf(s)
		}
		rows = append(rows, []string{s.Population, accountText(s.ExposureAccount, name), limit, s.Epsilon.String(), plainText(s), left, more})
	}
	p.Table("No limit of exposure is set: nothing is answered without a review.",
		[]string{"POPULATION", "FOR", "LIMIT ε", "SPENT ε", "PLAIN SUM", "LEFT", "MORE OF ε=0.1"}, rows)
}

// leftOf says what is left of a limit, in the currency in which it is enforced,
// and how many more answers of a typical price fit.
func leftOf(s client.Standing) (left, more string) {
	each, err := dpaccount.PureCharge(typical)
	if err != nil || s.Left == nil {
		return "", ""
	}
	var n int64
	if s.Limit.Rho != "" && s.Limit.Rho != "0" {
		left = "ρ " + s.Left.Rho.String()
		n = int64(s.Left.Rho) / int64(each.Rho)
	} else {
		left = "ε " + s.Left.Pure.String()
		n = int64(s.Left.Pure) / int64(each.Pure)
	}
	return left, strconv.FormatInt(n, 10)
}

func plainText(s client.Standing) string { return limitText(s.Plain.String(), s.PlainDelta.String()) }

func limitText(epsilon, delta string) string {
	if delta == "" || delta == "0" {
		return epsilon
	}
	return epsilon + ", δ " + delta
}

func accountText(a anchorhold.ExposureAccount, name func(string) string) string {
	switch a.Scope {
	case anchorhold.LimitPopulation:
		return "everybody together"
	case anchorhold.LimitExploration:
		return "all outside of studies"
	case anchorhold.LimitQuestion:
		return "each question"
	case anchorhold.LimitStudy:
		if a.Name == "" {
			return "each study"
		}
		return "study " + a.Name
	case anchorhold.LimitResearcher:
		if a.Name == "" {
			return "each researcher"
		}
		return name(a.Name)
	}
	return string(a.Scope)
}
