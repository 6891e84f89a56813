// Package books joins an act with its record: what somebody did, the audit
// entry that says so, the signed checkpoint over it and the answer kept under
// an idempotency key go into one database transaction, or none of them does.
//
// An act is visible only after that transaction is durable, so a crash at any
// instant loses no accepted act and no record of one; a client that did not
// hear the answer asks again under the same key and gets it, once done. Tests
// kill the process around the commit and count.
package books

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/failpoint"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Books writes acts to a store with their audit entries.
type Books struct {
	Store store.Store
	Log   *audit.Log
	Now   func() time.Time // the clock; UTC

	thawed atomic.Bool // it was seen that the site is not frozen: see Freeze

	mu      sync.Mutex
	changed chan struct{} // closed at the next act; nil while nobody watches
}

// Changed returns a channel that is closed once another act is done. Ask for it
// before reading what is watched, so that no act falls between.
func (b *Books) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

func (b *Books) announce() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Record is what the audit log says of an act beside who, what and by which
// rule. It must hold no private value.
type Record struct {
	Action  string            // empty: the permit's action
	Subject string            // id of what was acted on
	Digest  string            // "sha256:..." that the entry commits to, where there is one
	Details map[string]string // short further facts
	// Entered is told the place of the entry in the log, within the act; nil where
	// nothing that is kept points to it.
	Entered func(index int64) error
}

// View reads.
func (b *Books) View(ctx context.Context, fn func(store.Tx) error) error {
	return b.Store.View(ctx, fn)
}

// Act carries out fn and its record in one durable transaction and returns what
// fn returned: the id of what was done, or nothing. Within a context that
// carries an idempotency key, a repetition returns the first answer without
// acting again; the same key with other content is a Conflict.
func Act[T string | struct{}](ctx context.Context, b *Books, p policy.Permit, fn func(store.Tx) (T, Record, error)) (T, error) {
	var out T
	err := act(ctx, b, p,
		func(_ store.Tx, kept string) error {
			if id, ok := any(&out).(*string); ok {
				*id = kept
			}
			return nil
		},
		func(tx store.Tx) (kept string, rec Record, err error) {
			out, rec, err = fn(tx)
			kept, _ = any(out).(string)
			return kept, rec, err
		})
	return out, err
}

// Kind says how what an act makes or changes is named, and found by that name:
// the name alone is kept under an idempotency key.
type Kind[T any] struct {
	Name func(T) string
	Find func(store.Tx, string) (T, error)
}

// again finds what was done before by its name.
func (k Kind[T]) again(tx store.Tx, kept string) (T, error) {
	out, err := k.Find(tx, kept)
	if errors.Is(err, store.ErrNotFound) {
		err = anchorhold.Errorf(anchorhold.Conflict, "use a new key for a new request", "this was done before, and what it made is there no more")
	}
	return out, err
}

// On is Act for what has a name. A repetition finds it as it stands then, which
// may be otherwise than at the first time, or gone.
func On[T any](ctx context.Context, b *Books, p policy.Permit, k Kind[T], fn func(store.Tx) (T, Record, error)) (T, error) {
	var out T
	err := act(ctx, b, p,
		func(tx store.Tx, kept string) (err error) {
			out, err = k.again(tx, kept)
			return err
		},
		func(tx store.Tx) (kept string, rec Record, err error) {
			if out, rec, err = fn(tx); err == nil {
				kept = k.Name(out)
			}
			return kept, rec, err
		})
	return out, err
}

// Again finds what On would only find again, done before under the context's
// key. Who prepares an act outside of its transaction asks first: what it was
// prepared from may have ended with it.
func Again[T any](ctx context.Context, b *Books, p policy.Permit, k Kind[T]) (out T, done bool, err error) {
	err = b.View(ctx, func(tx store.Tx) error {
		kept, before, err := recall(ctx, tx, p)
		if done = before; err != nil || !done {
			return err
		}
		out, err = k.again(tx, kept)
		return err
	})
	return out, done, err
}

// Setting is the Kind of what there is one of.
func Setting[T any](find func(store.Tx) (T, error)) Kind[T] {
	return Kind[T]{func(T) string { return "" }, func(tx store.Tx, _ string) (T, error) { return find(tx) }}
}

// Runs is the Kind of runs.
func Runs() Kind[anchorhold.Run] {
	return Kind[anchorhold.Run]{func(r anchorhold.Run) string { return r.ID }, store.Tx.Run}
}

// Datasets is the Kind of datasets.
func Datasets() Kind[anchorhold.Dataset] {
	return Kind[anchorhold.Dataset]{func(d anchorhold.Dataset) string { return d.Name }, store.Tx.Dataset}
}

// act is the one way in which anything is done: fn, its record and the name of
// what was done under the context's key, or again with that name.
func act(ctx context.Context, b *Books, p policy.Permit, again func(store.Tx, string) error, fn func(store.Tx) (string, Record, error)) error {
	err := b.Store.Update(ctx, func(tx store.Tx) error {
		kept, done, err := recall(ctx, tx, p)
		if err != nil {
			return err
		}
		if done {
			return again(tx, kept)
		}
		if err := b.open(tx, p.Action()); err != nil {
			return err
		}
		kept, rec, err := fn(tx)
		if err != nil {
			return err
		}
		if err := b.enter(tx, p, rec); err != nil {
			return err
		}
		tx.BeforeCommit("checkpoint", b.seal)
		if err := b.remember(ctx, tx, p, kept); err != nil {
			return err
		}
		failpoint.Hit(string(p.Action()) + "/before-commit")
		return nil
	})
	if err == nil {
		failpoint.Hit(string(p.Action()) + "/after-commit")
		b.announce()
	}
	return err
}

// Enter adds one more record to the act that is being written in tx: for acts
// that follow from it (a run that an approval queues).
func (b *Books) Enter(tx store.Tx, p policy.Permit, rec Record) (int64, error) {
	return b.Log.Append(tx, b.event(p, rec))
}

// seal signs the checkpoint over all that is committed together.
func (b *Books) seal(tx store.Tx) error {
	if err := b.Log.Seal(tx); err != nil {
		return fmt.Errorf("signing the checkpoint: %w", err)
	}
	return nil
}

func (b *Books) enter(tx store.Tx, p policy.Permit, rec Record) error {
	index, err := b.Enter(tx, p, rec)
	if err != nil {
		return fmt.Errorf("writing the audit entry: %w", err)
	}
	if rec.Entered != nil {
		return rec.Entered(index)
	}
	return nil
}

func (b *Books) event(p policy.Permit, rec Record) audit.Event {
	return audit.Event{
		Time: b.Now(), Actor: p.Principal().Name(), Action: cmp.Or(rec.Action, string(p.Action())), Rule: p.Rule(),
		Subject: rec.Subject, Digest: rec.Digest, Details: rec.Details,
	}
}

// keyed is an idempotency key and what it stands for.
type keyed struct {
	key         string
	fingerprint []byte
}

type contextKey struct{}

// WithKey returns a context whose act is done at most once under key by its
// principal; fingerprint is a hash of the whole request, so that one key cannot
// stand for two different acts.
func WithKey(ctx context.Context, key string, fingerprint []byte) context.Context {
	return context.WithValue(ctx, contextKey{}, keyed{key, fingerprint})
}

// WithoutKey returns a context without one, for what does several acts in one
// call and can be asked for again without harm.
func WithoutKey(ctx context.Context) context.Context {
	return context.WithValue(ctx, contextKey{}, keyed{})
}

// Answered says whether Act would only repeat an earlier answer under the
// context's key: what is looked at before an act must not refuse one that was
// done, and whose answer was lost.
func (b *Books) Answered(ctx context.Context, p policy.Permit) (answered bool, err error) {
	k, ok := ctx.Value(contextKey{}).(keyed)
	if !ok || k.key == "" {
		return false, nil
	}
	err = b.View(ctx, func(tx store.Tx) error {
		_, _, err := tx.Idempotent(p.Principal().ID, k.key)
		answered = err == nil
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return answered, err
}

// recall finds what was done before under the context's key.
func recall(ctx context.Context, tx store.Tx, p policy.Permit) (kept string, done bool, err error) {
	k, ok := ctx.Value(contextKey{}).(keyed)
	if !ok || k.key == "" {
		return "", false, nil
	}
	fingerprint, response, err := tx.Idempotent(p.Principal().ID, k.key)
	if errors.Is(err, store.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if !bytes.Equal(fingerprint, k.fingerprint) {
		return "", false, anchorhold.Errorf(anchorhold.Conflict, "use a new key for a new request",
			"this idempotency key was used for another request")
	}
	if len(response) == 0 || response[0] != '"' { // kept by version 0.1, which kept whole answers
		return "", false, anchorhold.Errorf(anchorhold.Conflict, "look at what is there, and use a new key for a new request",
			"this was done before the site was upgraded")
	}
	err = json.Unmarshal(response, &kept)
	return kept, true, err
}

func (b *Books) remember(ctx context.Context, tx store.Tx, p policy.Permit, kept string) error {
	k, ok := ctx.Value(contextKey{}).(keyed)
	if !ok || k.key == "" {
		return nil
	}
	response, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return tx.PutIdempotent(p.Principal().ID, k.key, k.fingerprint, response, b.Now())
}
