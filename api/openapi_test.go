package api_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func TestOpenAPIDocument(t *testing.T) {
	f := newFixture(t)
	w := f.call("none", "GET", "/v1/openapi.json", "")
	var doc struct {
		OpenAPI string `json:"openapi"`
	}
	data, err := io.ReadAll(w.Body)
	if err == nil {
		err = json.Unmarshal(data, &doc)
	}
	if err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("status %d, %v, version %q", w.Code, err, doc.OpenAPI)
	}
}
