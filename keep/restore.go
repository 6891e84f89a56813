// Package keep looks after what a site holds over the years: its books after a
// restore, and what is old enough to go.
//
// It promises that a restored site stays frozen until its newest checkpoint
// shows that nothing of its books is lost, or an owner says on record that it
// may be; that what is removed for its age is spoken of by nothing, is younger
// than no limit that an owner set, and is named in the audit log; and that a
// crash between leaves either. It must never remove a file that a record names,
// nor end a freeze by itself. The tests show checkpoints that are older, newer,
// forked and forged, and sweep while others write.
package keep

import (
	"context"
	"encoding/base64"
	"maps"
	"strconv"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Service looks after a site's records.
type Service struct {
	Books   *books.Books
	Blobs   *blob.Store
	GivenUp func(context.Context) error // removes files that were given up; nil: somebody else does
}

// Restored says where a site stands after a restore.
type Restored struct {
	Frozen  bool       `json:"frozen"`
	Since   *time.Time `json:"since,omitempty"`
	Backup  string     `json:"backup,omitempty" doc:"id of the backup"`
	Made    *time.Time `json:"made,omitempty" doc:"when the backup was made"`
	Origin  string     `json:"origin,omitempty" doc:"of the log in the backup"`
	Key     string     `json:"key,omitempty" doc:"public key of that log"`
	Size    int64      `json:"size,omitempty" doc:"its entries"`
	Root    []byte     `json:"root,omitempty" doc:"root hash over them"`
	Missing int64      `json:"missing,omitempty" doc:"entries that a checkpoint showed to be missing"`
}

func restoredOf(f books.Frozen, frozen bool) Restored {
	if !frozen {
		return Restored{}
	}
	return Restored{
		Frozen: true, Since: &f.Since, Backup: f.Backup, Made: &f.Made, Origin: f.Origin, Key: f.Key, Size: f.Size, Root: f.Root,
		Missing: max(f.Shown-f.Size, 0),
	}
}

// Restored tells where the site stands.
func (s *Service) Restored(ctx context.Context) (r Restored, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		r, err = restored(tx)
		return err
	})
	return r, err
}

func restored(tx store.Tx) (Restored, error) {
	f, frozen, err := books.FrozenState(tx)
	return restoredOf(f, frozen), err
}

func notFrozen() error {
	return anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the site is not frozen")
}

// Show takes the newest checkpoint of the log that a restored site had. One that
// is the backup's own head ends the freeze. One that is newer shows that entries
// are lost: the site stays frozen and remembers that. Any other is refused.
// Whether it is the newest, only who shows it can say, and the log names them.
func (s *Service) Show(ctx context.Context, p policy.Permit, signed []byte) (Restored, error) {
	return books.On(ctx, s.Books, p, books.Setting(restored), func(tx store.Tx) (Restored, books.Record, error) {
		f, frozen, err := books.FrozenState(tx)
		if err != nil || !frozen {
			return Restored{}, books.Record{}, orElse(err, notFrozen())
		}
		key, err := keys.ParseVKey(f.Key)
		if err != nil {
			return Restored{}, books.Record{}, err
		}
		shown, err := audit.ParseCheckpoint(signed, key)
		if err != nil {
			return Restored{}, books.Record{}, err
		}
		if err := compare(tx, f, shown); err != nil {
			return Restored{}, books.Record{}, err
		}
		rec := books.Record{Subject: f.Backup, Digest: digest.SHA256(signed), Details: map[string]string{
			"restored": strconv.FormatInt(f.Size, 10), "shown": strconv.FormatInt(shown.Size, 10), "result": "whole",
		}}
		if shown.Size > f.Size {
			f.Shown = max(f.Shown, shown.Size)
			rec.Details["result"] = "entries are missing"
			return restoredOf(f, true), rec, books.Freeze(tx, f)
		}
		return Restored{}, rec, books.Thaw(tx)
	})
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// compare refuses a checkpoint that says nothing about what is lost, or that
// shows a second history.
func compare(tx store.Tx, f books.Frozen, shown audit.Checkpoint) error {
	have := audit.Checkpoint{Origin: f.Origin, Size: f.Size}
	copy(have.Root[:], f.Root)
	switch {
	case shown.Size > f.Size:
		return nil
	case shown.Size == f.Size && shown.Root == have.Root && f.Shown <= f.Size:
		return nil
	case shown.Size == f.Size && shown.Root == have.Root:
		return anchorhold.Errorf(anchorhold.Conflict, "take the loss with `anchorhold restore accept --reason TEXT`, or restore a newer backup",
			"a newer checkpoint was shown before: %d entries are missing", f.Shown-f.Size)
	}
	_, log, err := tx.PastLog(f.Origin)
	if err != nil {
		return err
	}
	proof, err := audit.Consistency(log, shown.Size, f.Size)
	if err != nil {
		return err
	}
	if err := audit.CheckConsistency(shown, have, proof); err != nil {
		return err
	}
	return anchorhold.Errorf(anchorhold.Conflict, "show the newest checkpoint that anybody has: an export of the log, a receipt, a copy at a partner",
		"the checkpoint is older than the backup, so it cannot show that nothing is missing")
}

// maxMissing bounds how many entries are opened at once.
const maxMissing = 256

// Missing opens entries of the former log that the backup does not hold, which
// somebody else has kept: they are sealed, and this site has the secret still.
// So an owner sees what was done after the backup, before they decide.
func (s *Service) Missing(ctx context.Context, first int64, entries [][]byte) (out []audit.Event, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		f, frozen, err := books.FrozenState(tx)
		if err != nil || !frozen {
			return orElse(err, notFrozen())
		}
		if first < f.Size || len(entries) > maxMissing {
			return anchorhold.Errorf(anchorhold.Invalid, "give entries after the backup, at most "+strconv.Itoa(maxMissing), "these are not entries that the backup lacks")
		}
		log := s.Books.Log.Past(f.Origin)
		for i, entry := range entries {
			e, err := log.Open(first+int64(i), entry)
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

// Accept ends the freeze of a restored site by an owner's decision. What may
// have happened after the backup is taken for the worst: every population gets a
// line in the ledger that bounds nothing, every grant ends, since uses may be
// lost, and every token, since revocations may be.
func (s *Service) Accept(ctx context.Context, p policy.Permit, reason string) (Restored, error) {
	if n := len([]rune(reason)); n == 0 || n > maxReason {
		return Restored{}, anchorhold.Errorf(anchorhold.Invalid, "say in a sentence why the site may go on", "a reason is needed, of at most %d characters", maxReason)
	}
	return books.On(ctx, s.Books, p, books.Setting(restored), func(tx store.Tx) (Restored, books.Record, error) {
		f, frozen, err := books.FrozenState(tx)
		if err != nil || !frozen {
			return Restored{}, books.Record{}, orElse(err, notFrozen())
		}
		now := s.Books.Now()
		details, err := spend(tx, f, now)
		if err != nil {
			return Restored{}, books.Record{}, err
		}
		ended, err := tx.EndRights(now)
		if err != nil {
			return Restored{}, books.Record{}, err
		}
		maps.Copy(details, map[string]string{
			"reason": reason, "restored": strconv.FormatInt(f.Size, 10), "root": base64.StdEncoding.EncodeToString(f.Root),
			"missing": missing(f), "grants and tokens ended": strconv.Itoa(ended),
		})
		return Restored{}, books.Record{Subject: f.Backup, Details: details}, books.Thaw(tx)
	})
}

// maxReason bounds a reason, in characters.
const maxReason = 2000

func missing(f books.Frozen) string {
	if f.Shown > f.Size {
		return strconv.FormatInt(f.Shown-f.Size, 10) + " entries or more"
	}
	return "not known"
}

// spend writes for every population that nothing bounds what may have been
// learnt; limits on exposure, where there are any, count it as all that they
// allow. What that is comes back for the log, by population.
func spend(tx store.Tx, f books.Frozen, now time.Time) (map[string]string, error) {
	populations, err := exposure.Populations(tx)
	if err != nil {
		return nil, err
	}
	charged := map[string]string{}
	why := "the site was restored from a backup of " + f.Made.UTC().Format(time.RFC3339) + "; what was released after it is not in these books"
	for _, population := range populations {
		err := tx.AddLedger(anchorhold.LedgerEntry{
			ID: anchorhold.NewID(anchorhold.PrefixLedger), Class: anchorhold.ExposureUnbounded, Population: population,
			Principal: "unknown", Subject: f.Backup, Amount: "{}", Created: now, What: why,
		})
		if err != nil {
			return nil, err
		}
		amount, err := exposure.Exhaust(tx, now, population, f.Backup, why)
		if err != nil {
			return nil, err
		}
		if amount != "" {
			charged["exposure of "+population] = amount
		}
	}
	return charged, nil
}
