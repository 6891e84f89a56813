// Package readme runs the README: its blocks of shell and Python, in order, as
// a reader would type them, against the built program.
//
// It is made of tests alone. A block is run or says why not; what the README
// claims to be printed is compared with what was printed. It must never know
// more than a reader does: no flag, path or name that the README does not give.
package readme
