//go:build !failpoints

package failpoint

// Hit does nothing in a normal build; the compiler removes the call.
func Hit(string) {}
