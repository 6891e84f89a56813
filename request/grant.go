package request

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// DefaultFailureLimit is how many failed runs and stopped outputs suspend a
// grant whose deciders name no other number.
const DefaultFailureLimit = 3

// Actions of the site itself that the audit log records of grants.
const (
	actionMade      policy.Action = "grant.made"
	actionSuspended policy.Action = "grant.suspended"
)

// Covers says whether a request is within a grant, whose uses and time are
// another question (anchorhold.Grant.Holds): the same code, for the same
// purpose and study, by somebody whom it names, on its assets, with values
// inside its bounds, expecting to use no more. Number tells which version of an asset an id names.
func Covers(g anchorhold.Grant, r anchorhold.Request, number func(version string) (int, bool)) bool {
	return g.CodeDigest != "" && g.CodeDigest == r.CodeDigest && g.Study == r.Study &&
		(g.AnyPurpose || g.Purpose == r.Purpose) && coversAuthor(g, r) && coversAssets(g, r, number) && coversValues(g, r) && r.Expect.Within(g.Expect)
}

// coversAuthor: nobody runs under a grant that they decided.
func coversAuthor(g anchorhold.Grant, r anchorhold.Request) bool {
	if r.Author == "" || slices.ContainsFunc(g.Deciders, func(d string) bool { return samePerson(d, r.Author) }) {
		return false
	}
	return r.Author == g.Author || slices.Contains(g.For, anchorhold.Everybody) || g.Names(r.AuthorName)
}

func coversAssets(g anchorhold.Grant, r anchorhold.Request, number func(string) (int, bool)) bool {
	if len(r.Assets) == 0 || len(r.Assets) != len(g.Assets) {
		return false
	}
	for parameter, asked := range r.Assets {
		granted, ok := g.Assets[parameter]
		if !ok || granted.Dataset != asked.Dataset || granted.Asset != asked.Asset || asked.Version == "" {
			return false
		}
		if granted.Version == asked.Version {
			continue
		}
		from, ok1 := number(granted.Version)
		at, ok2 := number(asked.Version)
		if !g.AnyLaterVersion || !ok1 || !ok2 || at < from {
			return false
		}
	}
	return true
}

func coversValues(g anchorhold.Grant, r anchorhold.Request) bool {
	types := valueTypes(r.Code)
	if len(r.Values) != len(g.Values) || len(r.Values) != len(types) {
		return false
	}
	for name, asked := range r.Values {
		typ, declared := types[name]
		granted, ok := g.Values[name]
		if !declared || !ok {
			return false
		}
		if b, loose := g.Params[name]; loose {
			if !within(b, typ, asked) {
				return false
			}
		} else if !sameValue(granted, asked) {
			return false
		}
	}
	return true
}

// standing finds the newest grant under which a request may run now.
func standing(tx store.Tx, r anchorhold.Request, now time.Time) (anchorhold.Grant, bool, error) {
	grants, err := tx.GrantsFor(r.CodeDigest)
	if err != nil {
		return anchorhold.Grant{}, false, err
	}
	number := func(version string) (int, bool) {
		_, v, err := tx.Version(version)
		return v.Number, err == nil
	}
	for _, g := range grants {
		if !g.Holds(now) || !Covers(g, r, number) {
			continue
		}
		if read, err := readEnough(tx, g); err != nil || read {
			return g, read, err
		}
	}
	return anchorhold.Grant{}, false, nil
}

// readEnough says whether those who made a grant had read as much as its
// datasets ask for now: their owner may have become stricter since.
func readEnough(tx store.Tx, g anchorhold.Grant) (bool, error) {
	for _, name := range g.Datasets() {
		d, err := tx.Dataset(name)
		if err != nil {
			return false, err
		}
		if d.Review == anchorhold.EveryLine && !slices.Contains(g.Read, name) {
			return false, nil
		}
	}
	return true, nil
}

// granted is the grant that the approvals of a request's opening amount to: the
// strictest of all words wins.
func granted(r anchorhold.Request, now time.Time) anchorhold.Grant {
	g := anchorhold.Grant{
		ID: anchorhold.NewID(anchorhold.PrefixGrant), Request: r.ID, Opening: r.Opening, Digest: r.Digest, CodeDigest: r.CodeDigest,
		Entry: r.Code.Entry, Author: r.Author, AuthorName: r.AuthorName, Purpose: r.Purpose, Study: r.Study, Assets: r.Assets, Values: r.Values,
		Expect: r.Expect, Created: now,
	}
	first := true
	g.Read = g.Datasets()
	for _, d := range r.Decisions {
		if d.Opening != r.Opening || d.Verdict != anchorhold.Approve {
			continue
		}
		if !slices.Contains(g.Deciders, d.Decider) {
			g.Deciders = append(g.Deciders, d.Decider)
		}
		if d.Review != anchorhold.EveryLine {
			g.Read = slices.DeleteFunc(g.Read, func(name string) bool { return name == d.Dataset })
		}
		if first {
			g.Terms = d.Terms
		} else {
			g.Terms = stricter(g.Terms, d.Terms)
		}
		first = false
	}
	g.Uses, g.FailureLimit = max(g.Uses, 1), cmp.Or(g.FailureLimit, DefaultFailureLimit)
	return g
}

// stricter covers what both terms cover.
func stricter(a, b anchorhold.Terms) anchorhold.Terms {
	out := anchorhold.Terms{
		Uses: min(max(a.Uses, 1), max(b.Uses, 1)), Expires: a.Expires, AutoRelease: a.AutoRelease && b.AutoRelease,
		FailureLimit:    min(cmp.Or(a.FailureLimit, DefaultFailureLimit), cmp.Or(b.FailureLimit, DefaultFailureLimit)),
		AnyLaterVersion: a.AnyLaterVersion && b.AnyLaterVersion, AnyPurpose: a.AnyPurpose && b.AnyPurpose,
	}
	if out.Expires == nil || b.Expires != nil && b.Expires.Before(*out.Expires) {
		out.Expires = b.Expires
	}
	for name, bound := range a.Params {
		if other, ok := b.Params[name]; ok {
			if out.Params == nil {
				out.Params = map[string]anchorhold.Bound{}
			}
			out.Params[name] = strictest(bound, other)
		}
	}
	switch {
	case slices.Contains(a.For, anchorhold.Everybody):
		out.For = b.For
	case slices.Contains(b.For, anchorhold.Everybody):
		out.For = a.For
	default:
		out.For = slices.DeleteFunc(slices.Clone(a.For), func(f string) bool { return !slices.Contains(b.For, f) })
	}
	return out
}

// Words says what a grant covers, as the audit log keeps it and deciders read it.
func Words(g anchorhold.Grant) string {
	who := strings.Join(append([]string{g.AuthorName}, g.For...), ", ")
	if slices.Contains(g.For, anchorhold.Everybody) {
		who = "everybody who may submit on the data"
	}
	out := append([]string{who}, scopeWords(g)...)
	out = append(out, times(g.Uses))
	if g.FailureLimit > 0 {
		out = append(out, fmt.Sprintf("suspended after %d failures", g.FailureLimit))
	}
	return strings.Join(out, "; ")
}

// scopeWords says what may be asked under a grant, and what becomes of it.
func scopeWords(g anchorhold.Grant) (out []string) {
	for _, parameter := range slices.Sorted(maps.Keys(g.Assets)) {
		a := g.Assets[parameter]
		later := ""
		if g.AnyLaterVersion {
			later = " or any later one"
		}
		out = append(out, fmt.Sprintf("%s = %s/%s, version %s%s", parameter, a.Dataset, a.Asset, a.Version, later))
	}
	if len(g.Values) > len(g.Params) {
		out = append(out, "values as asked for")
	}
	for _, name := range slices.Sorted(maps.Keys(g.Params)) {
		out = append(out, name+": "+g.Params[name].String())
	}
	if g.Expect != nil {
		out = append(out, "with at most "+strings.Join(g.Expect.Words(), ", "))
	}
	out = append(out, pick(g.AnyPurpose, "for any purpose", "for this purpose"))
	if g.Expires != nil {
		out = append(out, "until "+g.Expires.UTC().Format(time.RFC3339))
	}
	return append(out, pick(g.AutoRelease, "released when every check passes", "released by a person"))
}

func pick(yes bool, one, other string) string {
	if yes {
		return one
	}
	return other
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// CountFailure counts a failed run, or an output that a check stopped, against
// the run's grant; at its limit the grant is suspended until a decider resumes
// it. Grants of version 0.1 have no limit.
func CountFailure(tx store.Tx, b *books.Books, grant string) error {
	if grant == "" {
		return nil
	}
	g, err := tx.Grant(grant)
	if err != nil || g.Ended(b.Now()) {
		return err // what could not run any more did not fail
	}
	g.Failures++
	if g.FailureLimit > 0 && g.Failures >= g.FailureLimit {
		now := b.Now()
		g.Suspended = &now
		_, err = b.Enter(tx, policy.SiteAct(actionSuspended, g.ID), books.Record{
			Subject: g.ID, Digest: g.CodeDigest, Details: map[string]string{"failures": fmt.Sprint(g.Failures)},
		})
	}
	return errors.Join(err, tx.PutGrant(g))
}

// Stop counts an output that a check stopped against its grant, whose further
// outputs are for a person: code that draws at random must not try until the
// checks let it pass.
func Stop(tx store.Tx, b *books.Books, g anchorhold.Grant) error {
	g.Stopped = true
	if err := tx.PutGrant(g); err != nil {
		return err
	}
	return CountFailure(tx, b, g.ID)
}

// revoke ends a grant and every run under it that has not ended.
func revoke(tx store.Tx, g anchorhold.Grant, by, reason string, now time.Time) error {
	if g.Revoked == nil {
		g.Revoked, g.RevokedBy, g.Reason = &now, by, reason
		if err := tx.PutGrant(g); err != nil {
			return err
		}
	}
	return nil
}

// RevokeFor ends the grants that were made for a request, except those that its
// author shares with others: nobody may end what others were given. After a
// withdrawal nothing of the author's own may run on an earlier yes.
func RevokeFor(tx store.Tx, request, by, reason string, now time.Time) error {
	return revokeAll(tx, store.GrantFilter{Request: request}, by, reason, now, anchorhold.Grant.Shared)
}

// RevokeUnder ends the grant of a run, and every other grant of its request:
// after a refused output or an owner's cancellation the same code must not run
// again on the same yes.
func RevokeUnder(tx store.Tx, run anchorhold.Run, by, reason string, now time.Time) error {
	if run.Grant == "" {
		return nil
	}
	g, err := tx.Grant(run.Grant)
	if err != nil {
		return err
	}
	none := func(anchorhold.Grant) bool { return false }
	return errors.Join(revoke(tx, g, by, reason, now),
		revokeAll(tx, store.GrantFilter{Request: run.Request}, by, reason, now, none),
		revokeAll(tx, store.GrantFilter{Request: g.Request}, by, reason, now, none))
}

// RevokeCancelled ends the grants that stand behind a cancelled run: its own
// request's where the author cancelled it, its grant where somebody did who may
// decide.
func RevokeCancelled(tx store.Tx, p policy.Permit, r anchorhold.Request, run anchorhold.Run, now time.Time) error {
	const reason = "a run was cancelled"
	if p.Principal().ID == r.Author {
		return RevokeFor(tx, r.ID, p.Principal().Name(), reason, now)
	}
	return RevokeUnder(tx, run, p.Principal().Name(), reason, now)
}

func revokeAll(tx store.Tx, f store.GrantFilter, by, reason string, now time.Time, except func(anchorhold.Grant) bool) error {
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		grants, next, err := tx.ListGrants(f, page)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if except(g) {
				continue
			}
			if err := revoke(tx, g, by, reason, now); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page.Cursor = next
	}
}

// RevokeGrant ends a grant by somebody's decision, and cancels what waits or
// runs under it.
func (s *Service) RevokeGrant(ctx context.Context, p policy.Permit, id, reason string) (anchorhold.Grant, error) {
	if err := CheckText("reason", reason, false); err != nil {
		return anchorhold.Grant{}, err
	}
	return s.changeGrant(ctx, p, id, func(tx store.Tx, g anchorhold.Grant) (map[string]string, error) {
		if g.Revoked != nil {
			return nil, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the grant is already revoked")
		}
		now := s.Books.Now()
		runs, err := tx.OpenRuns(id)
		if err != nil {
			return nil, err
		}
		for _, run := range runs {
			if err := Cancel(tx, run, now); err != nil {
				return nil, err
			}
		}
		return map[string]string{"reason": reason, "runs_cancelled": fmt.Sprint(len(runs))}, revoke(tx, g, p.Principal().Name(), reason, now)
	})
}

// ResumeGrant lets a suspended grant permit runs again, and one whose output a
// check stopped release automatically again where its deciders allowed it.
func (s *Service) ResumeGrant(ctx context.Context, p policy.Permit, id string) (anchorhold.Grant, error) {
	return s.changeGrant(ctx, p, id, func(tx store.Tx, g anchorhold.Grant) (map[string]string, error) {
		if g.Revoked != nil || g.Suspended == nil && !g.Stopped {
			return nil, anchorhold.Errorf(anchorhold.Conflict, "see `anchorhold grant show "+id+"`", "the grant is not suspended")
		}
		details := map[string]string{"failures": fmt.Sprint(g.Failures), "covers": Words(g)}
		g.Suspended, g.Stopped, g.Failures = nil, false, 0
		if who := p.Principal().ID; !slices.Contains(g.Deciders, who) {
			g.Deciders = append(g.Deciders, who)
		}
		if err := tx.PutGrant(g); err != nil {
			return nil, err
		}
		return details, s.startCovered(tx, g.ID)
	})
}

// changeGrant carries out an act on a grant and reads the grant anew.
func (s *Service) changeGrant(ctx context.Context, p policy.Permit, id string,
	change func(store.Tx, anchorhold.Grant) (map[string]string, error),
) (anchorhold.Grant, error) {
	g, err := books.On(ctx, s.Books, p, books.Kind[anchorhold.Grant]{Name: func(g anchorhold.Grant) string { return g.ID }, Find: store.Tx.Grant}, func(tx store.Tx) (anchorhold.Grant, books.Record, error) {
		g, err := tx.Grant(id)
		if err != nil {
			return g, books.Record{}, err
		}
		details, err := change(tx, g)
		if err != nil {
			return g, books.Record{}, err
		}
		g, err = tx.Grant(id)
		return g, books.Record{Subject: id, Digest: g.CodeDigest, Details: details}, err
	})
	if err == nil {
		s.Wake()
	}
	return g, err
}
