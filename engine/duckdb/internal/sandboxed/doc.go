// Package sandboxed is a test: it runs the worker in the real sandbox, through the
// suite that every engine passes, with hostile statements and hostile files, and
// with a researcher's SQL to parse. It promises nothing to other packages and must
// never be imported; it is a package of its own so that the other tests of engines
// need not link gVisor.
package sandboxed
