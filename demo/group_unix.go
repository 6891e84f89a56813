//go:build unix

package demo

import "syscall"

// ownGroup keeps signals of the terminal from a site's process.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
