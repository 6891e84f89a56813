package request

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// GrantView is a grant as the API shows it. What is only for deciders and
// auditors is a type of its own, so that it cannot be shown to others by
// forgetting to blank a field.
type GrantView struct {
	ID              string                         `json:"id"`
	State           anchorhold.GrantState          `json:"state"`
	Yours           bool                           `json:"yours" doc:"the caller may run under it"`
	Covers          string                         `json:"covers" doc:"in words"`
	CodeDigest      string                         `json:"code_digest"`
	Entry           string                         `json:"entry"`
	Study           string                         `json:"study,omitempty"`
	Purpose         string                         `json:"purpose,omitempty" doc:"that a submission has to name; absent where any will do"`
	AnyPurpose      bool                           `json:"any_purpose,omitempty"`
	Assets          map[string]anchorhold.AssetRef `json:"assets"`
	Values          map[string]json.RawMessage     `json:"parameters" doc:"that a submission has to give, where params has no bound"`
	Params          map[string]anchorhold.Bound    `json:"params,omitempty"`
	AnyLaterVersion bool                           `json:"any_later_version,omitempty"`
	AutoRelease     bool                           `json:"auto_release,omitempty"`
	Expires         *time.Time                     `json:"expires,omitempty"`
	*GrantCount
	*GrantInside
}

// GrantCount is what a grant's author may know of one that is theirs alone.
type GrantCount struct {
	Request string `json:"request" doc:"on which it was decided"`
	Uses    int    `json:"uses"`
	Used    int    `json:"used"`
}

// GrantInside is what only deciders and auditors see.
type GrantInside struct {
	Opening      int        `json:"opening"`
	Digest       string     `json:"digest"`
	Author       string     `json:"author"`
	AuthorName   string     `json:"author_name"`
	For          []string   `json:"for,omitempty"`
	Deciders     []string   `json:"deciders,omitempty"`
	FailureLimit int        `json:"failure_limit,omitempty"`
	Failures     int        `json:"failures,omitempty"`
	Stopped      bool       `json:"stopped,omitempty"`
	Suspended    *time.Time `json:"suspended,omitempty"`
	Revoked      *time.Time `json:"revoked,omitempty"`
	RevokedBy    string     `json:"revoked_by,omitempty"`
	Reason       string     `json:"reason,omitempty"`
	Created      time.Time  `json:"created"`
}

// GrantForGrantee is a grant as somebody sees it who may run under it: what
// they may ask, and nothing of what others asked.
func GrantForGrantee(g anchorhold.Grant, who anchorhold.Principal, now time.Time) GrantView {
	v := GrantView{
		ID: g.ID, State: g.StateAt(now), Yours: true, CodeDigest: g.CodeDigest, Entry: g.Entry, Study: g.Study, AnyPurpose: g.AnyPurpose,
		Assets: g.Assets, Values: g.Values, Params: g.Params, AnyLaterVersion: g.AnyLaterVersion, AutoRelease: g.AutoRelease, Expires: g.Expires,
		Covers: strings.Join(append([]string{"you"}, scopeWords(g)...), "; "),
	}
	if v.State == anchorhold.GrantSuspended || v.State == anchorhold.GrantUsedUp {
		v.State = anchorhold.GrantInactive
	}
	if !g.AnyPurpose {
		v.Purpose = g.Purpose
	}
	if who.ID == g.Author && !g.Shared() {
		v.GrantCount = &GrantCount{g.Request, g.Uses, g.Used}
	}
	return v
}

// GrantForDecider is a grant as those see it who decide or audit; yours says
// whether they may run under it themselves.
func GrantForDecider(g anchorhold.Grant, yours bool, now time.Time) GrantView {
	v := GrantForGrantee(g, anchorhold.Principal{}, now)
	v.State, v.Yours, v.Covers, v.Purpose = g.StateAt(now), yours, Words(g), g.Purpose
	v.GrantCount = &GrantCount{g.Request, g.Uses, g.Used}
	v.GrantInside = &GrantInside{
		g.Opening, g.Digest, g.Author, g.AuthorName, g.For, g.Deciders, g.FailureLimit, g.Failures, g.Stopped, g.Suspended, g.Revoked, g.RevokedBy,
		g.Reason, g.Created,
	}
	return v
}

// MayRunUnder says whether a grant names somebody, of whom submits says whether
// they may submit on all of its datasets.
func MayRunUnder(g anchorhold.Grant, who anchorhold.Principal, submits bool) bool {
	return submits && coversAuthor(g, anchorhold.Request{Author: who.ID, AuthorName: who.Name()})
}
