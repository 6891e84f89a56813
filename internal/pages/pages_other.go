//go:build !linux

package pages

// forget leaves the program's pages to the system.
func forget() {}
