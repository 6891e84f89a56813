package exectest_test

import (
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/anchorhold/anchorhold/internal/exectest"
)

// Many write and start programs at once: none is busy.
func TestWrittenProgramsStart(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		all.Go(func() {
			path := filepath.Join(dir, name)
			for range 50 {
				exectest.Write(t, path, []byte("#!/bin/sh\nexit 0\n"))
				if err := exec.Command(path).Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
