// Package geojson is the codec of GeoJSON files (RFC 7946), and the worked example
// of docs/guides/codec.md: a format of one's own in a room of its own.
//
// It makes a table of a file's features: one row for each, with its properties as
// columns and its geometry as a text. It promises to hold one feature at a time,
// that a geometry is the same text here and in the code that reads it (canonical
// JSON, RFC 8785), and that a file holds nothing which is on no row: members that
// GeoJSON does not name are refused, and so is a bbox that says more than its
// geometry. It must never follow a link, of which "crs"
// may hold some. The tests read files of others, and refuse what is not one.
package geojson

import (
	"context"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// Columns that are not properties.
const (
	geometryColumn = "geometry"
	idColumn       = "id" // where features have one
)

// GeoJSON is the format of feature collections.
type GeoJSON struct{}

// Format implements codec.Codec.
func (GeoJSON) Format() codec.Format {
	return codec.Format{
		Name: "geojson", Kind: anchorhold.KindTable, Title: "GeoJSON", Extensions: []string{".geojson"},
		Media: "application/geo+json", Streams: true,
	}
}

// Open implements codec.Codec: each feature is written as a line of JSON, and the
// codec of such lines reads them. It knows types, missing values and limits.
func (GeoJSON) Open(in codec.Input, o codec.Options) (codec.Reader, error) {
	in.Stream = newLines(in.Name, in.Stream)
	in.Name = "the features of " + in.Name
	return codec.JSONLines{}.Open(in, o)
}

// lines reads a feature collection as lines of JSON. It implements io.Reader.
type lines struct {
	name    string
	in      *allowance
	d       *jsontext.Decoder
	line    []byte // what is left of the last one
	count   int64
	inside  bool // the list of features
	hasType bool
	err     error
}

func newLines(name string, r io.Reader) *lines {
	in := &allowance{r: r, left: perFeature}
	return &lines{name: name, in: in, d: jsontext.NewDecoder(in)}
}

// perFeature is how much of the file may be read for one feature: itself, and what
// the decoder reads ahead.
const perFeature = codec.MaxRowBytes + 1<<20

// allowance gives a bounded number of bytes until it is renewed, so that nothing
// which does not end is held in memory.
type allowance struct {
	r    io.Reader
	left int
}

var errLong = errors.New("a feature does not end")

// Read implements io.Reader.
func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errLong
	}
	n, err := a.r.Read(p[:min(len(p), a.left)])
	a.left -= n
	return n, err
}

// Read implements io.Reader.
func (l *lines) Read(p []byte) (int, error) {
	for len(l.line) == 0 {
		if l.err == nil {
			l.line, l.err = l.next()
		}
		if l.err != nil {
			return 0, l.err
		}
	}
	n := copy(p, l.line)
	l.line = l.line[n:]
	return n, nil
}

// next gives the next feature's line, or io.EOF at the end of the file.
func (l *lines) next() ([]byte, error) {
	l.in.left = perFeature
	if !l.inside {
		if t, err := l.d.ReadToken(); err != nil || t.Kind() != '{' {
			return nil, l.broken(err)
		}
		if err := l.members(); err != nil {
			return nil, err
		}
	}
	if l.d.PeekKind() == ']' {
		return nil, l.end()
	}
	value, err := l.d.ReadValue()
	if err != nil {
		return nil, l.broken(err)
	}
	l.count++
	line, err := lineOf(value)
	if err != nil {
		return nil, l.wrong(err)
	}
	return append(line, '\n'), nil
}

// most bounds what a collection says of itself, which is on no row.
const most = 256

// members reads members of the collection up to its features, or to its end.
func (l *lines) members() error {
	for l.d.PeekKind() != '}' {
		name, err := l.d.ReadToken()
		if err != nil {
			return l.broken(err)
		}
		if name.String() == "features" && l.d.PeekKind() == '[' {
			l.inside = true
			_, err := l.d.ReadToken()
			return err
		}
		text := name.String() // it is gone with the next token
		value, err := l.d.ReadValue()
		if err != nil {
			return l.broken(err)
		}
		switch text {
		case "type":
			if l.hasType = string(value) == `"FeatureCollection"`; !l.hasType {
				return l.broken(nil)
			}
		case "bbox":
			if _, ok := isBox(value); !ok {
				return l.broken(nil)
			}
		case "name", "crs":
			if len(value) > most {
				return l.broken(nil)
			}
		default:
			return invalid("leave it out", "%s has a member beside its features that GeoJSON does not have", l.name)
		}
	}
	return nil
}

// end reads what follows the features.
func (l *lines) end() error {
	_, err := l.d.ReadToken()
	if err == nil {
		err = l.members()
	}
	if err == nil {
		_, err = l.d.ReadToken()
	}
	if err != nil {
		return l.broken(err)
	}
	if _, err := l.d.ReadToken(); !errors.Is(err, io.EOF) || !l.hasType || l.count == 0 {
		return l.broken(nil) // never with io.EOF as its cause, which would be taken for a good end
	}
	return io.EOF
}

// broken is about a file that is no feature collection.
func (l *lines) broken(err error) error {
	var known *anchorhold.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errLong):
		return anchorhold.Errorf(anchorhold.TooLarge, "simplify it, or write it as several", "feature number %d of %s is longer than %d MiB", l.count+1, l.name, codec.MaxRowBytes>>20)
	}
	return invalid("write it anew, for example with GeoDataFrame.to_file(FILE, driver=\"GeoJSON\")", "%s is not a collection of GeoJSON features, or ends before its time", l.name).Because(err)
}

func (l *lines) wrong(err error) error {
	return invalid("write it as RFC 7946 says: type, geometry, properties, and at most an id", "feature number %d of %s %s", l.count, l.name, err.Error())
}

func invalid(remedy, format string, args ...any) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Invalid, remedy, format, args...)
}

// Generate implements codec.Codec.
func (GeoJSON) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	return generate(ctx, card, seed, w)
}
