package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/anchorhold/anchorhold"
)

// FileName is the name of the key file within a site's directory.
const FileName = "keys.json"

// maxFile bounds what Load reads.
const maxFile = 16 << 10

// keyFile is the file's content. Version 1 holds the secrets as they are;
// version 2 holds version 1 in a sealed form, and says what opens it.
type keyFile struct {
	V          int         `json:"v"`
	Origin     string      `json:"origin"`
	VKey       string      `json:"vkey"`
	Seed       []byte      `json:"signing_seed,omitempty"`
	Master     []byte      `json:"master,omitempty"`
	Protection *Protection `json:"protection,omitempty"`
	Sealed     []byte      `json:"sealed,omitempty"`
}

// Save writes the keys to a new file with mode 0600, guarded by a lock (the zero
// Lock: by the file's mode alone), and returns once file and name are on disk.
// It never overwrites: a file that exists is a Conflict. The file appears whole
// or not at all, because it is written under another name and linked.
func (k *SiteKeys) Save(path string, l Lock) error {
	return k.write(path, l, func(tmp string) error {
		if err := os.Link(tmp, path); errors.Is(err, fs.ErrExist) {
			return anchorhold.Errorf(anchorhold.Conflict, "use another directory; keys are never overwritten", "the site has keys already")
		} else if err != nil {
			return saveFailed(err)
		}
		return nil
	})
}

// Replace writes the same keys under another lock in place of their file: the
// file is the old or the new one at every instant.
func (k *SiteKeys) Replace(path string, l Lock) error {
	_, vkey, err := ReadProtection(path)
	if err != nil {
		return err
	}
	if vkey != k.vkey.text {
		return anchorhold.Errorf(anchorhold.Conflict, "", "the file holds the keys of another site")
	}
	return k.write(path, l, func(tmp string) error {
		if err := os.Rename(tmp, path); err != nil {
			return saveFailed(err)
		}
		return nil
	})
}

// Secrets gives the content of an unprotected key file, for a backup, which
// encrypts it. FromFile reads it.
func (k *SiteKeys) Secrets() ([]byte, error) { return k.encode(Lock{}) }

func (k *SiteKeys) encode(l Lock) ([]byte, error) {
	f := keyFile{V: 1, Origin: k.Origin(), VKey: k.vkey.text, Seed: k.signing.Seed(), Master: k.master[:]}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil || l.Kind == "" || l.Kind == ProtectNone {
		return append(data, '\n'), err
	}
	sealed, err := l.seal(data)
	if err != nil {
		return nil, err
	}
	data, err = json.MarshalIndent(keyFile{V: 2, Origin: f.Origin, VKey: f.VKey, Protection: &l.Protection, Sealed: sealed}, "", "  ")
	return append(data, '\n'), err
}

// write writes a temporary file beside path and has it installed.
func (k *SiteKeys) write(path string, l Lock, install func(tmp string) error) error {
	data, err := k.encode(l)
	if err != nil {
		return saveFailed(err)
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".keys-*") // mode 0600, O_EXCL
	if err != nil {
		return saveFailed(err)
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // a leftover is harmless: same folder, same mode
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return saveFailed(err)
	}
	if err := install(tmp.Name()); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return saveFailed(err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return saveFailed(err)
	}
	return nil
}

func saveFailed(err error) error {
	var told *anchorhold.Error
	if errors.As(err, &told) {
		return err
	}
	return anchorhold.Errorf(anchorhold.Unavailable, "check that the directory exists, is writable and has space",
		"the site's keys could not be written").Because(err)
}

// Load reads a key file, which u opens where it is protected. It refuses a link,
// a file that group or others may touch, and content that is not exactly what
// Save wrote for one key.
func Load(path string, u Unlock) (*SiteKeys, error) {
	data, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	f, err := parse(data)
	if err != nil {
		return nil, err
	}
	if f.V == 1 {
		return f.keys()
	}
	plain, err := u.open(*f.Protection, f.Sealed)
	if err != nil {
		return nil, err
	}
	inner, err := parse(plain)
	if err != nil {
		return nil, err
	}
	if inner.V != 1 || inner.VKey != f.VKey || inner.Origin != f.Origin {
		return nil, damaged(errors.New("the sealed keys are not those that the file names"))
	}
	return inner.keys()
}

// FromFile reads the content of an unprotected key file.
func FromFile(data []byte) (*SiteKeys, error) {
	f, err := parse(data)
	if err != nil {
		return nil, err
	}
	return f.keys()
}

// ReadProtection says what guards a key file, and whose it is, without opening
// it.
func ReadProtection(path string) (Protection, string, error) {
	data, err := readPrivate(path)
	if err != nil {
		return Protection{}, "", err
	}
	f, err := parse(data)
	if err != nil {
		return Protection{}, "", err
	}
	if f.V == 1 {
		return Protection{Kind: ProtectNone}, f.VKey, nil
	}
	return *f.Protection, f.VKey, nil
}

func parse(data []byte) (f keyFile, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return f, damaged(err)
	}
	switch {
	case f.V < 1 || f.V > 2:
		return f, anchorhold.Errorf(anchorhold.Invalid, "use the program's version that wrote it", "the site's key file is of an unknown version")
	case (f.V == 1) != (f.Protection == nil && f.Sealed == nil), f.V == 2 && (f.Protection == nil || f.Sealed == nil || f.Seed != nil || f.Master != nil):
		return f, damaged(errors.New("members of another version"))
	}
	return f, nil
}

// keys are those of a file of version 1.
func (f keyFile) keys() (*SiteKeys, error) {
	if f.V != 1 {
		return nil, damaged(errors.New("the keys are sealed"))
	}
	k, err := FromSecrets(f.Origin, f.Seed, f.Master)
	if err != nil {
		return nil, damaged(err)
	}
	if k.vkey.text != f.VKey { // a flipped bit in the seed must not become another site
		return nil, damaged(errors.New("the seed is not that of the vkey"))
	}
	return k, nil
}

// readPrivate reads a small file that nobody but its owner can read.
func readPrivate(path string) ([]byte, error) {
	file, err := openPlain(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, anchorhold.Errorf(anchorhold.NotFound, "make the site with anchorhold init", "the site has no keys")
	}
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "check that it is a plain file that you may read", "the site's key file cannot be opened").Because(err)
	}
	defer file.Close() // opened for reading: nothing to lose
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "restore the keys from a backup", "the site's key file is not a plain file").Because(err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, anchorhold.Errorf(anchorhold.Denied, "set its mode to 0600, and think who may have read it",
			"the site's key file can be read or written by others")
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil || len(data) > maxFile {
		return nil, damaged(err)
	}
	return data, nil
}

func damaged(err error) error {
	return anchorhold.Errorf(anchorhold.Invalid, "restore the keys from a backup", "the site's key file is damaged").Because(err)
}
