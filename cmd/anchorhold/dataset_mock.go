package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

type datasetMockOptions struct {
	asset, out             string
	force, all, make       bool
	confirm, facts, faults []string
	seed                   uint64
	rows                   int64
}

func newDatasetMock(a *app) *cobra.Command {
	var o datasetMockOptions
	c := &cobra.Command{
		Use:   "mock NAME[/ASSET]",
		Short: "See what a mock would reveal and make it, or fetch it with --out",
		Long: "With --out, fetches the mock of a table. Otherwise it is for owners: it lists the\n" +
			"facts of the private side that a generated mock would reveal, one sentence and one\n" +
			"code each. With --confirm, --confirm-all, --fact, --fault, --seed, --rows or --make\n" +
			"the mocks of all tables (or of one) are made anew, in place: from what is stated,\n" +
			"what was confirmed before and what is confirmed now, which goes on the card and\n" +
			"into the ledger. Mocks that refer to one of them are made with it. The versions stay\n" +
			"the same, so requests that were made against the former mocks remain valid; who has\n" +
			"a former mock keeps it.",
		Example: "  anchorhold dataset mock heart --out heart-mock.csv\n" +
			"  anchorhold dataset mock heart\n" +
			"  anchorhold dataset mock heart --confirm rows:patients --confirm range:patients.age --seed 7\n" +
			"  anchorhold dataset mock heart --fault patients.seen=format:2%",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if set, asset, ok := strings.Cut(args[0], "/"); ok {
				args[0], o.asset = set, asset
			}
			if o.out != "" {
				return runDatasetMock(c.Context(), a, args[0], o)
			}
			return runMakeMock(c.Context(), a, args[0], o, c.Flags())
		},
	}
	c.Flags().StringVar(&o.asset, "asset", "", "which table, where the dataset has several")
	c.Flags().StringVar(&o.out, "out", "", "fetch the mock into this file; - is standard output")
	c.Flags().BoolVar(&o.force, "force", false, "replace the file if it is there")
	list(c.Flags(), &o.confirm, "confirm", "make the mock with a proposed fact, by its code")
	c.Flags().BoolVar(&o.all, "confirm-all", false, "make the mock with every proposed fact")
	c.Flags().BoolVar(&o.make, "make", false, "make the mock from what is stated and was confirmed before")
	list(c.Flags(), &o.facts, "fact", factUsage)
	list(c.Flags(), &o.faults, "fault", faultUsage)
	c.Flags().Uint64Var(&o.seed, "seed", 0, "make the mock with another seed; the same card and seed give the same mock (default: as before)")
	c.Flags().Int64Var(&o.rows, "rows", 0, "rows of the mock; 0: as many as the card says (default: as before)")
	return c
}

// saved is what a command answers that wrote a file.
type saved struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func runDatasetMock(ctx context.Context, a *app, name string, o datasetMockOptions) error {
	if o.out == "-" && (a.json || isTerminal(a.out)) {
		return usagef("use --out FILE", "a mock is a file, not text for a terminal or for JSON")
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	asset, err := theAsset(ctx, c.Client, name, o.asset)
	if err != nil {
		return err
	}
	if asset.Version.Mock == nil {
		return anchorhold.Errorf(anchorhold.NotFound, "ask the owner for one", "%s/%s has no mock", name, asset.Name)
	}
	body, err := c.Mock(ctx, name, asset.Name)
	if err != nil {
		return err
	}
	defer body.Close()
	checked := newChecked(body, asset.Version.Mock.Size, asset.Version.Mock.SHA256)
	if o.out == "-" {
		_, err = io.Copy(a.out, checked)
		return err
	}
	if err := save.Path(o.out, o.force, checked); err != nil {
		return err
	}
	return emit(a, saved{o.out, asset.Version.Mock.Size, asset.Version.Mock.SHA256}, func(p *show.Printer, s saved) {
		p.Printf("%s: %s\n", s.Path, show.Size(s.Size))
	})
}

// runMakeMock shows what mocks would reveal, or makes them.
func runMakeMock(ctx context.Context, a *app, name string, o datasetMockOptions, flags *pflag.FlagSet) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var assets []string
	if o.asset != "" {
		assets = []string{o.asset}
	}
	m := client.Making{Assets: assets, Confirm: o.confirm}
	if flags.Changed("seed") {
		m.Seed = &o.seed
	}
	if flags.Changed("rows") {
		m.Rows = &o.rows
	}
	if !o.make && !o.all && len(o.confirm)+len(o.facts)+len(o.faults) == 0 && m.Seed == nil && m.Rows == nil {
		w := a.watch("reading the tables")
		found, err := c.Propose(ctx, name, assets)
		w.end()
		if anchorhold.KindOf(err) == anchorhold.Denied {
			return anchorhold.Errorf(anchorhold.Denied, "to fetch the mock, use --out FILE", "what a mock would reveal is for its owners to see").Because(err)
		}
		if err != nil {
			return err
		}
		return emit(a, found, func(p *show.Printer, found []client.Proposed) {
			printProposed(p, found)
			p.Printf("Nothing was changed. Make the mock with what may be known: --confirm CODE for each, or --confirm-all.\n")
		})
	}
	if m.State, err = stated(ctx, c.Client, name, o); err != nil {
		return err
	}
	if err := a.confirmProposed(ctx, c.Client, name, o.all, &m); err != nil {
		return err
	}
	w := a.watch("making the mocks")
	d, err := c.MakeMocks(ctx, name, m)
	w.end()
	if err != nil {
		return err
	}
	show.NewPrinter(a.err).Printf("The mocks were made anew for the same versions: requests made against the former ones stay valid.\n")
	return emit(a, d, printDataset)
}

// confirmProposed shows what is proposed, where all of it is to be confirmed.
func (a *app) confirmProposed(ctx context.Context, c *client.Client, name string, all bool, m *client.Making) error {
	if !all {
		return nil
	}
	shown, err := c.Propose(ctx, name, m.Assets)
	if err != nil {
		return err
	}
	printProposed(show.NewPrinter(a.err), shown)
	m.Confirm = append(m.Confirm, codesOf(shown, m.Confirm)...)
	return nil
}

// stated reads the facts and faults that are stated of columns as those are now.
func stated(ctx context.Context, c *client.Client, name string, o datasetMockOptions) (out []client.StatedFact, err error) {
	all, err := factsSaid(o.facts, o.faults)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	d, err := c.Dataset(ctx, name)
	if err != nil {
		return nil, err
	}
	only := o.asset
	if len(d.Assets) == 1 {
		only = d.Assets[0].Name
	}
	for _, s := range all {
		asset, column := only, s.column
		if table, rest, ok := strings.Cut(s.column, "."); ok {
			if _, known := d.Asset(table); known {
				asset, column = table, rest
			}
		}
		have, ok := d.Asset(asset)
		i := slices.IndexFunc(have.Version.Columns, func(c anchorhold.Column) bool { return c.Name == column })
		if !ok || i < 0 {
			return nil, usagef("write TABLE.COLUMN as `anchorhold dataset show "+name+"` has them", "--%s %s is of a column that the dataset does not have", s.flag, s.given)
		}
		f := client.StatedFact{Asset: asset, Column: column, Name: s.name}
		if s.text != "" { // an empty one takes the fact back
			f.Value = factValue(s.name, have.Version.Columns[i].Type, s.text)
		}
		out = append(out, f)
	}
	return out, nil
}

// checked passes bytes through and, at their end, refuses them when they are
// not those that were announced.
type checked struct {
	from   io.Reader // also feeds sum
	sum    hash.Hash
	left   int64
	sha256 string
}

func newChecked(from io.Reader, size int64, sha string) io.Reader {
	h := sha256.New()
	return &checked{from: io.TeeReader(io.LimitReader(from, size+1), h), sum: h, left: size, sha256: strings.TrimPrefix(sha, "sha256:")}
}

// Read implements io.Reader.
func (c *checked) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.left -= int64(n)
	if c.left < 0 || err == io.EOF && (c.left != 0 || hex.EncodeToString(c.sum.Sum(nil)) != c.sha256) {
		return 0, anchorhold.Errorf(anchorhold.Unavailable, "fetch it again; if it happens again, tell the site's owner",
			"what came is not the file that the site announced")
	}
	return n, err
}
