// Package exectest writes programs that a test then starts.
//
// Promise: what Write wrote can be started at once. A file that any process has
// open for writing is "text file busy" (ETXTBSY, execve(2)), and a child that
// another test is just starting has, between its fork and its exec, every file
// open that this process had.
package exectest

import (
	"os"
	"syscall"
	"testing"
)

// Write writes a program or script that everybody may run to path, at a moment at
// which nothing is between fork and exec.
func Write(t testing.TB, path string, program []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
}
