//go:build !unix

package main

import (
	"io"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/receipt"
)

// verifyArrow needs what writes such files, which is part of a site.
func verifyArrow(receipt.Statement, io.Reader) error {
	return anchorhold.Errorf(anchorhold.Invalid, "check the answer's other file: anchorhold query get ID --format json --out answer.json", "an Arrow file cannot be held against a receipt on this system")
}
