package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

type quotaOptions struct {
	everybody bool
	queued    string
	cpu       string
}

func newUserQuota(a *app) *cobra.Command {
	var o quotaOptions
	c := &cobra.Command{
		Use:   "quota EMAIL | --everybody",
		Short: "Show or set what a person's runs may take",
		Long: `Shows what a person's runs on private data may take, and have taken today; sets
it where --queued or --cpu-day is given. --everybody is about all who have no
quota of their own. 0 sets no bound; with both 0, a person has everybody's.

Who has as many unended runs as they may is told so when they submit what a
grant would begin at once. What a person approves begins in any case, and counts.
Who has used up a day's processor time waits for the next day (UTC), with all that
is queued.`,
		Example: "  anchorhold user quota ana@example.org --queued 20 --cpu-day 2h --dir /srv/heart",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 == o.everybody {
				return usagef("give one of the two", "this needs an e-mail address or --everybody")
			}
			email := ""
			if len(args) == 1 {
				email = args[0]
			}
			set := c.Flags().Changed("queued") || c.Flags().Changed("cpu-day")
			q, err := o.quota()
			if err != nil {
				return err
			}
			return runUserQuota(c.Context(), a, email, set, q)
		},
	}
	c.Flags().BoolVar(&o.everybody, "everybody", false, "all who have no quota of their own")
	c.Flags().StringVar(&o.queued, "queued", "0", "how many runs may wait or go on at once; none or 0: no bound")
	c.Flags().StringVar(&o.cpu, "cpu-day", "0", "processor time in a day, such as 2h; none or 0: no bound")
	return c
}

// quota reads the bounds; none takes one away, as 0 does.
func (o quotaOptions) quota() (q anchorhold.Quota, err error) {
	if o.queued != "none" {
		if q.Queued, err = strconv.Atoi(o.queued); err != nil || q.Queued < 0 {
			return q, usagef("give a number such as 20, or none for no bound", "--queued %s is not a number of runs", o.queued)
		}
	}
	if o.cpu != "none" && o.cpu != "0" {
		span, err := time.ParseDuration(o.cpu)
		if err != nil || span < 0 {
			return q, usagef("write it as 2h or 90m, or none for no bound", "--cpu-day %s is not a length of time", o.cpu)
		}
		q.CPUSeconds = span.Seconds()
	}
	return q, nil
}

func runUserQuota(ctx context.Context, a *app, email string, set bool, q anchorhold.Quota) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var got client.Allowance
	if set {
		got, err = c.SetQuota(ctx, email, q)
	} else {
		got, err = c.Quota(ctx, email)
	}
	if err != nil {
		return err
	}
	return emit(a, got, printAllowance)
}

func printAllowance(p *show.Printer, l client.Allowance) {
	bound := func(is bool, text string) string {
		if !is {
			return "no bound"
		}
		return text
	}
	who := l.Person
	if who == "" {
		who = "everybody without a quota of their own"
	} else if !l.Own {
		who += " (as everybody)"
	}
	p.Field("quota of", who)
	p.Field("at once", bound(l.Queued > 0, fmt.Sprintf("%d runs", l.Queued)))
	p.Field("in a day", bound(l.CPUSeconds > 0, fmt.Sprintf("%v of processor time", time.Duration(l.CPUSeconds*float64(time.Second)))))
	if l.Person != "" {
		p.Field("now", fmt.Sprintf("%d runs have not ended", l.Open))
		p.Field("today", fmt.Sprintf("%.1f s of processor time", l.Spent))
	}
}
