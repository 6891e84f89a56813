package dataset

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/policy"
)

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
	m, err := s.compare(ctx, p, d, g.file, g.format, *n.Mock)
	if err != nil {
		return err
	}
	if err := s.keepGiven(ctx, d, m, g.file); err != nil {
		return err
	}
	if after, err := catalog.StampOf(g.file); err != nil || after != before && !g.ours {
		return anchorhold.Errorf(anchorhold.Conflict, "wait until nobody writes to it and try again", "the mock changed while it was read").Because(err)
	}
	return nil
}

// keepGiven keeps a mock as it was given, but for an archive: of that the names and
// contents of its files were compared, so these alone are written anew: the name of
// a file's owner could be anything.
func (s *Service) keepGiven(ctx context.Context, d *draft, m catalog.MockFile, f *os.File) error {
	if m.Format != "tar" {
		return s.keepMock(d, "given", m.Format, m.Rows, f)
	}
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := catalog.RepackTar(ctx, f, w)
		packed <- errors.Join(err, w.CloseWithError(err))
	}()
	err := s.keepMock(d, "given", m.Format, m.Rows, r)
	_ = r.CloseWithError(err) // ends the packing where the blob failed
	return cmp.Or(<-packed, err)
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
// like the private side and holds nothing of it. Differences that were accepted
// before stay accepted; that it shares something with the private side has to be
// said anew, since the private side is another one.
func (s *Service) keepFormer(ctx context.Context, p policy.Permit, d *draft, n NewAsset, before anchorhold.Version) error {
	m := *before.Mock
	d.base = &before
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
	var said NewMock
	if n.Mock != nil {
		said = *n.Mock
	}
	d.former = m.Differences
	if m.Origin == "given" {
		_, err = s.compare(ctx, p, d, f, m.Format, said)
	} else { // made from a card, it holds nothing to find and knows of no missing values; it must still be like the table
		d.nulls, d.kept = nil, true
		if _, err = s.like(ctx, d, f, m.Format, said.Accept, ""); err == nil && said.OverrideCommon != "" {
			err = nothingInCommon(d.asset)
		}
	}
	if err != nil {
		return err
	}
	m.Differences, m.Common = d.accepted, d.common
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

// descriptor names an open file as a path.
func descriptor(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }
