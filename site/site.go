// Package site composes one owner's site from the rooms below and owns its
// life: the directory, the lock on it, the doors, the queue, the way down.
//
// It promises that one process at a time has a site open; that nothing listens
// on an address that others can reach without TLS; that a program on the site's
// own machine is known by what the kernel says of it; and that stopping loses
// nothing that was accepted. It contains no rule of the way of a question. Tests
// start real sites in temporary directories.
package site

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/api"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/environment"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/keep"
	"github.com/anchorhold/anchorhold/notify"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/run"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/store"
	"github.com/anchorhold/anchorhold/store/sqlite"
)

// Options change how a site is opened.
type Options struct {
	Environments string         // directory of built environments; empty: the default one
	Limits       sandbox.Limits // of every run; zero: sandbox.DefaultLimits
	Unlock       keys.Unlock    // opens the site's keys where they are protected
}

// Site is an open site.
type Site struct {
	dir    string
	config config
	keys   *keys.SiteKeys
	lock   *os.File
	store  store.Store
	envs   *pyenv.Store
	books  *books.Books
	keep   *keep.Service
	blobs  *blob.Store

	connect  string                      // where others reach it, while it serves; without pins
	tlsDoor  atomic.Pointer[certificate] // of a key of the site's own, while it serves
	settling sync.Mutex                  // of that key's files

	accounts  *account.Service
	datasets  *dataset.Service
	questions *question.Service
	runs      *run.Service
	notify    *notify.Service
	sweep     func(context.Context) error // finishes withdrawals that were interrupted
	api       *api.API
}

// Open opens the site in dir, for this process alone, until Close.
func Open(ctx context.Context, dir string, o Options) (*Site, error) { return open(ctx, dir, o, nil) }

// open opens a site, whose keys may be at hand already.
func open(ctx context.Context, dir string, o Options, k *keys.SiteKeys) (s *Site, err error) {
	s = &Site{dir: dir, keys: k}
	if err := checkOwner(dir); err != nil {
		return nil, err
	}
	if s.config, err = readConfig(dir); err != nil {
		return nil, err
	}
	if s.lock, err = lock(dir); err != nil {
		return nil, err
	}
	opened := s
	defer func() {
		if err != nil {
			s, err = nil, errors.Join(err, opened.Close())
		}
	}()
	if s.keys == nil {
		s.keys, err = keys.Load(filepath.Join(dir, keysFile), o.Unlock)
	}
	if err != nil {
		return nil, err
	}
	removeSnapshots(dir)
	if s.store, err = sqlite.Open(ctx, filepath.Join(dir, dbFile)); err != nil {
		return nil, err
	}
	if err := s.store.Summarise(ctx, request.Summary); err != nil {
		return nil, err
	}
	if err := s.compose(o); err != nil {
		return nil, err
	}
	return s, nil
}

// compose wires the rooms: everything that a site is made of, in one place.
func (s *Site) compose(o Options) error {
	blobs, err := blob.Open(filepath.Join(s.dir, blobDir), s.keys.BlobKey())
	if err != nil {
		return err
	}
	log, err := audit.New(s.keys)
	if err != nil {
		return err
	}
	rules, err := policy.New()
	if err != nil {
		return err
	}
	if s.envs, err = pyenv.DefaultStore(); err != nil {
		return err
	}
	if o.Environments != "" {
		s.envs = &pyenv.Store{Dir: o.Environments}
	}
	if o.Limits == (sandbox.Limits{}) {
		o.Limits = sandbox.DefaultLimits()
	}
	b := &books.Books{Store: s.store, Log: log, Now: func() time.Time { return time.Now().UTC() }}
	s.books, s.blobs = b, blobs
	releases := &release.Service{Books: b, Blobs: blobs, Keys: s.keys}
	s.sweep = releases.Sweep
	releases.Withdrawn = func(dataset string) { s.questions.End(dataset) }
	indexKey := disclosure.Key(s.keys.IndexKey())
	s.accounts = &account.Service{Books: b}
	s.runs = &run.Service{Books: b, Blobs: blobs, Releases: releases, Envs: s.envs, IndexKey: indexKey, Limits: o.Limits, Room: filepath.Join(s.dir, blobDir, "tmp")}
	s.runs.Ready()
	s.datasets = &dataset.Service{Books: b, Blobs: blobs, IndexKey: indexKey, Databases: databases{}}
	s.questions = &question.Service{Books: b, Find: s.datasets.Find, Open: s.runs.Tables, Secret: s.keys.GroupKey(), Keys: s.keys}
	s.notify = &notify.Service{Books: b, Policy: rules, Site: s.config.Name}
	s.keep = &keep.Service{Books: b, Blobs: blobs, GivenUp: s.sweep}
	s.api = api.New(api.Services{
		Books: b, Policy: rules, Accounts: s.accounts,
		Datasets: s.datasets,
		Requests: &request.Service{Books: b, Policy: rules, HasEnvironment: s.hasEnvironment, EnvironmentBuilt: s.environmentBuilt, Wake: s.runs.Wake, Unchanged: s.runs.Unchanged, Most: most(o.Limits)},
		Runs:     s.runs, Releases: releases, Site: s.info,
		Exposure:     &exposure.Service{Books: b},
		Questions:    s.questions,
		Environments: &environment.Service{Books: b, Built: s.hasEnvironment},
		Notify:       s.notify, Applications: &account.Applications{Accounts: s.accounts, Write: s.notify.Write},
		Keep: s.keep, Backup: s.Backup, TLS: s,
	})
	return nil
}

// most is what anybody may expect of a run.
func most(l sandbox.Limits) anchorhold.Resources {
	return anchorhold.Resources{CPUSeconds: int64(l.CPUTime.Seconds()), Memory: l.Memory, WallSeconds: int64(l.Wall.Seconds())}
}

// hasEnvironment says whether code may name an environment: the default one,
// or any other that has been built here.
func (s *Site) hasEnvironment(lock string) bool {
	if lock == pyenv.Default().Digest() {
		return true
	}
	_, ok := s.envs.Find(lock)
	return ok
}

func (s *Site) environmentBuilt(lock string) bool {
	_, ok := s.envs.Find(lock)
	return ok
}

// info is what the site says of itself to anybody.
func (s *Site) info() api.SiteInfo {
	info := api.SiteInfo{
		Name: s.config.Name, Origin: s.keys.Origin(), Key: s.keys.VKey().String(), Version: anchorhold.ProgramVersion,
		Connect: s.Connect(), Environments: []api.Environment{}, Limits: s.runs.Limits,
	}
	def := pyenv.Default()
	built := s.envs.List()
	seen := false
	for _, e := range built {
		seen = seen || e.LockDigest == def.Digest()
		info.Environments = append(info.Environments, describe(e, e.LockDigest == def.Digest()))
	}
	if !seen {
		info.Environments = append(info.Environments, api.Environment{Lock: def.Digest(), Default: true, Packages: []api.Package{}})
	}
	return info
}

func describe(e pyenv.Env, isDefault bool) api.Environment {
	out := api.Environment{Lock: e.LockDigest, Name: pyenv.NameOf(e.LockDigest), Default: isDefault, Built: true, Python: e.PythonVersion, Packages: []api.Package{}}
	for _, p := range e.Packages {
		out.Packages = append(out.Packages, api.Package{Name: p.Name, Version: p.Version})
	}
	return out
}

// Handler answers requests whose credential is in the Authorization header.
func (s *Site) Handler() http.Handler { return s.api.Handler() }

// LocalHandler answers requests of this very process, as local:UID of the user
// it runs as: whoever can open the site's files acts for it.
func (s *Site) LocalHandler() http.Handler {
	return s.api.LocalHandler(func(*http.Request) (int, error) { return os.Getuid(), nil })
}

// Close closes the site and frees its directory.
func (s *Site) Close() error {
	var errs []error
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
