package books

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Frozen says why a site takes nothing: it was restored from a backup, and what
// its books said after that backup may be lost, exposure above all. It ends when
// the newest checkpoint shows that nothing is, or by an owner's decision.
type Frozen struct {
	Since  time.Time `json:"since"`
	Backup string    `json:"backup"` // id
	Made   time.Time `json:"made"`
	Origin string    `json:"origin"` // of the log in the backup
	Key    string    `json:"key"`    // vkey of that log
	Size   int64     `json:"size"`
	Root   []byte    `json:"root"`
	Shown  int64     `json:"shown"` // entries of the newest checkpoint that was shown; 0: none
}

// ErrFrozen is the cause of every refusal of a frozen site.
var ErrFrozen = errors.New("books: the site is frozen")

// frozenSetting is where a store says that its site is frozen: with the record
// itself, so that no copy of it can be taken for one that is not.
const frozenSetting = "frozen"

// whileFrozen lists what a frozen site does take.
func whileFrozen() []policy.Action {
	return []policy.Action{policy.RestoreBegin, policy.RestoreCheckpoint, policy.RestoreAccept, policy.KeyProtect}
}

// FrozenState tells whether and why the site is frozen.
func FrozenState(tx store.Tx) (f Frozen, frozen bool, err error) {
	text, err := tx.Setting(frozenSetting)
	if errors.Is(err, store.ErrNotFound) || err == nil && text == "" {
		return f, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &f)
	}
	return f, err == nil, err
}

// Freeze makes the site take nothing from the end of this transaction on, or
// notes more about why. It must happen before the site is opened by others.
func Freeze(tx store.Tx, f Frozen) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return tx.PutSetting(frozenSetting, string(text))
}

// Thaw ends it.
func Thaw(tx store.Tx) error { return tx.PutSetting(frozenSetting, "") }

// Frozen says whether the site is frozen, for who would do something that is no
// act, such as write to people.
func (b *Books) Frozen(ctx context.Context) (frozen bool, err error) {
	if b.thawed.Load() {
		return false, nil
	}
	err = b.View(ctx, func(tx store.Tx) error {
		_, frozen, err = FrozenState(tx)
		return err
	})
	if err == nil && !frozen {
		b.thawed.Store(true)
	}
	return frozen, err
}

// MayWrite refuses at a frozen site what is written outside of acts, such as
// parts of a file that only a later act takes in.
func (b *Books) MayWrite(ctx context.Context) error {
	frozen, err := b.Frozen(ctx)
	if err == nil && frozen {
		err = refusal()
	}
	return err
}

func refusal() error {
	return anchorhold.Errorf(anchorhold.Conflict,
		"an owner shows it its newest checkpoint with `anchorhold restore checkpoint FILE`, or takes the loss with `anchorhold restore accept --reason TEXT`",
		"the site was restored from a backup and takes nothing until its books are known to be whole").Because(ErrFrozen)
}

// open refuses an act at a frozen site: here, where every act passes, and
// nowhere else. A site that was seen not to be frozen does not become so while
// it is open, so only the first acts ask.
func (b *Books) open(tx store.Tx, action policy.Action) error {
	if b.thawed.Load() || slices.Contains(whileFrozen(), action) {
		return nil
	}
	_, frozen, err := FrozenState(tx)
	if err != nil {
		return err
	}
	if frozen {
		return refusal()
	}
	b.thawed.Store(true)
	return nil
}
