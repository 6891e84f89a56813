package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newDataset(a *app) *cobra.Command {
	return group("dataset", "Offer tables, and see what is offered",
		newDatasetAdd(a), newDatasetEdit(a), newDatasetVersion(a), newDatasetLs(a), newDatasetShow(a), newDatasetCard(a), newDatasetMock(a), newDatasetPrivacy(a),
		newDatasetFreeze(a), newDatasetThaw(a), newDatasetWithdraw(a))
}

func newDatasetLs(a *app) *cobra.Command {
	var search client.Search
	var words string
	c := &cobra.Command{
		Use:   "ls [WORD...]",
		Short: "List the datasets that you may ask about, or search them",
		Long: "Lists datasets, those that have all of what is searched for. A word is the beginning\n" +
			"of a word on the card or of a column; column:NAME, tag:NAME and duo:CODE are whole.",
		Example: "  anchorhold dataset ls cardiology --column age --duo GRU\n  anchorhold dataset ls --search 'heart column:\"blood pressure\"'",
		RunE: func(c *cobra.Command, args []string) error {
			search.Q = strings.TrimSpace(words + " " + strings.Join(args, " "))
			return runDatasetLs(c.Context(), a, search)
		},
	}
	c.Flags().StringVar(&words, "search", "", "the words, in one text")
	list(c.Flags(), &search.Columns, "column", "only datasets with a column of this name")
	list(c.Flags(), &search.Tags, "tag", "only datasets with this tag")
	list(c.Flags(), &search.DUO, "duo", "only datasets under this term of the Data Use Ontology, such as GRU")
	return c
}

func runDatasetLs(ctx context.Context, a *app, search client.Search) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := client.Collect(c.Datasets(ctx, search), 0)
	if err != nil {
		return err
	}
	return emit(a, all, func(p *show.Printer, all []anchorhold.Dataset) {
		var rows [][]string
		for _, d := range all {
			var assets []string
			for _, as := range d.Assets {
				assets = append(assets, as.Name)
			}
			rows = append(rows, []string{
				d.Name, show.Cut(d.Title, 50), strings.Join(assets, ", "), strings.Join(d.Tags, ", "), string(d.Visibility),
				cmp.Or(string(d.State), "open"), show.Time(d.Created),
			})
		}
		p.Table("There is no such dataset that you may see.", []string{"NAME", "TITLE", "ASSETS", "TAGS", "VISIBLE TO", "STATE", "SINCE"}, rows)
	})
}

func newDatasetShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show a dataset with its columns",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return runDatasetShow(c.Context(), a, args[0]) },
	}
}

func runDatasetShow(ctx context.Context, a *app, name string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := c.Dataset(ctx, name)
	if err != nil {
		return err
	}
	return emit(a, d, printDataset)
}

func printDataset(p *show.Printer, d anchorhold.Dataset) {
	p.Field("dataset", d.Name)
	p.Field("title", d.Title)
	printHalt(p, d)
	p.Field("about", d.Description)
	p.Field("license", d.License)
	for i, code := range d.DUO {
		label := code
		if term, err := catalog.FindDUO(code); err == nil { // one of a newer site is shown as it is
			label = code + " (" + term.Shorthand + "), " + term.Label
		}
		p.Field(first(i, "data use"), label)
	}
	p.Field("tags", strings.Join(d.Tags, ", "))
	p.Field("population", d.Population)
	p.Field("visible to", string(d.Visibility))
	for _, part := range anchorhold.Parts() {
		if to, chosen := d.Parts[part]; chosen {
			p.Field(string(part)+" for", strings.Join(append([]string{string(to.To)}, to.People...), " "))
		}
	}
	if d.Review != anchorhold.AnyReview {
		p.Field("review", string(d.Review)+": who approves has marked every line as seen")
	}
	if d.RequestDays > 0 {
		p.Field("requests wait", fmt.Sprintf("%d days for a decision", d.RequestDays))
	}
	if d.Samples != nil && d.Samples.Rows > 0 {
		text := fmt.Sprintf("at most %d rows, released by a person only", d.Samples.Rows)
		if len(d.Samples.Mask) > 0 {
			text += "; taken out: " + strings.Join(d.Samples.Mask, ", ")
		}
		p.Field("samples", text)
	}
	p.Field("priority", priorityWord(d.Priority))
	if d.Quorum > 1 {
		p.Field("approvals", fmt.Sprint(d.Quorum, " are needed for a request, and for what leaves"))
	}
	printAsking(p, d)
	for _, as := range d.Assets {
		printAsset(p, d.Name, as)
	}
}

// first gives a field's name to the first of several lines.
func first(i int, name string) string {
	if i > 0 {
		return ""
	}
	return name
}

func printHalt(p *show.Printer, d anchorhold.Dataset) {
	if d.State == anchorhold.DatasetOpen || d.Halt == nil {
		return
	}
	text := string(d.State) + " since " + show.Time(d.Halt.Since)
	if d.Halt.By != "" {
		text += " by " + show.Who(d.Halt.By)
	}
	p.Field("state", text)
	p.Field("reason", d.Halt.Reason)
}

func printAsking(p *show.Printer, d anchorhold.Dataset) {
	for i, c := range d.Contacts {
		text := c.Name
		if c.Email != "" {
			text += " <" + c.Email + ">"
		}
		if c.Role != "" {
			text += ", " + c.Role
		}
		p.Field(first(i, "contact"), text)
	}
	if d.Asking == nil {
		return
	}
	p.Field("automatic", d.Asking.Automatic)
	p.Field("reviewed", d.Asking.Reviewed)
	p.Field("usual wait", d.Asking.Wait)
	p.Field("ask first", d.Asking.Contact)
}

func printAsset(p *show.Printer, dataset string, as anchorhold.Asset) {
	v := as.Version
	p.Heading(dataset + "/" + as.Name)
	p.Field("version", fmt.Sprintf("%d (%s) of %s", v.Number, v.ID, show.Time(v.Created)))
	p.Field("commitment", v.Commitment)
	p.Field("facts", facts(v.Facts))
	if v.Live {
		p.Field("rows", "change in its owner's database while the version stays")
	}
	printMock(p, v.Mock)
	switch {
	case v.Private != nil && v.Private.Database != nil:
		at := v.Private.Database
		p.Field("private table", at.Schema+"."+at.Table+" of "+at.Server)
	case v.Private != nil:
		p.Field("private file", fmt.Sprintf("%s (%s, %d rows)", v.Private.Path, v.Private.Format, v.Private.Rows))
	}
	if as.Kind != anchorhold.KindFiles { // whose rows are files, without columns
		printColumns(p, v.Columns)
	}
}

func printMock(p *show.Printer, m *anchorhold.Mock) {
	if m == nil {
		p.Field("mock", "none")
		return
	}
	p.Field("mock", fmt.Sprintf("%s, %d rows, %s, %s", m.Origin, m.Rows, m.Format, show.Size(m.Size)))
	for i, d := range m.Differences {
		p.Field(first(i, "accepted"), d.Code+": "+d.Text)
	}
	if m.Common != nil {
		p.Field("in common", strings.Join(m.Common.Found, "; "))
		p.Field("overridden", "by "+show.Who(m.Common.By)+": "+m.Common.Reason)
	}
}

func printColumns(p *show.Printer, columns []anchorhold.Column) {
	var rows [][]string
	for _, c := range columns {
		rows = append(rows, []string{c.Name, c.TypeText(), c.Unit, c.Description, facts(c.Facts)})
	}
	p.Table("It has no columns that you may see.", []string{"COLUMN", "TYPE", "UNIT", "MEANING", "FACTS"}, rows)
}

// facts writes facts in one line, each measured one marked: it is a disclosure.
func facts(all []anchorhold.Fact) string {
	var out []string
	for _, f := range all {
		if f.Name == anchorhold.FactType {
			continue // the type stands in a column of its own
		}
		var value strings.Builder
		plain := json.NewEncoder(&value)
		plain.SetEscapeHTML(false)
		if plain.Encode(f.Value) != nil {
			continue // a fact came as JSON, so it can be written as JSON
		}
		text := f.Name + " " + strings.TrimSuffix(value.String(), "\n")
		if f.Provenance == anchorhold.Measured {
			text += " (measured"
			if f.Of != "" {
				text += " on an earlier version"
			}
			text += ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func newDatasetCard(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "card NAME",
		Short: "Print a dataset's card as Croissant metadata (always JSON)",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return runDatasetCard(c.Context(), a, args[0]) },
	}
}

func runDatasetCard(ctx context.Context, a *app, name string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	card, err := c.Card(ctx, name)
	if err != nil {
		return err
	}
	return show.JSON(a.out, card)
}

// theAsset finds the asset that is meant: the named one, or the only one.
func theAsset(ctx context.Context, c *client.Client, dataset, name string) (anchorhold.Asset, error) {
	d, err := c.Dataset(ctx, dataset)
	if err != nil {
		return anchorhold.Asset{}, err
	}
	var names []string
	for _, as := range d.Assets {
		if as.Name == name || name == "" && len(d.Assets) == 1 {
			return as, nil
		}
		names = append(names, as.Name)
	}
	have := "it has: " + strings.Join(names, ", ")
	if name == "" {
		return anchorhold.Asset{}, usagef("name one as "+dataset+"/ASSET; "+have, "the dataset %s has several tables", dataset)
	}
	return anchorhold.Asset{}, anchorhold.Errorf(anchorhold.NotFound, have, "the dataset %s has no table %s", dataset, name)
}

// absolute makes a path that the site can use of one that a person typed.
func absolute(path string) (string, error) {
	p, err := filepath.Abs(path)
	if err != nil {
		return "", anchorhold.Errorf(anchorhold.Invalid, "give an absolute path", "the path %s cannot be used", path).Because(err)
	}
	return p, nil
}
