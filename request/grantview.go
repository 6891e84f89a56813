package request

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// GrantForGrantee is a grant as somebody sees it who may run under it: what
// they may ask, and nothing of what others asked.
func GrantForGrantee(g anchorhold.Grant, who anchorhold.Principal, now time.Time) anchorhold.GrantView {
	v := anchorhold.GrantView{
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
	if who.ID != g.Author { // within a bound any value will do, and which one was asked for is the author's question
		v.Values = maps.Clone(g.Values)
		maps.DeleteFunc(v.Values, func(name string, _ json.RawMessage) bool { _, bounded := g.Params[name]; return bounded })
	}
	if who.ID == g.Author && !g.Shared() {
		v.GrantCount = &anchorhold.GrantCount{Request: g.Request, Uses: g.Uses, Used: g.Used}
	}
	return v
}

// GrantForDecider is a grant as those see it who decide or audit; yours says
// whether they may run under it themselves.
func GrantForDecider(g anchorhold.Grant, yours bool, now time.Time) anchorhold.GrantView {
	v := GrantForGrantee(g, anchorhold.Principal{}, now)
	v.State, v.Yours, v.Covers, v.Purpose, v.Values = g.StateAt(now), yours, Words(g), g.Purpose, g.Values
	v.GrantCount = &anchorhold.GrantCount{Request: g.Request, Uses: g.Uses, Used: g.Used}
	v.GrantInside = &anchorhold.GrantInside{
		Opening: g.Opening, Digest: g.Digest, Author: g.Author, AuthorName: g.AuthorName, For: g.For, Deciders: g.Deciders, Read: g.Read,
		FailureLimit: g.FailureLimit, Failures: g.Failures, Stopped: g.Stopped, Suspended: g.Suspended,
		Revoked: g.Revoked, RevokedBy: g.RevokedBy, Reason: g.Reason, Created: g.Created,
	}
	return v
}

// GrantForPart is a grant, as a decider sees it, for those who review some of its
// datasets alone: without who else decided, ended it, and why.
func GrantForPart(v anchorhold.GrantView) anchorhold.GrantView {
	inside := *v.GrantInside
	inside.Deciders, inside.Read, inside.RevokedBy, inside.Reason = nil, nil, "", ""
	v.GrantInside = &inside
	return v
}

// MayRunUnder says whether a grant names somebody, of whom submits says whether
// they may submit on all of its datasets.
func MayRunUnder(g anchorhold.Grant, who anchorhold.Principal, submits bool) bool {
	return submits && coversAuthor(g, anchorhold.Request{Author: who.ID, AuthorName: who.Name()})
}
