package dataset

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Making says how the mocks of a dataset's assets are made anew.
type Making struct {
	Assets  []string     `json:"assets,omitempty" maxItems:"100" doc:"which; empty: all that have no mock of their owner's own"`
	Confirm []string     `json:"confirm,omitempty" maxItems:"50000" doc:"codes of proposed facts that everybody who sees the mock may know, such as range:patients.age"`
	State   []StatedFact `json:"state,omitempty" maxItems:"50000" doc:"what the owner states of columns, faults too; a value of null takes a fact back"`
	Seed    *uint64      `json:"seed,omitempty" doc:"default: as before"`
	Rows    *int64       `json:"rows,omitempty" minimum:"0" doc:"of each mock; default: as before; 0: as many as the card says"`
}

// StatedFact is a fact that an owner states of a column.
type StatedFact struct {
	Asset  string `json:"asset"`
	Column string `json:"column"`
	Name   string `json:"name"`
	Value  any    `json:"value"`
}

// Propose says what the mocks of a dataset's assets would reveal, fact by fact.
// Nothing of it leaves, or is kept.
func (s *Service) Propose(ctx context.Context, dataset string, assets []string) ([]catalog.Proposed, error) {
	d, drafts, err := s.remaking(ctx, dataset, assets)
	if err != nil {
		return nil, err
	}
	all, err := s.measured(ctx, d, drafts)
	if err != nil {
		return nil, err
	}
	findReferences(all)
	out := []catalog.Proposed{}
	for _, dr := range drafts {
		out = append(out, dr.proposals()...)
	}
	return out, nil
}

// MakeMocks makes mocks of the current versions anew, from what is stated and
// what is confirmed now or was before. Requests go on being about the versions:
// what was asked while the former mocks stood stays as it is.
func (s *Service) MakeMocks(ctx context.Context, p policy.Permit, dataset string, m Making) (anchorhold.Dataset, error) {
	d, drafts, err := s.remaking(ctx, dataset, m.Assets)
	if err != nil {
		return d, err
	}
	for _, dr := range drafts {
		dr.making = m.of(dr)
	}
	if err := m.check(drafts); err != nil {
		return d, err
	}
	if len(m.Confirm) > 0 {
		if drafts, err = s.measured(ctx, d, drafts); err != nil {
			return d, err
		}
	}
	drafts = withDependents(d, drafts, made(drafts)...)
	if err := s.generate(ctx, drafts, d.Assets); err != nil {
		return d, err
	}
	return books.On(ctx, s.Books, p, books.Datasets(), func(tx store.Tx) (anchorhold.Dataset, books.Record, error) {
		now, err := tx.Dataset(dataset)
		if err == nil && now.State == anchorhold.DatasetWithdrawn {
			err = withdrawn(dataset)
		}
		if err != nil {
			return now, books.Record{}, err
		}
		for _, dr := range drafts {
			if err := s.replace(tx, p, now, dr); err != nil {
				return now, books.Record{}, err
			}
		}
		full, err := tx.Dataset(dataset)
		return full, books.Record{Subject: now.ID, Details: map[string]string{"dataset": dataset}}, err
	})
}

// measured measures the private sides of drafts. Where there are several assets
// it adds the others as drafts that are not made: their keys may be referred to.
func (s *Service) measured(ctx context.Context, d anchorhold.Dataset, drafts []*draft) ([]*draft, error) {
	all := slices.Clone(drafts)
	for _, a := range d.Assets {
		if a.Version.Private != nil && !a.Version.Live && !slices.ContainsFunc(drafts, func(dr *draft) bool { return dr.asset == a.Name }) {
			all = append(all, remake(a))
		}
	}
	for _, dr := range all {
		var err error
		if dr.version.Live { // nothing is measured there
			continue
		}
		if dr.proposal, err = s.measure(ctx, d.Name, dr); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// remaking gives the drafts of the assets whose mocks are to be made.
func (s *Service) remaking(ctx context.Context, dataset string, assets []string) (anchorhold.Dataset, []*draft, error) {
	d, err := s.Find(ctx, dataset)
	if err != nil {
		return d, nil, err
	}
	if d.State == anchorhold.DatasetWithdrawn {
		return d, nil, withdrawn(dataset)
	}
	for _, name := range assets {
		if _, ok := d.Asset(name); !ok {
			return d, nil, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold dataset show "+dataset+"`", "the dataset %q has no asset %q", dataset, name)
		}
	}
	var drafts []*draft
	for _, a := range d.Assets {
		given := a.Version.Mock != nil && a.Version.Mock.Origin == "given"
		if a.Version.Private == nil || len(assets) == 0 && given || len(assets) > 0 && !slices.Contains(assets, a.Name) {
			continue
		}
		drafts = append(drafts, remake(a))
	}
	if len(drafts) == 0 {
		return d, nil, anchorhold.Errorf(anchorhold.Conflict, "name the asset whose mock is to be replaced: "+dataset+"/ASSET",
			"every mock of %q is one that its owner gave", dataset)
	}
	return d, drafts, nil
}

// remake is a draft of a version that exists already.
func remake(a anchorhold.Asset) *draft {
	v := a.Version
	v.Columns = slices.Clone(v.Columns)
	return &draft{asset: a.Name, version: v, base: &a.Version}
}

// stale says whether the facts of a version, or its mock, are others than those that
// a draft was made from: what it says would undo what was said meanwhile.
func (d *draft) stale(now anchorhold.Version) bool {
	if d.base == nil {
		return false
	}
	was := *d.base
	same := now.ID == was.ID && text(now.Facts) == text(was.Facts) && text(now.Mock) == text(was.Mock) && len(now.Columns) == len(was.Columns)
	for i := range now.Columns {
		same = same && text(now.Columns[i].Facts) == text(was.Columns[i].Facts)
	}
	return !same
}

func meanwhile(asset string) error {
	return anchorhold.Errorf(anchorhold.Conflict, "look at what it is now, and try again", "somebody else made the mock of %q, or another version, meanwhile", asset)
}

// of is how one asset's mock is made: as before, but for what is said.
func (m Making) of(d *draft) *NewMock {
	g := &Generate{}
	if was := d.version.Mock; was != nil {
		g.Seed, g.Rows = was.Seed, was.Asked
	}
	if m.Seed != nil {
		g.Seed = *m.Seed
	}
	if m.Rows != nil {
		g.Rows = *m.Rows
	}
	n := &NewMock{Generate: g}
	for _, code := range m.Confirm {
		if assetOf(code) == d.asset {
			n.Facts = append(n.Facts, code)
		}
	}
	return n
}

// assetOf is the asset that a code is about.
func assetOf(code string) string {
	_, of, _ := strings.Cut(code, ":")
	asset, _, _ := strings.Cut(of, ".")
	return asset
}

// check refuses what is said of no asset at hand, and puts stated facts onto the
// cards of the others.
func (m Making) check(drafts []*draft) error {
	named := func(asset string) (*draft, error) {
		i := slices.IndexFunc(drafts, func(d *draft) bool { return d.asset == asset })
		if i < 0 {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "name one whose mock is made", "something is said of the asset %q, whose mock is not made now", show(asset))
		}
		return drafts[i], nil
	}
	for _, code := range m.Confirm {
		if _, err := named(assetOf(code)); err != nil {
			return err
		}
	}
	for _, f := range m.State {
		d, err := named(f.Asset)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(d.version.Columns, func(c anchorhold.Column) bool { return c.Name == f.Column })
		if i < 0 {
			return anchorhold.Errorf(anchorhold.NotFound, "check the spelling; names are compared exactly", "%q has no column %q", f.Asset, show(f.Column))
		}
		if !slices.Contains(anchorhold.StatedFacts(), f.Name) {
			return anchorhold.Errorf(anchorhold.Invalid, "state one of "+strings.Join(anchorhold.StatedFacts(), ", "), "no fact is called %q", show(f.Name))
		}
		c := &d.version.Columns[i]
		said := []anchorhold.Fact{{Name: f.Name, Value: f.Value, Provenance: anchorhold.Stated}}
		if c.Facts = replaceFacts(c.Facts, said); f.Value == nil {
			c.Facts = c.Facts[:len(c.Facts)-1]
		}
	}
	return nil
}

// measure reads the private side of a version, which has to be what was
// registered.
func (s *Service) measure(ctx context.Context, dataset string, d *draft) (*catalog.Proposal, error) {
	private := d.version.Private
	c, _, err := s.content(ctx, "", NewAsset{Path: pathOf(private), kept: keptOf(private)})
	if anchorhold.KindOf(err) == anchorhold.NotFound {
		return nil, anchorhold.Errorf(anchorhold.Conflict, "put it back, or register another: anchorhold dataset version "+dataset+" --asset "+d.asset+"=FILE",
			"the file of %q is not where it was registered", d.asset).Because(err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing was written
	if !private.Copied {             // what the site keeps, nobody changes
		id := catalog.Identity{Stamp: private.Stamp, Secret: private.Secret, Label: dataset + "/" + d.asset, Commitment: d.version.Commitment}
		if _, err := c.Check(ctx, id); err != nil {
			return nil, err
		}
	}
	reg, err := catalog.RegisterContent(ctx, c, catalog.Options{
		ReadOptions: catalog.ReadOptions{Missing: d.version.Missing, Columns: readAs(d.version.Columns), Opener: s.Opener}, Label: "proposal", Propose: true,
	})
	return reg.Proposal, err
}

func pathOf(s *anchorhold.Source) string {
	if s.Copied {
		return ""
	}
	return s.Path
}

func keptOf(s *anchorhold.Source) *anchorhold.Source {
	if s.Copied {
		return s
	}
	return nil
}

// readAs are the types that an owner stated of columns.
func readAs(columns []anchorhold.Column) (out []anchorhold.Column) {
	for _, c := range columns {
		if f, ok := c.Fact(anchorhold.FactType); ok {
			t, _ := f.Value.(string)
			out = append(out, anchorhold.Column{Name: c.Name, Type: anchorhold.ColumnType(t)})
		}
	}
	return out
}

// made are the assets whose mocks are made.
func made(drafts []*draft) (out []string) {
	for _, dr := range drafts {
		if dr.making != nil {
			out = append(out, dr.asset)
		}
	}
	return out
}

// withDependents adds the assets whose mocks refer to those that change, so that
// they are made, too: their keys would lead nowhere otherwise.
func withDependents(d anchorhold.Dataset, drafts []*draft, changed ...string) []*draft {
	for again := true; again; {
		again = false
		for _, a := range d.Assets {
			if a.Version.Mock == nil || a.Version.Mock.Origin != "generated" || slices.Contains(changed, a.Name) ||
				!slices.ContainsFunc(changed, func(name string) bool { return refersTo(a.Version, name) }) {
				continue
			}
			i := slices.IndexFunc(drafts, func(dr *draft) bool { return dr.asset == a.Name })
			if i < 0 {
				i, drafts = len(drafts), append(drafts, remake(a))
			}
			drafts[i].making = Making{}.of(drafts[i])
			changed, again = append(changed, a.Name), true
		}
	}
	return drafts
}

// replace puts a mock that was made anew into its version, with the facts that it
// was made from.
func (s *Service) replace(tx store.Tx, p policy.Permit, d anchorhold.Dataset, dr *draft) error {
	if dr.making == nil {
		return nil // only its keys were wanted
	}
	a, ok := d.Asset(dr.asset)
	if !ok || a.Version.ID != dr.version.ID {
		return anchorhold.Errorf(anchorhold.Conflict, "try again", "another version of %q was registered meanwhile", dr.asset)
	}
	if dr.stale(a.Version) {
		return meanwhile(dr.asset)
	}
	v := a.Version
	v.Columns = slices.Clone(v.Columns)
	for i := range v.Columns { // what was said of a column meanwhile stays
		v.Columns[i].Facts = dr.column(v.Columns[i].Name).Facts
	}
	v.Facts, v.Mock = dr.version.Facts, dr.version.Mock
	if err := tx.PutVersion(d.Name, a.Name, v); err != nil {
		return err
	}
	details := dr.details(d.Name)
	details["mock"], details["seed"] = "made anew", strconv.FormatUint(v.Mock.Seed, 10)
	if _, err := s.Books.Enter(tx, p, books.Record{Subject: v.ID, Digest: v.Commitment, Details: details}); err != nil {
		return err
	}
	return s.disclose(tx, d, dr)
}
