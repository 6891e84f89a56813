package geojson

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strconv"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// pointsFrom tells the draws of places from those of columns.
const pointsFrom = 1 << 20

// generate writes a mock: what the generator draws as lines of JSON, each of them a
// feature. A geometry that the card does not name is a point anywhere on Earth;
// code that needs other shapes needs a mock that its owner gives.
func generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	var drawn bytes.Buffer
	rows, err := codec.JSONLines{}.Generate(ctx, card, seed, &drawn)
	if err != nil {
		return 0, err
	}
	place, err := places(rows, seed)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(w)
	if _, err := out.WriteString(`{"type":"FeatureCollection","features":[`); err != nil {
		return 0, err
	}
	between := "\n"
	for line := range bytes.Lines(drawn.Bytes()) {
		members, err := membersOf(bytes.TrimSpace(line))
		if err != nil {
			return 0, err
		}
		if _, err := out.Write(append([]byte(between), featureOf(members, place())...)); err != nil {
			return 0, err
		}
		between = ",\n"
	}
	if _, err := out.WriteString("\n]}\n"); err != nil {
		return 0, err
	}
	return rows, out.Flush()
}

// featureOf is a row as a feature.
func featureOf(members []member, point string) []byte {
	shape, id := []byte(point), []byte(nil)
	properties := []byte{'{'}
	for _, m := range members {
		var text string
		switch {
		case m.name == geometryColumn && m.value.Kind() == 'n':
			shape = m.value
		case m.name == geometryColumn:
			if json.Unmarshal(m.value, &text) == nil && isGeometry([]byte(text)) {
				shape = []byte(text) // a category that the card names
			}
		case m.name == idColumn && m.value.Kind() != 'n':
			id = m.append([]byte{','})
		case m.name == idColumn:
		default:
			if len(properties) > 1 {
				properties = append(properties, ',')
			}
			properties = m.append(properties)
		}
	}
	out := append([]byte(`{"type":"Feature"`), id...)
	out = append(append(out, `,"geometry":`...), shape...)
	return append(append(append(out, `,"properties":`...), properties...), "}}"...)
}

// places draws points.
func places(n int64, seed uint64) (func() string, error) {
	var axes []func() float64
	for i, most := range []float64{180, 90} {
		draw, err := mock.Numbers(anchorhold.Column{Name: geometryColumn, Type: anchorhold.TypeFloat, Facts: []anchorhold.Fact{
			{Name: anchorhold.FactMin, Value: -most}, {Name: anchorhold.FactMax, Value: most},
		}}, n, seed, pointsFrom+i)
		if err != nil {
			return nil, err
		}
		axes = append(axes, draw)
	}
	return func() string {
		x, y := strconv.FormatFloat(axes[0](), 'f', 4, 64), strconv.FormatFloat(axes[1](), 'f', 4, 64)
		return `{"coordinates":[` + x + `,` + y + `],"type":"Point"}`
	}, nil
}
