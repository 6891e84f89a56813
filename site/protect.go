package site

import (
	"context"
	"os"
	"path/filepath"

	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Protect puts the keys of an open site under another lock, and says so in the
// audit log. The file changes before the entry is written: an entry must never
// claim a protection that is not there.
func (s *Site) Protect(ctx context.Context, l keys.Lock) error {
	rules, err := policy.New()
	if err != nil {
		return err
	}
	permit, err := rules.Check(policy.Local(os.Getuid()), policy.KeyProtect, policy.Site())
	if err != nil {
		return err
	}
	if l.Kind == "" {
		l.Kind = keys.ProtectNone
	}
	return s.act(ctx, permit, func(store.Tx) (books.Record, error) {
		return books.Record{Details: map[string]string{"protection": l.Kind}}, s.keys.Replace(filepath.Join(s.dir, keysFile), l)
	})
}

// Frozen says whether the site was restored from a backup and takes nothing yet.
func (s *Site) Frozen(ctx context.Context) (bool, error) { return s.books.Frozen(ctx) }

// act carries out what a site does to itself.
func (s *Site) act(ctx context.Context, p policy.Permit, fn func(store.Tx) (books.Record, error)) error {
	_, err := books.Act(ctx, s.books, p, func(tx store.Tx) (struct{}, books.Record, error) {
		rec, err := fn(tx)
		return struct{}{}, rec, err
	})
	return err
}

// KeyProtection says what guards the keys of the site in dir, without opening
// them, and whether what opens them lies on the same disk as the data: whoever
// takes that disk away then has both. A passphrase is in somebody's head, and a
// credential where the service's manager keeps it.
func KeyProtection(dir string) (p keys.Protection, sharesDisk bool, err error) {
	p, _, err = keys.ReadProtection(filepath.Join(dir, keysFile))
	if err != nil {
		return p, false, err
	}
	switch p.Kind {
	case keys.ProtectNone:
		return p, true, nil
	case keys.ProtectKeyFile:
		return p, sameDisk(dir, p.Path), nil
	}
	return p, false, nil
}
