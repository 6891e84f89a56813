//go:build unix

package main

import (
	"bytes"
	"io"

	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/receipt"
)

// verifyArrow checks an answer in an Arrow file: that it was made of the file that
// the receipt speaks of, and nothing else.
func verifyArrow(s receipt.Statement, f io.Reader) error {
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	file, err := question.ReadArrow(data)
	if err != nil {
		return err
	}
	return receipt.VerifyOutput(s, bytes.NewReader(file))
}
