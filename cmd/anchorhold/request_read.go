package main

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// screenful is how many lines a person is shown before they say that they have
// read them.
const screenful = 20

func newRequestSeen(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "seen ID FILE[:FIRST-LAST]...",
		Short: "Mark lines of a request as seen by you",
		Long: `Marks lines as seen by you, for datasets whose review is every-line: an approval
is refused until who approves has marked every line of the code, and of what is
asked beside it. Marks belong to the very text: what comes unchanged in a later
request need not be read again. "request show --review" says what is left, and
"request read" shows it page by page.`,
		Example: `  anchorhold request seen req-… main.py:1-40 helper.py '(what is asked)'`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return runRequestSeen(c.Context(), a, args[0], args[1:])
		},
	}
}

func runRequestSeen(ctx context.Context, a *app, id string, named []string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	reading, err := c.Reading(ctx, id)
	if err != nil {
		return err
	}
	var marks []client.Mark
	for _, text := range named {
		m, err := parseMark(reading, text)
		if err != nil {
			return err
		}
		marks = append(marks, m)
	}
	if reading, err = c.MarkSeen(ctx, id, marks); err != nil {
		return err
	}
	return emit(a, reading, printReading)
}

// parseMark reads FILE, FILE:LINE or FILE:FIRST-LAST.
func parseMark(reading anchorhold.Reading, text string) (client.Mark, error) {
	for _, part := range reading.Parts {
		m := client.Mark{Path: part.Path, Digest: part.Digest, Span: anchorhold.Span{First: 1, Last: part.Lines}}
		if text == part.Path {
			return m, nil
		}
		lines, ok := strings.CutPrefix(text, part.Path+":")
		if !ok {
			continue
		}
		first, last, isRange := strings.Cut(lines, "-")
		if !isRange {
			last = first
		}
		var err1, err2 error
		m.First, err1 = strconv.Atoi(first)
		m.Last, err2 = strconv.Atoi(last)
		if err1 != nil || err2 != nil || m.First < 1 || m.Last < m.First || m.Last > part.Lines {
			return m, usagef(fmt.Sprintf("write it as %s:1-%d", part.Path, part.Lines), "%s names no lines of that file", text)
		}
		return m, nil
	}
	var names []string
	for _, part := range reading.Parts {
		names = append(names, part.Path)
	}
	return client.Mark{}, usagef("name one of: "+strings.Join(names, ", "), "the request has no file %s", text)
}

func newRequestRead(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "read ID",
		Short: "Read a request page by page; what you have read is marked as seen by you",
		Long: `Shows what you have not marked as seen yet, ` + strconv.Itoa(screenful) + ` lines at a time. A page is marked as seen
once you answer y; any other answer ends the reading, and it goes on there next time.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runRequestRead(c.Context(), a, args[0]) },
	}
}

func runRequestRead(ctx context.Context, a *app, id string) error {
	if !isTerminal(a.in) || !isTerminal(a.out) || a.json {
		return usagef("use `anchorhold request seen "+id+" FILE:1-40`", "reading page by page needs a terminal")
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	reading, err := c.Reading(ctx, id)
	if err != nil {
		return err
	}
	p, answers := show.NewPrinter(a.out), bufio.NewReader(a.in)
	for _, page := range pagesToRead(reading) {
		p.Heading(fmt.Sprintf("%s, lines %d to %d of %d", page.part.Path, page.First, page.Last, page.part.Lines))
		printLines(p, page.part.Text, page.Span)
		p.Printf("\nHave you read these lines? [y/N] ")
		line, err := answers.ReadString('\n')
		if answer := strings.ToLower(strings.TrimSpace(line)); err != nil || answer != "y" && answer != "yes" {
			break
		}
		mark := client.Mark{Path: page.part.Path, Digest: page.part.Digest, Span: page.Span}
		if reading, err = c.MarkSeen(ctx, id, []client.Mark{mark}); err != nil {
			return err
		}
	}
	printReading(p, reading)
	return p.Err()
}

// page is a run of unread lines of one text.
type page struct {
	part anchorhold.ReadingPart
	anchorhold.Span
}

// pagesToRead cuts what is unread into screenfuls.
func pagesToRead(reading anchorhold.Reading) (out []page) {
	for _, part := range reading.Parts {
		for _, span := range part.Unread {
			for first := span.First; first <= span.Last; first += screenful {
				out = append(out, page{part, anchorhold.Span{First: first, Last: min(first+screenful-1, span.Last)}})
			}
		}
	}
	return out
}

// printLines shows some lines of a text with their numbers, and warns of those
// whose look may deceive.
func printLines(p *show.Printer, text string, span anchorhold.Span) {
	for i, line := range strings.Split(text, "\n") {
		if n := i + 1; n >= span.First && n <= span.Last {
			p.Printf("%d  %s\n", n, line)
		}
	}
	for _, f := range show.Suspicious(text) {
		if f.Line >= span.First && f.Line <= span.Last {
			p.Printf("WARNING: line %d has %s\n", f.Line, f.What)
		}
	}
}

func printReading(p *show.Printer, r anchorhold.Reading) {
	if len(r.Datasets) > 0 {
		p.Field("every line", "asked for by "+strings.Join(r.Datasets, ", "))
	}
	p.Field("unread by you", fmt.Sprintf("%d lines", r.Unread))
	var rows [][]string
	for _, part := range r.Parts {
		rows = append(rows, []string{part.Path, strconv.Itoa(part.Lines), spans(part.Unread), strings.Join(part.Readers, ", ")})
	}
	p.Table("", []string{"FILE", "LINES", "UNREAD BY YOU", "READ BY"}, rows)
}

func spans(all []anchorhold.Span) string {
	var out []string
	for _, s := range all {
		out = append(out, fmt.Sprintf("%d-%d", s.First, s.Last))
	}
	return strings.Join(out, ", ")
}
