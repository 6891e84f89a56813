package main

import (
	"bytes"
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// keepAnswer says what of an answer is written into files.
type keepAnswer struct {
	format, out, receipt string
	force                bool
}

func (k *keepAnswer) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&k.format, "format", "table", "table, json (the file that the receipt speaks of) or arrow")
	f.StringVar(&k.out, "out", "", "the file to write the answer to")
	f.StringVar(&k.receipt, "receipt", "", "the file to write the receipt to")
	f.BoolVar(&k.force, "force", false, "replace files that are there")
}

func (k *keepAnswer) check() error {
	switch k.format {
	case "table", "json":
	case "arrow":
		if k.out == "" {
			return usagef("use --out FILE", "an Arrow file is not for a terminal")
		}
	default:
		return usagef("use --format table, json or arrow", "there is no format %q", k.format)
	}
	return nil
}

// asked says whether anything else than the answer itself is to be shown.
func (k *keepAnswer) asked() bool { return k.format != "table" || k.out != "" || k.receipt != "" }

// keptAnswer is what was written.
type keptAnswer struct {
	ID      string `json:"id"`
	Path    string `json:"path,omitempty"`
	Format  string `json:"format"`
	Size    int    `json:"size,omitempty"`
	Receipt string `json:"receipt,omitempty"`
}

// keepAnswer writes an answer and its receipt. table prints the answer.
func (a *app) keepAnswer(ctx context.Context, c *client.Client, id string, k keepAnswer, table func(*show.Printer)) error {
	out := keptAnswer{ID: id, Format: k.format, Path: k.out, Receipt: k.receipt}
	data, err := answerData(ctx, c, id, k, table)
	if err != nil {
		return err
	}
	if k.receipt != "" {
		file, err := c.AnswerReceipt(ctx, id)
		if err != nil {
			return err
		}
		if err := save.Path(k.receipt, k.force, bytes.NewReader(file)); err != nil {
			return err
		}
	}
	if k.out == "" {
		if _, err := a.out.Write(data); err != nil {
			return err
		}
		if k.receipt != "" {
			show.NewPrinter(a.err).Printf("%s: its receipt; check it with `anchorhold receipt verify`\n", k.receipt)
		}
		return nil
	}
	out.Size = len(data)
	if err := save.Path(k.out, k.force, bytes.NewReader(data)); err != nil {
		return err
	}
	return emit(a, out, func(p *show.Printer, o keptAnswer) {
		p.Printf("%s: the answer to %s, %s, %s\n", o.Path, o.ID, o.Format, show.Size(int64(o.Size)))
		if o.Receipt != "" {
			p.Printf("%s: its receipt; check it with `anchorhold receipt verify`\n", o.Receipt)
		}
	})
}

func answerData(ctx context.Context, c *client.Client, id string, k keepAnswer, table func(*show.Printer)) ([]byte, error) {
	if k.format != "table" {
		data, err := c.AnswerFile(ctx, id, k.format)
		if err == nil && k.out == "" { // on a terminal a line ends
			data = append(data, '\n')
		}
		return data, err
	}
	var b bytes.Buffer
	p := show.NewPrinter(&b)
	table(p)
	return b.Bytes(), p.Err()
}

func newQueryGet(a *app) *cobra.Command {
	var k keepAnswer
	c := &cobra.Command{
		Use:   "get ID",
		Short: "Fetch an answer that was given before, and its receipt; nothing is charged",
		Example: `  anchorhold query get que-… --format json --out answer.json --receipt receipt.json
  anchorhold query get que-… --format arrow --out ` + filepath.Join("results", "answer.arrow"),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := k.check(); err != nil {
				return err
			}
			return withSite(cmd.Context(), a, func(ctx context.Context, c *client.Client) error {
				answer, err := c.AnswerOf(ctx, args[0], 0)
				if err != nil {
					return err
				}
				if k.asked() {
					return a.keepAnswer(ctx, c, args[0], k, func(p *show.Printer) { printAnswer(p, answer) })
				}
				return emit(a, answer, printAnswer)
			})
		},
	}
	k.flags(c)
	return c
}

func newQueryShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a question, and what became of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withSite(cmd.Context(), a, func(ctx context.Context, c *client.Client) error {
				q, err := c.Question(ctx, args[0])
				if err != nil {
					return err
				}
				return emit(a, q, printQuestion)
			})
		},
	}
}

func printQuestion(p *show.Printer, q anchorhold.Question) {
	p.Field("question", q.ID)
	p.Field("who", q.AuthorName)
	p.Field("study", q.Study)
	p.Field("dataset", q.Dataset+", about "+q.Population)
	p.Field("state", stateOfQuestion(q))
	p.Field("asked", show.Time(q.Asked))
	if q.Ended != nil {
		p.Field("ended", show.Time(*q.Ended))
	}
	p.Field("exposure", chargedOf(q))
	p.Printf("\n%s\n", show.Lines(q.SQL))
}

func stateOfQuestion(q anchorhold.Question) string {
	switch {
	case q.Why != "":
		return string(q.State) + ": " + q.Why + "; it stays charged"
	case q.State == anchorhold.QuestionReserved:
		return "charged, being answered"
	case q.Of != "":
		return string(q.State) + ", as " + q.Of + " before"
	}
	return string(q.State)
}

func chargedOf(q anchorhold.Question) string {
	switch {
	case q.Price == nil:
		return "none: the answer was known"
	case q.Of != "":
		return "ε = " + q.Price.Epsilon + " of its asker's own"
	}
	return "ε = " + q.Price.Epsilon
}

func newQueryLs(a *app) *cobra.Command {
	var dataset string
	c := &cobra.Command{
		Use:   "ls",
		Short: "List questions in SQL: your own, or all for who looks after the books",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withSite(cmd.Context(), a, func(ctx context.Context, c *client.Client) error {
				list := []anchorhold.Question{}
				for q, err := range c.Queries(ctx, dataset) {
					if err != nil {
						return err
					}
					list = append(list, q)
				}
				return emit(a, list, printQuestions)
			})
		},
	}
	c.Flags().StringVar(&dataset, "dataset", "", "those of one dataset")
	return c
}

func printQuestions(p *show.Printer, list []anchorhold.Question) {
	var rows [][]string
	for _, q := range list {
		rows = append(rows, []string{q.ID, show.Time(q.Asked), q.AuthorName, q.Dataset, string(q.State), chargedOf(q), show.Cut(show.One(q.SQL), 60)})
	}
	p.Table("No question was asked yet.", []string{"QUESTION", "ASKED", "BY", "DATASET", "STATE", "EXPOSURE", "SQL"}, rows)
}
