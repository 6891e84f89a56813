//go:build linux && (amd64 || arm64) && cgo

package gvisor

// builtWithCgo says that a sandbox would not start from this program.
const builtWithCgo = true
