package site

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/api"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/identity"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// tlsNextFile holds the key that the site's TLS door changes to.
const tlsNextFile = "tls-next.pem"

// tlsSetting is where the books say which change of key was decided. The files
// follow the books: a key is on the disk before the books announce it, and moves
// into its place after they say so, at once or at the next start.
const tlsSetting = "tls"

// tlsPlan is a decided change: to the key that is announced, or made to another,
// or one that was taken back. All are fragments of connection strings.
type tlsPlan struct {
	Next      string    `json:"next,omitempty"`
	Announced time.Time `json:"announced,omitzero"`
	On        time.Time `json:"on,omitzero"` // when the site changes to it by itself
	Changed   string    `json:"changed,omitempty"`
	Withdrawn string    `json:"withdrawn,omitempty"`
}

func readTLSPlan(tx store.Tx) (p tlsPlan, err error) {
	text, err := tx.Setting(tlsSetting)
	if errors.Is(err, store.ErrNotFound) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &p)
	}
	return p, err
}

func writeTLSPlan(tx store.Tx, p tlsPlan) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return tx.PutSetting(tlsSetting, string(text))
}

// certificateIn reads a certificate beside its key; without a file, none.
func (s *Site) certificateIn(file string) (*x509.Certificate, error) {
	path := filepath.Join(s.dir, file)
	text, err := os.ReadFile(path) // once: another key may take its place meanwhile
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var c tls.Certificate
	if err == nil {
		c, err = tls.X509KeyPair(text, text)
	}
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "restore it from a copy, or remove it", "%s does not hold a TLS key and certificate", path).Because(err)
	}
	return c.Leaf, nil
}

// held is what the site holds for a plan: the announced certificate, where its
// file is there. After a restore it is not, and nothing is announced.
func (s *Site) held(fragment string) (*x509.Certificate, error) {
	if fragment == "" {
		return nil, nil
	}
	c, err := s.certificateIn(tlsNextFile)
	if err != nil || c == nil || identity.PinOf(c).Fragment() != fragment {
		return nil, err
	}
	return c, nil
}

// settleTLS makes the files and the door be as the books say, and gives the pins
// that are announced.
func (s *Site) settleTLS(ctx context.Context) (next identity.Pins, err error) {
	s.settling.Lock()
	defer s.settling.Unlock()
	var plan tlsPlan
	err = s.store.View(ctx, func(tx store.Tx) error {
		plan, err = readTLSPlan(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	changed, err := s.held(plan.Changed)
	if err != nil {
		return nil, err
	}
	if changed != nil {
		if err := s.moveKey(); err != nil {
			return nil, err
		}
	}
	withdrawn, err := s.held(plan.Withdrawn)
	if err != nil {
		return nil, err
	}
	if withdrawn != nil {
		if err := s.dropKey(); err != nil {
			return nil, err
		}
	}
	announced, err := s.held(plan.Next)
	if err != nil {
		return nil, err
	}
	if announced != nil {
		next = identity.PinOf(announced)
	}
	if door := s.tlsDoor.Load(); door != nil {
		return next, door.announce(next)
	}
	return next, nil
}

// moveKey puts the next key in the place of the one before, durably.
func (s *Site) moveKey() error {
	if err := os.Rename(filepath.Join(s.dir, tlsNextFile), filepath.Join(s.dir, tlsFile)); err != nil {
		return unusable(s.dir, err)
	}
	return syncDir(s.dir)
}

// dropKey removes the next key, durably.
func (s *Site) dropKey() error {
	if err := os.Remove(filepath.Join(s.dir, tlsNextFile)); err != nil {
		return unusable(s.dir, err)
	}
	return syncDir(s.dir)
}

// TLSKeys implements api.TLSDoor.
func (s *Site) TLSKeys(ctx context.Context) (k api.TLSKeys, err error) {
	var plan tlsPlan
	err = s.store.View(ctx, func(tx store.Tx) error {
		plan, err = readTLSPlan(tx)
		return err
	})
	if err != nil {
		return k, err
	}
	k.Connect = s.Connect()
	current, err := s.certificateIn(tlsFile)
	if err != nil || current == nil {
		return k, err
	}
	k.Pin = pinText(identity.PinOf(current).Fragment())
	if next, err := s.held(plan.Next); err != nil || next == nil {
		return k, err
	}
	k.Next, k.Announced = pinText(plan.Next), &plan.Announced
	if !plan.On.IsZero() {
		k.On = &plan.On
	}
	return k, nil
}

// pinText is the one pin of a fragment as people see it.
func pinText(fragment string) string { return strings.TrimPrefix(fragment, "sha256=") }

// RotateTLS implements api.TLSDoor: the next key lies on the disk before the
// books know of it, and they know before anybody else is told.
func (s *Site) RotateTLS(ctx context.Context, p policy.Permit, on *time.Time) (api.TLSKeys, error) {
	if now := s.books.Now(); on != nil && (!on.After(now) || on.After(now.Add(farthestChange))) {
		return api.TLSKeys{}, anchorhold.Errorf(anchorhold.Invalid, "name a time between now and a year from now, after people have connected once",
			"the key cannot be changed at that time")
	}
	return s.changeTLS(ctx, p, func(tx store.Tx, plan *tlsPlan) (map[string]string, error) {
		current, err := s.certificateIn(tlsFile)
		if err != nil {
			return nil, err
		}
		if current == nil {
			return nil, anchorhold.Errorf(anchorhold.Conflict, "serve it with --tls-self-signed first; a certificate that you gave is changed by replacing its files",
				"the site has no TLS key of its own")
		}
		if next, err := s.held(plan.Next); err != nil {
			return nil, err
		} else if next != nil {
			return nil, anchorhold.Errorf(anchorhold.Conflict, "change to it with `anchorhold tls switch`, or take it back with `anchorhold tls withdraw`", "the next key is announced already")
		}
		next, err := s.makeNext(current)
		if err != nil {
			return nil, err
		}
		details := map[string]string{"key": identity.PinOf(current).Fragment(), "next": next.Fragment()}
		*plan = tlsPlan{Next: next.Fragment(), Announced: s.books.Now(), Changed: plan.Changed}
		if on != nil {
			plan.On = on.UTC()
			details["on"] = plan.On.Format(time.RFC3339)
		}
		return details, writeTLSPlan(tx, *plan)
	})
}

// farthestChange is how far ahead the time of a change may lie.
const farthestChange = 366 * 24 * time.Hour

// makeNext writes a new key, with a certificate for the names of the one in use.
func (s *Site) makeNext(current *x509.Certificate) (identity.Pins, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	names := append([]string{}, current.DNSNames...)
	for _, ip := range current.IPAddresses {
		names = append(names, ip.String())
	}
	if err := s.writeCert(filepath.Join(s.dir, tlsNextFile), key, names); err != nil {
		return nil, err
	}
	c, err := s.certificateIn(tlsNextFile)
	if err != nil {
		return nil, err
	}
	return identity.PinOf(c), nil
}

// SwitchTLS implements api.TLSDoor. The old key is gone afterwards.
func (s *Site) SwitchTLS(ctx context.Context, p policy.Permit) (api.TLSKeys, error) {
	return s.changeTLS(ctx, p, s.toNext)
}

func (s *Site) toNext(tx store.Tx, plan *tlsPlan) (map[string]string, error) {
	next, err := s.held(plan.Next)
	if err != nil {
		return nil, err
	}
	if next == nil {
		return nil, noneAnnounced("announce one with `anchorhold tls rotate`, and give people time to see it")
	}
	*plan = tlsPlan{Changed: plan.Next}
	return map[string]string{"key": plan.Changed}, writeTLSPlan(tx, *plan)
}

func noneAnnounced(remedy string) error {
	return anchorhold.Errorf(anchorhold.Conflict, remedy, "no next key is announced")
}

// WithdrawTLS implements api.TLSDoor. Nobody gets the announced key any more, and
// who learnt of it forgets it with the next answer.
func (s *Site) WithdrawTLS(ctx context.Context, p policy.Permit) (api.TLSKeys, error) {
	return s.changeTLS(ctx, p, func(tx store.Tx, plan *tlsPlan) (map[string]string, error) {
		next, err := s.held(plan.Next)
		if err != nil {
			return nil, err
		}
		if next == nil {
			return nil, noneAnnounced("nothing needs to be done")
		}
		*plan = tlsPlan{Withdrawn: plan.Next}
		return map[string]string{"next": plan.Withdrawn}, writeTLSPlan(tx, *plan)
	})
}

// untilChange is how long it takes until the door changes to the announced key by
// itself; never, where nobody said when.
func (s *Site) untilChange(ctx context.Context) (time.Duration, bool, error) {
	var plan tlsPlan
	err := s.store.View(ctx, func(tx store.Tx) (err error) {
		plan, err = readTLSPlan(tx)
		return err
	})
	if err != nil || plan.On.IsZero() {
		return 0, false, err
	}
	next, err := s.held(plan.Next)
	return plan.On.Sub(s.books.Now()), next != nil, err
}

// planAgain is how often the time of a change is looked at: a clock may be set.
const planAgain = time.Minute

// changeKeysInTime changes to the announced key when its time has come, also where
// the site did not serve then, until the context ends.
func (s *Site) changeKeysInTime(ctx context.Context) {
	for {
		changed := s.books.Changed()
		wait, planned, err := s.untilChange(ctx)
		if err == nil && planned && wait <= 0 {
			_, err = s.changeTLS(ctx, policy.SiteAct(policy.TLSSwitch, string(policy.TLSRotate)), s.toNextInTime)
			wait = planAgain
		}
		if err != nil && ctx.Err() == nil {
			slog.Warn("the key of the TLS door is not changed yet", "err", err)
			changed = nil // not at once again
		}
		if !planned || wait > planAgain {
			wait = planAgain
		}
		again := time.NewTimer(wait)
		select {
		case <-again.C:
		case <-changed:
		case <-ctx.Done():
		}
		again.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// toNextInTime is toNext, if that is still what is planned.
func (s *Site) toNextInTime(tx store.Tx, plan *tlsPlan) (map[string]string, error) {
	if plan.On.IsZero() || plan.On.After(s.books.Now()) {
		return nil, noneAnnounced("nothing needs to be done")
	}
	return s.toNext(tx, plan)
}

// changeTLS decides on a change in the books and then carries it out. What a
// crash leaves undone is done at the next start.
func (s *Site) changeTLS(ctx context.Context, p policy.Permit, decide func(store.Tx, *tlsPlan) (map[string]string, error)) (api.TLSKeys, error) {
	// What was decided before comes first: its key may be the only copy.
	if _, err := s.settleTLS(ctx); err != nil {
		return api.TLSKeys{}, err
	}
	err := s.act(ctx, p, func(tx store.Tx) (books.Record, error) {
		plan, err := readTLSPlan(tx)
		if err != nil {
			return books.Record{}, err
		}
		details, err := decide(tx, &plan)
		return books.Record{Details: details}, err
	})
	if err != nil {
		return api.TLSKeys{}, err
	}
	if _, err := s.settleTLS(context.WithoutCancel(ctx)); err != nil {
		return api.TLSKeys{}, err
	}
	return s.TLSKeys(ctx)
}

// tellingPins says with every answer which keys count from now on. What a client
// learns so, the key of its connection vouches for.
func (s *Site) tellingPins(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if door := s.tlsDoor.Load(); door != nil {
			w.Header().Set(identity.PinsHeader, door.pins().Fragment())
		}
		h.ServeHTTP(w, r)
	})
}
