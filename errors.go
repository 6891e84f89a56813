package anchorhold

import (
	"errors"
	"fmt"
)

// Kind sorts errors by what the person who sees one can do about it. The API
// turns each kind into one HTTP status, the command line into an exit code.
type Kind string

// The kinds of error.
const (
	Invalid         Kind = "invalid"         // the input is wrong; change it
	Unauthenticated Kind = "unauthenticated" // no credential, or one that does not hold
	Denied          Kind = "denied"          // known, but not permitted
	NotFound        Kind = "not-found"       // absent, or hidden from the caller: the two look the same
	Conflict        Kind = "conflict"        // the thing is in another state than the act needs
	TooLarge        Kind = "too-large"       // over a stated limit
	Unavailable     Kind = "unavailable"     // cannot be done now; try again
	Internal        Kind = "internal"        // our fault
)

// Error is an error that a person reads: what was wrong and what to do next.
// Neither Message nor Remedy may ever hold a private value; Cause may, and is
// for the owner's eyes only (never sent to a client, never logged with data).
type Error struct {
	Kind    Kind
	Message string // one sentence, what was wrong
	Remedy  string // one sentence, what to do next; may be empty
	Cause   error
}

// Error gives message and remedy, never the cause.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Message
	}
	return e.Message + "; " + e.Remedy
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error of a kind with a remedy (which may be empty). Use
// Because, not %w, to attach a cause: its text must not become part of the
// message.
func Errorf(kind Kind, remedy, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

// Because returns a copy of e with its cause set. The cause stays out of the
// text that people see.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// KindOf finds the kind of an error: Internal for any that is not an Error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
