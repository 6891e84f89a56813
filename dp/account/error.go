package account

import "fmt"

// Error is a parameter that was refused before anything was computed: what is
// wrong with it, and what to do.
type Error struct {
	Problem string
	Remedy  string
}

// Error gives problem and remedy.
func (e *Error) Error() string { return e.Problem + "; " + e.Remedy }

func refuse(remedy, format string, args ...any) error {
	return &Error{Problem: fmt.Sprintf(format, args...), Remedy: remedy}
}
