package main

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
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
	// Questions are what was asked, by the subjects of entries.
	Questions map[string]anchorhold.Question `json:"questions"`
}

func newLedgerShow(a *app) *cobra.Command {
	var o ledgerShowOptions
	c := &cobra.Command{
		Use:   "show",
		Short: "List what was disclosed, to whom, newest first",
		Long: `Lists exposure in three classes that are never added together: proved (bounded
by our own mechanisms), declared (claimed by reviewed code), and unbounded
(whatever a person released or confirmed).

With --population it also tells who asked what, and what was spent of each limit: the
bound that holds for all answers together, and beside it the plain sum of their
prices, which anybody can check by addition; how many more usual questions fit; and
what the limit means for one person, in odds.`,
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
		shown := ledgerShown{Population: o.population, Entries: map[anchorhold.LedgerClass][]anchorhold.LedgerEntry{}, Questions: map[string]anchorhold.Question{}}
		if shown.Accounts, err = c.ExplainedExposure(ctx, o.population); err != nil {
			return err
		}
		for q, err := range c.Queries(ctx, "") {
			if err != nil {
				return err
			}
			if q.Population == o.population {
				shown.Questions[q.ID] = q
			}
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
	printMeaning(p, s.Accounts, name)
	for _, class := range classes() {
		p.Heading(map[anchorhold.LedgerClass]string{
			anchorhold.ExposureProved:    "Proved: bounded by our own mechanisms",
			anchorhold.ExposureDeclared:  "Declared: what reviewed code says of itself",
			anchorhold.ExposureUnbounded: "Unbounded: released or confirmed by a person",
		}[class])
		var rows [][]string
		for _, e := range s.Entries[class] {
			what := e.What
			if q, ok := s.Questions[e.Subject]; ok {
				what = q.SQL
			}
			rows = append(rows, []string{show.Time(e.Created), name(e.Principal), e.Study, priceOf(e), e.Subject, what})
		}
		p.Table("Nothing.", []string{"WHEN", "TO", "STUDY", "PRICE ε", "SUBJECT", "WHAT"}, rows)
	}
}

// priceOf is what an answer was priced at; what is not proved has no price.
func priceOf(e anchorhold.LedgerEntry) string {
	price, ok := amountOf(e)
	if !ok {
		return ""
	}
	return limitText(price.Epsilon.String(), price.Delta.String())
}

// amountOf is what an entry counts; what is not proved counts nothing.
func amountOf(e anchorhold.LedgerEntry) (client.QueryPrice, bool) {
	var price client.QueryPrice
	return price, e.Class == anchorhold.ExposureProved && json.Unmarshal([]byte(e.Amount), &price) == nil
}

// printMeaning says in odds what the limits of a population mean for one person.
func printMeaning(p *show.Printer, accounts []client.Standing, name func(string) string) {
	for _, s := range accounts {
		if s.Meaning == nil {
			continue
		}
		p.Heading("What the limit means: " + s.Population + ", " + accountText(s.ExposureAccount, name))
		for _, words := range s.Meaning.Words {
			p.Printf("%s\n", words)
		}
		if s.Now != nil {
			p.Printf("So far, by what was answered: %s\n", s.Now.Words[0])
		}
	}
}

func printStandings(p *show.Printer, accounts []client.Standing, name func(string) string) {
	var rows [][]string
	for _, s := range accounts {
		limit, left, more := "none", "", ""
		if s.Limit != nil {
			limit = limitText(s.Limit.Epsilon, s.Limit.Delta)
			left = leftOf(s)
		}
		if s.Fits != nil {
			more = strconv.FormatInt(*s.Fits, 10)
		}
		rows = append(rows, []string{s.Population, accountText(s.ExposureAccount, name), limit, s.Epsilon.String(), plainText(s), left, more})
	}
	p.Table("No limit of exposure is set: nothing is answered without a review.",
		[]string{"POPULATION", "FOR", "LIMIT ε", "SPENT ε", "PLAIN SUM", "LEFT", "MORE OF ε=0.1"}, rows)
}

// leftOf says what is left of a limit, in the currency in which it is enforced.
func leftOf(s client.Standing) string {
	switch {
	case s.Left == nil:
		return ""
	case s.Limit.Rho != "" && s.Limit.Rho != "0":
		return "ρ " + s.Left.Rho.String()
	}
	return "ε " + s.Left.Pure.String()
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
