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
const maxFile = 4096

// keyFile is the file's content, version 1.
type keyFile struct {
	V      int    `json:"v"`
	Origin string `json:"origin"`
	VKey   string `json:"vkey"`
	Seed   []byte `json:"signing_seed"`
	Master []byte `json:"master"`
}

// Save writes the keys to a new file with mode 0600 and returns once file and
// name are on disk. It never overwrites: a file that exists is a Conflict. The
// file appears whole or not at all, because it is written under another name
// and linked.
func (k *SiteKeys) Save(path string) error {
	data, err := json.MarshalIndent(keyFile{V: 1, Origin: k.Origin(), VKey: k.vkey.text, Seed: k.signing.Seed(), Master: k.master[:]}, "", "  ")
	if err != nil {
		return saveFailed(err)
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".keys-*") // mode 0600, O_EXCL
	if err != nil {
		return saveFailed(err)
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // a leftover is harmless: same folder, same mode
	_, err = tmp.Write(append(data, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return saveFailed(err)
	}
	if err := os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		return anchorhold.Errorf(anchorhold.Conflict, "use another directory; keys are never overwritten", "the site has keys already")
	} else if err != nil {
		return saveFailed(err)
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
	return anchorhold.Errorf(anchorhold.Unavailable, "check that the directory exists, is writable and has space",
		"the site's keys could not be written").Because(err)
}

// Load reads a key file. It refuses a link, a file that group or others may
// touch, and content that is not exactly what Save wrote for one key.
func Load(path string) (*SiteKeys, error) {
	data, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	var f keyFile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, damaged(err)
	}
	if f.V != 1 {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "use the program's version that wrote it", "the site's key file is of an unknown version")
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
