package books

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold/store"
)

// Backup is one that was made of the site: what it holds is out of the site's
// hands.
type Backup struct {
	ID    string     `json:"id"`
	Began time.Time  `json:"began"`
	By    string     `json:"by"`
	Whole *time.Time `json:"whole,omitempty" doc:"when its last byte was taken; absent: it was broken off, or goes on"`
}

// backupsSetting is where a store says which backups were made of it.
const backupsSetting = "backups"

// maxBackups bounds how many are remembered; the audit log has them all.
const maxBackups = 1000

// Backups lists the newest backups first.
func Backups(tx store.Tx) (all []Backup, err error) {
	text, err := tx.Setting(backupsSetting)
	if errors.Is(err, store.ErrNotFound) {
		return []Backup{}, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &all)
	}
	return all, err
}

// NoteBackup remembers a backup, or what became of it.
func NoteBackup(tx store.Tx, b Backup) error {
	all, err := Backups(tx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all, func(other Backup) bool { return other.ID == b.ID }); i >= 0 {
		all[i] = b
	} else {
		all = slices.Insert(all, 0, b)
	}
	text, err := json.Marshal(all[:min(len(all), maxBackups)])
	if err != nil {
		return err
	}
	return tx.PutSetting(backupsSetting, string(text))
}
