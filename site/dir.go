package site

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
)

// What lies in a site's directory.
const (
	configFile = "site.json"
	keysFile   = "keys.json"
	dbFile     = "site.db"
	blobDir    = "blobs"
	lockFile   = "lock"
	socketFile = "site.sock"
	tokenFile  = "admin-token"
)

// DefaultAdmin is the first owner where Init is told no other.
const DefaultAdmin = "owner@localhost"

// config is the site's own description; the format is versioned by its v.
type config struct {
	V       int       `json:"v"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// InitOptions describe a new site.
type InitOptions struct {
	Name  string
	Admin string // e-mail address of the first owner; empty: DefaultAdmin
	// Lock protects the site's keys; the zero value leaves that to the file's
	// mode.
	Lock keys.Lock
}

// InitResult is what the owner of a new site needs to know.
type InitResult struct {
	Site      string `json:"site"`
	Key       string `json:"key"`
	Admin     string `json:"admin"`
	TokenFile string `json:"token_file"`
}

// SocketPath is where a serving site listens for its own machine.
func SocketPath(dir string) string { return filepath.Join(dir, socketFile) }

// Init creates a site in a directory that is absent or empty.
func Init(ctx context.Context, dir string, o InitOptions) (InitResult, error) {
	if o.Admin == "" {
		o.Admin = DefaultAdmin
	}
	if err := makeEmpty(dir); err != nil {
		return InitResult{}, err
	}
	origin := originFor(o.Name)
	if err := keys.CheckOrigin(origin); err != nil {
		return InitResult{}, anchorhold.Errorf(anchorhold.Invalid, "use letters, digits, hyphens and dots", "this is not a name for a site").Because(err)
	}
	k, err := keys.Generate(origin)
	if err != nil {
		return InitResult{}, err
	}
	if err := k.Save(filepath.Join(dir, keysFile), o.Lock); err != nil {
		return InitResult{}, err
	}
	text, err := json.MarshalIndent(config{V: 1, Name: o.Name, Created: time.Now().UTC()}, "", "  ")
	if err != nil {
		return InitResult{}, err
	}
	// The configuration comes last: a directory without one is not a site yet.
	if err := writeFile(filepath.Join(dir, configFile), append(text, '\n')); err != nil {
		return InitResult{}, err
	}
	s, err := open(ctx, dir, Options{}, k)
	if err != nil {
		return InitResult{}, err
	}
	defer s.Close()
	_, issued, err := s.accounts.Add(ctx, policy.SiteAct(policy.UserAdd, "init"), account.New{Email: o.Admin, Role: anchorhold.RoleOwner})
	if err != nil {
		return InitResult{}, err
	}
	path, err := filepath.Abs(filepath.Join(dir, tokenFile))
	if err != nil {
		return InitResult{}, err
	}
	return InitResult{Site: o.Name, Key: k.VKey().String(), Admin: o.Admin, TokenFile: path}, writeFile(path, []byte(issued.Token+"\n"))
}

// originFor names the site's log: the name for people, and random digits, since
// two hospitals may choose one name.
func originFor(name string) string {
	id := anchorhold.NewID("site")
	return strings.ToLower(strings.TrimSpace(name)) + "/" + id[len(id)-8:]
}

func makeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return anchorhold.Errorf(anchorhold.Conflict, "choose an empty directory, or one that does not exist", "%s is not empty", dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unusable(dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unusable(dir, err)
	}
	return os.Chmod(dir, 0o700)
}

func unusable(dir string, err error) error {
	return anchorhold.Errorf(anchorhold.Invalid, "check the path and its permissions", "%s cannot be used as a site's directory", dir).Because(err)
}

// writeFile writes a file that only its owner reads, durably.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return unusable(filepath.Dir(path), err)
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func readConfig(dir string) (c config, err error) {
	text, err := os.ReadFile(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, anchorhold.Errorf(anchorhold.NotFound, "make one with `anchorhold init --dir "+dir+" --name NAME`", "there is no site in %s", dir)
	}
	if err != nil {
		return c, unusable(dir, err)
	}
	if err := json.Unmarshal(text, &c); err != nil || c.V != 1 {
		return c, anchorhold.Errorf(anchorhold.Conflict, "use the program that made it", "the site in %s is of a form that this program does not know", dir).Because(err)
	}
	return c, nil
}
