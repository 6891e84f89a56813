package main

import (
	"cmp"
	"context"
	"net/mail"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// cardOptions are the flags that describe a dataset beyond its title.
type cardOptions struct {
	tags, duo, contacts, shows []string
	asking                     anchorhold.Asking
}

func (o *cardOptions) flags(fs *pflag.FlagSet) {
	list(fs, &o.tags, "tag", "a word to find it by; all of them are given at once")
	list(fs, &o.duo, "duo", "what it may be used for: a term of the Data Use Ontology, such as GRU or DUO:0000042")
	list(fs, &o.contacts, "contact", `who answers for it: "Ada Lovelace <ada@example.org>, data steward"`)
	fs.StringVar(&o.asking.Automatic, "ask-automatic", "", "how to ask: what is answered without a person")
	fs.StringVar(&o.asking.Reviewed, "ask-reviewed", "", "how to ask: what a person reads")
	fs.StringVar(&o.asking.Wait, "ask-wait", "", "how to ask: how long an answer usually takes")
	fs.StringVar(&o.asking.Contact, "ask-contact", "", "how to ask: whom to ask first")
	list(fs, &o.shows, "show", "to whom a part of the card is shown: columns, counts or mock, =public, =hidden, =named or =named:ada@example.org,bob@example.org")
}

// card reads the flags.
func (o *cardOptions) card() (card client.Card, err error) {
	card = client.Card{Tags: filled(o.tags), DUO: filled(o.duo)}
	if o.asking != (anchorhold.Asking{}) {
		card.Asking = &o.asking
	}
	for _, text := range filled(o.contacts) {
		contact, err := readContact(text)
		if err != nil {
			return card, err
		}
		card.Contacts = append(card.Contacts, contact)
	}
	for _, text := range o.shows {
		part, to, _ := strings.Cut(text, "=")
		audience, people, named := strings.Cut(to, ":")
		if part == "" || audience == "" {
			return card, usagef("write --show columns=public, --show mock=hidden or --show counts=named:ada@example.org", "--show %s cannot be read", text)
		}
		shown := anchorhold.Shown{To: anchorhold.Audience(audience)}
		if named {
			shown.People = filled(strings.Split(people, ","))
		}
		if card.Parts == nil {
			card.Parts = map[anchorhold.Part]anchorhold.Shown{}
		}
		card.Parts[anchorhold.Part(part)] = shown
	}
	return card, nil
}

// filled leaves empty texts out, so that --tag ” takes every tag away.
func filled(texts []string) []string {
	out := []string{}
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// readContact reads NAME <ADDRESS>, ROLE; address and role may be left out.
func readContact(text string) (anchorhold.Contact, error) {
	who, role, _ := strings.Cut(text, ",")
	if i := strings.IndexByte(text, '>'); i >= 0 {
		who, role = text[:i+1], strings.TrimPrefix(strings.TrimSpace(text[i+1:]), ",")
	}
	c := anchorhold.Contact{Name: strings.TrimSpace(who), Role: strings.TrimSpace(role)}
	if !strings.Contains(who, "@") {
		return c, nil
	}
	a, err := mail.ParseAddress(c.Name)
	if err != nil {
		return c, usagef(`write --contact "Ada Lovelace <ada@example.org>, data steward"`, "--contact %s cannot be read", text)
	}
	c.Name, c.Email = a.Name, a.Address
	if c.Name == "" {
		c.Name = a.Address
	}
	return c, nil
}

type datasetEditOptions struct {
	cardOptions
	reviewOptions
	title, description, license, visibility string
	samples                                 int
	columns, mask                           []string
}

// reviewOptions are the flags that say how requests are decided.
type reviewOptions struct {
	quorum                 int
	review, life, priority string
}

func (o *reviewOptions) flags(fs *pflag.FlagSet) {
	fs.IntVar(&o.quorum, "quorum", 0, "approvals that a request, and what comes out of it, needs (default: one)")
	fs.StringVar(&o.review, "review", "", "how a request has to be read: any (default), or every-line (who approves has marked every line as seen, with an account of their own)")
	fs.StringVar(&o.priority, "priority", "", "low, normal or high: when runs over it are claimed, among runs of the same priority (default: normal)")
	fs.StringVar(&o.life, "request-life", "", "how long a request waits for a decision, such as 30d (default: 90d)")
}

// order reads the flag of the priority.
func (o *reviewOptions) order() (int, error) {
	n, ok := priorities()[cmp.Or(o.priority, "normal")]
	if !ok {
		return 0, usagef("say low, normal or high", "%q is not a priority", o.priority)
	}
	return n, nil
}

// rules reads the flags.
func (o *reviewOptions) rules() (rule anchorhold.ReviewRule, days int, err error) {
	switch o.review {
	case "", "any":
	case string(anchorhold.EveryLine):
		rule = anchorhold.EveryLine
	default:
		return rule, 0, usagef("use --review any or every-line", "%q is no way of reading a request", o.review)
	}
	days, err = parseDays("request-life", o.life)
	return rule, days, err
}

func newDatasetEdit(a *app) *cobra.Command {
	var o datasetEditOptions
	c := &cobra.Command{
		Use:   "edit NAME",
		Short: "Change a dataset's card, or who may see which part of it",
		Long: "Changes what is given and leaves the rest as it was. An empty value takes away what\n" +
			"there is: --tag '' all tags, --ask-wait ' ' the waiting time. The change is in the\n" +
			"audit log. A mock shows columns, so who may not see the columns may not have the mock.",
		Example: `  anchorhold dataset edit heart --tag cardiology --duo HMB --duo IRB --ask-wait "3 working days" \
    --column patients.age="Age at examination [a]" --show counts=hidden --show mock=named:ada@example.org`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runDatasetEdit(c, a, args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.title, "title", "", "what people call it")
	f.StringVar(&o.description, "description", "", "what it is, in a few sentences")
	f.StringVar(&o.license, "license", "", "under which terms the mock is given")
	f.StringVar(&o.visibility, "visibility", "", "who may know of it: users, or named (those with a role for dataset:NAME)")
	list(f, &o.columns, "column", `what a column means: patients.age="Age in years [a]"`)
	f.IntVar(&o.samples, "samples", 0, "rows that an output of the kind samples may hold; 0: none leave")
	list(f, &o.mask, "mask", "a column that the site takes out of samples; all of them are given at once, with --samples")
	o.reviewOptions.flags(f)
	o.cardOptions.flags(f)
	return c
}

func runDatasetEdit(cmd *cobra.Command, a *app, name string, o datasetEditOptions) error {
	ctx := cmd.Context()
	edit, err := o.edit(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if edit.Columns, err = o.columnEdits(ctx, c.Client, name); err != nil {
		return err
	}
	d, err := c.EditDataset(ctx, name, edit)
	if err != nil {
		return err
	}
	return emit(a, d, printDataset)
}

// edit reads the flags that were given; nothing else changes.
func (o *datasetEditOptions) edit(given func(string) bool) (e client.Edit, err error) {
	card, err := o.card()
	if err != nil {
		return e, err
	}
	if given("mask") && !given("samples") {
		return e, usagef("give both: --samples 20 --mask name", "the columns of a mask belong to a number of rows")
	}
	rule, days, err := o.rules()
	if err != nil {
		return e, err
	}
	order, err := o.order()
	if err != nil {
		return e, err
	}
	visibility := anchorhold.Visibility(o.visibility)
	e = client.Edit{Asking: card.Asking, Parts: card.Parts}
	for flag, take := range map[string]func(){
		"title": func() { e.Title = &o.title }, "description": func() { e.Description = &o.description },
		"license": func() { e.License = &o.license }, "visibility": func() { e.Visibility = &visibility },
		"quorum": func() { e.Quorum = &o.quorum }, "priority": func() { e.Priority = &order },
		"review": func() { e.Review = &rule }, "request-life": func() { e.RequestDays = &days }, "tag": func() { e.Tags = &card.Tags }, "duo": func() { e.DUO = &card.DUO },
		"contact": func() { e.Contacts = &card.Contacts },
		"samples": func() { e.Samples = &anchorhold.SampleRule{Rows: o.samples, Mask: filled(o.mask)} },
	} {
		if given(flag) {
			take()
		}
	}
	return e, nil
}

// columnEdits reads TABLE.COLUMN=MEANING [UNIT]; the table may be left out where
// there is one.
func (o *datasetEditOptions) columnEdits(ctx context.Context, c *client.Client, name string) ([]client.ColumnEdit, error) {
	if len(o.columns) == 0 {
		return nil, nil
	}
	d, err := c.Dataset(ctx, name)
	if err != nil {
		return nil, err
	}
	var out []client.ColumnEdit
	for _, text := range o.columns {
		column, meaning, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef(`write --column patients.age="Age in years [a]"`, "--column %s cannot be read", text)
		}
		e := client.ColumnEdit{Name: column}
		if table, rest, dotted := strings.Cut(column, "."); dotted {
			if _, known := d.Asset(table); known {
				e.Asset, e.Name = table, rest
			}
		}
		if e.Asset == "" && len(d.Assets) == 1 {
			e.Asset = d.Assets[0].Name
		}
		if e.Asset == "" {
			return nil, usagef("name the table: --column TABLE."+column, "the dataset %s has several tables", name)
		}
		if open := strings.LastIndexByte(meaning, '['); open >= 0 && strings.HasSuffix(meaning, "]") {
			unit := meaning[open+1 : len(meaning)-1]
			e.Unit, meaning = &unit, meaning[:open]
		}
		meaning = strings.TrimSpace(meaning)
		e.Description = &meaning
		out = append(out, e)
	}
	return out, nil
}
