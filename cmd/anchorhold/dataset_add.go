package main

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// assetOptions are the flags that describe tables, of a new dataset or a new
// version.
type assetOptions struct {
	databaseOptions
	assets, mocks, missing, columns []string
	facts, faults, confirmed        []string
	accept, override                []string
	mockRows                        int64
	mockSeed                        uint64
	confirm, yes, copied            bool
}

func (o *assetOptions) flags(fs *pflag.FlagSet) {
	list(fs, &o.assets, "asset", "an asset and its file or folder: patients=FILE; CSV, Parquet, Arrow, JSON lines, .npy, .npz, safetensors, files")
	o.databaseOptions.flags(fs)
	list(fs, &o.mocks, "mock", "the table's mock: patients=FILE, or patients=generate to make one from the card")
	list(fs, &o.missing, "missing", "a further text that means \"no value\", such as ?")
	list(fs, &o.columns, "column", "what a column is: patients.age=int:\"Age in years [a]\"")
	list(fs, &o.facts, "fact", factUsage)
	list(fs, &o.faults, "fault", faultUsage)
	fs.Int64Var(&o.mockRows, "mock-rows", 0, "rows of a generated mock (default: the site's)")
	fs.Uint64Var(&o.mockSeed, "mock-seed", 0, "seed of a generated mock; the same card and seed give the same mock")
	fs.BoolVar(&o.confirm, "confirm-facts", false, "let the facts that are shown, measured from the private file, appear on the card and in a generated mock")
	fs.BoolVar(&o.confirm, "confirm-all", false, "the same as --confirm-facts")
	list(fs, &o.confirmed, "confirm", "let one of these facts appear, by its code: range:patients.age")
	fs.BoolVar(&o.yes, "yes", false, "the same as --confirm-facts")
	fs.BoolVar(&o.copied, "copy", false, "send the files to the site, which keeps a copy (the way from another machine)")
	list(fs, &o.accept, "accept-difference", "a difference that a given mock may have, by its code: type:patients.age")
	list(fs, &o.override, "override-common", "why a given mock may share rows or identifiers with the private side: [patients=]REASON; logged")
	fs.MarkHidden("yes") //nolint:errcheck // the flag was defined above
}

type datasetAddOptions struct {
	assetOptions
	cardOptions
	reviewOptions
	title, description, license, population, visibility string
}

const factsHelp = `
A generated mock is made from the card alone. Facts measured from the private
file (ranges, categories, shares of missing values, number of rows) make it more
useful and are a disclosure: they are shown first, they are used only with
--confirm CODE, --confirm-all or your yes at the terminal, and they are entered in
the ledger. What you confirm later, or differently, and which columns refer to
another table, which nothing says before both are there: anchorhold dataset mock NAME.
Without them the mock rests on what --column and --fact state.`

func newDatasetAdd(a *app) *cobra.Command {
	var o datasetAddOptions
	c := &cobra.Command{
		Use:   "add NAME (--asset TABLE=FILE | --postgres SERVER --table TABLE)",
		Short: "Offer one or more tables as a dataset",
		Long:  "Registers files and folders where they lie: they are read, never moved, and copied\nonly with --copy.\n" + factsHelp + "\n" + databaseHelp,
		Example: `  anchorhold dataset add heart --asset patients=cleveland.csv --mock patients=generate \
    --missing '?' --column patients.age=int:"Age in years" --fact patients.age.min=18
  anchorhold dataset add wards --postgres "host=/run/postgresql user=anchorhold dbname=hospital" \
    --table stays=clinic.stays`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runDatasetAdd(c.Context(), a, args[0], o) },
	}
	o.assetOptions.flags(c.Flags())
	c.Flags().StringVar(&o.title, "title", "", "what people call it")
	c.Flags().StringVar(&o.description, "description", "", "what it is, in a few sentences")
	c.Flags().StringVar(&o.license, "license", "", "under which terms the mock is given")
	c.Flags().StringVar(&o.population, "population", "", "whom the data describe; datasets about the same people share it (default: NAME)")
	c.Flags().StringVar(&o.visibility, "visibility", "", "who may know of it: users (default), or named (those with a role for dataset:NAME)")
	o.reviewOptions.flags(c.Flags())
	o.cardOptions.flags(c.Flags())
	return c
}

func runDatasetAdd(ctx context.Context, a *app, name string, o datasetAddOptions) error {
	switch anchorhold.Visibility(o.visibility) {
	case "", anchorhold.VisibleToUsers, anchorhold.VisibleToNamed:
	default:
		return usagef("use --visibility users or named", "%q is not a visibility", o.visibility)
	}
	assets, err := o.read("")
	if err != nil {
		return err
	}
	card, err := o.card()
	if err != nil {
		return err
	}
	rule, days, err := o.rules()
	if err != nil {
		return err
	}
	order, err := o.order()
	if err != nil {
		return err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if o.copied {
		if err := a.copyIn(ctx, c.Client, assets); err != nil {
			return err
		}
	}
	if err := a.confirmFacts(ctx, c.Client, name, assets, &o.assetOptions); err != nil {
		return err
	}
	p := a.watch("reading the tables")
	d, err := c.AddDataset(ctx, client.NewDataset{
		Name: name, Title: o.title, Description: o.description, License: o.license, Population: o.population,
		Visibility: anchorhold.Visibility(o.visibility), Quorum: o.quorum, Review: rule, RequestDays: days, Priority: order,
		Assets: assets, Card: card,
	})
	p.end()
	if err != nil {
		return err
	}
	return emit(a, d, printDataset)
}

func newDatasetVersion(a *app) *cobra.Command {
	var o assetOptions
	c := &cobra.Command{
		Use:   "version NAME --asset TABLE[=FILE]",
		Short: "Register a changed file, or another mock, as a table's new version",
		Long: "Registers the file as it is now. What is not given stays as it was: the path, the\n" +
			"texts that mean no value, the stated columns, and the mock.\n" + factsHelp + "\n" + databaseHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runDatasetVersion(c.Context(), a, args[0], o) },
	}
	o.flags(c.Flags())
	return c
}

func runDatasetVersion(ctx context.Context, a *app, name string, o assetOptions) error {
	if len(o.assets)+len(o.tables) > 1 {
		return usagef("run the command once for each table", "one table at a time has a new version")
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	given, _, hasFile := strings.Cut(strings.Join(append(o.assets, o.tables...), ""), "=")
	asset, err := theAsset(ctx, c.Client, name, given)
	if err != nil {
		return err
	}
	assets, err := o.next(asset, hasFile)
	if err != nil {
		return err
	}
	if o.copied {
		if err := a.copyIn(ctx, c.Client, assets); err != nil {
			return err
		}
	}
	if err := a.confirmFacts(ctx, c.Client, name, assets, &o); err != nil {
		return err
	}
	p := a.watch("reading the table")
	d, err := c.AddVersion(ctx, name, asset.Name, assets[0])
	p.end()
	if err != nil {
		return err
	}
	a.sayKept(name, asset, assets[0].Mock)
	a.sayChanged(asset, d)
	return emit(a, d, printDataset)
}

// next turns the flags into a table's new version, which lies where it did unless they
// name a file or a database.
func (o *assetOptions) next(asset anchorhold.Asset, hasFile bool) ([]client.NewAsset, error) {
	if o.postgres != "" || hasFile {
		return o.read(asset.Name)
	}
	private := asset.Version.Private
	switch {
	case private == nil:
		return nil, usagef("use --asset "+asset.Name+"=FILE", "the table's file is not known")
	case asset.Version.Live:
		o.kept, o.assets = asset.Name, nil
		return o.read(asset.Name)
	}
	o.assets = []string{asset.Name + "=" + private.Path}
	if o.missing == nil {
		o.missing = asset.Version.Missing
	}
	assets, err := o.read(asset.Name)
	if err == nil && private.Copied {
		assets[0].Path = "" // the site keeps it
	}
	return assets, err
}

// read turns the flags into tables. A flag that names no table means the only
// one.
func (o *assetOptions) read(only string) ([]client.NewAsset, error) {
	assets, err := o.databaseOptions.assets()
	if err != nil {
		return nil, err
	}
	files, err := pairs("asset", o.assets)
	if err != nil {
		return nil, err
	}
	if o.kept != "" {
		assets = append(assets, client.NewAsset{Name: o.kept})
	}
	for _, f := range files {
		path, err := absolute(f.value)
		if err != nil {
			return nil, err
		}
		assets = append(assets, client.NewAsset{Name: f.name, Path: path, Missing: o.missing})
	}
	switch {
	case len(assets) == 0:
		return nil, usagef("use --asset patients=FILE", "no table is given")
	case len(assets) == 1:
		only = assets[0].Name
	}
	for _, add := range []func([]client.NewAsset, string) error{o.addMocks, o.addConsent, o.addColumns, o.addFacts} {
		if err := add(assets, only); err != nil {
			return nil, err
		}
	}
	return assets, nil
}

func (o *assetOptions) addMocks(assets []client.NewAsset, only string) error {
	for _, m := range o.mocks {
		name, value, named := strings.Cut(m, "=")
		if !named {
			name, value = only, m
		}
		asset, err := find(assets, name, "mock", m)
		if err != nil {
			return err
		}
		if asset.Mock != nil {
			return usagef("give one mock for each table", "--mock %s is given twice", name)
		}
		if value == "generate" {
			asset.Mock = &client.NewMock{Generate: &client.Generate{Seed: o.mockSeed, Rows: o.mockRows}}
			continue
		}
		path, err := absolute(value)
		if err != nil {
			return err
		}
		asset.Mock = &client.NewMock{Path: path}
	}
	return nil
}

// addConsent says what the owner accepts of given mocks. Of a new version the
// mock can be the one that it has.
func (o *assetOptions) addConsent(assets []client.NewAsset, only string) error {
	of := func(table, flag, given string) (*client.NewMock, error) {
		asset, err := find(assets, table, flag, given)
		if err != nil {
			return nil, err
		}
		if asset.Mock == nil {
			asset.Mock = &client.NewMock{}
		}
		return asset.Mock, nil
	}
	for _, code := range o.accept {
		_, what, ok := strings.Cut(code, ":")
		table, _, _ := strings.Cut(what, ".")
		if !ok || table == "" {
			return usagef("write the code as the refusal has it, such as type:patients.age", "--accept-difference %s cannot be read", code)
		}
		m, err := of(table, "accept-difference", code)
		if err != nil {
			return err
		}
		m.Accept = append(m.Accept, code)
	}
	for _, given := range o.override {
		table, reason, named := strings.Cut(given, "=")
		if named && !slices.ContainsFunc(assets, func(a client.NewAsset) bool { return a.Name == table }) {
			named = false // a reason may well hold the sign
		}
		if !named {
			table, reason = only, given
		}
		m, err := of(table, "override-common", given)
		if err != nil {
			return err
		}
		if m.OverrideCommon != "" {
			return usagef("give one reason for each table", "--override-common is given twice for %s", table)
		}
		m.OverrideCommon = reason
	}
	return nil
}

func find(assets []client.NewAsset, name, flag, given string) (*client.NewAsset, error) {
	for i := range assets {
		if assets[i].Name == name {
			return &assets[i], nil
		}
	}
	if name == "" {
		return nil, usagef("begin it with the name of one of them, such as "+assets[0].Name, "--%s %s does not say of which table it speaks", flag, given)
	}
	return nil, usagef("name one that --asset gives", "--%s %s is for a table that is not given", flag, given)
}

// columnForm is TABLE.COLUMN=TYPE:DESCRIPTION [UNIT]; the table and all after
// the type may be left out.
var columnForm = regexp.MustCompile(`^(.+?)=(int|float|string|bool|date|timestamp)(?::(.*?)(?:\s*\[([^\[\]]+)\])?)?$`)

func (o *assetOptions) addColumns(assets []client.NewAsset, only string) error {
	for _, given := range o.columns {
		m := columnForm.FindStringSubmatch(given)
		if m == nil {
			return usagef(`write --column patients.age=int:"Age in years", with int, float, string, bool, date or timestamp`,
				"--column %s cannot be read", given)
		}
		asset, column, err := columnOf(assets, only, m[1], "column", given)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(asset.Columns, func(c anchorhold.Column) bool { return c.Name == column }) {
			return usagef("describe each column once", "--column %s is given twice", m[1])
		}
		asset.Columns = append(asset.Columns, anchorhold.Column{
			Name: column, Type: anchorhold.ColumnType(m[2]), Description: strings.TrimSpace(m[3]), Unit: m[4],
		})
	}
	return nil
}

// columnOf splits TABLE.COLUMN. Where there is one table its name may be left
// out, so that a column with a dot in its name can still be meant.
func columnOf(assets []client.NewAsset, only, text, flag, given string) (*client.NewAsset, string, error) {
	if table, column, ok := strings.Cut(text, "."); ok {
		if asset, err := find(assets, table, flag, given); err == nil {
			return asset, column, nil
		}
	}
	asset, err := find(assets, only, flag, given)
	return asset, text, err
}
