package data

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"strings"
	"testing"
)

const header = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num"

// The published facts of the collection: rows, missing cells, and people with
// a diagnosis (num above 0).
var published = map[string]struct{ rows, missing, diseased int }{
	"cleveland":   {303, 6, 139},
	"hungarian":   {294, 782, 106},
	"switzerland": {123, 273, 115},
	"va":          {200, 698, 149},
}

func TestHospitalsAreThePublishedTables(t *testing.T) {
	number := regexp.MustCompile(`^(0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]*[1-9])$`)
	for _, h := range Hospitals() {
		records, err := csv.NewReader(bytes.NewReader(h.CSV)).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		if got := strings.Join(records[0], ","); got != header {
			t.Errorf("%s: header %s", h.Name, got)
		}
		got := struct{ rows, missing, diseased int }{rows: len(records) - 1}
		for _, r := range records[1:] {
			for _, cell := range r {
				switch {
				case cell == "":
					got.missing++
				case !number.MatchString(cell):
					t.Errorf("%s: the cell %q is not in the common notation", h.Name, cell)
				}
			}
			if r[13] != "0" {
				got.diseased++
			}
		}
		if got != published[h.Name] {
			t.Errorf("%s: %+v, published %+v", h.Name, got, published[h.Name])
		}
		if h.Title == "" {
			t.Errorf("%s has no title", h.Name)
		}
	}
}

func TestHospitalsGivesItsCallerACopy(t *testing.T) {
	Hospitals()[0].CSV[0] = 'X'
	if Hospitals()[0].CSV[0] != 'a' {
		t.Error("a caller changed the embedded table")
	}
}
