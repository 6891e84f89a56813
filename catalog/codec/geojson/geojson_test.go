package geojson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// canary is planted in the values of bad files: no error may show it.
const canary = "Zq7secret"

// read reads a file to its end.
func read(data []byte) (cols []anchorhold.Column, rows [][]any, err error) {
	r, err := GeoJSON{}.Open(codec.Input{Name: "in.geojson", Size: int64(len(data)), Stream: bytes.NewReader(data)}, codec.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		batch, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Columns(), rows, nil
		}
		if err != nil {
			return nil, nil, err
		}
		for _, row := range batch {
			var out []any
			for _, c := range row {
				switch c.Kind {
				case codec.CellMissing:
					out = append(out, nil)
				case codec.CellInt, codec.CellFloat:
					out = append(out, c.Value())
				default:
					out = append(out, c.Text)
				}
			}
			rows = append(rows, out)
		}
	}
}

// What others write is one row for each feature: the very rows that code reads, for
// which the Python package's tests read the same list.
func TestFeaturesAreRows(t *testing.T) {
	data, err := os.ReadFile("testdata/sites.geojson")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/sites.rows.json")
	if err != nil {
		t.Fatal(err)
	}
	var want [][]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	cols, rows, err := read(data)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	if !reflect.DeepEqual(rows, want) {
		got, err := json.Marshal(rows)
		t.Errorf("%s %v", got, err)
	}
	var said []string
	for _, c := range cols {
		said = append(said, c.Name+" "+string(c.Type))
	}
	if got := strings.Join(said, ", "); got != "geometry string, id int, ward string, beds int, rate float, opened date" {
		t.Error(got)
	}
}

// collection is a file of one feature with these members.
func collection(members string) string {
	return `{"type":"FeatureCollection","features":[{` + members + `}]}`
}

func TestRefusals(t *testing.T) {
	point := `"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]}`
	for text, want := range map[string]string{
		`[]`:                           "not a collection",
		`{"type":"Point"`:              "not a collection",
		`{"type":"FeatureCollection"}`: "not a collection",
		`{"type":"FeatureCollection","features":[]}`:                                                                                                           "not a collection",
		`{"features":[{` + point + `,"properties":{}}]}`:                                                                                                       "not a collection",
		collection(point+`,"properties":{}`) + "{}":                                                                                                            "not a collection",
		collection(point + `,"properties":{}`)[:60]:                                                                                                            "not a collection",
		`{"type":"FeatureCollection","who":"` + canary + `"}`:                                                                                                  "beside its features",
		`{"type":"FeatureCollection","name":"` + strings.Repeat("x", most) + `"}`:                                                                              "not a collection",
		collection(`"type":"Point","coordinates":[1,2]`):                                                                                                       "feature number 1",
		collection(point + `,"properties":{},"who":"` + canary + `"`):                                                                                          "has a member",
		collection(point + `,"properties":{},"bbox":"` + canary + `"`):                                                                                         "has a bbox",
		collection(point + `,"properties":{},"bbox":[1,2,1,7]`):                                                                                                "has a bbox",
		collection(point + `,"properties":{},"bbox":[1,2,1,2.` + strings.Repeat("0", 200) + `]`):                                                               "has a bbox",
		`{"type":"FeatureCollection","bbox":["` + canary + `"],"features":[{` + point + `,"properties":{}}]}`:                                                  "not a collection",
		collection(point + `,"properties":["` + canary + `"]`):                                                                                                 "has properties",
		collection(point + `,"properties":{"geometry":"` + canary + `"}`):                                                                                      "has properties",
		collection(point + `,"id":1,"properties":{"id":"` + canary + `"}`):                                                                                     "has properties",
		collection(point + `,"id":["` + canary + `"],"properties":{}`):                                                                                         "has an id",
		collection(`"type":"Feature","properties":{},"geometry":{"type":"Blob","coordinates":[1]}`):                                                            "has a geometry",
		collection(`"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":["` + canary + `"]}`):                                            "has a geometry",
		collection(`"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[1,2],"z":"` + canary + `"}`):                                    "has a geometry",
		collection(`"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`): "has a geometry",
		collection(`"type":"Feature","properties":{},"geometry":` + strings.Repeat(`{"type":"GeometryCollection","geometries":[`, 40)):                         "not a collection",
		collection(point + `,"properties":{"a":"` + strings.Repeat("x", perFeature) + `"}`):                                                                    "is longer than",
	} {
		_, _, err := read([]byte(text))
		var e *anchorhold.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, want) || e.Remedy == "" || strings.Contains(err.Error(), canary) {
			t.Errorf("%.150s: %v, want %q", text, err, want)
		}
	}
}

// A mock has the card's columns and is a file that this codec reads; the same card
// and seed give the same bytes.
func TestMocks(t *testing.T) {
	stated := func(name string, v any) anchorhold.Fact {
		return anchorhold.Fact{Name: name, Value: v, Provenance: anchorhold.Stated}
	}
	card := mock.Card{Facts: []anchorhold.Fact{stated(anchorhold.FactRows, 40.0)}, Columns: []anchorhold.Column{
		{Name: "geometry", Type: anchorhold.TypeString, Facts: []anchorhold.Fact{stated(anchorhold.FactMissingRate, 0.2)}},
		{Name: "id", Type: anchorhold.TypeInt},
		{Name: "beds", Type: anchorhold.TypeInt, Facts: []anchorhold.Fact{stated(anchorhold.FactMin, 1.0), stated(anchorhold.FactMax, 9.0)}},
		{Name: "ward", Type: anchorhold.TypeString, Facts: []anchorhold.Fact{stated(anchorhold.FactCategories, []any{"north", "south"})}},
	}}
	var made, again bytes.Buffer
	n, err := GeoJSON{}.Generate(t.Context(), card, 3, &made)
	if err != nil || n != 40 {
		t.Fatalf("%d rows, %v", n, err)
	}
	if _, err := (GeoJSON{}).Generate(t.Context(), card, 3, &again); err != nil || !bytes.Equal(made.Bytes(), again.Bytes()) {
		t.Errorf("the same card and seed give other bytes: %v", err)
	}
	cols, rows, err := read(made.Bytes())
	if err != nil || len(rows) != 40 || len(cols) != 4 {
		t.Fatalf("%d rows of %d columns, %v\n%s", len(rows), len(cols), err, made.Bytes())
	}
	missing := 0
	for _, row := range rows {
		if row[0] == nil {
			missing++
		} else if text, ok := row[0].(string); !ok || !isGeometry([]byte(text)) {
			t.Errorf("%v", row)
		}
	}
	if missing == 0 || missing == 40 {
		t.Errorf("%d geometries are missing", missing)
	}
	// A geometry that the card names is used as it is.
	shape := `{"coordinates":[1,2],"type":"Point"}`
	card.Columns[0].Facts = []anchorhold.Fact{stated(anchorhold.FactCategories, []any{shape})}
	made.Reset()
	if _, err := (GeoJSON{}).Generate(t.Context(), card, 3, &made); err != nil || strings.Count(made.String(), shape) != 40 {
		t.Errorf("%v\n%s", err, made.Bytes())
	}
}

func FuzzGeoJSON(f *testing.F) {
	data, err := os.ReadFile("testdata/sites.geojson")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		cols, rows, err := read(data)
		var e *anchorhold.Error
		switch {
		case err != nil && !errors.As(err, &e):
			t.Errorf("no error for people: %v", err)
		case err == nil && (len(cols) == 0 || len(rows) > len(data)):
			t.Errorf("%d columns, %d rows", len(cols), len(rows))
		}
	})
}
