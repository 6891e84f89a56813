package intake

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
)

// Bounds of what a file says of its columns.
const (
	maxStorage = 100 // bytes of the name of a type
	maxAxes    = 64
)

// likely says whether a column may be one of a file's: what is on it stands on a
// card, so that a guest may say nothing there but a name, a type and how the
// values are stored, beside what the question said itself.
func likely(c anchorhold.Column, asked []anchorhold.Column) bool {
	var said anchorhold.Column
	if i := slices.IndexFunc(asked, func(a anchorhold.Column) bool { return a.Name == c.Name }); i >= 0 {
		said = asked[i]
	}
	named := c.Name != "" && len(c.Name) <= codec.MaxNameBytes && printable(c.Name)
	parts := 0
	return named && likelyType(c, &parts, 0) && c.Description == said.Description && c.Unit == said.Unit &&
		!slices.ContainsFunc(c.Facts, func(f anchorhold.Fact) bool { return !ofStorage(f) && !among(f, said.Facts) })
}

// Bounds of the parts of one column.
const (
	maxParts = 10_000
	maxDepth = 24
)

// likelyType says whether the type of a column may be one, with all its parts: of
// these nothing is said but what likely allows, and nothing that was asked for.
func likelyType(c anchorhold.Column, parts *int, depth int) bool {
	if *parts += len(c.Fields); *parts > maxParts || depth > maxDepth || len(c.Fields) > 0 && !c.Type.Nested() {
		return false
	}
	for _, f := range c.Fields {
		if !plainPart(f) || !likelyType(f, parts, depth+1) {
			return false
		}
	}
	return codec.SetOf(c.Type) != 0 || len(c.Type) <= maxStorage && printable(string(c.Type)) && !c.Type.Nested()
}

// plainPart says whether nothing is said of a part but its name and how it is stored.
func plainPart(f anchorhold.Column) bool {
	return f.Name != "" && len(f.Name) <= codec.MaxNameBytes && printable(f.Name) && f.Description == "" && f.Unit == "" &&
		!slices.ContainsFunc(f.Facts, func(f anchorhold.Fact) bool { return !ofStorage(f) })
}

// ofStorage says whether a fact says how values are stored, and nothing else.
func ofStorage(f anchorhold.Fact) bool {
	if f.Provenance != anchorhold.Stated || f.Of != "" {
		return false
	}
	switch f.Name {
	case anchorhold.FactStorage:
		text, ok := f.Value.(string)
		return ok && len(text) <= maxStorage && printable(text)
	case anchorhold.FactShape:
		axes, ok := f.Value.([]any)
		return ok && len(axes) <= maxAxes && !slices.ContainsFunc(axes, func(a any) bool {
			_, length := a.(float64)
			return !length && a != any("n")
		})
	}
	return false
}

// among says whether a fact is one of those, as they were sent.
func among(f anchorhold.Fact, facts []anchorhold.Fact) bool {
	text, err := json.Marshal(f)
	return err == nil && slices.ContainsFunc(facts, func(other anchorhold.Fact) bool {
		same, err := json.Marshal(other)
		return err == nil && bytes.Equal(text, same)
	})
}
