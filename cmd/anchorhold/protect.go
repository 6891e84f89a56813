//go:build unix

package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/site"
)

func newKey(a *app) *cobra.Command {
	return group("key", "Say what protects a site's keys, and change it", newKeyShow(a), newKeyProtect(a), newKeyUnprotect(a))
}

// lockOptions are the flags of commands that put a site's keys under a lock.
type lockOptions struct{ kind, file, credential, phraseFile string }

func (o *lockOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.kind, "key-protection", "", "what protects the site's keys: none (default), passphrase, key-file or credential")
	o.more(c)
}

func (o *lockOptions) more(c *cobra.Command) {
	c.Flags().StringVar(&o.file, "key-file", "", "the file that opens the keys; made where it is absent. Of a credential: what to hand to the service's manager")
	c.Flags().StringVar(&o.credential, "credential", keys.DefaultCredential, "name of the credential")
	c.Flags().StringVar(&o.phraseFile, "new-passphrase-file", "", "file or descriptor (/dev/fd/3) with the new passphrase (default: asked at the terminal)")
}

const protectHelp = `A passphrase is asked at the terminal whenever a command opens the site, or read
from the file or descriptor that ANCHORHOLD_PASSPHRASE_FILE names. A key file
opens the keys while it can be read; keep it on another disk than the site, and
a copy in a safe. A credential comes from the service's manager; with systemd:

  systemd-creds encrypt --name=anchorhold-key FILE /etc/credstore.encrypted/anchorhold-key
  LoadCredentialEncrypted=anchorhold-key      (in the service's unit)

and FILE is then moved to a safe. Who loses the passphrase or the file has lost
the site, unless there is a backup.`

func newKeyProtect(a *app) *cobra.Command {
	var o lockOptions
	c := &cobra.Command{
		Use:   "protect passphrase|key-file|credential --dir DIR",
		Short: "Protect a site's keys, or change what protects them",
		Long: `Puts the site's keys under a passphrase, a key file or a credential, in place of
what protected them before. The site must not be serving. The keys themselves
stay the same, and the change is written to the audit log.

` + protectHelp,
		Example: "  anchorhold key protect key-file --key-file /media/stick/heart.key --dir /srv/heart",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.kind = args[0]
			return runKeyProtect(c.Context(), a, o)
		},
	}
	o.more(c)
	return c
}

func newKeyUnprotect(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "unprotect --dir DIR",
		Short: "Leave a site's keys to the permissions of their file",
		Long: `Takes the lock off the site's keys: whoever has the disk has them then. The site
must not be serving. The change is written to the audit log.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runKeyProtect(c.Context(), a, lockOptions{kind: keys.ProtectNone})
		},
	}
}

func newKeyShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show --dir DIR",
		Short: "Say what protects a site's keys",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return runKeyShow(a) },
	}
}

// keyState is what protects a site's keys.
type keyState struct {
	keys.Protection
	SharesDisk bool `json:"shares_disk"`
}

func runKeyShow(a *app) error {
	dir, err := a.siteDir()
	if err != nil {
		return err
	}
	p, shares, err := site.KeyProtection(dir)
	if err != nil {
		return err
	}
	return emit(a, keyState{p, shares}, func(p *show.Printer, s keyState) {
		p.Printf("The site's keys are %s.\n", protectionWords(s.Protection))
		if s.SharesDisk {
			p.Printf("What opens them lies on the same disk as the data: whoever takes the disk has both.\n")
		}
	})
}

func runKeyProtect(ctx context.Context, a *app, o lockOptions) error {
	dir, err := a.siteDir()
	if err != nil {
		return err
	}
	now, _, err := site.KeyProtection(dir)
	if err != nil {
		return err
	}
	s, err := site.Open(ctx, dir, site.Options{Unlock: a.unlock()})
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // every act was durable when it was answered
	lock, err := a.lock(o, now.Kind == keys.ProtectPassphrase)
	if err != nil {
		return err
	}
	if err := s.Protect(ctx, lock); err != nil {
		return err
	}
	return runKeyShow(a)
}

// protectionWords says what guards keys.
func protectionWords(p keys.Protection) string {
	switch p.Kind {
	case keys.ProtectPassphrase:
		return "protected by a passphrase"
	case keys.ProtectKeyFile:
		return "protected by the key file " + p.Path
	case keys.ProtectCredential:
		return "protected by the credential " + p.Name
	}
	return "not protected but by their file's permissions"
}

// unlock is how commands open a site's keys.
func (a *app) unlock() keys.Unlock {
	u := keys.Unlock{Env: a.env}
	if isTerminal(a.in) {
		u.Ask = a.readSecret
	}
	return u
}

// lock makes the lock that flags ask for. inUse says that the passphrase in the
// environment is the one before.
func (a *app) lock(o lockOptions, inUse bool) (keys.Lock, error) {
	l := keys.Lock{Protection: keys.Protection{Kind: o.kind}}
	var err error
	switch o.kind {
	case "", keys.ProtectNone:
		l.Kind = keys.ProtectNone
	case keys.ProtectPassphrase:
		l.Secret, err = a.newPassphrase("New passphrase of the site's keys", o.phraseFile, inUse)
	case keys.ProtectKeyFile, keys.ProtectCredential:
		if o.file == "" {
			return l, usagef("use --key-file FILE, on another disk than the site", "no file is named for the key")
		}
		if l.Secret, err = keys.NewKeyFile(o.file); err != nil {
			return l, err
		}
		if o.kind == keys.ProtectCredential {
			l.Name = o.credential
			break
		}
		l.Path, err = filepath.Abs(o.file)
	default:
		return l, usagef("use none, passphrase, key-file or credential", "%q is no way to protect keys", o.kind)
	}
	return l, err
}

// newPassphrase takes a new passphrase from a file, from the environment where
// that names none in use, or twice from a person.
func (a *app) newPassphrase(what, file string, inUse bool) (string, error) {
	switch {
	case file != "":
		return keys.Unlock{Env: func(string) string { return file }}.Passphrase("")
	case !inUse && a.env(keys.PassphraseFile) != "":
		return a.unlock().Passphrase("")
	case !isTerminal(a.in):
		return "", anchorhold.Errorf(anchorhold.Invalid, "run it at a terminal, or use --new-passphrase-file", "a new passphrase is needed, and there is nobody to ask for it")
	}
	one, err := a.readSecret(what + ": ")
	if err != nil {
		return "", err
	}
	two, err := a.readSecret("Once more: ")
	if err == nil && one != two {
		err = anchorhold.Errorf(anchorhold.Invalid, "try again", "the two are not the same")
	}
	return one, err
}
