// Package sandboxed is a test: it runs jobs in the real sandbox, from a
// registered CSV file to the value that a researcher holds, and makes them fail
// there in every way that a session can end. It promises nothing to other
// packages and must never be imported; it is a package of its own so that the
// other tests of jobs need not link gVisor.
package sandboxed
