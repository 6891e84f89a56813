// Command testhost is the smallest program that can be sandboxed: the tests of
// package gvisor build it without cgo and let it play launcher, kernel, gofer
// and guest. It does nothing when it is started under its own name.
package main

import (
	"fmt"
	"os"

	"github.com/anchorhold/anchorhold/sandbox/gvisor"
)

func main() {
	if code, ok := gvisor.Main(); ok {
		os.Exit(code)
	}
	fmt.Fprintln(os.Stderr, "testhost is started by the tests of package gvisor")
	os.Exit(2)
}
