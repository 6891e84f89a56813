//go:build !linux

package pyenv

import (
	"errors"
	"os"
	"os/exec"
)

// Environments are built where sites run: on Linux. Elsewhere Build says so
// before it starts anything.

func tryLock(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }

func runBound(*exec.Cmd) error { return errors.ErrUnsupported }

func syncTree(string) error { return errors.ErrUnsupported }
