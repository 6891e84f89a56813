// Package notify tells people and programs outside of a site that something
// waits for them or has happened: by one hook, and by mail.
//
// It follows the audit log, so nothing that was done can be missed: what an
// entry calls for becomes notices in the transaction that moves the reader
// past it, and a notice is removed only once it was told. A crash between may
// tell one twice, under the same id, and never loses one. What leaves is the
// kind, ids and the site's name: no purpose, reason, dataset or value, since
// mail and hooks travel where the site's rules do not hold. Who is told that
// something waits is whoever the policy lets decide. Tests run a real SMTP
// server and a real receiver of hooks on loopback, kill deliveries half-way,
// and look for private words in all that was sent.
package notify

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Settings under which the site keeps what this room needs.
const (
	settingConfig = "notify"        // Config as JSON
	settingSecret = "notify.secret" // base64; signs hooks and links
	settingCursor = "notify.cursor" // index of the next entry of the audit log
)

// How notices are delivered.
const (
	tick     = time.Minute        // between looks for mail that was gathered long enough
	retry    = 5 * time.Minute    // until a channel that failed is tried again
	keepFor  = 3 * 24 * time.Hour // until a notice that cannot be told is given up
	perRound = 500
)

// Service tells notices.
type Service struct {
	Books  *books.Books
	Policy *policy.Authorizer
	Site   string // the site's name, for people

	mu  sync.Mutex
	off map[bool]time.Time // until when a channel that failed rests, by hook
}

// Config says where notices go; what is nil is off.
type Config struct {
	Hook *Hook `json:"hook,omitempty"`
	Mail *Mail `json:"mail,omitempty"`
	// PublicURL is the site's address as people reach it, for the link that
	// ends mails; empty: mails have no link.
	PublicURL string `json:"public_url,omitempty" maxLength:"500"`
}

// check refuses a configuration that cannot work or would send in the clear.
func (c Config) check() error {
	if c.Hook != nil {
		if err := c.Hook.check(); err != nil {
			return err
		}
	}
	if c.Mail != nil {
		if err := c.Mail.check(); err != nil {
			return err
		}
	}
	if c.PublicURL != "" {
		return webAddress("public address", c.PublicURL)
	}
	return nil
}

// Configured reads where notices go.
func (s *Service) Configured(ctx context.Context) (c Config, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		c, err = config(tx)
		return err
	})
	return c, err
}

func config(tx store.Tx) (c Config, err error) {
	text, err := tx.Setting(settingConfig)
	if errors.Is(err, store.ErrNotFound) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &c)
	}
	return c, err
}

// Configure says where notices go from now on, and gives the secret with which
// hooks are signed (Standard Webhooks: whsec_ and base64).
func (s *Service) Configure(ctx context.Context, p policy.Permit, c Config) (secret string, err error) {
	if err := c.check(); err != nil {
		return "", err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	_, err = books.Act(ctx, s.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
		rec := books.Record{Subject: "notify", Details: c.details()}
		before, err := config(tx)
		if err != nil {
			return struct{}{}, rec, err
		}
		if before.Hook == nil && before.Mail == nil { // nobody is told of what was before
			if err := s.skipToEnd(tx); err != nil {
				return struct{}{}, rec, err
			}
		}
		if _, err := tx.Setting(settingSecret); errors.Is(err, store.ErrNotFound) {
			var b [32]byte
			rand.Read(b[:]) // never fails: crypto/rand ends the program instead
			if err := tx.PutSetting(settingSecret, base64.StdEncoding.EncodeToString(b[:])); err != nil {
				return struct{}{}, rec, err
			}
		}
		return struct{}{}, rec, tx.PutSetting(settingConfig, string(text))
	})
	if err != nil {
		return "", err
	}
	s.rest(true, time.Time{})
	s.rest(false, time.Time{})
	return s.secret(ctx)
}

// details is what the audit log says of a configuration.
func (c Config) details() map[string]string {
	out := map[string]string{"hook": "off", "mail": "off"}
	if c.Hook != nil {
		out["hook"] = c.Hook.where()
	}
	if c.Mail != nil {
		out["mail"] = "by " + c.Mail.Server + " from " + c.Mail.From
	}
	return out
}

// secret gives the secret in the form in which receivers of hooks are given it.
func (s *Service) secret(ctx context.Context) (text string, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		text, err = tx.Setting(settingSecret)
		return err
	})
	return "whsec_" + text, err
}

// Work tells notices until the context ends.
func (s *Service) Work(ctx context.Context) {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		changed := s.Books.Changed()
		if err := s.round(ctx); err != nil && ctx.Err() == nil {
			slog.Error("notices cannot be read", "kind", anchorhold.KindOf(err))
		}
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// round turns new entries into notices and tells what is due.
func (s *Service) round(ctx context.Context) error {
	if frozen, err := s.Books.Frozen(ctx); err != nil || frozen {
		return err // what a restored site would tell may have been told
	}
	c, err := s.Configured(ctx)
	if err != nil || c.Hook == nil && c.Mail == nil {
		return err
	}
	for {
		more, err := s.follow(ctx, c)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	var sending sync.WaitGroup
	if c.Hook != nil && !s.resting(true) {
		sending.Go(func() { s.settle(true, s.tellHook(ctx, *c.Hook)) })
	}
	if c.Mail != nil && !s.resting(false) {
		sending.Go(func() { s.settle(false, s.tellPeople(ctx, c)) })
	}
	sending.Wait()
	return nil
}

// settle lets a channel rest that failed: it is down for all notices alike.
func (s *Service) settle(hook bool, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	slog.Warn("a notice could not be told; it is tried again", "hook", hook, "kind", anchorhold.KindOf(err), "in", retry)
	s.rest(hook, s.Books.Now().Add(retry))
}

func (s *Service) rest(hook bool, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off == nil {
		s.off = map[bool]time.Time{}
	}
	s.off[hook] = until
}

func (s *Service) resting(hook bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Books.Now().Before(s.off[hook])
}

// told removes a notice that was told, or is too old to be.
func (s *Service) told(ctx context.Context, ids ...string) error {
	return s.Books.Store.Update(ctx, func(tx store.Tx) error {
		for _, id := range ids {
			if err := tx.DeleteNotice(id); err != nil {
				return err
			}
		}
		return nil
	})
}

// waiting reads the notices of a channel; those that are too old are given up.
func (s *Service) waiting(ctx context.Context, hook bool) (out []anchorhold.Notice, err error) {
	var all []anchorhold.Notice
	err = s.Books.View(ctx, func(tx store.Tx) error {
		all, err = tx.Notices(hook, perRound)
		return err
	})
	for _, n := range all {
		if err == nil && s.Books.Now().Sub(n.Created) > keepFor {
			slog.Warn("a notice could not be told for days and is given up", "notice", n.ID)
			err = s.told(ctx, n.ID)
			continue
		}
		out = append(out, n)
	}
	return out, err
}
