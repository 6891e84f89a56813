package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

type queryOptions struct {
	dataset string
	ask     client.Query
	dry     bool
	keep    keepAnswer
}

func newQuery(a *app) *cobra.Command {
	var o queryOptions
	c := &cobra.Command{
		Use:   "query SQL --dataset NAME",
		Short: "Ask a question in SQL, and have the answer at once",
		Long: `Answers an aggregate question in SQL without anybody's review: with noise that hides
every single person, and a ± that says how much. What it costs is charged to the limits
of exposure that the owner has set; at the limit it says what would still fit.

The price stands in the question, as GoogleSQL writes it, or is the owner's default:
  SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon=0.5) sex, COUNT(*) AS n
  FROM patients GROUP BY sex
Or name the precision, and learn the price first: --within 5 --dry-run.
FROM names a table of the dataset, or the dataset itself where it has one table. The
SQL can also come from standard input: -

The same question on the same data has the same answer; asked again it costs nothing
more of the population. --receipt keeps the proof of what was answered, by which noise
and at which price, which receipt verify checks offline against the file of --format json.`,
		Example: `  anchorhold query "SELECT sex, COUNT(*) AS n, AVG(age) AS age FROM patients GROUP BY sex" --dataset heart
  anchorhold query "SELECT COUNT(*) FROM patients" --dataset heart --dry-run
  anchorhold query "SELECT COUNT(*) AS n FROM patients" --dataset heart --format json --out n.json --receipt receipt.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runQuery(c.Context(), a, args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.dataset, "dataset", "", "the dataset that is asked (required)")
	f.BoolVar(&o.dry, "dry-run", false, "say what it would cost and how exact it would be; nothing is charged")
	f.StringVar(&o.ask.Study, "study", "", "ask in the name of a study")
	f.Float64Var(&o.ask.Level, "level", 0.95, "the probability with which a value lies within its ±")
	f.Float64Var(&o.ask.Within, "within", 0, "name the precision instead of a price: the largest ± of any aggregate, at --level")
	o.keep.flags(c)
	c.AddCommand(newQueryLs(a), newQueryShow(a), newQueryGet(a))
	return c
}

func runQuery(ctx context.Context, a *app, sql string, o queryOptions) error {
	if o.dataset == "" {
		return usagef("use --dataset NAME", "it is not said which dataset is asked")
	}
	if o.ask.Level <= 0 || o.ask.Level >= 1 {
		return usagef("use --level 0.95", "--level is a probability between 0 and 1")
	}
	if o.ask.Within < 0 {
		return usagef("use --within 5", "--within is a ± above zero")
	}
	if err := o.keep.check(); err != nil {
		return err
	}
	if sql == "-" {
		text, err := io.ReadAll(io.LimitReader(a.in, 1<<20))
		if err != nil {
			return err
		}
		sql = string(text)
	}
	o.ask.SQL = sql
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		if o.dry {
			q, err := c.QuoteQuery(ctx, o.dataset, o.ask)
			if err != nil {
				return err
			}
			return emit(a, q, printQuote)
		}
		answer, err := c.AskQuery(ctx, o.dataset, o.ask)
		if err != nil {
			return err
		}
		if o.keep.asked() {
			return a.keepAnswer(ctx, c, answer.ID, o.keep, func(p *show.Printer) { printAnswer(p, answer) })
		}
		return emit(a, answer, printAnswer)
	})
}

func priceText(p client.QueryPrice) string {
	text := "ε = " + p.Epsilon.String()
	if p.Delta > 0 {
		text += ", δ = " + p.Delta.String()
	}
	return text
}

func printQuote(p *show.Printer, q client.QueryQuote) {
	p.Field("would cost", priceText(q.Price))
	var rows [][]string
	for _, i := range q.Items {
		exact := ""
		if i.PlusMinus != nil {
			exact = "± " + figures(*i.PlusMinus)
		}
		if i.Ranks != nil {
			exact = "± " + figures(*i.Ranks) + " rows off its place"
		}
		var sizes []string
		for size, w := range i.BySize {
			sizes = append(sizes, fmt.Sprintf("± %s in a group of %s", figures(w), size))
		}
		slices.SortFunc(sizes, func(a, b string) int { return len(a) - len(b) })
		rows = append(rows, []string{i.Name, i.Kind, exact + strings.Join(sizes, ", ")})
	}
	p.Table("", []string{"COLUMN", "WHAT", fmt.Sprintf("WITH %g%%", 100*q.Level)}, rows)
	p.Printf("Nothing was charged.\n")
}

func printAnswer(p *show.Printer, a client.QueryAnswer) {
	var head []string
	for _, c := range a.Columns {
		head = append(head, c.Name)
	}
	var rows [][]string
	for _, r := range a.Rows {
		var cells []string
		for _, c := range r {
			cells = append(cells, cellText(c))
		}
		rows = append(rows, cells)
	}
	p.Table("No group is shown.", head, rows)
	p.Field("question", a.ID+"; its receipt: anchorhold query get "+a.ID+" --receipt FILE")
	p.Field("±", fmt.Sprintf("holds with %g%%; noise: %s", 100*a.Level, strings.ReplaceAll(a.Mechanism, "_", " ")))
	if a.Again {
		p.Field("exposure", "the answer was there already: "+a.Population+" is not charged again")
		return
	}
	p.Field("exposure", priceText(a.Price)+" of "+a.Population)
}

func cellText(c client.QueryCell) string {
	f, ok := c.Value.(float64)
	list, _ := c.Value.([]any)
	switch {
	case len(list) > 0 && len(list) == len(c.Ends):
		return listText(list, c.Ends)
	case c.Value == nil:
		return "-"
	case !ok:
		return fmt.Sprint(c.Value)
	case c.Low != nil && c.High != nil:
		return fmt.Sprintf("%s ± %s", figures(f), figures((*c.High-*c.Low)/2))
	}
	return figures(f)
}

// listText is a list of quantiles, each with its ±.
func listText(values []any, ends [][2]float64) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = cellText(client.QueryCell{Value: v, Low: &ends[i][0], High: &ends[i][1]})
	}
	return strings.Join(texts, ", ")
}

// figures writes as many digits as say something.
func figures(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }
