package account

import (
	"context"
	"strconv"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Allowance is what somebody's runs may take, and what they have taken. Owners
// only: what was spent was spent on private data.
type Allowance struct {
	anchorhold.Quota
	Own    bool    `json:"own"`    // theirs alone, not everybody's
	Open   int     `json:"open"`   // runs on private data that have not ended
	Spent  float64 `json:"spent"`  // seconds of processor time today (UTC)
	Person string  `json:"person"` // e-mail address; empty: everybody without a quota of their own
}

// Most that a quota may say: more is a mistake in writing it.
const (
	maxQueued     = 1_000_000
	maxCPUSeconds = 1e9
)

// Allowance reads a person's quota, or with "" that of everybody without one.
func (s *Service) Allowance(ctx context.Context, email string) (a Allowance, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		a, err = s.allowance(tx, email)
		return err
	})
	return a, err
}

func (s *Service) allowance(tx store.Tx, email string) (a Allowance, err error) {
	site, err := tx.Quota("")
	if err != nil || email == "" {
		a.Quota = site
		return a, err
	}
	who, err := user(tx, email)
	if err != nil {
		return a, err
	}
	a.Person = who.Email
	if a.Quota, err = tx.Quota(who.ID); err != nil {
		return a, err
	}
	a.Own = a.Quota != site
	if a.Open, err = tx.CountQueued(who.ID); err != nil {
		return a, err
	}
	a.Spent, err = tx.Spent(who.ID, s.Books.Now())
	return a, err
}

// SetQuota bounds what a person's runs may take, or with "" those of everybody
// without a quota of their own. The zero Quota takes a person's own away.
func (s *Service) SetQuota(ctx context.Context, p policy.Permit, email string, q anchorhold.Quota) (Allowance, error) {
	if q.Queued < 0 || q.Queued > maxQueued || !(q.CPUSeconds >= 0 && q.CPUSeconds <= maxCPUSeconds) {
		return Allowance{}, anchorhold.Errorf(anchorhold.Invalid, "give numbers from 0; 0 sets no bound", "the quota is out of range")
	}
	kept := books.Setting(func(tx store.Tx) (Allowance, error) { return s.allowance(tx, email) })
	return books.On(ctx, s.Books, p, kept, func(tx store.Tx) (Allowance, books.Record, error) {
		rec := books.Record{Subject: "everybody", Details: map[string]string{
			"queued": strconv.Itoa(q.Queued), "cpu_seconds": strconv.FormatFloat(q.CPUSeconds, 'g', -1, 64),
		}}
		id := ""
		if email != "" {
			who, err := user(tx, email)
			if err != nil {
				return Allowance{}, rec, err
			}
			id, rec.Subject = who.ID, who.ID
			rec.Details["user"] = who.Email
		}
		if err := tx.PutQuota(id, q); err != nil {
			return Allowance{}, rec, err
		}
		a, err := s.allowance(tx, email)
		return a, rec, err
	})
}
