// Package anchorhold holds the words of the domain: datasets, requests, runs,
// outputs, releases, principals, digests, and the errors that speak of them.
//
// A question travels one straight way: request, decision, run, output,
// release. The types here say what each of these is and which states it may
// be in; the packages below say how each step is done. The package imports
// nothing else of this module, so that every room can speak the same language
// without depending on another room.
package anchorhold

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
	"time"
)

// ProgramVersion is the version of the program, the API and the formats that
// this source tree builds.
const ProgramVersion = "0.2.0"

// ID prefixes: an id says what it names, and nothing else. It is opaque, it is
// drawn at random and never derived from content or from a row's number.
const (
	PrefixPrincipal  = "pri"
	PrefixCredential = "crd"
	PrefixDataset    = "dat"
	PrefixVersion    = "ver"
	PrefixRequest    = "req"
	PrefixDecision   = "dec"
	PrefixGrant      = "gra"
	PrefixRun        = "run"
	PrefixOutput     = "out"
	PrefixRelease    = "rel"
	PrefixLedger     = "led"
	PrefixQuestion   = "que"
	PrefixUpload     = "upl"
	PrefixNotice     = "not"
	PrefixBackup     = "bak"
	PrefixCall       = "cal"

	PrefixEnvironment = "env"

	PrefixApplication = "app"
)

// idAlphabet is Crockford's base 32 in lower case: no i, l, o or u, so that an
// id survives being read aloud.
var idAlphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID draws a fresh id: the prefix, a hyphen and 80 random bits.
func NewID(prefix string) string {
	var b [10]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return prefix + "-" + idAlphabet.EncodeToString(b[:])
}

// IsID says whether s has the form of an id with the given prefix.
func IsID(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix+"-")
	if !ok || len(rest) != 16 {
		return false
	}
	bits, err := idAlphabet.DecodeString(rest)
	return err == nil && idAlphabet.EncodeToString(bits) == rest // the decoder passes over line breaks
}

// CoarseClock is how exactly a researcher sees the times of runs on private
// data: duration can carry a value out, so it is shown to the minute.
const CoarseClock = time.Minute

// Coarse truncates t to the coarse clock.
func Coarse(t time.Time) time.Time { return t.UTC().Truncate(CoarseClock) }
