package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

const (
	factUsage  = "what you state of a column: patients.age.min=18; also max, categories, missing-rate, unique, pattern, references, like"
	faultUsage = "what is wrong with a column's values, so that it is with the mock's: visits.seen=format:2%; also range, duplicates, blanks"
)

var (
	factForm  = regexp.MustCompile(`^(.+)\.(min|max|categories|missing-rate|unique|pattern|references|like)=(.*)$`)
	faultForm = regexp.MustCompile(`^(.+)=(format|range|duplicates|blanks):([0-9.]+%?)$`)
)

// said is a fact as somebody typed it.
type said struct{ flag, given, column, name, text string }

// factsSaid reads what is stated with --fact and --fault.
func factsSaid(facts, faults []string) (out []said, err error) {
	for _, given := range facts {
		m := factForm.FindStringSubmatch(given)
		if m == nil {
			return nil, usagef("write --fact patients.age.min=18, with min, max, categories, missing-rate, unique, pattern, references or like", "--fact %s cannot be read", given)
		}
		out = append(out, said{"fact", given, m[1], m[2], m[3]})
	}
	for _, given := range faults {
		m := faultForm.FindStringSubmatch(given)
		if m == nil {
			return nil, usagef("write --fault visits.seen=format:2%, with format, range, duplicates or blanks", "--fault %s cannot be read", given)
		}
		out = append(out, said{"fault", given, m[1], "fault-" + m[2], m[3]})
	}
	return out, nil
}

func (o *assetOptions) addFacts(assets []client.NewAsset, only string) error {
	all, err := factsSaid(o.facts, o.faults)
	if err != nil {
		return err
	}
	for _, s := range all {
		asset, name, err := columnOf(assets, only, s.column, s.flag, s.given)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(asset.Columns, func(c anchorhold.Column) bool { return c.Name == name })
		if i < 0 { // its type is what the file says
			i = len(asset.Columns)
			asset.Columns = append(asset.Columns, anchorhold.Column{Name: name})
		}
		c := &asset.Columns[i]
		c.Facts = append(c.Facts, anchorhold.Fact{Name: s.name, Value: factValue(s.name, c.Type, s.text), Provenance: anchorhold.Stated})
	}
	return nil
}

// factValue reads a stated value: JSON where it is JSON of the right kind, else
// text; categories may stand between commas.
func factValue(name string, t anchorhold.ColumnType, text string) any {
	switch name {
	case anchorhold.FactCategories:
		var list []any
		if json.Unmarshal([]byte(text), &list) == nil {
			return list
		}
		for part := range strings.SplitSeq(text, ",") {
			list = append(list, factScalar(t, strings.TrimSpace(part)))
		}
		return list
	case anchorhold.FactUnique:
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
		return text
	case anchorhold.FactPattern, anchorhold.FactReferences, anchorhold.FactLike:
		return text
	case anchorhold.FactMin, anchorhold.FactMax:
		return factScalar(t, text)
	}
	if share, ok := strings.CutSuffix(text, "%"); ok {
		if f, err := strconv.ParseFloat(share, 64); err == nil {
			return f / 100
		}
	}
	return factScalar(anchorhold.TypeFloat, text)
}

// factScalar reads a value of a column's type; where that is not known, a number
// where it is one.
func factScalar(t anchorhold.ColumnType, text string) any {
	var n json.Number
	if (t == anchorhold.TypeInt || t == anchorhold.TypeFloat || t == "") && json.Unmarshal([]byte(text), &n) == nil {
		return n
	}
	return text
}

// confirmFacts shows what generated mocks would reveal, and asks. Unless somebody
// says yes, measured facts stay out of them.
func (a *app) confirmFacts(ctx context.Context, c *client.Client, dataset string, assets []client.NewAsset, o *assetOptions) error {
	if err := o.addConfirmed(assets); err != nil {
		return err
	}
	measured := func(n client.NewAsset) bool {
		return n.Mock != nil && n.Mock.Generate != nil && n.Database == nil && o.kept == "" // of a database nothing is measured
	}
	if !slices.ContainsFunc(assets, measured) {
		return nil
	}
	w := a.watch("reading the tables")
	proposed, err := previewed(ctx, c, dataset, assets)
	w.end()
	if err != nil {
		return err
	}
	for _, n := range assets {
		if measured(n) {
			a.confirmShown(n.Name, n.Mock, slices.DeleteFunc(slices.Clone(proposed), func(f client.Proposed) bool { return f.Asset != n.Name }), o)
		}
	}
	return nil
}

// previewed is what generated mocks would reveal, of all assets together: a column
// of one may refer to another.
func previewed(ctx context.Context, c *client.Client, dataset string, assets []client.NewAsset) ([]client.Proposed, error) {
	if len(assets) == 1 && assets[0].Path == "" && assets[0].Upload == "" { // what the site keeps
		return c.Propose(ctx, dataset, []string{assets[0].Name})
	}
	found, err := c.Inspect(ctx, assets...)
	return found.Proposals, err
}

// confirmShown shows what the mock of one asset would reveal, and asks.
func (a *app) confirmShown(asset string, m *client.NewMock, shown []client.Proposed, o *assetOptions) {
	p := show.NewPrinter(a.err)
	p.Printf("Facts measured from the private file of %s:\n", asset)
	printProposed(p, shown)
	switch {
	case !o.confirm && !o.yes && len(o.confirmed) > 0:
		p.Printf("Confirmed: those that you named go on the card, into the mock and into the ledger.\n")
	case o.confirm || o.yes || a.confirm(fmt.Sprintf("May everybody who sees %s know these facts?", asset)):
		m.Facts = append(m.Facts, codesOf(shown, m.Facts)...) // what was shown, and nothing else
		p.Printf("Confirmed: they go on the card, into the mock and into the ledger.\n")
	default:
		p.Printf("Not confirmed: the mock rests on stated facts only (use --confirm CODE, or --confirm-all, to confirm).\n")
	}
}

// codesOf are the codes of what was shown, but for those that are named already.
func codesOf(shown []client.Proposed, named []string) (out []string) {
	for _, f := range shown {
		if !slices.Contains(named, f.Code) {
			out = append(out, f.Code)
		}
	}
	return out
}

// addConfirmed says which facts the owner confirms by their codes.
func (o *assetOptions) addConfirmed(assets []client.NewAsset) error {
	for _, code := range o.confirmed {
		asset, err := find(assets, assetOfCode(code), "confirm", code)
		if err != nil {
			return err
		}
		if asset.Mock == nil || asset.Mock.Generate == nil {
			return usagef("use --mock "+asset.Name+"=generate", "--confirm %s is for a mock that is not generated", code)
		}
		asset.Mock.Facts = append(asset.Mock.Facts, code)
	}
	return nil
}

// assetOfCode is the asset that a code is about.
func assetOfCode(code string) string {
	_, of, _ := strings.Cut(code, ":")
	asset, _, _ := strings.Cut(of, ".")
	return asset
}

func printProposed(p *show.Printer, all []client.Proposed) {
	var rows [][]string
	for _, f := range all {
		state := "proposed"
		if f.Confirmed {
			state = "confirmed"
		}
		rows = append(rows, []string{f.Code, state, f.Says})
	}
	p.Table("Nothing was measured that a mock could use.", []string{"CODE", "STATE", "WHAT EVERYBODY WHO MAY SEE THE MOCK LEARNS"}, rows)
}

// sayKept says what became of the mock where a new version was given none.
func (a *app) sayKept(dataset string, before anchorhold.Asset, said *client.NewMock) {
	mock := before.Version.Mock
	if mock == nil || said != nil && (said.Path != "" || said.Upload != "" || said.Generate != nil) {
		return
	}
	p := show.NewPrinter(a.err)
	if mock.Origin == "generated" {
		p.Printf("The mock of version %d is kept, with the facts that were confirmed for it and are true of that version. See what is now: anchorhold dataset mock %s/%s\n", before.Version.Number, dataset, before.Name)
		return
	}
	p.Printf("The mock of version %d is kept, with the differences that were accepted of it.\n", before.Version.Number)
}

// sayChanged names the columns of a new version that are not as they were: code for
// the former one may not know them.
func (a *app) sayChanged(before anchorhold.Asset, d anchorhold.Dataset) {
	now, _ := d.Asset(before.Name)
	was := map[string]string{}
	for _, c := range before.Version.Columns {
		was[c.Name] = c.TypeText()
	}
	p := show.NewPrinter(a.err)
	for _, c := range now.Version.Columns {
		switch old, known := was[c.Name]; {
		case !known:
			p.Printf("Changed since version %d: %s (%s) is new.\n", before.Version.Number, c.Name, c.TypeText())
		case old != c.TypeText():
			p.Printf("Changed since version %d: %s is %s and was %s.\n", before.Version.Number, c.Name, c.TypeText(), old)
		}
		delete(was, c.Name)
	}
	for _, c := range before.Version.Columns {
		if _, gone := was[c.Name]; gone {
			p.Printf("Changed since version %d: %s is gone.\n", before.Version.Number, c.Name)
		}
	}
}
