package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Prefer says how often the permit's principal wants to be written to.
func (s *Service) Prefer(ctx context.Context, p policy.Permit, f anchorhold.Frequency) error {
	switch f {
	case anchorhold.FrequencyEach, anchorhold.FrequencyHourly, anchorhold.FrequencyDaily, anchorhold.FrequencyOff:
	default:
		return anchorhold.Errorf(anchorhold.Invalid, "choose each, hourly, daily or off", "there is no such frequency")
	}
	if p.Principal().Email == "" {
		return anchorhold.Errorf(anchorhold.Conflict, "use a token of your own, with --url", "there is no e-mail address to write to")
	}
	return s.prefer(ctx, p, p.Principal().ID, f)
}

func (s *Service) prefer(ctx context.Context, p policy.Permit, id string, f anchorhold.Frequency) error {
	_, err := books.Act(ctx, s.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
		rec := books.Record{Subject: id, Details: map[string]string{"mail": string(f)}}
		who, err := tx.Principal(id)
		if err != nil {
			return struct{}{}, rec, err
		}
		who.Mail = f
		return struct{}{}, rec, tx.PutPrincipal(who)
	})
	return err
}

// Unsubscribe ends the mail of whom a link was sent to. The link proves who;
// it is good for nothing else.
func (s *Service) Unsubscribe(ctx context.Context, p policy.Permit, token string) error {
	id, mac, ok := strings.Cut(token, ".")
	good, err := s.linkMAC(ctx, id)
	if err != nil {
		return err
	}
	if !ok || !hmac.Equal([]byte(mac), []byte(good)) {
		return anchorhold.Errorf(anchorhold.NotFound, "use the whole link of a newer mail", "this link does not hold")
	}
	return s.prefer(ctx, p, id, anchorhold.FrequencyOff)
}

// unsubscribeLink is the address that ends a person's mail.
func (s *Service) unsubscribeLink(ctx context.Context, site, id string) (string, error) {
	mac, err := s.linkMAC(ctx, id)
	return strings.TrimSuffix(site, "/") + "/v1/unsubscribe/" + id + "." + mac, err
}

func (s *Service) linkMAC(ctx context.Context, id string) (string, error) {
	secret, err := s.secret(ctx)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("anchorhold-unsubscribe-v1\n" + id))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:20]), nil
}

// Test tells of itself, so that an owner sees whether it works: to the hook,
// and by mail to an address, as far as they are set.
func (s *Service) Test(ctx context.Context, to string) error {
	if err := s.Books.MayWrite(ctx); err != nil { // a program outside would be told by a site that may be a copy
		return err
	}
	c, err := s.Configured(ctx)
	if err != nil {
		return err
	}
	if c.Hook == nil && c.Mail == nil {
		return anchorhold.Errorf(anchorhold.Conflict, "set one with `anchorhold notify hook` or `anchorhold notify mail`", "there is no hook and no mail to test")
	}
	if c.Hook != nil {
		n := anchorhold.Notice{ID: anchorhold.NewID(anchorhold.PrefixNotice), Kind: "test", Created: s.Books.Now()}
		if err := s.sendHook(ctx, *c.Hook, n); err != nil {
			return err
		}
	}
	if c.Mail != nil && to != "" {
		return c.Mail.send(ctx, letter{to: to, subject: "[" + s.Site + "] a test", text: "Mail of the site " + s.Site + " arrives.\n"})
	}
	return nil
}

// Write mails a text to an address, for rooms that must prove one. It is an
// error when the site has no mail.
func (s *Service) Write(ctx context.Context, to, subject, text string) error {
	if err := s.Books.MayWrite(ctx); err != nil {
		return err
	}
	c, err := s.Configured(ctx)
	if err != nil {
		return err
	}
	if c.Mail == nil {
		return anchorhold.Errorf(anchorhold.Conflict, "set it with `anchorhold notify mail`", "the site cannot send mail")
	}
	return c.Mail.send(ctx, letter{to: to, subject: "[" + s.Site + "] " + subject, text: text})
}
