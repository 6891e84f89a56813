package catalog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/disclosure"
)

// Features of GeoJSON are known again however their numbers are written.
func TestFeaturesAreKnown(t *testing.T) {
	features := func(form string, n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"type":"Feature","id":%d,"properties":{"beds":%d},"geometry":{`+form+`}}`, 1000+i, 10+i*7%61, i%90, i/2%45))
		}
		return `{"type":"FeatureCollection","features":[` + strings.Join(all, ",\n") + `]}`
	}
	var index bytes.Buffer
	private := features(`"type":"Point","coordinates":[%d.50,%d.250e0]`, 200)
	if _, err := Register(t.Context(), writeFile(t, "private.geojson", private), Options{Label: "d/a", IndexWriter: &index}); err != nil {
		t.Fatal(err)
	}
	x, err := disclosure.OpenIndex(disclosure.Key{}, bytes.NewReader(index.Bytes()), int64(index.Len()))
	if err != nil {
		t.Fatal(err)
	}
	checks, err := CheckMock(t.Context(), x, writeFile(t, "mock.geojson", features(`"coordinates":[%d.5, %d.25],"type":"Point"`, 3)), ReadOptions{})
	if err != nil || result(checks, disclosure.CheckPrivateRows) != anchorhold.CheckFailed {
		t.Errorf("%v, %v", checks, err)
	}
}
