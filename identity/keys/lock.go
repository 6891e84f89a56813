package keys

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/anchorhold/anchorhold"
)

// Kinds of protection.
const (
	ProtectNone       = "none"       // the file's mode alone: whoever has the disk has the keys
	ProtectPassphrase = "passphrase" // a person types it, or a file or descriptor gives it
	ProtectKeyFile    = "key-file"   // a file elsewhere, such as on a stick
	ProtectCredential = "credential" // handed to the service by its manager, systemd's LoadCredential
)

// Variables of the environment that say where secrets come from.
const (
	// PassphraseFile names a file, or a descriptor as /dev/fd/N, that holds the
	// passphrase.
	PassphraseFile = "ANCHORHOLD_PASSPHRASE_FILE"
	// credentials is where a service's manager puts credentials.
	credentials = "CREDENTIALS_DIRECTORY"
)

// DefaultCredential is the name of the credential where nobody says another.
const DefaultCredential = "anchorhold-key"

// MinPassphrase is the fewest characters of a new passphrase.
const MinPassphrase = 12

// Protection says what guards the secrets of a key file. It stands in the file.
type Protection struct {
	Kind string `json:"kind"`
	Path string `json:"path,omitempty"` // of a key file, absolute
	Name string `json:"name,omitempty"` // of a credential
}

// Lock is a protection with the secret that it takes to make it.
type Lock struct {
	Protection
	Secret     string // the passphrase, or an age identity
	WorkFactor int    // of a passphrase, as a power of two; 0: age's
}

// seal encrypts what a key file holds, and makes sure that it opens again.
func (l Lock) seal(plain []byte) ([]byte, error) {
	recipient, identity, err := l.pair()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	again, err := unseal(b.Bytes(), identity)
	if err != nil || !bytes.Equal(again, plain) {
		return nil, errors.Join(err, errors.New("the lock does not open"))
	}
	return b.Bytes(), nil
}

// pair gives both halves of a lock.
func (l Lock) pair() (age.Recipient, age.Identity, error) {
	switch l.Kind {
	case ProtectPassphrase:
		return passphrasePair(l.Secret, l.WorkFactor)
	case ProtectKeyFile, ProtectCredential:
		id, err := parseIdentity(l.Secret)
		if err != nil {
			return nil, nil, err
		}
		switch id := id.(type) {
		case *age.HybridIdentity:
			r := id.Recipient()
			return r, id, nil
		case *age.X25519Identity:
			r := id.Recipient()
			return r, id, nil
		}
	}
	return nil, nil, anchorhold.Errorf(anchorhold.Invalid, "use none, passphrase, key-file or credential", "%q is no way to protect keys", l.Kind)
}

func passphrasePair(secret string, work int) (age.Recipient, age.Identity, error) {
	if len([]rune(secret)) < MinPassphrase {
		return nil, nil, anchorhold.Errorf(anchorhold.Invalid, "choose a longer one: several random words", "a passphrase has at least %d characters", MinPassphrase)
	}
	r, err := age.NewScryptRecipient(secret)
	if err != nil {
		return nil, nil, err
	}
	if work > 0 {
		r.SetWorkFactor(work)
	}
	id, err := age.NewScryptIdentity(secret)
	return r, id, err
}

// parseIdentity reads the one identity of a key file.
func parseIdentity(text string) (age.Identity, error) {
	ids, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil || len(ids) != 1 {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give a file that `anchorhold key protect` or age-keygen made, with one AGE-SECRET-KEY line",
			"the key file does not hold one key") // the cause would repeat the secret
	}
	return ids[0], nil
}

func unseal(sealed []byte, id age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxFile))
}

// Unlock finds what opens a protected key file.
type Unlock struct {
	Env func(string) string          // nil: there is no environment
	Ask func(string) (string, error) // asks a person, with this prompt; nil: nobody is there
}

// open opens what a protection guards.
func (u Unlock) open(p Protection, sealed []byte) ([]byte, error) {
	secret, err := u.secret(p)
	if err != nil {
		return nil, err
	}
	var id age.Identity
	if p.Kind == ProtectPassphrase {
		id, err = age.NewScryptIdentity(secret)
	} else {
		id, err = parseIdentity(secret)
	}
	if err != nil {
		return nil, err
	}
	plain, err := unseal(sealed, id)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, anchorhold.Errorf(anchorhold.Denied, "give the one with which the keys were protected last", "the %s does not open the site's keys", words(p.Kind))
	}
	if err != nil {
		return nil, damaged(err)
	}
	return plain, nil
}

func words(kind string) string { return strings.ReplaceAll(kind, "-", " ") }

// secret finds the passphrase or the identity.
func (u Unlock) secret(p Protection) (string, error) {
	switch p.Kind {
	case ProtectPassphrase:
		return u.Passphrase("Passphrase of the site's keys: ")
	case ProtectKeyFile:
		text, err := readSecret(p.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", anchorhold.Errorf(anchorhold.Denied, "mount what it lies on, or put it back there", "the site's keys are protected by the key file %s, which is not there", p.Path)
		}
		return text, err
	case ProtectCredential:
		dir := u.env(credentials)
		if dir == "" {
			return "", anchorhold.Errorf(anchorhold.Denied,
				"let the service manager give it (systemd: LoadCredentialEncrypted="+p.Name+"), or set "+credentials+" to a folder that holds it",
				"the site's keys are protected by the credential %s, and no credentials were given", p.Name)
		}
		text, err := readSecret(filepath.Join(dir, filepath.Base(p.Name)))
		if errors.Is(err, fs.ErrNotExist) {
			return "", anchorhold.Errorf(anchorhold.Denied, "name it in the service's unit: LoadCredentialEncrypted="+p.Name,
				"the site's keys are protected by the credential %s, which was not given", p.Name)
		}
		return text, err
	}
	return "", anchorhold.Errorf(anchorhold.Invalid, "use the program's version that protected them", "the site's keys are protected in an unknown way")
}

func (u Unlock) env(name string) string {
	if u.Env == nil {
		return ""
	}
	return u.Env(name)
}

// Passphrase finds a passphrase: in the file that the environment names, else by
// asking.
func (u Unlock) Passphrase(prompt string) (string, error) {
	if path := u.env(PassphraseFile); path != "" {
		text, err := readSecret(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", anchorhold.Errorf(anchorhold.Invalid, "name the file that holds the passphrase", "there is no file %s", path)
		}
		return strings.TrimRight(text, "\r\n"), err
	}
	if u.Ask == nil {
		return "", anchorhold.Errorf(anchorhold.Denied, "run it at a terminal, or set "+PassphraseFile+" to a file or descriptor (/dev/fd/3) that holds it",
			"a passphrase is needed, and there is nobody to ask for it")
	}
	return u.Ask(prompt)
}

// ReadSecret reads a small file that not everybody can read, or a pipe.
func ReadSecret(path string) (string, error) {
	text, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = anchorhold.Errorf(anchorhold.NotFound, "name the file that holds it", "there is no file %s", path)
	}
	return text, err
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err != nil {
		return "", anchorhold.Errorf(anchorhold.Denied, "check its permissions", "%s cannot be read", path).Because(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0 {
		return "", anchorhold.Errorf(anchorhold.Denied, "chmod 600 "+path+", and think who may have read it", "everybody on this machine can read or write %s", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "", anchorhold.Errorf(anchorhold.Denied, "check that it is a file", "%s cannot be read", path).Because(err)
	}
	return string(data), nil
}

// NewKeyFile makes a new identity in a new file with mode 0600 and gives its
// text; a file that is there already is read instead.
func NewKeyFile(path string) (string, error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", err
	}
	text := "# protects the keys of an Anchorhold site; who has this file and the site's folder has the site\n" + id.String() + "\n"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return readSecret(path)
	}
	if err != nil {
		return "", anchorhold.Errorf(anchorhold.Invalid, "check the folder and its permissions", "the key file %s cannot be made", path).Because(err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", saveFailed(err)
	}
	return text, syncDir(filepath.Dir(path))
}
