package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newRequest(a *app) *cobra.Command {
	return group("request", "Ask a question, follow it, and decide on it",
		newRequestSubmit(a), newRequestTry(a), newRequestLs(a), newRequestShow(a), newRequestDiff(a), newRequestRead(a), newRequestSeen(a),
		newRequestApprove(a), newRequestDeny(a),
		newRequestAsk(a), newRequestAnswer(a), newRequestWithdraw(a))
}

type requestLsOptions struct {
	state string
	limit int
}

func newRequestLs(a *app) *cobra.Command {
	var o requestLsOptions
	c := &cobra.Command{
		Use:   "ls",
		Short: "List requests, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return runRequestLs(c.Context(), a, o) },
	}
	c.Flags().StringVar(&o.state, "state", "", "only those in this state, such as pending")
	c.Flags().IntVar(&o.limit, "limit", 100, "at most so many; 0 for all")
	return c
}

func runRequestLs(ctx context.Context, a *app, o requestLsOptions) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		all, err := client.Collect(c.Requests(ctx, anchorhold.State(o.state)), max(o.limit, 0))
		if err != nil {
			return err
		}
		return emit(a, all, func(p *show.Printer, all []anchorhold.Request) {
			var rows [][]string
			for _, r := range all {
				rows = append(rows, []string{r.ID, string(r.State), r.AuthorName, strings.Join(datasetsOf(r), ", "), show.Time(r.Opened), show.Cut(r.Purpose, 60)})
			}
			p.Table("There are no such requests.", []string{"ID", "STATE", "WHO", "DATA", "ASKED", "WHY"}, rows)
		})
	})
}

// datasetsOf lists the datasets that a request uses.
func datasetsOf(r anchorhold.Request) []string {
	var out []string
	for _, ref := range r.Assets {
		out = append(out, ref.Dataset)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func newRequestDiff(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "diff ID",
		Short: "Compare a request with its author's last approved version (else with the newest earlier one)",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return runRequestDiff(c.Context(), a, args[0]) },
	}
}

func runRequestDiff(ctx context.Context, a *app, id string) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		d, err := c.Diff(ctx, id)
		if err != nil {
			return err
		}
		return emit(a, d, printDiff)
	})
}

func printDiff(p *show.Printer, d client.Diff) {
	note := ", which was not approved"
	if d.Approved {
		note = ", the last approved version"
	}
	switch {
	case d.Base == "":
		p.Printf("There is no earlier request to compare with.\n")
	case d.Text == "":
		p.Printf("It is the same as %s%s.\n", d.Base, note)
	default:
		p.Printf("Changes since %s%s:\n%s\n", d.Base, note, show.Block(strings.TrimSuffix(d.Text, "\n")))
		warn(p, "this comparison", d.Text)
	}
}

func decide(ctx context.Context, a *app, id string, d client.NewDecision) error {
	return withRequest(ctx, a, func(c *client.Client) (anchorhold.Request, error) { return c.Decide(ctx, id, d) })
}

// withRequest does one thing to a request and tells where it stands now.
func withRequest(ctx context.Context, a *app, act func(*client.Client) (anchorhold.Request, error)) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		r, err := act(c)
		if err != nil {
			return err
		}
		return emit(a, r, func(p *show.Printer, r anchorhold.Request) {
			p.Printf("%s is %s: %s.\n", r.ID, r.State, meaning(r.State))
			for _, w := range r.Waits {
				p.Field("waits for", waiting(w))
			}
		})
	})
}

// meanings says in words what each state means for people.
var meanings = map[anchorhold.State]string{
	anchorhold.StatePending:   "it waits for a decision",
	anchorhold.StateAsked:     "a question to its author is open",
	anchorhold.StateApproved:  "it may run",
	anchorhold.StateDenied:    "it will not run",
	anchorhold.StateWithdrawn: "its author took it back",
	anchorhold.StateExpired:   "it was not decided in time",
	anchorhold.StateQueued:    "its run waits for its turn",
	anchorhold.StateRunning:   "it runs on the private data",
	anchorhold.StateFailed:    "its run failed",
	anchorhold.StateCancelled: "its run was cancelled",
	anchorhold.StateChecking:  "its output is being checked",
	anchorhold.StateHeld:      "its output waits for a decision",
	anchorhold.StateDeciding:  "whether its output may leave is being decided",
	anchorhold.StateReleased:  "its output may be fetched",
	anchorhold.StateRefused:   "its output may not leave",
}

func meaning(s anchorhold.State) string {
	if text, ok := meanings[s]; ok {
		return text
	}
	return "this program does not know that state"
}

func newRequestAsk(a *app) *cobra.Command {
	return talk(a, "ask", "Ask a request's author something before deciding", (*client.Client).Ask)
}

func newRequestAnswer(a *app) *cobra.Command {
	return talk(a, "answer", "Answer a question about your request", (*client.Client).Answer)
}

// talk makes a command that says something about a request.
func talk(a *app, verb, short string, say func(*client.Client, context.Context, string, string) (anchorhold.Request, error)) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " ID TEXT...",
		Short:   short,
		Example: fmt.Sprintf("  anchorhold request %s req-… \"Why by single year of age?\"", verb),
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, text := c.Context(), strings.Join(args[1:], " ")
			return withRequest(ctx, a, func(c *client.Client) (anchorhold.Request, error) { return say(c, ctx, args[0], text) })
		},
	}
}

func newRequestWithdraw(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "withdraw ID",
		Short: "Take your own request back",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return withRequest(ctx, a, func(c *client.Client) (anchorhold.Request, error) { return c.Withdraw(ctx, args[0]) })
		},
	}
}
