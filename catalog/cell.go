package catalog

import (
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
)

// Cell and its kinds are those of package codec, under the names by which the
// rest of this package reads tables.
type (
	// Cell is one value of a table.
	Cell = codec.Cell
	// CellKind says what one cell holds.
	CellKind = codec.CellKind
	typeSet  = codec.TypeSet
)

// The kinds of cell.
const (
	CellMissing   = codec.CellMissing
	CellInt       = codec.CellInt
	CellFloat     = codec.CellFloat
	CellBool      = codec.CellBool
	CellDate      = codec.CellDate
	CellTimestamp = codec.CellTimestamp
	CellText      = codec.CellText
)

func bit(t anchorhold.ColumnType) typeSet { return codec.SetOf(t) }

// dayLayout is how days are written.
const dayLayout = time.DateOnly
