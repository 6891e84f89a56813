package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newRun(a *app) *cobra.Command {
	return group("run", "See what runs and what it did; end it", newRunLs(a), newRunShow(a), newRunLogs(a), newRunCancel(a),
		newRunPriority(a), newRunQueue(a),
		newRunDeposit(a), newRunReplay(a))
}

type runLsOptions struct {
	limit           int
	trials, replays bool
	request         string
}

func newRunLs(a *app) *cobra.Command {
	var o runLsOptions
	c := &cobra.Command{
		Use:   "ls",
		Short: "List runs, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return runRunLs(c.Context(), a, o) },
	}
	c.Flags().BoolVar(&o.trials, "trials", false, "those on mocks, instead of those on private data")
	c.Flags().BoolVar(&o.replays, "replays", false, "what was replayed, instead")
	c.Flags().StringVar(&o.request, "request", "", "only those of the request with this id")
	c.MarkFlagsMutuallyExclusive("trials", "replays", "request")
	c.Flags().IntVar(&o.limit, "limit", 100, "at most so many; 0 for all")
	return c
}

func runRunLs(ctx context.Context, a *app, o runLsOptions) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		list := c.Runs(ctx, o.request)
		switch {
		case o.trials:
			list = c.Trials(ctx)
		case o.replays:
			list = c.Replays(ctx)
		}
		all, err := client.Collect(list, max(o.limit, 0))
		if err != nil {
			return err
		}
		return emit(a, all, func(p *show.Printer, all []anchorhold.Run) {
			var rows [][]string
			for _, r := range all {
				rows = append(rows, []string{r.ID, string(r.State), r.Request, show.Time(r.Queued), show.TimeOf(r.Finished), cmp.Or(show.Cut(r.Reason, 60), replayWords(r))})
			}
			p.Table("Nothing has run yet.", []string{"ID", "STATE", "REQUEST", "QUEUED", "FINISHED", "NOTE"}, rows)
		})
	})
}

func newRunShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a run (of a request: its newest)",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withRun(c.Context(), a, args[0], (*client.Client).Run)
		},
	}
}

func newRunCancel(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID",
		Short: "End a run that waits or runs (of a request: its newest)",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withRun(c.Context(), a, args[0], (*client.Client).CancelRun)
		},
	}
}

func newRunPriority(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "priority ID low|normal|high",
		Short: "Have a run claimed before or after those of others (of a request: all its runs, also later ones)",
		Long: `Sets the priority of a run that waits, and of the other runs of its request,
those to come included. Of higher priorities all are claimed before any of a
lower; within one priority, researchers take turns.`,
		Example: "  anchorhold run priority REQUEST high --dir /srv/heart",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if _, ok := priorities()[args[1]]; !ok {
				return usagef("say low, normal or high", "%q is not a priority", args[1])
			}
			return withRun(c.Context(), a, args[0], func(c *client.Client, ctx context.Context, id string) (anchorhold.Run, error) {
				return c.Prioritize(ctx, id, args[1])
			})
		},
	}
}

func newRunQueue(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "queue",
		Short: "Show how many runs wait and go on, and how many sandboxes are ready",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSite(c.Context(), a, func(ctx context.Context, c *client.Client) error {
				q, err := c.Queue(ctx)
				if err != nil {
					return err
				}
				site, err := c.Site(ctx)
				if err != nil {
					return err
				}
				return emit(a, q, func(p *show.Printer, q client.Queue) {
					p.Field("waiting", fmt.Sprintf("%d runs", q.Waiting))
					p.Field("running", fmt.Sprintf("%d runs, at most %d at once", q.Running, q.Slots))
					for _, name := range slices.Sorted(maps.Keys(q.Ready)) {
						p.Field("ready", fmt.Sprintf("%d for %s", q.Ready[name], nameLocks(name, site)))
					}
				})
			})
		},
	}
}

// priorities are the words for them.
func priorities() map[string]int {
	return map[string]int{"low": anchorhold.PriorityLow, "normal": anchorhold.PriorityNormal, "high": anchorhold.PriorityHigh}
}

// priorityWord is a priority as people say it; normal is not worth a line.
func priorityWord(n int) string {
	return map[int]string{anchorhold.PriorityLow: "low", anchorhold.PriorityHigh: "high"}[n]
}

// aheadWords says how many runs come before one.
func aheadWords(n *int) string {
	switch {
	case n == nil:
		return ""
	case *n == 0:
		return "it is the next"
	case *n <= 5:
		return "at most five runs are before it"
	}
	return fmt.Sprintf("about %d runs are before it", *n)
}

func withRun(ctx context.Context, a *app, id string, act func(*client.Client, context.Context, string) (anchorhold.Run, error)) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		r, err := act(c, ctx, id)
		if err != nil {
			return err
		}
		return emitRun(ctx, a, c, r)
	})
}

func emitRun(ctx context.Context, a *app, c *client.Client, r anchorhold.Run) error {
	site, err := c.Site(ctx)
	if err != nil {
		return err
	}
	return emit(a, r, func(p *show.Printer, r anchorhold.Run) { printRun(p, r, site) })
}

// nameLocks puts before each lock in a text the name that the site has for it.
func nameLocks(text string, site client.Site) string {
	for _, e := range site.Environments {
		if e.Name != "" {
			text = strings.ReplaceAll(text, e.Lock, e.Name+" "+e.Lock)
		}
	}
	return text
}

func printRun(p *show.Printer, r anchorhold.Run, site client.Site) {
	p.Field("run", r.ID)
	p.Field("side", string(r.Side))
	p.Field("request", r.Request)
	p.Field("state", string(r.State))
	p.Field("queue", aheadWords(r.Ahead))
	p.Field("priority", priorityWord(r.Priority))
	p.Field("reason", r.Reason)
	p.Field("queued", show.Time(r.Queued))
	p.Field("started", show.TimeOf(r.Started))
	p.Field("finished", show.TimeOf(r.Finished))
	if r.Attempt > 1 {
		p.Field("attempt", fmt.Sprint(r.Attempt))
	}
	p.Field("environment", nameLocks(r.Lock, site))
	p.Field("built as", r.Environment)
	p.Field("boundary", r.Boundary)
	if r.Replay != nil {
		printReplay(p, r.Replay)
	}
	if d := r.Deposit; d != nil {
		p.Field("deposited", "by "+d.Name+" at "+show.Time(d.At))
	}
	printUsage(p, r.Usage)
	for _, o := range r.Outputs {
		printOutput(p, o)
	}
}

func printUsage(p *show.Printer, u anchorhold.Usage) {
	if u != (anchorhold.Usage{}) {
		p.Field("used", fmt.Sprintf("%s of processor, %s in all, %s of memory at most", seconds(u.CPUSeconds), seconds(u.WallSeconds), show.Size(u.PeakBytes)))
	}
}

// seconds says a short time too: a run in a sandbox that was ready takes hundredths.
func seconds(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

func printOutput(p *show.Printer, o anchorhold.Output) {
	p.Heading("output " + o.Name)
	p.Field("kind", strings.TrimSuffix(o.Kind+", "+o.Python, ", "))
	if o.Sensitivity != "" {
		p.Field("sensitivity", tells(o.Sensitivity))
	}
	switch {
	case o.Gone:
		p.Field("file", "deleted at the site")
	case o.SHA256 != "":
		p.Field("file", fmt.Sprintf("%s, %s", o.File, show.Size(o.Size)))
	}
	p.Field("sha256", o.SHA256)
	if o.Release != nil {
		p.Field("release", fmt.Sprintf("%s: %s", o.Release.ID, o.Release.State))
	}
	printChecks(p, o.Checks)
}

func printChecks(p *show.Printer, checks []anchorhold.Check) {
	if len(checks) == 0 {
		return
	}
	var rows [][]string
	for _, c := range checks {
		rows = append(rows, []string{c.Name, string(c.Result), c.Detail})
	}
	p.Table("", []string{"CHECK", "RESULT", "DETAIL"}, rows)
}

func newRunLogs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "logs ID",
		Short: "Show what a run printed (of a request: its newest)",
		Long: `Shows what the code printed, and the traceback when it failed. It may hold
private values, so only who may see the private data may see it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runRunLogs(c.Context(), a, args[0]) },
	}
}

func runRunLogs(ctx context.Context, a *app, id string) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		log, err := c.RunLog(ctx, id)
		if err != nil {
			return err
		}
		return emit(a, log, func(p *show.Printer, l client.Log) {
			if strings.Trim(l.Text, "\n") == "" {
				p.Printf("It printed nothing.\n")
			} else {
				p.Printf("%s\n", show.Block(strings.Trim(l.Text, "\n")))
			}
			if l.Truncated {
				p.Printf("(the rest was cut off: the log reached its limit)\n")
			}
		})
	})
}
