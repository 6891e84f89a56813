package dataset

import (
	"bytes"
	"context"
	"io"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

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
