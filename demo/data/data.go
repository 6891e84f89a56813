// Package data holds the tables of the demonstration: the heart disease
// collection of four hospitals (UCI Machine Learning Repository, dataset 45,
// CC BY 4.0; README.md names its authors and what was changed).
//
// It exists so that the program can show the whole way of a question on real
// data without fetching anything. The tables are embedded as they lie in this
// folder; the tests compare their sizes with the published ones and check
// the notation of every cell.
package data

import (
	"embed"
	"fmt"
)

// Attribution is what has to stand wherever the data are shown.
const Attribution = "Heart Disease, UCI Machine Learning Repository (1988): A. Janosi, W. Steinbrunn, M. Pfisterer, R. Detrano; https://doi.org/10.24432/C52P4X; CC BY 4.0; notation of numbers unified"

//go:embed cleveland.csv hungarian.csv switzerland.csv va.csv
var files embed.FS

// Hospital is one of the four tables.
type Hospital struct {
	Name  string // short, for file names and datasets: "cleveland"
	Title string // for people
	CSV   []byte // with a header; empty cells are missing; the caller's own copy
}

// Hospitals gives the four tables.
func Hospitals() []Hospital {
	hospitals := []Hospital{
		{Name: "cleveland", Title: "Cleveland Clinic Foundation"},
		{Name: "hungarian", Title: "Hungarian Institute of Cardiology, Budapest"},
		{Name: "switzerland", Title: "University Hospitals of Zurich and Basel"},
		{Name: "va", Title: "V.A. Medical Center, Long Beach"},
	}
	for i, h := range hospitals {
		csv, err := files.ReadFile(h.Name + ".csv")
		if err != nil {
			panic(fmt.Sprintf("data: the table of %s is not embedded: %v", h.Name, err))
		}
		hospitals[i].CSV = csv
	}
	return hospitals
}
