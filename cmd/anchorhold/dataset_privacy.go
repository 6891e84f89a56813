package main

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// privacyOptions are the flags by which an owner states whose the rows are.
type privacyOptions struct {
	units, vias, publics           []string
	bounds, domains, nevers, opens []string
	groups, rows                   int
	size                           int64
	epsilon, delta                 string
	guide                          bool
}

func newDatasetPrivacy(a *app) *cobra.Command {
	var o privacyOptions
	c := &cobra.Command{
		Use:   "privacy NAME",
		Short: "State whose the rows are, so that questions can be answered without a review",
		Long: `States facts about the people in a dataset: which column names one of them, how
much one of them can contribute, and which values there can be. With these, and a
limit of exposure, aggregate questions in SQL are answered at once, with noise
that hides every single person. What is missing makes the dataset "review only".

State what you know without looking: a range that follows the data tells of them.
The widest that can be is right (age 0..120); values outside are moved to its ends.
What is given is added to what was stated before. Without flags it shows that, and
what is missing; --guide asks for one thing after the other.`,
		Example: `  anchorhold dataset privacy heart --unit row --bounds age=0..120 --domain sex=0,1 --max-groups 1 --max-rows 1
  anchorhold dataset privacy visits --unit patients.id --via visits.patient=patients.id \
    --bounds visits.days=0..365 --never patients.name --max-groups 4 --max-rows 10 --population-size 5000
  anchorhold dataset privacy heart --guide`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runDatasetPrivacy(c, a, args[0], o) },
	}
	f := c.Flags()
	list(f, &o.units, "unit", "the column that names a person or other unit (COLUMN, TABLE.COLUMN, several with +), or row (TABLE=row): each row is somebody else")
	list(f, &o.vias, "via", "the unit stands in another table: visits.patient=patients.id; also a table that maps people to households")
	list(f, &o.publics, "public", "a table that is about nobody, and by which columns questions may join it: TABLE or TABLE.COLUMN (several with +)")
	list(f, &o.bounds, "bounds", "the range of a column: age=0..120")
	list(f, &o.domains, "domain", "every value that a column can have: sex=0,1")
	list(f, &o.nevers, "never", "a column that stands in no question")
	list(f, &o.opens, "open", "takes back what was stated of a column")
	f.IntVar(&o.groups, "max-groups", 0, "to how many groups of one question one unit may contribute")
	f.IntVar(&o.rows, "max-rows", 0, "how many rows of one unit may count in one group")
	f.Int64Var(&o.size, "population-size", 0, "about how many units there are, as a guess that everybody may read")
	f.StringVar(&o.epsilon, "epsilon", "", "what a question costs that names no price")
	f.StringVar(&o.delta, "delta", "", "the delta of such a question (default: none)")
	f.BoolVar(&o.guide, "guide", false, "ask for one thing after the other")
	return c
}

// privacyShown is what the command tells.
type privacyShown struct {
	Privacy    *anchorhold.Privacy `json:"privacy"`
	ReviewOnly bool                `json:"review_only"`
	Missing    []string            `json:"missing"`
	WorstCases []string            `json:"worst_cases"`
}

func runDatasetPrivacy(cmd *cobra.Command, a *app, name string, o privacyOptions) error {
	return withSite(cmd.Context(), a, func(ctx context.Context, c *client.Client) error {
		d, err := c.Dataset(ctx, name)
		if err != nil {
			return err
		}
		said, err := o.said(a, cmd, d)
		if err != nil {
			return err
		}
		if said != nil {
			if d, err = c.StatePrivacy(ctx, name, *said); err != nil {
				return err
			}
		}
		missing := append([]string{}, d.MissingPrivacy()...)
		shown := privacyShown{d.Privacy, len(missing) > 0, missing, append([]string{}, d.WorstCases()...)}
		return emit(a, shown, printPrivacy)
	})
}

// said is what the flags, or the answers, make of what was stated before; nil
// where nothing was said.
func (o *privacyOptions) said(a *app, cmd *cobra.Command, d anchorhold.Dataset) (*anchorhold.Privacy, error) {
	before := copyPrivacy(d.Privacy)
	if o.guide {
		return guidePrivacy(a, d, before)
	}
	if cmd.Flags().NFlag() == 0 || !slices.ContainsFunc([]string{"unit", "via", "public", "bounds", "domain", "never", "open", "max-groups", "max-rows", "population-size", "epsilon", "delta"}, cmd.Flags().Changed) {
		return nil, nil //nolint:nilnil // nothing was said
	}
	return o.apply(d, before)
}

// copyPrivacy leaves what was read alone.
func copyPrivacy(p *anchorhold.Privacy) *anchorhold.Privacy {
	out := anchorhold.Privacy{Assets: map[string]anchorhold.AssetPrivacy{}}
	if p == nil {
		return &out
	}
	out = *p
	out.Assets = map[string]anchorhold.AssetPrivacy{}
	for name, of := range p.Assets {
		of.Columns = maps.Clone(of.Columns)
		out.Assets[name] = of
	}
	return &out
}

func (o *privacyOptions) apply(d anchorhold.Dataset, p *anchorhold.Privacy) (*anchorhold.Privacy, error) {
	for _, step := range []func(anchorhold.Dataset, *anchorhold.Privacy) error{o.applyUnits, o.applyVias, o.applyColumns} {
		if err := step(d, p); err != nil {
			return nil, err
		}
	}
	for _, text := range o.publics {
		name, key := text, []string(nil)
		if _, whole := d.Asset(text); !whole {
			if table, columns, ok := strings.Cut(text, "."); ok {
				name, key = table, strings.Split(columns, "+")
			}
		}
		p.Assets[name] = anchorhold.AssetPrivacy{Public: true, Key: key, Columns: p.Assets[name].Columns}
	}
	if o.groups != 0 {
		p.MaxGroups = o.groups
	}
	if o.rows != 0 {
		p.MaxRows = o.rows
	}
	if o.size != 0 {
		p.Size = o.size
	}
	if o.epsilon != "" {
		p.Price = &anchorhold.Price{Epsilon: o.epsilon, Delta: o.delta}
	} else if o.delta != "" {
		return nil, usagef("give both: --epsilon 0.1 --delta 1e-6", "a delta alone is no price")
	}
	if rowsAlone(p) {
		// Where each row is somebody else there is one row, in one group.
		p.MaxGroups, p.MaxRows = max(p.MaxGroups, 1), max(p.MaxRows, 1)
	}
	return p, nil
}

func rowsAlone(p *anchorhold.Privacy) bool {
	for _, of := range p.Assets {
		if !of.Row && !of.Public {
			return false
		}
	}
	return len(p.Assets) > 0
}

func (o *privacyOptions) applyUnits(d anchorhold.Dataset, p *anchorhold.Privacy) error {
	for _, text := range o.units {
		table, rest, row := strings.Cut(text, "=")
		switch {
		case text == "row", row && rest == "row":
			if text == "row" {
				if len(d.Assets) != 1 {
					return usagef("name the table: --unit TABLE=row", "the dataset %s has several tables", d.Name)
				}
				table = d.Assets[0].Name
			}
			p.Assets[table] = anchorhold.AssetPrivacy{Row: true, Columns: p.Assets[table].Columns}
		case row:
			return usagef("write --unit COLUMN, --unit TABLE.COLUMN or --unit TABLE=row", "--unit %s cannot be read", text)
		default:
			table, columns, err := columnsOf(d, "unit", text)
			if err != nil {
				return err
			}
			p.Assets[table] = anchorhold.AssetPrivacy{Unit: columns, Columns: p.Assets[table].Columns}
		}
	}
	return nil
}

func (o *privacyOptions) applyVias(d anchorhold.Dataset, p *anchorhold.Privacy) error {
	for _, text := range o.vias {
		from, to, ok := strings.Cut(text, "=")
		if !ok {
			return usagef("write --via visits.patient=patients.id", "--via %s cannot be read", text)
		}
		table, columns, err := columnsOf(d, "via", from)
		if err != nil {
			return err
		}
		other, key, err := columnsOf(d, "via", to)
		if err != nil {
			return err
		}
		p.Assets[table] = anchorhold.AssetPrivacy{Via: &anchorhold.Via{Columns: columns, Asset: other, Key: key}, Columns: p.Assets[table].Columns}
	}
	return nil
}

func (o *privacyOptions) applyColumns(d anchorhold.Dataset, p *anchorhold.Privacy) error {
	state := func(flag, column string, said *anchorhold.ColumnPrivacy) error {
		table, columns, err := columnsOf(d, flag, column)
		if err != nil {
			return err
		}
		of := p.Assets[table]
		if of.Columns == nil {
			of.Columns = map[string]anchorhold.ColumnPrivacy{}
		}
		if said == nil {
			delete(of.Columns, columns[0])
		} else {
			of.Columns[columns[0]] = *said
		}
		p.Assets[table] = of
		return nil
	}
	for _, column := range o.opens {
		if err := state("open", column, nil); err != nil {
			return err
		}
	}
	for _, column := range o.nevers {
		if err := state("never", column, &anchorhold.ColumnPrivacy{Never: true}); err != nil {
			return err
		}
	}
	for flag, given := range map[string][]string{"bounds": o.bounds, "domain": o.domains} {
		all, err := pairs(flag, given)
		if err != nil {
			return err
		}
		for _, one := range all {
			said, ok := columnSaid(one.value, flag == "domain")
			if !ok {
				return usagef("write --bounds age=0..120", "--%s %s cannot be read", flag, one.name+"="+one.value)
			}
			if err := state(flag, one.name, &said); err != nil {
				return err
			}
		}
	}
	return nil
}

// columnSaid reads LOW..HIGH, or a closed set of values with commas between.
func columnSaid(text string, set bool) (anchorhold.ColumnPrivacy, bool) {
	if set {
		return anchorhold.ColumnPrivacy{Domain: filled(strings.Split(text, ","))}, true
	}
	low, high, ok := strings.Cut(text, "..")
	low, high = strings.TrimSpace(low), strings.TrimSpace(high)
	return anchorhold.ColumnPrivacy{Low: low, High: high}, ok && low != "" && high != ""
}

// columnsOf reads TABLE.COLUMN+COLUMN; the table may be left out where there is
// one.
func columnsOf(d anchorhold.Dataset, flag, text string) (table string, columns []string, err error) {
	columns = strings.Split(text, "+")
	if first, rest, dotted := strings.Cut(columns[0], "."); dotted {
		if _, known := d.Asset(first); known {
			table, columns[0] = first, rest
		}
	}
	if table == "" && len(d.Assets) == 1 {
		table = d.Assets[0].Name
	}
	if table == "" {
		return "", nil, usagef("name the table: --"+flag+" TABLE."+text, "the dataset %s has several tables", d.Name)
	}
	for i, c := range columns {
		columns[i] = strings.TrimPrefix(strings.TrimSpace(c), table+".")
	}
	return table, columns, nil
}

func printPrivacy(p *show.Printer, s privacyShown) {
	if s.ReviewOnly {
		p.Field("answered", "by a person only, until you state:")
		for _, m := range s.Missing {
			p.Field("", m)
		}
	} else {
		p.Field("answered", "at once, within the limit of exposure")
	}
	if s.Privacy == nil {
		return
	}
	if s.Privacy.MaxGroups > 0 {
		p.Field("groups of a unit", strconv.Itoa(s.Privacy.MaxGroups))
	}
	if s.Privacy.MaxRows > 0 {
		p.Field("rows in a group", strconv.Itoa(s.Privacy.MaxRows))
	}
	if s.Privacy.Size > 0 {
		p.Field("units", "about "+strconv.FormatInt(s.Privacy.Size, 10))
	}
	if c := s.Privacy.Price; c != nil {
		text := "ε = " + c.Epsilon
		if c.Delta != "" {
			text += ", δ = " + c.Delta
		}
		p.Field("a question costs", text+", where it names nothing else")
	}
	for i, w := range s.WorstCases {
		p.Field(first(i, "worst case"), w)
	}
	for _, table := range slices.Sorted(maps.Keys(s.Privacy.Assets)) {
		printAssetPrivacy(p, table, s.Privacy.Assets[table])
	}
}

func printAssetPrivacy(p *show.Printer, table string, of anchorhold.AssetPrivacy) {
	p.Heading(table + ": " + whose(of))
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(of.Columns)) {
		c := of.Columns[name]
		text := "never asked"
		switch {
		case c.Bounded():
			text = "from " + c.Low + " to " + c.High
		case len(c.Domain) > 0:
			text = "one of " + show.Cut(strings.Join(c.Domain, ", "), 80)
		}
		rows = append(rows, []string{name, text})
	}
	p.Table("Nothing is stated of its columns: they can be counted and compared, not summed.", []string{"COLUMN", "VALUES"}, rows)
}

// whose says in words whose the rows of a table are.
func whose(of anchorhold.AssetPrivacy) string {
	switch {
	case of.Row:
		return "each row is a unit of its own"
	case len(of.Unit) > 0:
		return "a unit is named by " + strings.Join(of.Unit, " and ")
	case of.Via != nil:
		return "rows belong to whom " + strings.Join(of.Via.Columns, " and ") + " leads to in " + of.Via.Asset
	case of.Public && len(of.Key) > 0:
		return "about nobody; joined by " + strings.Join(of.Key, " and ")
	case of.Public:
		return "about nobody"
	}
	return "it is not said whose the rows are"
}
