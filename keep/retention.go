package keep

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// Kinds of what is removed for its age.
const (
	KindLogs    = "run-logs"
	KindRefused = "refused-outputs"
	KindAnswers = "repeated-answers"
	KindTrials  = "trials"
	KindUploads = "uploads"
	KindCode    = "ended-code"
	KindWords   = "ended-words"
	KindOrphans = "orphans"
)

// rule is how long one kind is kept unless an owner says otherwise.
type rule struct {
	days, least int // 0 days: for ever, where least allows it
	what        string
}

// rules are the kinds with their defaults.
func rules() map[string]rule {
	return map[string]rule{
		KindLogs:    {90, 0, "what runs printed, after they ended"},
		KindRefused: {30, 0, "files of outputs, after a person refused to release them"},
		KindTrials:  {30, 1, "runs on the mocks, what they executed and what they gave; never longer than ended-code"},
		KindCode:    {0, 0, "sources and purposes of requests, after they ended; digests, decisions and receipts stay"},
		KindWords:   {0, 0, "questions, answers and reasons between people, after requests ended; who decided what stays"},
		KindUploads: {1, 1, "files that were being sent in, after nobody went on"},
		KindAnswers: {7, 1, "answers kept for repeated calls"},
		KindOrphans: {2, 1, "stored files that no record names, such as those of cancelled runs"},
	}
}

// Period is how long one kind is kept.
type Period struct {
	Kind string `json:"kind"`
	Days int    `json:"days" doc:"0: for ever"`
	What string `json:"what"`
}

const retentionSetting = "retention"

// Periods lists what holds.
func (s *Service) Periods(ctx context.Context) (out []Period, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		out, err = periods(tx)
		return err
	})
	return out, err
}

func periods(tx store.Tx) ([]Period, error) {
	set := map[string]int{}
	text, err := tx.Setting(retentionSetting)
	if err == nil {
		err = json.Unmarshal([]byte(text), &set)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var out []Period
	all := rules()
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		p := Period{Kind: kind, Days: all[kind].days, What: all[kind].what}
		if days, ok := set[kind]; ok {
			p.Days = days
		}
		out = append(out, p)
	}
	return out, nil
}

// maxDays bounds a period: a hundred years.
const maxDays = 36525

// Set changes how long a kind is kept.
func (s *Service) Set(ctx context.Context, p policy.Permit, kind string, days int) ([]Period, error) {
	r, ok := rules()[kind]
	if !ok {
		return nil, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold retention show`", "nothing is kept under the name %q", kind)
	}
	if days < 0 || days > maxDays || days < r.least {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give a number of days from "+strconv.Itoa(r.least)+" to "+strconv.Itoa(maxDays),
			"%s cannot be kept for %d days", kind, days)
	}
	return books.On(ctx, s.Books, p, books.Setting(periods), func(tx store.Tx) ([]Period, books.Record, error) {
		now, err := periods(tx)
		if err != nil {
			return nil, books.Record{}, err
		}
		set := map[string]int{}
		for i := range now {
			if now[i].Kind == kind {
				now[i].Days = days
			}
			set[now[i].Kind] = now[i].Days
		}
		text, err := json.Marshal(set)
		if err != nil {
			return nil, books.Record{}, err
		}
		return now, books.Record{Subject: kind, Details: map[string]string{"days": strconv.Itoa(days)}}, tx.PutSetting(retentionSetting, string(text))
	})
}

// Swept is what one sweep removed, or would.
type Swept struct {
	DryRun  bool           `json:"dry_run,omitempty"`
	Removed map[string]int `json:"removed"`
	Bytes   int64          `json:"bytes" doc:"of stored files"`
}

func (s Swept) nothing() bool {
	for _, n := range s.Removed {
		if n > 0 {
			return false
		}
	}
	return true
}

// details is what the audit log says of it.
func (s Swept) details() map[string]string {
	out := map[string]string{}
	for kind, n := range s.Removed {
		if n > 0 {
			out[kind] = strconv.Itoa(n)
		}
	}
	return out
}

// errNothing ends an act that would record that nothing happened.
var errNothing = errors.New("keep: nothing is old enough")

// Sweep removes what is older than its period. First the records stop naming
// files, in one act that says how many; then files that no record names and that
// are older than any act takes are removed, after an act that says how many. A
// crash between leaves files that the next sweep finds.
func (s *Service) Sweep(ctx context.Context, p policy.Permit, dryRun bool) (Swept, error) {
	ctx = books.WithoutKey(ctx) // several acts; to sweep again does no harm
	out := Swept{DryRun: dryRun, Removed: map[string]int{}}
	list, err := s.Periods(ctx)
	if err != nil {
		return out, err
	}
	now, before := s.Books.Now(), map[string]time.Time{}
	for _, p := range list {
		if p.Days > 0 {
			before[p.Kind] = now.Add(-time.Duration(p.Days) * 24 * time.Hour)
		}
	}
	// What a trial executed is code as well: it goes with the first of both periods.
	if at := before[KindCode]; at.After(before[KindTrials]) {
		before[KindTrials] = at
	}
	code, err := s.ended(ctx, before[KindCode], request.EndedBefore)
	if err != nil {
		return out, err
	}
	words, err := s.ended(ctx, before[KindWords], request.SaidBefore)
	if err != nil {
		return out, err
	}
	records, err := s.sweepRecords(ctx, p, forgetting{before: before, code: code, words: words, now: now}, dryRun)
	if err != nil {
		return out, err
	}
	maps.Copy(out.Removed, records)
	n, bytes, err := s.sweepFiles(ctx, p, before[KindOrphans], dryRun)
	out.Removed[KindOrphans], out.Bytes = n, bytes
	return out, err
}

// ended finds the requests whose texts are too old. They are read beside those
// who write; the act looks at each again.
func (s *Service) ended(ctx context.Context, before time.Time, long func(r anchorhold.Request, before, now time.Time) bool) (ids []string, err error) {
	if before.IsZero() {
		return nil, nil
	}
	now := s.Books.Now()
	err = s.Books.View(ctx, func(tx store.Tx) error {
		for page := (store.Page{Limit: store.MaxLimit}); ; {
			list, next, err := tx.ListRequests(store.RequestFilter{}, page)
			if err != nil {
				return err
			}
			for _, r := range list {
				if long(r, before, now) {
					ids = append(ids, r.ID)
				}
			}
			if next == "" {
				return nil
			}
			page.Cursor = next
		}
	})
	return ids, err
}

// forgetting is what a sweep looks for: what is older than its kind may be.
type forgetting struct {
	before      map[string]time.Time
	code, words []string // requests of which something may be old
	now         time.Time
}

// sweepRecords makes records forget what is too old.
func (s *Service) sweepRecords(ctx context.Context, p policy.Permit, f forgetting, dryRun bool) (map[string]int, error) {
	var found Swept
	// Counting is forgetting that is taken back.
	err := s.Books.Store.Update(ctx, func(tx store.Tx) (err error) {
		if found, err = f.forget(tx); err == nil {
			err = errNothing
		}
		return err
	})
	if !errors.Is(err, errNothing) || dryRun || found.nothing() {
		return found.Removed, unless(err, errNothing)
	}
	_, err = books.Act(ctx, s.Books, p, func(tx store.Tx) (_ struct{}, _ books.Record, err error) {
		found, err = f.forget(tx)
		if err == nil && found.nothing() {
			err = errNothing
		}
		return struct{}{}, books.Record{Details: found.details()}, err
	})
	return found.Removed, unless(err, errNothing)
}

// unless gives an error that is not the expected one.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// forget makes records forget.
func (f forgetting) forget(tx store.Tx) (Swept, error) {
	out := Swept{Removed: map[string]int{}}
	uploads := func(at time.Time) (int, error) { return tx.ForgetUploads(at, f.now) }
	each := func(ids []string, forget func(tx store.Tx, id string, before, now time.Time) (bool, error)) func(time.Time) (int, error) {
		return func(at time.Time) (n int, err error) {
			for _, id := range ids {
				done, err := forget(tx, id, at, f.now)
				if err != nil {
					return n, err
				}
				if done {
					n++
				}
			}
			return n, nil
		}
	}
	trials := func(at time.Time) (int, error) {
		runs, _, err := tx.ForgetTrials(at) // their files are orphans then
		return len(runs), err
	}
	for kind, fn := range map[string]func(time.Time) (int, error){
		KindLogs: tx.ForgetLogs, KindRefused: tx.ForgetRefused, KindAnswers: tx.ForgetAnswers, KindTrials: trials, KindUploads: uploads,
		KindCode: each(f.code, request.Forget), KindWords: each(f.words, request.ForgetWords),
	} {
		at, ok := f.before[kind]
		if !ok {
			continue
		}
		n, err := fn(at)
		if err != nil {
			return out, err
		}
		out.Removed[kind] = n
	}
	return out, nil
}

// sweepFiles removes files that no record names.
func (s *Service) sweepFiles(ctx context.Context, p policy.Permit, before time.Time, dryRun bool) (n int, bytes int64, err error) {
	stored, err := s.Blobs.List() // before the records are read: what is put later is young
	if err != nil {
		return 0, 0, err
	}
	var refs map[string]bool
	err = s.Books.View(ctx, func(tx store.Tx) (err error) {
		refs, err = tx.BlobRefs()
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	var old []string
	for _, b := range stored {
		if !refs[b.ID] && b.Put.Before(before) {
			old = append(old, b.ID)
			bytes += b.Size
		}
	}
	if dryRun || len(old) == 0 {
		return len(old), bytes, nil
	}
	_, err = books.Act(ctx, s.Books, p, func(store.Tx) (struct{}, books.Record, error) {
		return struct{}{}, books.Record{Details: map[string]string{KindOrphans: strconv.Itoa(len(old)), "bytes": strconv.FormatInt(bytes, 10)}}, nil
	})
	if err != nil {
		return 0, 0, err
	}
	for _, id := range old {
		if err := s.Blobs.RemoveOlder(id, before); err != nil {
			return n, bytes, err
		}
		n++
	}
	return n, bytes, nil
}

// tidy removes what is too old, and what was given up.
func (s *Service) tidy(ctx context.Context) error {
	_, err := s.Sweep(ctx, policy.SiteAct(policy.RetentionSweep, "retention"), false)
	if s.GivenUp != nil {
		err = errors.Join(err, s.GivenUp(ctx))
	}
	return err
}

// Every is how often a serving site sweeps.
const Every = 6 * time.Hour

// Work sweeps until the context ends: soon after the start, then now and then.
func (s *Service) Work(ctx context.Context) {
	next := time.NewTimer(time.Minute)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-ctx.Done():
			return
		}
		err := s.tidy(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, books.ErrFrozen) {
			slog.Error("what is too old could not be removed", "kind", anchorhold.KindOf(err))
		}
		next.Reset(Every)
	}
}
