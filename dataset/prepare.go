package dataset

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/catalog/mock"
	"github.com/anchorhold/anchorhold/disclosure"
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
	confirmed bool                // measured facts were confirmed for the card
	uploads   []anchorhold.Upload // that it was made of
}

// prepare reads a private file once and makes everything that its version
// needs; index and mock are durable when it returns.
func (s *Service) prepare(ctx context.Context, p policy.Permit, dataset string, n NewAsset) (*draft, error) {
	if err := catalog.CheckName("asset", n.Name); err != nil {
		return nil, err
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	c, from, err := s.content(ctx, p.Principal().ID, n)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing was written
	reg, index, err := s.register(ctx, c, dataset, n)
	if err != nil {
		return nil, err
	}
	source := reg.Source()
	source.Index = index
	source.Copied, source.Blob = from.blob != "", from.blob
	d := &draft{uploads: from.uploads, asset: n.Name, version: anchorhold.Version{
		ID: anchorhold.NewID(anchorhold.PrefixVersion), Kind: reg.Kind, Columns: withTypes(reg.Columns, n.Columns), Missing: reg.Missing,
		Commitment: reg.Commitment, Private: source,
	}}
	if n.Mock == nil {
		return d, nil
	}
	if n.Mock.Generate != nil {
		return d, s.generateMock(ctx, d, *n.Mock, reg.Proposal)
	}
	return d, s.takeMock(ctx, p, d, n)
}

// check refuses what can be refused without reading a file.
func (n NewAsset) check() error {
	if (n.Path != "") == (n.Upload != "") && n.kept == nil {
		return anchorhold.Errorf(anchorhold.Invalid, "give a path from the root, or an upload", "the asset %q has no path, or has both a path and an upload", n.Name)
	}
	if n.Path != "" && !filepath.IsAbs(n.Path) || n.Mock != nil && n.Mock.Path != "" && !filepath.IsAbs(n.Mock.Path) {
		return anchorhold.Errorf(anchorhold.Invalid, "give the path from the root", "the asset %q has no absolute path", n.Name)
	}
	if n.Mock != nil && n.Mock.Path == "" && n.Mock.Upload == "" && n.Mock.Generate == nil {
		return anchorhold.Errorf(anchorhold.Invalid, "give a file, or have one generated", "the mock of %q comes from nowhere", n.Name)
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
func (s *Service) register(ctx context.Context, c *catalog.Content, dataset string, n NewAsset) (reg catalog.Registration, index string, err error) {
	r, w := io.Pipe()
	registered := make(chan error, 1)
	go func() {
		var err error
		reg, err = catalog.RegisterContent(ctx, c, catalog.Options{
			ReadOptions: catalog.ReadOptions{Missing: n.Missing, Columns: n.Columns},
			Label:       dataset + "/" + n.Name, IndexKey: s.IndexKey, IndexWriter: w,
			Propose: n.Mock != nil && n.Mock.Generate != nil,
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

// generateMock makes the mock from the card: stated facts, and the measured
// ones that the owner confirmed.
func (s *Service) generateMock(ctx context.Context, d *draft, n NewMock, measured *catalog.Proposal) error {
	if n.Confirm {
		d.confirmed = true
		d.version.Columns = withFacts(d.version.Columns, measured.Columns)
		d.version.Facts = measured.Version
	}
	card := mock.CardOf(d.version)
	if n.Generate.Rows > 0 { // of the mock; the card speaks of the table
		card.Facts = []anchorhold.Fact{{Name: anchorhold.FactRows, Value: float64(n.Generate.Rows), Provenance: anchorhold.Stated}}
	}
	var b bytes.Buffer
	format, ok := catalog.FormatNamed(d.version.Private.Format)
	if !ok {
		return anchorhold.Errorf(anchorhold.Internal, "", "a file was registered in a format that nothing here reads")
	}
	rows, err := format.Generate(ctx, card, n.Generate.Seed, &b)
	if err != nil {
		return err
	}
	return s.keepMock(d, "generated", format.Format().Mocks(), rows, &b)
}

// takeMock keeps a mock that the owner gives, after comparing it with the
// private side.
func (s *Service) takeMock(ctx context.Context, p policy.Permit, d *draft, n NewAsset) error {
	g, err := s.openMock(ctx, p.Principal().ID, d, n)
	if err != nil {
		return err
	}
	defer g.file.Close()
	before, err := catalog.StampOf(g.file)
	if err != nil {
		return err
	}
	m, err := s.compare(ctx, d, g.file, g.format, n.Mock.AcceptDifferences)
	if err != nil {
		return err
	}
	if err := s.keepMock(d, "given", m.Format, m.Rows, g.file); err != nil {
		return err
	}
	if after, err := catalog.StampOf(g.file); err != nil || after != before && !g.ours {
		return anchorhold.Errorf(anchorhold.Conflict, "wait until nobody writes to it and try again", "the mock changed while it was read").Because(err)
	}
	return nil
}

// given is an open mock that its owner gave.
type given struct {
	file   *os.File
	format string // empty: by its first bytes
	ours   bool   // a copy among our blobs, which nobody writes to
}

// openMock opens a mock that is given by its path or as an upload. A folder is
// put into one archive first.
func (s *Service) openMock(ctx context.Context, who string, d *draft, n NewAsset) (given, error) {
	if n.Mock.Upload != "" {
		u, id, err := s.keep(ctx, who, n.Mock.Upload)
		if err != nil {
			return given{}, err
		}
		d.uploads = append(d.uploads, u)
		f, err := s.descriptorOf(id)
		return given{f, catalog.FormatOfName(u.Name), true}, err
	}
	c, err := catalog.OpenContent(n.Mock.Path)
	if err != nil {
		return given{}, err
	}
	if !c.IsFolder() {
		return given{c.File(), catalog.FormatOfName(n.Mock.Path), false}, nil
	}
	defer func() { _ = c.Close() }() // nothing was written
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := c.WriteTar(ctx, w)
		packed <- errors.Join(err, w.CloseWithError(err))
	}()
	info, err := s.Blobs.Put(r, maxMock)
	_ = r.CloseWithError(err) // ends the packing where the blob failed
	if err := cmp.Or(<-packed, err); err != nil {
		return given{}, err
	}
	f, err := s.descriptorOf(info.ID)
	return given{f, "tar", true}, err
}

// keepFormer lets a new version keep the mock of the one before, if it is still
// like the private side and holds nothing of it.
func (s *Service) keepFormer(ctx context.Context, d *draft, before anchorhold.Version) error {
	m := *before.Mock
	b, err := s.Blobs.Open(m.Blob)
	if err != nil {
		return err
	}
	defer b.Close()
	f, err := b.Descriptor()
	if err != nil {
		return err
	}
	defer f.Close()
	if m.Origin == "given" {
		_, err = s.compare(ctx, d, f, m.Format, true)
	} else { // made from a card, it holds nothing to find; it must still be like the table
		_, err = s.like(ctx, d, f, m.Format, false)
	}
	if err != nil {
		return err
	}
	d.version.Mock = &m
	if m.Origin == "generated" {
		keepFacts(&d.version, before)
	}
	return nil
}

// keepFacts keeps on the card what a kept mock was made from: it was confirmed,
// the mock goes on telling it, and the card says of which version it is true.
func keepFacts(v *anchorhold.Version, before anchorhold.Version) {
	kept := func(facts []anchorhold.Fact) (out []anchorhold.Fact) {
		for _, f := range facts {
			if f.Provenance == anchorhold.Measured {
				f.Of = cmp.Or(f.Of, before.ID)
				out = append(out, f)
			}
		}
		return out
	}
	var columns []anchorhold.Column
	for _, c := range before.Columns {
		columns = append(columns, anchorhold.Column{Name: c.Name, Facts: kept(c.Facts)})
	}
	v.Columns, v.Facts = withFacts(v.Columns, columns), kept(before.Facts)
}

// compare reads an open mock and refuses it when it is not like the private
// table (unless that is accepted), or holds anything copied from it.
func (s *Service) compare(ctx context.Context, d *draft, f *os.File, format string, accept bool) (catalog.MockFile, error) {
	m, err := s.like(ctx, d, f, format, accept)
	if err != nil {
		return m, err
	}
	return m, s.checkMock(ctx, d, descriptor(f), catalog.ReadOptions{Missing: d.version.Missing, Format: format})
}

// descriptor names an open file as a path.
func descriptor(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// like refuses a mock whose columns or format are not the private table's,
// unless that is accepted.
func (s *Service) like(ctx context.Context, d *draft, f *os.File, format string, accept bool) (catalog.MockFile, error) {
	m, differences, err := catalog.CompareMock(ctx, d.version.Columns, descriptor(f), catalog.ReadOptions{Missing: d.version.Missing, Format: format})
	if err != nil {
		return m, err
	}
	wanted := d.version.Private.Format
	if c, ok := catalog.FormatNamed(wanted); ok {
		wanted = c.Format().Mocks()
	}
	other := len(differences) > 0 || m.Format != wanted
	if other && !accept {
		var said []string
		for _, d := range differences {
			said = append(said, d.String())
		}
		if m.Format != wanted {
			said = append(said, "the mock is "+m.Format+" and the private table is "+wanted)
		}
		return m, anchorhold.Errorf(anchorhold.Conflict,
			"mend the mock, have one made with --mock "+d.asset+"=generate, or accept the differences of a given one with --accept-differences",
			"the mock is not like the private table: %s", strings.Join(said, "; "))
	}
	return m, nil
}

// checkMock refuses a mock that holds anything copied from the private side.
func (s *Service) checkMock(ctx context.Context, d *draft, path string, read catalog.ReadOptions) error {
	b, err := s.Blobs.Open(d.version.Private.Index)
	if err != nil {
		return err
	}
	defer b.Close()
	index, err := disclosure.OpenIndex(s.IndexKey, b, b.Size())
	if err != nil {
		return err
	}
	checks, err := catalog.CheckMock(ctx, index, path, read)
	if err != nil {
		return err
	}
	for _, c := range checks {
		if c.Name != disclosure.CheckSmallGroups && c.Result != anchorhold.CheckPassed {
			return anchorhold.Errorf(anchorhold.Conflict, "have one made from the card instead: --mock "+d.asset+"=generate",
				"the mock may not be published: %s: %s", c.Name, c.Detail)
		}
	}
	return nil
}

func (s *Service) keepMock(d *draft, origin, format string, rows int64, r io.Reader) error {
	info, err := s.Blobs.Put(r, maxMock)
	if err != nil {
		return err
	}
	d.version.Mock = &anchorhold.Mock{Origin: origin, Format: format, Rows: rows, Size: info.Size, SHA256: info.SHA256, Blob: info.ID}
	return nil
}
