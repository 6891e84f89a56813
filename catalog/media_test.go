package catalog

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Every format has a media type, and mlcroissant has seen each: the Python package's
// tests validate a card with every line of the list.
func TestMediaTypes(t *testing.T) {
	text, err := os.ReadFile("testdata/media.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields(string(text))
	for _, c := range formats() {
		if f := c.Format(); !slices.Contains(known, f.Media) {
			t.Errorf("testdata/media.txt lacks %q of %s", f.Media, f.Name)
		}
	}
}
