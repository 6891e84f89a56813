package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	dpaccount "github.com/anchorhold/anchorhold/dp/account"
)

func newLedgerPlan(a *app) *cobra.Command {
	var file, delta string
	c := &cobra.Command{
		Use:   "plan --events FILE --delta DELTA",
		Short: "Say what mechanisms would cost together, before any is used",
		Long: `Bounds the epsilon that events have together, when all are fixed before the first
runs: the steps of a training, or the questions of a protocol. It asks no site.

FILE is JSON, or - for standard input: a list of events, such as
  [{"mechanism":"gaussian","sigma":2,"sampling_probability":0.01,"count":10000},
   {"mechanism":"laplace","scale":10,"sensitivity":2}]

  gaussian, discrete_gaussian    "sigma"
  laplace, discrete_laplace      "scale"
  exponential, pure              "epsilon"
  zcdp                           "rho"

sensitivity, sampling_probability (each unit by itself, Poisson) and count are 1
where they are left out. Discrete mechanisms add whole numbers: state sensitivity
and noise in steps of their lattice. Neighbours differ by one unit more or less.

Every epsilon is an upper bound by itself, so that the smallest holds:
  pure  plain addition, with delta 0
  zcdp  zero-concentrated differential privacy, as the ledger counts
  rdp   Renyi differential privacy, at the order that gives least
  pld   the distribution of the privacy loss, within 0.001 of what is true`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runLedgerPlan(a, file, delta) },
	}
	c.Flags().StringVar(&file, "events", "", "the file of events, or - for standard input")
	c.Flags().StringVar(&delta, "delta", "", "the probability with which the bounds need not hold, such as 1e-6")
	return c
}

func runLedgerPlan(a *app, file, delta string) error {
	if file == "" {
		return usagef("name the file of events, or - for standard input: --events FILE", "no events are given")
	}
	d, err := strconv.ParseFloat(delta, 64)
	if err != nil || math.IsNaN(d) {
		return usagef("state a probability such as --delta 1e-6", "--delta %q is no number", delta)
	}
	events, err := readEvents(a, file)
	if err != nil {
		return refusedPlan(err)
	}
	plan, err := dpaccount.NewPlan(events, d)
	if err != nil {
		return refusedPlan(err)
	}
	return emit(a, plan, showPlan)
}

func readEvents(a *app, file string) ([]dpaccount.Event, error) {
	if file == "-" {
		return dpaccount.ReadEvents(a.in)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "name a file of events that can be read", "%s cannot be opened", file).Because(err)
	}
	defer f.Close()
	return dpaccount.ReadEvents(io.Reader(f))
}

// refusedPlan gives what the accountant refused the form of all errors.
func refusedPlan(err error) error {
	var refused *dpaccount.Error
	if errors.As(err, &refused) {
		return anchorhold.Errorf(anchorhold.Invalid, refused.Remedy, "%s", refused.Problem)
	}
	return err
}

func showPlan(p *show.Printer, plan *dpaccount.Plan) {
	p.Printf("Together, with delta %v, one unit's exposure is at most:\n\n", plan.Delta)
	var rows [][]string
	add := func(name string, b dpaccount.Bound, why string) {
		if b.Epsilon == nil {
			rows = append(rows, []string{name, "-", b.Reason})
			return
		}
		rows = append(rows, []string{name, epsilonText(*b.Epsilon), why})
		if b.Note != "" {
			rows = append(rows, []string{"", "", b.Note})
		}
	}
	add("pure", plan.Pure, "plain addition, delta 0")
	add("zcdp", plan.ZCDP, "as the ledger counts")
	add("rdp", plan.RDP, fmt.Sprintf("at order %.4g", plan.RDP.Order))
	add("pld", plan.PLD, "within 0.001 of what is true")
	p.Table("", []string{"BOUND", "EPSILON", ""}, rows)
}

// epsilonText writes an upper bound with four decimals, rounded up; a small one
// with four digits.
func epsilonText(e float64) string {
	if e >= 0.1 || e == 0 {
		return fmt.Sprintf("%.4f", math.Ceil(e*1e4)/1e4)
	}
	scale := math.Pow(10, 4-math.Ceil(math.Log10(e)))
	return fmt.Sprintf("%.4g", math.Ceil(e*scale)/scale)
}
