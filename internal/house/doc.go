// Package house keeps the rules of the house: who may import whom and why, what
// every package says about itself, where state may live and where the program
// may end, and that the documents speak of things that exist.
//
// It is made of tests alone. Each rule is a table whose lines carry their
// reason, reads the files that git tracks or would track, and fails with what
// to do instead. Rules are themselves tested on small trees that break them.
// The package must never be imported by another one.
package house
