package site

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/backup"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
	"github.com/anchorhold/anchorhold/store/sqlite"
)

// Contents is what a backup was found to hold.
type Contents struct {
	Backup  string    `json:"backup"`
	Site    string    `json:"site"`
	Key     string    `json:"key"` // of the log in it
	Made    time.Time `json:"made"`
	Program string    `json:"program"`
	Entries int64     `json:"entries"` // of the audit log
	Files   int       `json:"files"`
	Missing int       `json:"missing"` // files that records name and the backup lacks
	Bytes   int64     `json:"bytes"`   // of all parts
	NewKey  string    `json:"new_key,omitempty"`
}

// unpacked is a backup on its way to a directory.
type unpacked struct {
	Contents
	dir    string
	config config
	keys   *keys.SiteKeys
	blobs  *blob.Store
	have   map[string]bool // blobs
	keep   bool            // blobs stay once they were checked
	db     *sqlite.Store
	head   audit.Checkpoint
}

// VerifyBackup reads a whole backup and checks everything in it as a restore
// does: every part, every stored file against its name, the database, and the
// audit log entry for entry. It needs room for the database and the largest file
// in scratch, a folder that only its owner can enter.
func VerifyBackup(ctx context.Context, r *backup.Reader, scratch string) (Contents, error) {
	u := &unpacked{dir: scratch}
	err := u.unpack(ctx, r)
	return u.Contents, errors.Join(err, u.close())
}

// Restore makes a site of a backup, in a directory that is absent or empty. It
// begins a new audit log, whose first entry says where the one before ended, and
// freezes the site: see package keep. Until its last step the directory is no
// site.
func Restore(ctx context.Context, dir string, r *backup.Reader, l keys.Lock) (c Contents, err error) {
	if err := makeEmpty(dir); err != nil {
		return c, err
	}
	u := &unpacked{dir: dir, keep: true}
	defer func() {
		err = errors.Join(err, u.close())
		if err != nil { // there was nothing before, and half a site is of no use
			for _, name := range []string{dbFile, dbFile + "-wal", dbFile + "-shm", keysFile, blobDir, configFile} {
				_ = os.RemoveAll(filepath.Join(dir, name))
			}
		}
	}()
	if err := u.unpack(ctx, r); err != nil {
		return u.Contents, err
	}
	fresh, err := u.keys.Renew(originFor(u.config.Name))
	if err != nil {
		return u.Contents, err
	}
	if err := u.begin(ctx, fresh); err != nil {
		return u.Contents, err
	}
	u.NewKey = fresh.VKey().String()
	if err := fresh.Save(filepath.Join(dir, keysFile), l); err != nil {
		return u.Contents, err
	}
	text, err := json.MarshalIndent(u.config, "", "  ")
	if err != nil {
		return u.Contents, err
	}
	return u.Contents, writeFile(filepath.Join(dir, configFile), append(text, '\n'))
}

func (u *unpacked) close() error {
	if u.db == nil {
		return nil
	}
	db := u.db
	u.db = nil
	return db.Close()
}

// unpack reads all parts and checks them.
func (u *unpacked) unpack(ctx context.Context, r *backup.Reader) error {
	u.have = map[string]bool{}
	u.Contents = Contents{Backup: r.Manifest.ID, Site: r.Manifest.Site, Key: r.Manifest.Key, Made: r.Manifest.Created, Program: r.Manifest.Program}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		name, size, part, err := r.Next()
		if err == io.EOF { //nolint:errorlint // package backup gives it bare
			break
		}
		if err == nil {
			err = u.take(name, part)
		}
		if err != nil {
			return err
		}
		u.Bytes += size
	}
	if u.keys == nil || u.config.V == 0 {
		return wrongParts(nil)
	}
	u.Files = len(u.have)
	return u.examine(ctx, r.Manifest)
}

func wrongParts(err error) error {
	return anchorhold.Errorf(anchorhold.Invalid, "use another backup", "the backup does not hold what makes a site").Because(err)
}

// take stores one part.
func (u *unpacked) take(name string, part io.Reader) (err error) {
	digits, isBlob := strings.CutPrefix(name, backup.BlobPrefix)
	switch {
	case isBlob:
		return u.takeBlob(digits, part)
	case name == backup.DatabasePart:
		return writeFrom(filepath.Join(u.dir, dbFile), part)
	}
	text, err := backup.Small(part)
	if err != nil {
		return err
	}
	switch name {
	case backup.SitePart:
		if err := json.Unmarshal(text, &u.config); err != nil || u.config.V != 1 {
			return wrongParts(err)
		}
	case backup.KeysPart:
		if u.keys, err = keys.FromFile(text); err != nil {
			return err
		}
		if u.keys.VKey().String() != u.Key {
			return wrongParts(errors.New("the keys are those of another site"))
		}
		u.blobs, err = blob.Open(filepath.Join(u.dir, blobDir), u.keys.BlobKey())
	default:
		err = wrongParts(errors.New("an unknown part"))
	}
	return err
}

func (u *unpacked) takeBlob(digits string, part io.Reader) error {
	id, err := blob.IDOf(digits)
	if err != nil || u.blobs == nil {
		return wrongParts(err)
	}
	if err := u.blobs.PutStored(id, part); err != nil {
		if anchorhold.KindOf(err) != anchorhold.Internal {
			return err
		}
		_, err := io.Copy(io.Discard, part) // damaged at the site already: counted as missing
		return err
	}
	u.have[id] = true
	if !u.keep {
		return u.blobs.Remove(id)
	}
	return nil
}

func writeFrom(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return unusable(filepath.Dir(path), err)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, 256<<10))
	return errors.Join(err, f.Sync(), f.Close())
}

// examine checks the database and its log.
func (u *unpacked) examine(ctx context.Context, m backup.Manifest) (err error) {
	path := filepath.Join(u.dir, dbFile)
	if err := sqlite.Check(ctx, path); err != nil {
		return wrongParts(err)
	}
	if u.db, err = sqlite.Open(ctx, path); err != nil {
		return err
	}
	claimed, err := audit.ParseCheckpoint([]byte(m.Checkpoint), u.keys.VKey())
	if err != nil {
		return err
	}
	return u.db.View(ctx, func(tx store.Tx) error {
		if u.head, err = audit.Verify(audit.Stored(tx), u.keys.VKey(), nil); err != nil {
			return err
		}
		if u.head != claimed {
			return wrongParts(errors.New("the log does not end where the manifest says"))
		}
		u.Entries = u.head.Size
		refs, err := tx.BlobRefs()
		for id := range refs {
			if !u.have[id] {
				u.Missing++
			}
		}
		return err
	})
}

// begin ends the log in the backup, begins the next under fresh keys, and
// freezes the site, all in one act.
func (u *unpacked) begin(ctx context.Context, fresh *keys.SiteKeys) error {
	log, err := audit.New(fresh)
	if err != nil {
		return err
	}
	rules, err := policy.New()
	if err != nil {
		return err
	}
	permit, err := rules.Check(policy.Local(os.Getuid()), policy.RestoreBegin, policy.Site())
	if err != nil {
		return err
	}
	next := audit.Continuation{Old: u.head, Next: fresh.VKey()}
	signed, err := audit.SignContinuation(next, u.keys)
	if err != nil {
		return err
	}
	b := &books.Books{Store: u.db, Log: log, Now: func() time.Time { return time.Now().UTC() }}
	_, err = books.Act(ctx, b, permit, func(tx store.Tx) (struct{}, books.Record, error) {
		err := tx.EndLog(store.PastLog{
			Origin: u.head.Origin, Key: u.keys.VKey().String(), Size: u.head.Size, Continuation: signed, Ended: b.Now(),
		})
		if err == nil {
			err = books.Freeze(tx, books.Frozen{
				Since: b.Now(), Backup: u.Backup, Made: u.Made, Origin: u.head.Origin, Key: u.keys.VKey().String(), Size: u.head.Size, Root: u.head.Root[:],
			})
		}
		return struct{}{}, books.Record{Subject: u.Backup, Digest: digest.SHA256(signed), Details: next.Details()}, err
	})
	return err
}
