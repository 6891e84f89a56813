package request

import (
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// EndedBefore says whether a request ended before a time and nothing happened to
// it since, as far as its shown runs tell; and whether its texts may be there.
func EndedBefore(r anchorhold.Request, before, now time.Time) bool {
	return r.Forgotten == nil && quietSince(r, before, now)
}

// SaidBefore is EndedBefore for what people said about a request.
func SaidBefore(r anchorhold.Request, before, now time.Time) bool {
	return (r.WordsForgotten == nil || r.Opened.After(*r.WordsForgotten)) && quietSince(r, before, now)
}

func quietSince(r anchorhold.Request, before, now time.Time) bool {
	if !StateOf(r, now).Ended() || r.Opened.After(before) {
		return false
	}
	if r.Undecided != nil && r.Undecided.After(before) && StateOf(r, now) == anchorhold.StateExpired {
		return false
	}
	for _, d := range r.Decisions {
		if d.Created.After(before) {
			return false
		}
	}
	for _, m := range r.Messages {
		if m.Created.After(before) {
			return false
		}
	}
	return !slices.ContainsFunc(r.Runs, func(run anchorhold.Run) bool { return lateRun(run, before) })
}

// lateRun says whether a run ended, or an output of it was decided on, after a
// time; or waits to be.
func lateRun(run anchorhold.Run, before time.Time) bool {
	if !run.Ended() || run.Finished != nil && run.Finished.After(before) {
		return true
	}
	return slices.ContainsFunc(run.Outputs, func(o anchorhold.Output) bool {
		return o.Release != nil && (o.Release.State == anchorhold.ReleaseHeld || o.Release.Decided != nil && o.Release.Decided.After(before))
	})
}

// settled says whether nothing of a request goes on or happened since a time, in
// any of its runs, and no grant that was decided on it holds: whoever looks at a
// grant must be able to read what it covers, and why. It gives the grants that
// ended.
func settled(tx store.Tx, id string, before, now time.Time) (dead []anchorhold.Grant, ok bool, err error) {
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		runs, next, err := tx.ListRuns(store.RunFilter{Request: id}, page)
		if err != nil || slices.ContainsFunc(runs, func(run anchorhold.Run) bool { return lateRun(run, before) }) {
			return nil, false, err
		}
		if next == "" {
			break
		}
		page.Cursor = next
	}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		grants, next, err := tx.ListGrants(store.GrantFilter{Request: id}, page)
		if err != nil {
			return nil, false, err
		}
		for _, g := range grants {
			if state := g.StateAt(now); state == anchorhold.GrantActive || state == anchorhold.GrantSuspended {
				return nil, false, nil
			}
			dead = append(dead, g)
		}
		if next == "" {
			return dead, true, nil
		}
		page.Cursor = next
	}
}

// ForgetWords takes what people said about a request that ended before a time out
// of it: questions, answers and reasons. Who decided what, and when, stays.
func ForgetWords(tx store.Tx, id string, before, now time.Time) (bool, error) {
	r, err := tx.Request(id)
	if err != nil || !SaidBefore(r, before, now) {
		return false, err
	}
	dead, ok, err := settled(tx, id, before, now)
	if err != nil || !ok {
		return false, err
	}
	said, err := tx.ForgetWords(id)
	if err != nil {
		return false, err
	}
	for _, g := range dead {
		if g.Reason != "" {
			g.Reason, said = "", true
			if err := tx.PutGrant(g); err != nil {
				return false, err
			}
		}
	}
	if !said {
		return false, nil
	}
	r.WordsForgotten = &now
	return true, tx.PutRequest(r)
}

// Forget takes the sources and the purpose out of a request that ended before a
// time, unless a grant still holds that was decided on it. Digests, decisions and
// whatever was released stay, and so does every receipt.
func Forget(tx store.Tx, id string, before, now time.Time) (bool, error) {
	r, err := tx.Request(id)
	if err != nil || !EndedBefore(r, before, now) {
		return false, err
	}
	dead, ok, err := settled(tx, id, before, now)
	if err != nil || !ok {
		return false, err
	}
	for _, g := range dead {
		g.Purpose = ""
		if err := tx.PutGrant(g); err != nil {
			return false, err
		}
	}
	files := make([]anchorhold.File, len(r.Code.Files))
	for i, f := range r.Code.Files {
		files[i] = anchorhold.File{Path: f.Path}
	}
	r.Code.Files, r.Purpose, r.Forgotten = files, "", &now
	if err := tx.PutRequest(r); err != nil {
		return false, err
	}
	return true, tx.ForgetLint(r.CodeDigest)
}

// remembered gives a request that is asked again the texts that were forgotten:
// they are those of before, since its digest is.
func remembered(before, asked anchorhold.Request) anchorhold.Request {
	if before.Forgotten != nil {
		before.Code, before.Purpose, before.Forgotten = asked.Code, asked.Purpose, nil
	}
	return before
}
