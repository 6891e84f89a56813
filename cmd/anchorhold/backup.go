//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/backup"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/site"
)

type backupOptions struct {
	recipients []string
	phraseFile string
	force      bool
}

func newBackup(a *app) *cobra.Command {
	var o backupOptions
	c := &cobra.Command{
		Use:   "backup FILE --dir DIR",
		Short: "Save a site to one encrypted file, also while it serves",
		Long: `Writes everything that a site holds, its keys included, to one file, encrypted
to age recipients or under a passphrase. The site may be serving; the backup is
of one instant. Private files that were registered by reference stay where they
are and are not in it.

The file has its name once it is whole. Check it with ` + "`anchorhold backup verify`" + `.
The passphrase is asked for, or read from what ANCHORHOLD_BACKUP_PASSPHRASE_FILE
or --passphrase-file names.`,
		Example: "  anchorhold backup /mnt/safe/heart.backup --recipient age1... --dir /srv/heart",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runBackup(c.Context(), a, args[0], o) },
	}
	list(c.Flags(), &o.recipients, "recipient", "an age recipient, age1... (several if given several times)")
	c.Flags().StringVar(&o.phraseFile, "passphrase-file", "", "file or descriptor (/dev/fd/3) with the passphrase of the backup")
	c.Flags().BoolVar(&o.force, "force", false, "replace FILE where it is there")
	c.AddCommand(newBackupVerify(a), newBackupLs(a))
	return c
}

func newBackupLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the backups that were made of a site",
		Long: "Lists backups with the moment that each is of, and whether it was taken whole. Where\n" +
			"they are now, the site does not know.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			to, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer to.Close()
			made, err := to.Backups(c.Context())
			if err != nil {
				return err
			}
			return emit(a, made, func(p *show.Printer, made []client.MadeBackup) {
				var rows [][]string
				for _, b := range made {
					whole := "no"
					if b.Whole != nil {
						whole = "yes"
					}
					rows = append(rows, []string{b.ID, show.Time(b.Began), whole, show.Who(b.By)})
				}
				p.Table("No backup was made of this site.", []string{"BACKUP", "OF", "WHOLE", "BY"}, rows)
			})
		},
	}
}

// backupPassphrase names a file with the passphrase of backups: another one than
// that of the site's keys.
const backupPassphrase = "ANCHORHOLD_BACKUP_PASSPHRASE_FILE"

// phraseOf finds the passphrase of a backup; fresh asks for it twice.
func (a *app) phraseOf(file string, fresh bool) (string, error) {
	if file == "" {
		file = a.env(backupPassphrase)
	}
	if file != "" {
		return keys.Unlock{Env: func(string) string { return file }}.Passphrase("")
	}
	if !isTerminal(a.in) {
		return "", anchorhold.Errorf(anchorhold.Invalid, "run it at a terminal, use --passphrase-file, or use recipients and --identity",
			"the passphrase of the backup is needed, and there is nobody to ask for it")
	}
	if fresh {
		return a.newPassphrase("Passphrase of the backup", "", true)
	}
	return a.readSecret("Passphrase of the backup: ")
}

// savedBackup is what backup answers.
type savedBackup struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func runBackup(ctx context.Context, a *app, path string, o backupOptions) error {
	to := client.Seal{Recipients: o.recipients}
	if len(o.recipients) == 0 {
		var err error
		if to.Passphrase, err = a.phraseOf(o.phraseFile, true); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(path); err == nil && !o.force {
		return anchorhold.Errorf(anchorhold.Conflict, "choose another name, or use --force", "%s is there already", path)
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.Backup(ctx, to)
	if err != nil {
		return err
	}
	defer r.Close()
	w := a.watch("saving")
	from := &counted{r: r, tell: w}
	err = save.Path(path, o.force, from)
	w.end()
	if err != nil {
		return err
	}
	return emit(a, savedBackup{path, from.n.Load()}, func(p *show.Printer, s savedBackup) {
		p.Printf("%s: %s, whole.\nCheck it with: anchorhold backup verify %s\n", s.File, show.Size(s.Bytes), s.File)
	})
}

// counted counts what is read, and says so now and then.
type counted struct {
	r    io.Reader
	tell *progress
	n    atomic.Int64
	last time.Time
}

// Read implements io.Reader. A stream that broke off is an error that a person
// can act on.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	total := c.n.Add(int64(n))
	if now := time.Now(); now.Sub(c.last) > time.Second {
		c.last = now
		c.tell.step("saving, " + show.Size(total))
	}
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader gives it bare
		err = anchorhold.Errorf(anchorhold.Unavailable, "look at the site's log and its disk, and try again", "the site broke the backup off").Because(err)
	}
	return n, err
}

type openOptions struct{ identity, phraseFile, key string }

func (o *openOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.identity, "identity", "", "file with the age identity of a recipient (default: a passphrase is asked)")
	c.Flags().StringVar(&o.phraseFile, "passphrase-file", "", "file or descriptor (/dev/fd/3) with the passphrase of the backup")
	c.Flags().StringVar(&o.key, "key", "", "the public key of the site that made it, or a file that holds it; needed with --identity")
}

// openBackup opens a backup file. One that is encrypted to a recipient could
// come from anybody who knows that recipient, so the site's key must be known.
func (a *app) openBackup(path string, o openOptions, w *progress) (*backup.Reader, io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		kind := anchorhold.Invalid
		if errors.Is(err, fs.ErrNotExist) {
			kind = anchorhold.NotFound
		}
		return nil, nil, anchorhold.Errorf(kind, "name the file that `anchorhold backup` wrote", "%s cannot be opened", path).Because(err)
	}
	open := backup.Opener{Passphrase: func() (string, error) { return a.phraseOf(o.phraseFile, false) }}
	if o.identity != "" {
		open.Identities, err = keys.ReadSecret(o.identity)
	}
	var r *backup.Reader
	if err == nil {
		r, err = backup.Open(&counted{r: f, tell: w}, open)
	}
	if err == nil {
		err = a.checkMaker(r, o.key)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return r, f, nil
}

// checkMaker makes sure that a backup comes from the site that it says.
func (a *app) checkMaker(r *backup.Reader, given string) error {
	if given == "" {
		if r.Authentic {
			return nil
		}
		return usagef("use --key with the site's public key; `anchorhold init` printed it",
			"a backup that is encrypted to a recipient can come from anybody, so the key of its site must be known")
	}
	k, err := readKey(given)
	if err == nil && k.String() != r.Manifest.Key {
		err = anchorhold.Errorf(anchorhold.Denied, "give the key that the site had when the backup was made, or another backup",
			"the backup was made by another site: its key is %s", r.Manifest.Key)
	}
	return err
}

func newBackupVerify(a *app) *cobra.Command {
	var o openOptions
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Read a whole backup and check everything in it",
		Long: `Reads a backup to its end and checks it as a restore would: every part, every
stored file against its name, the database, and the audit log entry for entry.
It needs room for the database beside the temporary folder, and leaves nothing.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runBackupVerify(c.Context(), a, args[0], o) },
	}
	o.flags(c)
	return c
}

func runBackupVerify(ctx context.Context, a *app, path string, o openOptions) error {
	w := a.watch("opening the backup")
	defer w.end()
	r, f, err := a.openBackup(path, o, w)
	if err != nil {
		return err
	}
	defer f.Close()
	scratch, err := os.MkdirTemp("", "anchorhold-verify-") // mode 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // a temporary folder
	w.step("checking the backup")
	found, err := site.VerifyBackup(ctx, r, scratch)
	if err != nil {
		return err
	}
	if err := emit(a, found, printContents); err != nil {
		return err
	}
	if found.Missing > 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "look for the files in an earlier backup; the site has lost or damaged them", "the backup lacks %d files that records name", found.Missing)
	}
	return nil
}

func printContents(p *show.Printer, c site.Contents) {
	p.Field("backup", c.Backup)
	p.Field("site", c.Site)
	p.Field("its key", c.Key)
	p.Field("made", show.Time(c.Made)+", by version "+c.Program)
	p.Printf("Whole: %d entries of the log, %d stored files, %s.\n", c.Entries, c.Files, show.Size(c.Bytes))
}

type restoreOptions struct {
	openOptions
	lock lockOptions
}

func newRestore(a *app) *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore FILE --dir DIR",
		Short: "Make a site of a backup; it stays frozen until its books are known to be whole",
		Long: `Makes a site of a backup, in an empty folder, and checks all of it on the way.

What happened after the backup is not in it: what was released, who was removed,
which approvals were used. So a restored site is frozen: it can be read, and
takes nothing, until somebody at its machine either shows it its newest
checkpoint (` + "`anchorhold restore checkpoint FILE`" + `), which proves that nothing is
lost, or takes the loss on record (` + "`anchorhold restore accept --reason TEXT`" + `),
which ends every grant and every token.

Its log begins anew under another name and key. Receipts from before verify with
the former key as ever; give the new one to whoever checks receipts.`,
		Example: "  anchorhold restore /mnt/safe/heart.backup --identity safe.key --key heart.pub --dir /srv/heart",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runRestore(c.Context(), a, args[0], o) },
	}
	o.flags(c)
	o.lock.flags(c)
	c.AddCommand(newRestoreStatus(a), newRestoreCheckpoint(a), newRestoreMissing(a), newRestoreAccept(a))
	return c
}

func runRestore(ctx context.Context, a *app, path string, o restoreOptions) error {
	dir, err := a.siteDir()
	if err != nil {
		return err
	}
	w := a.watch("opening the backup")
	defer w.end()
	r, f, err := a.openBackup(path, o.openOptions, w)
	if err != nil {
		return err
	}
	defer f.Close()
	if o.lock.kind == "" && r.Manifest.Protection != keys.ProtectNone {
		return usagef("use --key-protection, with none if you mean it", "the site's keys were protected (%s): say what protects them now", r.Manifest.Protection)
	}
	lock, err := a.lock(o.lock, false)
	if err != nil {
		return err
	}
	w.step("restoring")
	found, err := site.Restore(ctx, dir, r, lock)
	if err != nil {
		return err
	}
	return emit(a, found, func(p *show.Printer, c site.Contents) {
		printContents(p, c)
		if c.Missing > 0 {
			p.Printf("Missing: %d files that records name.\n", c.Missing)
		}
		p.Field("new key", c.NewKey)
		dir, _ := filepath.Abs(dir)
		p.Printf("\nThe site in %s is frozen: it can be read, and takes nothing.\n", dir)
		p.Printf("Next: `anchorhold restore checkpoint FILE` with its newest checkpoint, or `anchorhold restore accept --reason TEXT`, both with --dir %s.\n", dir)
	})
}
