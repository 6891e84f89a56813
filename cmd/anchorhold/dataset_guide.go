package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// guide asks one thing after the other. What it proposes is what the owner has
// stated before, on the card or here; never what was measured.
type guide struct {
	in  *bufio.Reader
	out *show.Printer
	d   anchorhold.Dataset
	p   *anchorhold.Privacy
}

// guidePrivacy asks whose the rows of a dataset are, and what there can be.
func guidePrivacy(a *app, d anchorhold.Dataset, before *anchorhold.Privacy) (*anchorhold.Privacy, error) {
	g := guide{bufio.NewReader(io.LimitReader(a.in, 1<<20)), show.NewPrinter(a.err), d, before}
	g.out.Printf("State what you know without looking at the data. Enter alone keeps what stands in brackets.\n")
	for _, as := range d.Assets {
		if as.Kind != anchorhold.KindTable {
			continue
		}
		if err := g.table(as); err != nil {
			return nil, err
		}
	}
	for _, n := range []struct {
		question string
		to       *int
	}{
		{"In how many groups of one question can one unit be, at most?", &g.p.MaxGroups},
		{"How many rows can one unit have in one group, at most?", &g.p.MaxRows},
	} {
		if err := g.number(n.question, n.to); err != nil {
			return nil, err
		}
	}
	return g.p, nil
}

// ask asks until accept takes the answer.
func (g *guide) ask(question, standing string, accept func(string) (wrong string)) error {
	for {
		g.out.Printf("%s\n  [%s] ", question, standing)
		line, err := g.in.ReadString('\n')
		if err != nil && line == "" {
			return usagef("answer every question, or use the flags", "nothing was stated: the answers ended")
		}
		wrong := accept(strings.TrimSpace(line))
		if wrong == "" {
			return nil
		}
		g.out.Printf("  %s\n", wrong)
	}
}

func (g *guide) table(as anchorhold.Asset) error {
	of := g.p.Assets[as.Name]
	standing := "row"
	switch {
	case len(of.Unit) > 0:
		standing = strings.Join(of.Unit, "+")
	case of.Via != nil:
		standing = strings.Join(of.Via.Columns, "+") + "=" + of.Via.Asset + "." + strings.Join(of.Via.Key, "+")
	case of.Public:
		standing = "public"
	}
	err := g.ask("Whose are the rows of "+as.Name+"? A column that names a person, row (each row is somebody else), public, or COLUMN=TABLE.KEY", standing, func(text string) string {
		if text == "" {
			text = standing
		}
		o := privacyOptions{}
		switch {
		case text == "public":
			o.publics = []string{as.Name}
		case text == "row":
			o.units = []string{as.Name + "=row"}
		case strings.Contains(text, "="):
			o.vias = []string{as.Name + "." + text}
		default:
			o.units = []string{as.Name + "." + text}
		}
		said, err := o.apply(g.d, copyPrivacy(g.p))
		if err == nil {
			err = catalog.CheckPrivacy(g.d, *said)
		}
		if err != nil {
			return err.Error()
		}
		g.p = said
		return ""
	})
	for _, c := range as.Version.Columns {
		if err != nil {
			return err
		}
		err = g.column(as.Name, c)
	}
	return err
}

func (g *guide) column(table string, c anchorhold.Column) error {
	of := g.p.Assets[table]
	standing := "open"
	said, stated := of.Columns[c.Name]
	if !stated {
		said, stated = statedOnCard(c)
	}
	switch {
	case !stated:
	case said.Never:
		standing = "never"
	case said.Bounded():
		standing = said.Low + ".." + said.High
	default:
		standing = strings.Join(said.Domain, ",")
	}
	question := fmt.Sprintf("What can stand in %s.%s (%s)? A range LOW..HIGH, all values with commas between, never, or open", table, c.Name, c.Type)
	return g.ask(question, standing, func(text string) string {
		if text == "" {
			text = standing
		}
		if text == "open" {
			delete(of.Columns, c.Name)
			return ""
		}
		said := anchorhold.ColumnPrivacy{Never: true}
		if text != "never" {
			said, _ = columnSaid(text, !strings.Contains(text, ".."))
		}
		one := map[string]anchorhold.AssetPrivacy{table: {Columns: map[string]anchorhold.ColumnPrivacy{c.Name: said}}}
		if err := catalog.CheckPrivacy(g.d, anchorhold.Privacy{Assets: one}); err != nil {
			return err.Error()
		}
		if of.Columns == nil {
			of.Columns = map[string]anchorhold.ColumnPrivacy{}
		}
		of.Columns[c.Name] = said
		g.p.Assets[table] = of
		return ""
	})
}

// statedOnCard takes a range or a closed set that the owner stated on the card.
func statedOnCard(c anchorhold.Column) (anchorhold.ColumnPrivacy, bool) {
	stated := func(name string) (anchorhold.Fact, bool) {
		f, ok := c.Fact(name)
		return f, ok && f.Provenance == anchorhold.Stated
	}
	if f, ok := stated(anchorhold.FactCategories); ok {
		if values, list := f.Value.([]any); list {
			var domain []string
			for _, v := range values {
				domain = append(domain, fmt.Sprint(v))
			}
			return anchorhold.ColumnPrivacy{Domain: domain}, true
		}
	}
	low, hasLow := stated(anchorhold.FactMin)
	high, hasHigh := stated(anchorhold.FactMax)
	if hasLow && hasHigh {
		return anchorhold.ColumnPrivacy{Low: fmt.Sprint(low.Value), High: fmt.Sprint(high.Value)}, true
	}
	return anchorhold.ColumnPrivacy{}, false
}

func (g *guide) number(question string, to *int) error {
	*to = max(*to, 1)
	return g.ask(question, strconv.Itoa(*to), func(text string) string {
		if text == "" {
			return ""
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return "write a whole number above 0"
		}
		*to = n
		return ""
	})
}
