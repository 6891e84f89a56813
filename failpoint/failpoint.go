// Package failpoint lets tests kill the process at named steps, to prove that
// what was accepted before the step survives and that nothing happens twice.
//
// It promises that a normal build holds no trace of it, whatever the
// environment says; only a build with the tag "failpoints" dies, and it dies as
// by kill -9, with no deferred call and no flush. It must never be built into a
// release. Both builds are tested by building and running a small program.
package failpoint

// Variable is the environment variable that names the step at which a build
// with the tag "failpoints" dies: NAME, or NAME:N for the Nth time.
const Variable = "ANCHORHOLD_FAILPOINT"
