package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func haltFlags(c *cobra.Command, h *client.Halting) {
	c.Flags().StringVar(&h.Reason, "reason", "", "why; it is in the audit log (required)")
	c.Flags().BoolVar(&h.ShowReason, "show-reason", false, "researchers see the reason too")
}

func noReason() error { return usagef("use --reason TEXT", "no reason is given") }

func newDatasetFreeze(a *app) *cobra.Command {
	return newDatasetTurn(a, "freeze", "Take no new request and begin no new run over a dataset",
		"What runs already goes on, and its output is held for a person, whatever was granted.\nResearchers see that the dataset is frozen.", (*client.Client).FreezeDataset)
}

func newDatasetThaw(a *app) *cobra.Command {
	return newDatasetTurn(a, "thaw", "Let a frozen dataset go on", "Runs that waited are next.", (*client.Client).ThawDataset)
}

func newDatasetTurn(a *app, word, short, long string, turn func(*client.Client, context.Context, string, client.Halting) (anchorhold.Dataset, error)) *cobra.Command {
	var h client.Halting
	c := &cobra.Command{
		Use: word + " NAME --reason TEXT", Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if h.Reason == "" {
				return noReason()
			}
			to, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer to.Close()
			d, err := turn(to.Client, c.Context(), args[0], h)
			if err != nil {
				return err
			}
			return emit(a, d, printDataset)
		},
	}
	haltFlags(c, &h)
	return c
}

func newDatasetWithdraw(a *app) *cobra.Command {
	var h client.Halting
	var confirm string
	c := &cobra.Command{
		Use:   "withdraw NAME --reason TEXT",
		Short: "Take a dataset back for good",
		Long: "Revokes every grant, cancels runs, refuses held outputs, and deletes mocks, copies,\n" +
			"indexes, answers, logs and trials at the site; the private files themselves are yours\n" +
			"and are left alone. The audit log, the ledger and receipts stay. First it says what cannot be\n" +
			"recalled: what was released, and to whom. Then the dataset's name must be typed once\n" +
			"more, at the terminal or as --confirm.",
		Example: "  anchorhold dataset withdraw heart --reason 'consent was withdrawn' --confirm heart",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runDatasetWithdraw(c.Context(), a, args[0], confirm, h)
		},
	}
	haltFlags(c, &h)
	c.Flags().StringVar(&confirm, "confirm", "", "the dataset's name, typed once more")
	return c
}

func runDatasetWithdraw(ctx context.Context, a *app, name, confirm string, h client.Halting) error {
	if h.Reason == "" {
		return noReason()
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if confirm == "" {
		if confirm, err = a.askWithdrawal(ctx, c.Client, name); err != nil {
			return err
		}
	}
	if confirm != name {
		return usagef("use --confirm "+name, "what is withdrawn does not come back, and the name was not typed once more")
	}
	w, err := c.WithdrawDataset(ctx, name, confirm, h)
	if err != nil {
		return err
	}
	return emit(a, w, printWithdrawal)
}

// askWithdrawal shows what a withdrawal would do and what it cannot recall, and has
// the dataset's name typed once more where somebody can type it.
func (a *app) askWithdrawal(ctx context.Context, c *client.Client, name string) (confirm string, err error) {
	w, err := c.PreviewWithdrawal(ctx, name)
	if err != nil {
		return "", err
	}
	p := show.NewPrinter(a.err)
	printWithdrawal(p, w)
	if !isTerminal(a.in) || !isTerminal(a.err) {
		return "", nil
	}
	p.Printf("This cannot be undone. Type the dataset's name to withdraw it: ")
	line, err := bufio.NewReader(a.in).ReadString('\n')
	return strings.TrimSpace(line), err
}

func printWithdrawal(p *show.Printer, w client.Withdrawal) {
	p.Field("dataset", w.Dataset)
	p.Field("requests", fmt.Sprint(w.Requests, ", all of them ended"))
	p.Field("grants", fmt.Sprint(w.Grants, " revoked"))
	p.Field("deleted", fmt.Sprintf("%d mocks, %d answers, %d trials, and every copy, index and log", w.Mocks, w.Outputs, w.Trials))
	if w.Later > 0 {
		p.Field("later", fmt.Sprintf("%d stored files that no record names yet: within a day and some hours", w.Later))
	}
	var rows [][]string
	for _, r := range w.Released {
		when := ""
		if r.Decided != nil {
			when = show.Time(*r.Decided)
		}
		rows = append(rows, []string{r.Release, r.To, r.Output, when, show.Who(r.By)})
	}
	p.Heading("What cannot be recalled")
	if w.Backups > 0 {
		p.Printf("%d backups of the site hold what it held then: `anchorhold backup ls` says of which days.\n", w.Backups)
	}
	p.Table("Nothing was released. Mocks that people fetched are still with them.", []string{"RELEASE", "TO", "OUTPUT", "WHEN", "BY"}, rows)
}
