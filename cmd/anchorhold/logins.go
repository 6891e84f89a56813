package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// stored is what login keeps of a site: its address (with the TLS key that it
// pins), the token, a certificate to trust, and the key that the site told: later
// receipts are checked with it, offline.
type stored struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	CA    string `json:"ca,omitempty"` // PEM text
	Key   string `json:"key,omitempty"`
}

// logins is the file in which login keeps sites: the one that commands act at
// without --url, in the form of the time when there was one only, and the others.
type logins struct {
	stored
	Others []stored `json:"others,omitempty"`
}

// all are the sites, the one in use first.
func (l logins) all() []stored {
	if l.URL == "" {
		return l.Others
	}
	return append([]stored{l.stored}, l.Others...)
}

// find gives what is kept of the site that an address means, and the address that
// says more of it.
func (l logins) find(url string) (s stored, more string, found bool) {
	for _, s := range l.all() {
		if more, same := client.SameSite(url, s.URL); same {
			return s, more, true
		}
	}
	return stored{}, "", false
}

// with puts a site first, in the place of what was kept under its address,
// whatever key that pinned.
func (l logins) with(s stored) logins {
	out := logins{stored: s}
	for _, other := range l.all() {
		if !samePlace(other.URL, s.URL) {
			out.Others = append(out.Others, other)
		}
	}
	return out
}

// samePlace says whether two addresses differ in nothing but what they pin.
func samePlace(one, two string) bool {
	x, err1 := client.ParseAddress(one)
	y, err2 := client.ParseAddress(two)
	return err1 == nil && err2 == nil && x.Scheme == y.Scheme && x.Host == y.Host && x.Path == y.Path
}

// renamed replaces an address.
func (l logins) renamed(before, now string) (logins, bool) {
	list := l.all()
	found := false
	for i := range list {
		if list[i].URL == before {
			list[i].URL, found = now, true
		}
	}
	if !found {
		return l, false
	}
	return logins{list[0], list[1:]}, true
}

// keepLogin keeps a site as the one that commands act at.
func (a *app) keepLogin(s stored) (string, error) {
	kept, err := a.readLogin()
	if err != nil {
		return "", err
	}
	return a.writeLogin(kept.with(s))
}

// learned keeps which keys of a site count from now on, where login keeps the
// site. Who named the address by other means is told.
func (a *app) learned(before, now string) {
	kept, err := a.readLogin()
	if changed, found := kept.renamed(before, now); err == nil && found {
		_, err = a.writeLogin(changed)
	} else if err == nil {
		show.NewPrinter(a.err).Printf("The site changes the key that its address names. Use this address from now on:\n%s\n", now)
	}
	if err != nil {
		a.tell(err)
	}
}

// writeLogin replaces the login file in one step; it is never readable by
// others, not even for a moment.
func (a *app) writeLogin(s logins) (string, error) {
	path, err := a.loginPath()
	if err != nil {
		return "", err
	}
	failed := func(err error) error {
		return anchorhold.Errorf(anchorhold.Invalid, "check the folder's permissions", "the login cannot be kept in %s", path).Because(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", failed(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "login-*") // mode 0600
	if err != nil {
		return "", failed(err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone when all went well
	err = json.NewEncoder(f).Encode(s)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return "", failed(err)
	}
	return path, nil
}

// loginPath is where login keeps its file: the same place that the Python
// package reads.
func (a *app) loginPath() (string, error) {
	base := a.env("XDG_CONFIG_HOME")
	if base == "" || !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", anchorhold.Errorf(anchorhold.Invalid, "set HOME or XDG_CONFIG_HOME", "there is no home folder to keep a login in")
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "anchorhold", "login.json"), nil
}

// readLogin reads what login stored; nothing stored is no error.
func (a *app) readLogin() (logins, error) {
	path, err := a.loginPath()
	if err != nil {
		return logins{}, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return logins{}, nil
	}
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return logins{}, anchorhold.Errorf(anchorhold.Invalid, "change the token, since others could read it, and run `chmod 600 "+path+"`",
			"other users of this machine may read %s", path)
	}
	var s logins
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return logins{}, anchorhold.Errorf(anchorhold.Invalid, "remove it, and use `anchorhold login` again", "%s cannot be read", path).Because(err)
	}
	return s, nil
}
