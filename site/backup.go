package site

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/backup"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
	"github.com/anchorhold/anchorhold/store/sqlite"
)

// snapshots match the copies of the database that backups are made from; what a
// crash left of them is removed at the next start.
const snapshots = "backup-*.db*"

// Backup notes in the audit log that a backup is made, and gives what writes it.
// It is of one instant after that note: the database is copied, and everything
// that the copy names is held in place until it has been written. The site goes
// on meanwhile.
func (s *Site) Backup(ctx context.Context, p policy.Permit, to backup.Seal) (write func(context.Context, io.Writer) error, err error) {
	if err := to.Check(); err != nil {
		return nil, err
	}
	how := strconv.Itoa(len(to.Recipients)) + " recipients"
	if to.Passphrase != "" {
		how = "a passphrase"
	}
	b := books.Backup{Began: s.books.Now(), By: p.Principal().Name()}
	b.ID, err = books.Act(ctx, s.books, p, func(tx store.Tx) (string, books.Record, error) {
		b.ID = anchorhold.NewID(anchorhold.PrefixBackup)
		return b.ID, books.Record{Subject: b.ID, Details: map[string]string{"encrypted to": how}}, books.NoteBackup(tx, b)
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, w io.Writer) error {
		if err := s.writeBackup(ctx, b.ID, to, w); err != nil {
			return err
		}
		// No act: whoever asked for it has it whole, whether or not this is remembered.
		now := s.books.Now()
		b.Whole = &now
		return s.store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error { return books.NoteBackup(tx, b) })
	}, nil
}

func (s *Site) writeBackup(ctx context.Context, id string, to backup.Seal, w io.Writer) error {
	defer s.blobs.Hold()()
	path := filepath.Join(s.dir, "backup-"+id+".db")
	defer removeAll(path, path+"-wal", path+"-shm")
	if err := s.store.Snapshot(ctx, path); err != nil {
		return err
	}
	m := backup.Manifest{
		ID: id, Site: s.config.Name, Key: s.keys.VKey().String(), Created: s.books.Now(), Program: anchorhold.ProgramVersion,
	}
	refs, err := readSnapshot(ctx, path, &m)
	if err != nil {
		return err
	}
	protection, _, err := KeyProtection(s.dir)
	if err != nil {
		return err
	}
	m.Protection = protection.Kind
	b, err := backup.NewWriter(w, to, m)
	if err != nil {
		return err
	}
	secrets, err := s.keys.Secrets()
	if err != nil {
		return err
	}
	config, err := json.MarshalIndent(s.config, "", "  ")
	if err != nil {
		return err
	}
	for _, part := range []struct{ name, text string }{{backup.SitePart, string(config)}, {backup.KeysPart, string(secrets)}} {
		if err := b.Add(part.name, int64(len(part.text)), strings.NewReader(part.text)); err != nil {
			return err
		}
	}
	if err := addFile(b, backup.DatabasePart, path); err != nil {
		return err
	}
	if err := s.addBlobs(ctx, b, refs); err != nil {
		return err
	}
	return b.Close(s.keys)
}

// readSnapshot reads what a copy of the database names, and its log's head.
func readSnapshot(ctx context.Context, path string, m *backup.Manifest) (refs map[string]bool, err error) {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	err = db.View(ctx, func(tx store.Tx) error {
		head, err := audit.Tile(tx, audit.CheckpointPath)
		if err != nil {
			return err
		}
		m.Checkpoint = string(head)
		refs, err = tx.BlobRefs()
		return err
	})
	return refs, errors.Join(err, db.Close()) // closing folds its log into the file
}

func addFile(b *backup.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading: nothing to lose
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return b.Add(name, info.Size(), f)
}

// addBlobs writes the files that records name, as they lie. One that is missing
// does not keep the others from being saved; reading the backup tells of it.
func (s *Site) addBlobs(ctx context.Context, b *backup.Writer, refs map[string]bool) error {
	missing := 0
	for _, id := range slices.Sorted(maps.Keys(refs)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, size, err := s.blobs.Stored(id)
		if kind := anchorhold.KindOf(err); err != nil && (kind == anchorhold.NotFound || kind == anchorhold.Internal) {
			missing++
			continue
		}
		if err != nil {
			return err
		}
		name, err := blob.Name(id)
		if err == nil {
			err = b.Add(backup.BlobPrefix+name, size, f)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if missing > 0 {
		slog.Warn("the backup lacks stored files that records name", "files", missing)
	}
	return nil
}

// removeAll removes files that may be there.
func removeAll(paths ...string) {
	for _, p := range paths {
		_ = os.Remove(p) // what stays is removed at the next start
	}
}

// removeSnapshots removes what interrupted backups left.
func removeSnapshots(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, snapshots)) // the pattern is well-formed
	removeAll(left...)
}
