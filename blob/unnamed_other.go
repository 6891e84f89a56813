//go:build unix && !linux

package blob

import (
	"errors"
	"os"
)

// unnamed makes a file whose name is gone at once.
func unnamed(dir string, _ bool) (*os.File, error) {
	f, err := os.CreateTemp(dir, "plain-*")
	if err != nil {
		return nil, err
	}
	return f, nil
}

// readOnly opens a file once more, for reading alone, and takes its name away.
func readOnly(f *os.File) (*os.File, error) {
	again, err := os.Open(f.Name())
	return again, errors.Join(err, os.Remove(f.Name()))
}
