package geojson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// What a feature can be refused for: the words hold nothing of it.
var (
	errNoFeature  = errors.New("is not a feature")
	errStranger   = errors.New("has a member that features do not have")
	errGeometry   = errors.New("has a geometry that GeoJSON does not know")
	errBox        = errors.New("has a bbox that is not four or six of its geometry's own numbers")
	errID         = errors.New("has an id that is neither a text nor a number")
	errProperties = errors.New("has properties that are no object, or one of which is named geometry, or id beside the feature's own")
)

// feature is what one consists of, each part as it stands in the file.
type feature struct {
	isFeature           bool
	shape, id, own, box jsontext.Value
}

// parts takes a feature apart, and refuses members that features do not have.
func parts(value jsontext.Value) (f feature, err error) {
	members, err := membersOf(value)
	if err != nil {
		return f, errNoFeature
	}
	for _, m := range members {
		switch m.name {
		case "type":
			f.isFeature = string(m.value) == `"Feature"`
		case "bbox":
			f.box = m.value
		case "geometry":
			f.shape = m.value
		case "id":
			f.id = m.value
		case "properties":
			f.own = m.value
		default:
			return f, errStranger
		}
	}
	switch {
	case !f.isFeature:
		return f, errNoFeature
	case f.box != nil && !boxes(f.box, f.shape):
		return f, errBox
	}
	return f, nil
}

// lineOf writes a feature as one flat object: geometry, id where there is one, and
// the properties.
func lineOf(value jsontext.Value) ([]byte, error) {
	f, err := parts(value)
	if err != nil {
		return nil, err
	}
	shape := []byte("null")
	if f.shape != nil {
		if shape, err = canonical(f.shape); err != nil {
			return nil, err
		}
	}
	line := append([]byte(`{"`+geometryColumn+`":`), shape...)
	if f.id != nil {
		if k := f.id.Kind(); k != '"' && k != '0' {
			return nil, errID
		}
		line = member{idColumn, f.id}.append(append(line, ','))
	}
	var properties []member
	if f.own != nil && f.own.Kind() != 'n' {
		if properties, err = membersOf(f.own); err != nil {
			return nil, errProperties
		}
	}
	for _, p := range properties {
		if p.name == geometryColumn || p.name == idColumn && f.id != nil {
			return nil, errProperties
		}
		line = p.append(append(line, ','))
	}
	out := jsontext.Value(append(line, '}'))
	err = out.Compact()
	return out, err
}

// member is one member of an object.
type member struct {
	name  string
	value jsontext.Value
}

func (m member) append(b []byte) []byte {
	b, _ = jsontext.AppendQuote(b, m.name) // fails only for what is not UTF-8
	return append(append(b, ':'), m.value...)
}

// membersOf gives the members of an object in their order.
func membersOf(value jsontext.Value) ([]member, error) {
	d := jsontext.NewDecoder(bytes.NewReader(value))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, errors.Join(errors.New("no object"), err)
	}
	var out []member
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		m := member{name: t.String()}
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		m.value = slices.Clone(v)
		out = append(out, m)
	}
	return out, nil
}

// canonical gives a geometry as a text of JSON that holds it in canonical form; null
// stays null.
func canonical(value jsontext.Value) ([]byte, error) {
	if value.Kind() == 'n' {
		return value, nil
	}
	own := slices.Clone(value)
	if !shallow(own) || !isGeometry(own) || own.Canonicalize() != nil {
		return nil, errGeometry
	}
	return jsontext.AppendQuote(nil, []byte(own))
}

// boxes says whether a bbox says nothing that the geometry does not say: it is on
// no row, and would leave unseen with a mock.
func boxes(box, shape jsontext.Value) bool {
	numbers, ok := isBox(box)
	own := map[float64]bool{}
	for d := jsontext.NewDecoder(bytes.NewReader(shape)); ok; {
		t, err := d.ReadToken()
		if err != nil {
			break
		}
		if t.Kind() != '0' {
			continue
		}
		if n, err := t.Float(); err == nil {
			own[n] = true
		}
	}
	return ok && !slices.ContainsFunc(numbers, func(n float64) bool { return !own[n] })
}

// longestNumber is as long as a number of a bbox needs to be, with what is between two.
const longestNumber = 32

// isBox gives the numbers of a bbox.
func isBox(box jsontext.Value) (numbers []float64, ok bool) {
	if json.Unmarshal(box, &numbers) != nil || len(numbers) != 4 && len(numbers) != 6 || len(box) > longestNumber*len(numbers) {
		return nil, false
	}
	return numbers, true
}

// deepest is more than any geometry needs: collections of collections.
const deepest = 16

// shallow says whether a value is nested no deeper than geometries are.
func shallow(value jsontext.Value) bool {
	d := jsontext.NewDecoder(bytes.NewReader(value))
	for {
		_, err := d.ReadToken()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if d.StackDepth() > deepest {
			return false
		}
	}
}

// geometry is what GeoJSON knows of one.
type geometry struct {
	Type        string            `json:"type"`
	Coordinates json.RawMessage   `json:"coordinates"`
	Geometries  []json.RawMessage `json:"geometries"`
	BBox        []float64         `json:"bbox"`
}

func isGeometry(text []byte) bool {
	var g geometry
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if strict.Decode(&g) != nil {
		return false
	}
	switch g.Type {
	case "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon":
		// Lists of numbers and nothing else.
		return len(g.Coordinates) > 0 && g.Coordinates[0] == '[' && !bytes.ContainsAny(g.Coordinates, `"{tfn`) && g.Geometries == nil
	case "GeometryCollection":
		return g.Coordinates == nil && !slices.ContainsFunc(g.Geometries, func(m json.RawMessage) bool { return !isGeometry(m) })
	}
	return false
}
