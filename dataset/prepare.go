package dataset

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/policy"
)

// Limits of what is kept beside a private file.
const (
	maxIndex = 1 << 40
	maxMock  = 1 << 30
)

// draft is a version that is complete but not yet registered.
type draft struct {
	asset     string
	version   anchorhold.Version
	proposal  *catalog.Proposal   // what was measured
	making    *NewMock            // how its mock is generated; nil: it is not
	confirmed []string            // codes of measured facts that were confirmed for the card
	uploads   []anchorhold.Upload // that it was made of

	base     *anchorhold.Version         // the version whose mock is made anew, or kept, as it was when that began
	kept     bool                        // its mock was made for the version before, from a card
	nulls    []bool                      // which columns of the private side have missing values
	former   []anchorhold.MockDifference // accepted of the mock of the version before, where it is kept
	accepted []anchorhold.MockDifference // of this version's mock
	anew     []anchorhold.MockDifference // those of accepted that were not before
	common   *anchorhold.MockCommon
}

// prepare reads a private file once and makes everything that its version
// needs but a generated mock; index and given mock are durable when it returns.
func (s *Service) prepare(ctx context.Context, p policy.Permit, dataset string, n NewAsset, propose bool) (*draft, error) {
	if err := catalog.CheckName("asset", n.Name); err != nil {
		return nil, err
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	d, err := s.prepareSide(ctx, p, dataset, n, propose)
	if err != nil || n.Mock.keeps() {
		return d, err
	}
	if n.Mock.Generate != nil {
		d.making = n.Mock
		return d, nil
	}
	return d, s.takeMock(ctx, p, d, n)
}

// prepareSide is prepare for the private side alone.
func (s *Service) prepareSide(ctx context.Context, p policy.Permit, dataset string, n NewAsset, propose bool) (*draft, error) {
	if n.Database != nil {
		return s.prepareLive(ctx, dataset, n)
	}
	c, from, err := s.content(ctx, p.Principal().ID, n)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing was written
	reg, index, err := s.register(ctx, c, dataset, n, propose)
	if err != nil {
		return nil, err
	}
	source := reg.Source()
	source.Index = index
	source.Copied, source.Blob = from.blob != "", from.blob
	return &draft{uploads: from.uploads, asset: n.Name, nulls: reg.Nulls, proposal: reg.Proposal, version: anchorhold.Version{
		ID: anchorhold.NewID(anchorhold.PrefixVersion), Kind: reg.Kind, Columns: withTypes(reg.Columns, n.Columns), Missing: reg.Missing,
		Commitment: reg.Commitment, Private: source,
	}}, nil
}

// check refuses what can be refused without reading a file.
func (n NewAsset) check() error {
	if n.Database != nil {
		if err := n.checkDatabase(); err != nil {
			return err
		}
	} else if (n.Path != "") == (n.Upload != "") && n.kept == nil {
		return anchorhold.Errorf(anchorhold.Invalid, "give a path from the root, or an upload", "the asset %q has no path, or has both a path and an upload", n.Name)
	}
	if n.Path != "" && !filepath.IsAbs(n.Path) || n.Mock != nil && n.Mock.Path != "" && !filepath.IsAbs(n.Mock.Path) {
		return anchorhold.Errorf(anchorhold.Invalid, "give the path from the root", "the asset %q has no absolute path", n.Name)
	}
	if err := n.Mock.check(n.Name); err != nil {
		return err
	}
	for _, c := range n.Columns {
		for _, f := range c.Facts {
			if f.Provenance != anchorhold.Stated {
				return anchorhold.Errorf(anchorhold.Invalid, "state it, or let facts be measured and confirm them",
					"a fact of the column %q is not a stated one", c.Name)
			}
		}
	}
	return nil
}

// check refuses what cannot be said of a mock.
func (m *NewMock) check(asset string) error {
	switch {
	case m == nil:
	case m.Generate != nil && (len(m.Accept) > 0 || m.OverrideCommon != ""):
		return anchorhold.Errorf(anchorhold.Invalid, "leave out what is accepted of it", "the mock of %q is generated: it is like the private side, and has nothing in common with it", asset)
	case m.Confirm:
		return anchorhold.Errorf(anchorhold.Invalid, "confirm each by its code: `anchorhold dataset add` shows them and does so (from Python: confirm=owner.datasets.inspect(...))",
			"facts of %q are confirmed without naming them", asset)
	}
	return nil
}

func nowhere(asset string) error {
	return anchorhold.Errorf(anchorhold.Invalid, "give a file, or have one generated", "the mock of %q comes from nowhere", asset)
}

// origin says where content came from that the site keeps itself.
type origin struct {
	blob    string
	uploads []anchorhold.Upload
}

// content opens what an asset is to be registered from: a path on this machine,
// an upload of the principal's, or what the site keeps of it already.
func (s *Service) content(ctx context.Context, who string, n NewAsset) (*catalog.Content, origin, error) {
	if n.Path != "" {
		c, err := catalog.OpenContent(n.Path)
		return c, origin{}, err
	}
	var from origin
	var name string
	if n.kept != nil {
		from.blob, name = n.kept.Blob, n.kept.Path
	} else {
		u, id, err := s.keep(ctx, who, n.Upload)
		if err != nil {
			return nil, from, err
		}
		from.blob, from.uploads, name = id, []anchorhold.Upload{u}, u.Name
	}
	f, err := s.descriptorOf(from.blob)
	if err != nil {
		return nil, from, err
	}
	return catalog.FileContent(f, name), from, nil
}

// descriptorOf opens a blob's content as a file.
func (s *Service) descriptorOf(id string) (*os.File, error) {
	b, err := s.Blobs.Open(id)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return b.Descriptor()
}

// register reads the file, streaming its keyed index into a blob.
func (s *Service) register(ctx context.Context, c *catalog.Content, dataset string, n NewAsset, propose bool) (reg catalog.Registration, index string, err error) {
	r, w := io.Pipe()
	registered := make(chan error, 1)
	go func() {
		var err error
		reg, err = catalog.RegisterContent(ctx, c, catalog.Options{
			ReadOptions: catalog.ReadOptions{Missing: n.Missing, Columns: n.Columns, Opener: s.Opener},
			Label:       dataset + "/" + n.Name, IndexKey: s.IndexKey, IndexWriter: w,
			Propose: propose,
		})
		registered <- errors.Join(err, w.CloseWithError(err))
	}()
	info, putErr := s.Blobs.Put(r, maxIndex)
	_ = r.CloseWithError(putErr) // ends the registration where the blob failed
	if err := <-registered; err != nil {
		return reg, "", err
	}
	return reg, info.ID, putErr
}

// withTypes marks the columns whose type their owner stated.
func withTypes(columns, given []anchorhold.Column) []anchorhold.Column {
	var typed []anchorhold.Column
	for _, g := range given {
		if g.Type != "" {
			typed = append(typed, anchorhold.Column{Name: g.Name, Facts: []anchorhold.Fact{
				{Name: anchorhold.FactType, Value: string(g.Type), Provenance: anchorhold.Stated},
			}})
		}
	}
	return withFacts(columns, typed)
}

// withFacts adds to columns the facts measured of them, where the owner has not
// stated the same.
func withFacts(columns, measured []anchorhold.Column) []anchorhold.Column {
	out := make([]anchorhold.Column, len(columns))
	for i, c := range columns {
		c.Facts = append([]anchorhold.Fact(nil), c.Facts...)
		for _, m := range measured {
			if m.Name != c.Name {
				continue
			}
			for _, f := range m.Facts {
				if _, said := c.Fact(f.Name); !said {
					c.Facts = append(c.Facts, f)
				}
			}
		}
		out[i] = c
	}
	return out
}
