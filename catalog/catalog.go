// Package catalog is what an owner offers: tables, arrays and folders read
// through the codecs of package codec where they lie, their cards, their mocks,
// and the commitment that ties a version to its bytes without saying anything
// about them.
//
// It promises that a file is read in bounded memory however large it is; that
// a file which changed is noticed before and after every run; that a
// commitment and a card tell nothing of the private side; and that a generated
// mock is made from the card alone. It must never put a cell of a private
// table into an error, and it must never write to an owner's file.
//
// Each is held by tests: hostile files by table tests and fuzz targets,
// bounded memory by a test that reads a file much larger than the bound,
// hiding and identity by commitment_test.go and identity_test.go, errors by a
// test that plants a canary in every bad file, and the generator's blindness
// by a test of what package mock imports.
package catalog

import (
	"regexp"

	"github.com/anchorhold/anchorhold"
)

// Formats of table files, as they stand in anchorhold.Source and
// anchorhold.Mock.
const (
	FormatCSV     = "csv"
	FormatParquet = "parquet"
)

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// CheckName says whether name may name a dataset or an asset; what ("dataset",
// "asset") is the word for it in the error.
func CheckName(what, name string) error {
	if nameForm.MatchString(name) {
		return nil
	}
	return anchorhold.Errorf(anchorhold.Invalid,
		"use lower-case letters, digits and hyphens, at most 63, beginning with a letter or digit, for example heart-cleveland",
		"%q is not a name for a%s %s", clip(name, 80), vowel(what), what)
}

func vowel(word string) string {
	if word != "" && (word[0] == 'a' || word[0] == 'e' || word[0] == 'i' || word[0] == 'o' || word[0] == 'u') {
		return "n"
	}
	return ""
}

// clip shortens text for an error message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}

// invalid makes an error about an owner's input.
func invalid(remedy, format string, args ...any) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Invalid, remedy, format, args...)
}
