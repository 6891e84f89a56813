package main

import (
	"io"
	"os"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/pyenv"
)

// maxLock bounds a lock file.
const maxLock = 8 << 20

func readLock(path string) (pyenv.Lock, error) {
	f, err := os.Open(path)
	if err != nil {
		return pyenv.Lock{}, anchorhold.Errorf(anchorhold.NotFound, "name the file of a lock", "%s cannot be opened", path).Because(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLock+1))
	if err != nil {
		return pyenv.Lock{}, anchorhold.Errorf(anchorhold.Invalid, "name the file of a lock", "%s cannot be read", path).Because(err)
	}
	return pyenv.ParseLock(data)
}
