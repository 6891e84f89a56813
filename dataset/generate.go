package dataset

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// proposals are what a mock of the draft would reveal, but for what its owner
// states: that needs no measuring.
func (d *draft) proposals() []catalog.Proposed {
	if d.proposal == nil {
		return nil
	}
	var columns []anchorhold.Column
	for _, c := range d.proposal.Columns {
		said := d.column(c.Name)
		c.Facts = slices.DeleteFunc(slices.Clone(c.Facts), func(f anchorhold.Fact) bool {
			have, ok := said.Fact(f.Name)
			return ok && have.Provenance == anchorhold.Stated
		})
		columns = append(columns, c)
	}
	facts := slices.DeleteFunc(slices.Clone(d.proposal.Version), func(f anchorhold.Fact) bool {
		return slices.ContainsFunc(d.version.Facts, func(have anchorhold.Fact) bool { return have.Name == f.Name && have.Provenance == anchorhold.Stated })
	})
	all := catalog.Proposals(d.asset, facts, columns)
	for i, p := range all {
		all[i].Confirmed = !slices.ContainsFunc(p.Facts, func(f anchorhold.Fact) bool { return !d.has(p.Column, f) })
	}
	return all
}

func (d *draft) column(name string) anchorhold.Column {
	i := slices.IndexFunc(d.version.Columns, func(c anchorhold.Column) bool { return c.Name == name })
	if i < 0 {
		return anchorhold.Column{}
	}
	return d.version.Columns[i]
}

// has says whether a measured fact is on the card as it is.
func (d *draft) has(column string, f anchorhold.Fact) bool {
	facts := d.version.Facts
	if column != "" {
		facts = d.column(column).Facts
	}
	return slices.ContainsFunc(facts, func(have anchorhold.Fact) bool {
		return have.Name == f.Name && have.Provenance == anchorhold.Measured && text(have.Value) == text(f.Value)
	})
}

// confirm puts the proposed facts onto the card that its owner lets everybody
// know: those of the codes.
func (d *draft) confirm(codes []string) error {
	known := map[string]bool{}
	for _, p := range d.proposals() {
		known[p.Code] = true
		if !slices.Contains(codes, p.Code) {
			continue
		}
		if !p.Confirmed {
			d.confirmed = append(d.confirmed, p.Code)
		}
		if p.Column == "" {
			d.version.Facts = replaceFacts(d.version.Facts, p.Facts)
			continue
		}
		for i, c := range d.version.Columns {
			if c.Name == p.Column {
				d.version.Columns[i].Facts = replaceFacts(c.Facts, p.Facts)
			}
		}
	}
	for _, code := range codes {
		if !known[code] {
			return anchorhold.Errorf(anchorhold.Invalid, "see what is proposed with `anchorhold dataset mock NAME`; what is stated needs no confirmation",
				"nothing of the code %q is proposed of %q", show(code), d.asset)
		}
	}
	return nil
}

// replaceFacts adds facts to others, in the place of those of the same name.
func replaceFacts(facts, by []anchorhold.Fact) []anchorhold.Fact {
	out := slices.DeleteFunc(slices.Clone(facts), func(f anchorhold.Fact) bool {
		return slices.ContainsFunc(by, func(b anchorhold.Fact) bool { return b.Name == f.Name })
	})
	return append(out, by...)
}

// generate makes the mocks of all drafts that want one: from their cards, each
// after those that it refers to. known are the dataset's other assets.
func (s *Service) generate(ctx context.Context, drafts []*draft, known []anchorhold.Asset) error {
	findReferences(drafts)
	versions := map[string]*anchorhold.Version{}
	for i := range known {
		versions[known[i].Name] = &known[i].Version
	}
	var waiting []*draft
	for _, d := range drafts {
		versions[d.asset] = &d.version
		if d.making == nil {
			continue
		}
		waiting = append(waiting, d)
		if err := d.confirm(d.making.Facts); err != nil {
			return err
		}
	}
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(d *draft) bool {
			return !slices.ContainsFunc(waiting, func(other *draft) bool { return other != d && d.refersTo(other.asset) })
		})
		if i < 0 {
			return anchorhold.Errorf(anchorhold.Invalid, "leave out the fact \"references\" of one of them", "the tables refer to each other in a circle")
		}
		if err := s.generateMock(ctx, waiting[i], versions); err != nil {
			return err
		}
		waiting = slices.Delete(waiting, i, i+1)
	}
	return nil
}

func findReferences(drafts []*draft) {
	var all []catalog.Of
	for _, d := range drafts {
		if d.proposal != nil {
			all = append(all, catalog.Of{Asset: d.asset, Proposal: d.proposal})
		}
	}
	catalog.FindReferences(all)
}

// reference splits what a fact "references" says.
func reference(c anchorhold.Column) (asset, column string, ok bool) {
	f, ok := c.Fact(anchorhold.FactReferences)
	said, _ := f.Value.(string)
	asset, column, _ = strings.Cut(said, ".")
	return asset, column, ok
}

func (d *draft) refersTo(asset string) bool { return refersTo(d.version, asset) }

func refersTo(v anchorhold.Version, asset string) bool {
	return slices.ContainsFunc(v.Columns, func(c anchorhold.Column) bool {
		to, _, ok := reference(c)
		return ok && to == asset
	})
}

// generateMock makes one mock from its card: stated facts, and the measured ones
// that the owner confirmed.
func (s *Service) generateMock(ctx context.Context, d *draft, versions map[string]*anchorhold.Version) error {
	keys, err := s.keysOf(ctx, d, versions)
	if err != nil {
		return err
	}
	card := mock.CardOf(d.version)
	card.Keys = keys
	g := d.making.Generate
	if g.Rows > 0 { // of the mock; the card speaks of the table
		card.Facts = []anchorhold.Fact{{Name: anchorhold.FactRows, Value: float64(g.Rows), Provenance: anchorhold.Stated}}
	}
	var b bytes.Buffer
	format, ok := catalog.FormatNamed(mockFormat(d.version))
	if !ok {
		return anchorhold.Errorf(anchorhold.Internal, "", "a file was registered in a format that nothing here reads")
	}
	rows, err := format.Generate(ctx, card, g.Seed, &b)
	if err != nil {
		return err
	}
	if err := s.keepMock(d, "generated", format.Format().Mocks(), rows, &b); err != nil {
		return err
	}
	d.version.Mock.Seed, d.version.Mock.Asked = g.Seed, g.Rows
	return nil
}

// keysOf reads the values of the columns that a draft refers to from the mocks of
// their assets: never from a private side.
func (s *Service) keysOf(ctx context.Context, d *draft, versions map[string]*anchorhold.Version) (map[string][]any, error) {
	keys := map[string][]any{}
	for _, c := range d.version.Columns {
		asset, column, ok := reference(c)
		if !ok {
			continue
		}
		v := versions[asset]
		if v == nil || asset == d.asset || !slices.ContainsFunc(v.Columns, func(k anchorhold.Column) bool { return k.Name == column && k.Type == c.Type }) {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "write ASSET.COLUMN of another asset of the dataset, whose type is the same",
				"the column %q of %q does not refer to such a column", c.Name, d.asset)
		}
		if v.Mock == nil {
			return nil, anchorhold.Errorf(anchorhold.Conflict, "make that one first, or both at once", "the column %q of %q refers to %q, which has no mock", c.Name, d.asset, asset)
		}
		values, err := s.mockValues(ctx, *v, column)
		if err != nil {
			return nil, err
		}
		keys[c.Name] = values
	}
	return keys, nil
}

// mockValues reads a column of a mock, each value once, as they stand on cards.
func (s *Service) mockValues(ctx context.Context, v anchorhold.Version, column string) (out []any, err error) {
	f, err := s.descriptorOf(v.Mock.Blob)
	if err != nil {
		return nil, err
	}
	typed := []anchorhold.Column{}
	for _, c := range v.Columns {
		if c.Name == column {
			typed = append(typed, anchorhold.Column{Name: c.Name, Type: c.Type})
		}
	}
	t, err := catalog.OpenTable(ctx, catalog.FileContent(f, "the mock"), catalog.ReadOptions{Format: v.Mock.Format, Columns: typed, Missing: v.Missing, Opener: s.Opener})
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	defer func() { err = cmp.Or(err, t.Close()) }()
	at := slices.IndexFunc(t.Columns(), func(c anchorhold.Column) bool { return c.Name == column })
	seen := map[any]bool{}
	for {
		rows, err := t.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if value := factValue(row[at]); value != nil && !seen[value] {
				seen[value] = true
				out = append(out, value)
			}
		}
	}
}

// factValue writes a cell as the value of a fact; nil where it has none.
func factValue(c catalog.Cell) any {
	switch c.Kind {
	case catalog.CellInt, catalog.CellFloat:
		return c.Value()
	case catalog.CellText:
		return strings.Clone(c.Text)
	case catalog.CellDate:
		return time.Unix(c.Int*86400, 0).UTC().Format(time.DateOnly)
	case catalog.CellTimestamp:
		return time.UnixMicro(c.Int).UTC().Format(time.RFC3339Nano)
	}
	return nil
}

func (s *Service) keepMock(d *draft, origin, format string, rows int64, r io.Reader) error {
	info, err := s.Blobs.Put(r, maxMock)
	if err != nil {
		return err
	}
	d.version.Mock = &anchorhold.Mock{
		Origin: origin, Format: format, Rows: rows, Size: info.Size, SHA256: info.SHA256, Blob: info.ID,
		Differences: d.accepted, Common: d.common,
	}
	return nil
}
