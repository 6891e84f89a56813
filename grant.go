package anchorhold

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Everybody in Terms.For stands for all who may submit on every dataset of the
// grant.
const Everybody = "everybody"

// Terms are what an approval says beyond its yes: how often, until when, and
// how far a submission may differ from the one that was read. The zero value is
// exactly what was asked, by its author, once.
type Terms struct {
	Uses            int              `json:"uses,omitempty" doc:"runs that the approval covers; default 1"`
	Expires         *time.Time       `json:"expires,omitempty"`
	AutoRelease     bool             `json:"auto_release,omitempty" doc:"release an output at once when every check passed"`
	FailureLimit    int              `json:"failure_limit,omitempty" doc:"failed runs and stopped outputs after which the grant is suspended; default 3"`
	Params          map[string]Bound `json:"params,omitempty" doc:"by value parameter: which other values are covered too"`
	AnyLaterVersion bool             `json:"any_later_version,omitempty" doc:"later versions of the assets are covered too"`
	AnyPurpose      bool             `json:"any_purpose,omitempty" doc:"other purposes are covered too"`
	For             []string         `json:"for,omitempty" maxItems:"200" doc:"who else may run it: e-mail addresses, or everybody who may submit on the datasets"`
}

// Loose says whether the terms cover more than what was asked.
func (t Terms) Loose() bool {
	return len(t.Params) > 0 || t.AnyLaterVersion || t.AnyPurpose || len(t.For) > 0
}

// Bound says which values of a parameter are covered. Of a list it speaks of
// every item. A bound that says nothing covers nothing.
type Bound struct {
	Type string            `json:"type,omitempty" doc:"the parameter's type as the decider understands it; refused when it is another"`
	Any  bool              `json:"any,omitempty"`
	Min  *float64          `json:"min,omitempty" doc:"smallest number, included"`
	Max  *float64          `json:"max,omitempty" doc:"largest number, included"`
	Set  []json.RawMessage `json:"set,omitempty" maxItems:"1000" doc:"the only values"`
}

// String says the bound as people read it.
func (b Bound) String() string {
	number := func(f *float64) string { return strconv.FormatFloat(*f, 'g', -1, 64) }
	switch {
	case b.Any:
		return "any"
	case b.Min != nil && b.Max != nil:
		return number(b.Min) + " to " + number(b.Max)
	case b.Min != nil:
		return "at least " + number(b.Min)
	case b.Max != nil:
		return "at most " + number(b.Max)
	case len(b.Set) == 0:
		return "none"
	}
	texts := make([]string, len(b.Set))
	for i, v := range b.Set {
		texts[i] = string(v)
	}
	return "one of " + strings.Join(texts, ", ")
}

// Grant lets a code digest run without a further decision: by whom, with which
// values, on which versions, so many times, until then.
type Grant struct {
	ID         string                     `json:"id"`
	Request    string                     `json:"request"`            // on which it was decided
	Opening    int                        `json:"opening"`            // of that request
	Digest     string                     `json:"digest"`             // of that request
	CodeDigest string                     `json:"code_digest"`        // what it covers
	Entry      string                     `json:"entry"`              // of that code
	Author     string                     `json:"author"`             // principal id
	AuthorName string                     `json:"author_name"`        // e-mail address
	Deciders   []string                   `json:"deciders,omitempty"` // principal ids; none of them may run under it
	Read       []string                   `json:"read,omitempty"`     // datasets of which every decider has read every line
	Purpose    string                     `json:"purpose"`
	Study      string                     `json:"study,omitempty"`
	Assets     map[string]AssetRef        `json:"assets"`     // by parameter, with the version that was asked for
	Values     map[string]json.RawMessage `json:"parameters"` // by parameter, as asked
	Expect     *Resources                 `json:"expect,omitempty"`
	Terms
	Used      int        `json:"used"`
	Failures  int        `json:"failures,omitempty"`  // since it was made or resumed
	Stopped   bool       `json:"stopped,omitempty"`   // a check stopped an output: releases wait for a person
	Suspended *time.Time `json:"suspended,omitempty"` // the failure limit was reached
	Revoked   *time.Time `json:"revoked,omitempty"`
	RevokedBy string     `json:"revoked_by,omitempty"`
	Reason    string     `json:"reason,omitempty"` // of the revocation
	Created   time.Time  `json:"created"`
}

// Ended says whether what was begun under the grant may not go on at a time.
func (g Grant) Ended(now time.Time) bool {
	return g.Revoked != nil || g.Suspended != nil || g.Expires != nil && !now.Before(*g.Expires)
}

// Holds says whether the grant permits one more run at a time.
func (g Grant) Holds(now time.Time) bool { return !g.Ended(now) && g.Used < g.Uses }

// Releases says whether an output whose checks passed may leave at a time
// without a person.
func (g Grant) Releases(now time.Time) bool { return g.AutoRelease && !g.Stopped && !g.Ended(now) }

// Shared says whether anybody but the author may run under the grant.
func (g Grant) Shared() bool { return len(g.For) > 0 }

// Names says whether a person of this e-mail address is named by the grant.
func (g Grant) Names(email string) bool {
	return email != "" && slices.ContainsFunc(g.For, func(f string) bool { return strings.EqualFold(f, email) })
}

// Datasets lists the names of the datasets that a grant is about, sorted.
func (g Grant) Datasets() []string {
	var names []string
	for _, a := range g.Assets {
		names = append(names, a.Dataset)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// GrantState says in one word where a grant stands.
type GrantState string

// The states of a grant.
const (
	GrantActive    GrantState = "active"
	GrantSuspended GrantState = "suspended"
	GrantUsedUp    GrantState = "used-up"
	GrantExpired   GrantState = "expired"
	GrantRevoked   GrantState = "revoked"
	GrantInactive  GrantState = "inactive" // what who may run under it sees of suspended and used-up
)

// StateAt is where the grant stands at a time.
func (g Grant) StateAt(now time.Time) GrantState {
	switch {
	case g.Revoked != nil:
		return GrantRevoked
	case g.Expires != nil && !now.Before(*g.Expires):
		return GrantExpired
	case g.Suspended != nil:
		return GrantSuspended
	case g.Used >= g.Uses:
		return GrantUsedUp
	}
	return GrantActive
}
