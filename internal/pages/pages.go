// Package pages gives memory back that only the start of a program needed: the
// site and its launcher wait most of the time, and the pages of a large program
// that were read once would otherwise count as theirs for ever.
//
// It promises to change nothing but what lies in memory: unused heap goes back
// to the system, and pages of the program's own file are forgotten, to be read
// again from the file when they are needed. A failure is no error: it only
// leaves the memory as it was. Its test reads the program's size before and
// after.
package pages

import "runtime/debug"

// Release gives back what is not in use. It takes milliseconds; call it once
// the start is over.
func Release() {
	debug.FreeOSMemory()
	forget()
}
