// Package save writes files that came from elsewhere into a folder of the
// person who asked for them.
//
// It promises that a file is whole or absent, readable by its owner only, and
// inside the named folder: a name from elsewhere is reduced to a plain file
// name, symbolic links are never followed, and what exists is never replaced
// unless asked. Tests play the site that sends hostile names and the colleague
// who prepared the folder.
package save

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// File writes what from yields to a file of a folder, which is made when it is
// absent, and returns the path. The name may come from elsewhere.
func File(dir, name string, force bool, from io.Reader) (string, error) {
	if err := mustBePlain(name); err != nil {
		return "", err
	}
	root, err := openFolder(dir)
	if err != nil {
		return "", err
	}
	defer root.Close() //nolint:errcheck // a folder that was read
	path := filepath.Join(dir, name)
	return path, write(root, name, path, force, from)
}

// Path writes to a path that the person named: its folder must exist.
func Path(path string, force bool, from io.Reader) error {
	dir := filepath.Dir(path)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return failed("open the folder "+dir, err)
	}
	defer root.Close() //nolint:errcheck // a folder that was read
	return write(root, filepath.Base(path), path, force, from)
}

// write fills a temporary file and gives it its name once it is whole.
func write(root *os.Root, name, path string, force bool, from io.Reader) error {
	if err := mayWrite(root, name, path, force); err != nil {
		return err
	}
	temporary := ".anchorhold-" + rand.Text()
	err := fill(root, temporary, from)
	if err == nil {
		err = place(root, temporary, name, path, force)
	}
	if err != nil {
		root.Remove(temporary) //nolint:errcheck // the first error is the one to tell
	}
	return err
}

// mustBePlain refuses a name that would lead out of the folder, hide the file,
// or mean a device.
func mustBePlain(name string) error {
	bad := name == "" || len(name) > 200 || strings.HasPrefix(name, ".") || !filepath.IsLocal(name) ||
		strings.ContainsAny(name, `/\:*?"<>|`) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
	if bad {
		return anchorhold.Errorf(anchorhold.Invalid, "do not trust this answer; tell the site's owner", "%q is not a plain file name", name)
	}
	return nil
}

func openFolder(dir string) (*os.Root, error) {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, failed("make the folder "+dir, err)
		}
	case err != nil:
		return nil, failed("look at "+dir, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, anchorhold.Errorf(anchorhold.Invalid, "name the folder that it points to", "%s is a symbolic link", dir)
	case !info.IsDir():
		return nil, anchorhold.Errorf(anchorhold.Invalid, "name a folder", "%s is not a folder", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, failed("open the folder "+dir, err)
	}
	return root, nil
}

// mayWrite says early what place would refuse, before anything is fetched.
func mayWrite(root *os.Root, name, path string, force bool) error {
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return failed("look at "+path, err)
	case !info.Mode().IsRegular():
		return anchorhold.Errorf(anchorhold.Conflict, "remove it or choose another folder", "%s is not an ordinary file", path)
	case !force:
		return anchorhold.Errorf(anchorhold.Conflict, "choose another folder, or replace it with --force", "%s is already there", path)
	}
	return nil
}

func fill(root *os.Root, name string, from io.Reader) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return failed("write there", err)
	}
	defer f.Close()
	if _, err := io.Copy(f, from); err != nil {
		var ours *anchorhold.Error
		if errors.As(err, &ours) {
			return ours
		}
		return failed("fetch and write the file", err)
	}
	if err := f.Sync(); err != nil {
		return failed("write the file", err)
	}
	return f.Close()
}

// place gives a complete file its name. Without force a hard link refuses what
// appeared meanwhile; with it a rename replaces the name itself, so that even a
// link that appeared meanwhile is not followed.
func place(root *os.Root, temporary, name, path string, force bool) error {
	if force {
		if err := root.Rename(temporary, name); err != nil {
			return failed("write "+path, err)
		}
		return nil
	}
	err := root.Link(temporary, name)
	if errors.Is(err, fs.ErrExist) {
		return anchorhold.Errorf(anchorhold.Conflict, "choose another folder, or replace it with --force", "%s is already there", path)
	}
	if err != nil { // a file system without hard links
		return renameOnce(root, temporary, name, path)
	}
	return root.Remove(temporary)
}

// renameOnce reserves the name, so that nothing is replaced, and renames over
// the reservation.
func renameOnce(root *os.Root, temporary, name, path string) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return failed("write "+path, err)
	}
	f.Close()
	if err := root.Rename(temporary, name); err != nil {
		return failed("write "+path, err)
	}
	return nil
}

// failed tells what could not be done, and the operating system's reason, which
// speaks of the person's own folder only.
func failed(what string, err error) error {
	reason := err
	var p *fs.PathError
	if errors.As(err, &p) {
		reason = p.Err
	}
	return anchorhold.Errorf(anchorhold.Invalid, "check the folder's permissions and its space", "cannot %s: %v", what, reason).Because(err)
}
