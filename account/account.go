// Package account keeps a site's users: principals, their tokens and roles.
//
// Tokens are hashed, expire, can be revoked, and are shown once, by the call
// that made them. Whoever presents one is its principal, and nothing else in a
// request says who the caller is. Tests present expired, revoked, foreign and
// malformed tokens, and look for secrets in what is stored.
package account

import (
	"context"
	"errors"
	"maps"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/identity"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// How long tokens live.
const (
	DefaultLife = 365 * 24 * time.Hour
	MaxLife     = 5 * 365 * 24 * time.Hour
)

// Service manages users.
type Service struct {
	Books *books.Books
}

// New is a user to add.
type New struct {
	Email string
	Role  anchorhold.Role
	Scope string // empty: the whole site
	Also  []anchorhold.Binding
	Life  time.Duration // of the token; 0: DefaultLife
}

// Issued is a token, shown this once.
type Issued struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// Add creates a user with a token, or gives an existing user a further role and
// a further token.
func (s *Service) Add(ctx context.Context, p policy.Permit, n New) (anchorhold.Principal, Issued, error) {
	bindings, err := n.check()
	if err != nil {
		return anchorhold.Principal{}, Issued{}, err
	}
	token, cred, err := s.mint(n.Life)
	if err != nil {
		return anchorhold.Principal{}, Issued{}, err
	}
	details := map[string]string{"role": string(bindings[0].Role), "scope": bindings[0].Scope}
	for i, b := range bindings[1:] {
		details["role "+strconv.Itoa(i+2)], details["scope "+strconv.Itoa(i+2)] = string(b.Role), b.Scope
	}
	who, err := act(ctx, s, p, cred.ID, details, func(tx store.Tx) (anchorhold.Principal, error) {
		who, err := tx.PrincipalByEmail(n.Email)
		if errors.Is(err, store.ErrNotFound) {
			who = anchorhold.Principal{ID: anchorhold.NewID(anchorhold.PrefixPrincipal), Email: n.Email, Created: s.Books.Now()}
		} else if err != nil {
			return who, err
		}
		for _, b := range bindings {
			if !slices.Contains(who.Bindings, b) {
				who.Bindings = append(who.Bindings, b)
			}
		}
		who.Disabled = false
		if err := tx.PutPrincipal(who); err != nil {
			return who, err
		}
		cred.Principal = who.ID
		return who, tx.PutCredential(cred)
	})
	if err != nil {
		return who, Issued{}, err
	}
	return who, Issued{token, cred.Expires}, nil
}

// address gives an e-mail address in the one form in which it is kept.
func address(text string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(text))
	plain := !strings.ContainsFunc(email, func(r rune) bool { return r <= ' ' || r >= 0x7f }) // what looks alike must be alike
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email || len(email) > 254 || !plain {
		return "", anchorhold.Errorf(anchorhold.Invalid, "write it like name@example.org", "this is not an e-mail address")
	}
	return email, nil
}

// check gives the roles that are meant, at least one.
func (n *New) check() ([]anchorhold.Binding, error) {
	email, err := address(n.Email)
	if err != nil {
		return nil, err
	}
	n.Email = email
	out := append([]anchorhold.Binding{{Role: n.Role, Scope: n.Scope}}, n.Also...)
	for i := range out {
		if out[i], err = checkBinding(out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func checkBinding(n anchorhold.Binding) (anchorhold.Binding, error) {
	if !slices.Contains(anchorhold.Roles(), n.Role) {
		return anchorhold.Binding{}, anchorhold.Errorf(anchorhold.Invalid, "choose owner, reviewer, researcher or auditor", "there is no such role")
	}
	if n.Scope == "" {
		n.Scope = anchorhold.ScopeSite
	}
	kind, name, _ := strings.Cut(n.Scope, ":")
	known := kind == "dataset" && catalog.CheckName("dataset", name) == nil || kind == "study" && catalog.CheckName("study", name) == nil
	if n.Scope != anchorhold.ScopeSite && !known {
		return anchorhold.Binding{}, anchorhold.Errorf(anchorhold.Invalid, "write site, dataset:NAME or study:NAME", "there is no such scope")
	}
	return n, nil
}

func (s *Service) mint(life time.Duration) (string, anchorhold.Credential, error) {
	if life == 0 {
		life = DefaultLife
	}
	if life < 0 || life > MaxLife {
		return "", anchorhold.Credential{}, anchorhold.Errorf(anchorhold.Invalid, "give 1 to 1825 days", "the token's life is out of range")
	}
	now := s.Books.Now()
	token, hash := identity.NewToken()
	return token, anchorhold.Credential{
		ID: anchorhold.NewID(anchorhold.PrefixCredential), Kind: "token", Hash: hash, Created: now, Expires: now.Add(life),
	}, nil
}

// act runs a change of users. A repetition under the same idempotency key finds
// a user whose newest credential is not the one just minted: the first answer,
// with its token, is gone, and a second token must not be made in silence.
func act(ctx context.Context, s *Service, p policy.Permit, credential string, details map[string]string, fn func(store.Tx) (anchorhold.Principal, error)) (anchorhold.Principal, error) {
	type made struct {
		who        anchorhold.Principal
		credential string
	}
	kept := books.Kind[made]{
		Name: func(m made) string { return m.who.ID + " " + m.credential },
		Find: func(tx store.Tx, name string) (m made, err error) {
			id, credential, _ := strings.Cut(name, " ")
			m.credential = credential
			m.who, err = tx.Principal(id)
			return m, err
		},
	}
	m, err := books.On(ctx, s.Books, p, kept, func(tx store.Tx) (made, books.Record, error) {
		who, err := fn(tx)
		return made{who, credential}, books.Record{Subject: who.ID, Details: with(details, "user", who.Email)}, err
	})
	if err == nil && m.credential != credential {
		err = anchorhold.Errorf(anchorhold.Conflict, "make a new one with `anchorhold user token "+m.who.Email+"`",
			"this was done before, and its token was shown then")
	}
	return m.who, err
}

// with adds an entry to a map of its own.
func with(m map[string]string, key, value string) map[string]string {
	out := maps.Clone(m)
	out[key] = value
	return out
}

// NewToken gives a user one more token.
func (s *Service) NewToken(ctx context.Context, p policy.Permit, email string, life time.Duration) (Issued, error) {
	token, cred, err := s.mint(life)
	if err != nil {
		return Issued{}, err
	}
	_, err = act(ctx, s, p, cred.ID, map[string]string{"what": "a further token"}, func(tx store.Tx) (anchorhold.Principal, error) {
		who, err := user(tx, email)
		if err != nil {
			return who, err
		}
		if who.Disabled {
			return who, anchorhold.Errorf(anchorhold.Conflict, "add the user again first: anchorhold user add "+who.Email, "this user's access was ended")
		}
		cred.Principal = who.ID
		return who, tx.PutCredential(cred)
	})
	if err != nil {
		return Issued{}, err
	}
	return Issued{token, cred.Expires}, nil
}

// RevokeTokens ends every token of a user.
func (s *Service) RevokeTokens(ctx context.Context, p policy.Permit, email string) error {
	_, err := act(ctx, s, p, "", map[string]string{"what": "all tokens revoked"}, func(tx store.Tx) (anchorhold.Principal, error) {
		who, err := user(tx, email)
		if err != nil {
			return who, err
		}
		return who, revoke(tx, who.ID, s.Books.Now())
	})
	return err
}

// Disable ends a user's access; what they did stays in the books.
func (s *Service) Disable(ctx context.Context, p policy.Permit, email string) error {
	_, err := act(ctx, s, p, "", map[string]string{"what": "access ended"}, func(tx store.Tx) (anchorhold.Principal, error) {
		who, err := user(tx, email)
		if err != nil {
			return who, err
		}
		who.Disabled, who.Bindings = true, []anchorhold.Binding{}
		if err := tx.PutPrincipal(who); err != nil {
			return who, err
		}
		return who, revoke(tx, who.ID, s.Books.Now())
	})
	return err
}

// RemoveRole takes one role from a user, who keeps the others and all tokens.
func (s *Service) RemoveRole(ctx context.Context, p policy.Permit, email string, b anchorhold.Binding) error {
	if b.Scope == "" {
		b.Scope = anchorhold.ScopeSite
	}
	details := map[string]string{"what": "role ended", "role": string(b.Role), "scope": b.Scope}
	_, err := act(ctx, s, p, "", details, func(tx store.Tx) (anchorhold.Principal, error) {
		who, err := user(tx, email)
		if err != nil {
			return who, err
		}
		i := slices.Index(who.Bindings, b)
		if i < 0 {
			return who, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold user ls`", "this user does not have that role there")
		}
		who.Bindings = slices.Delete(slices.Clone(who.Bindings), i, i+1)
		return who, tx.PutPrincipal(who)
	})
	return err
}

func revoke(tx store.Tx, principal string, now time.Time) error {
	creds, err := tx.Credentials(principal)
	if err != nil {
		return err
	}
	for _, c := range creds {
		if c.Revoked != nil {
			continue
		}
		c.Revoked = &now
		if err := tx.PutCredential(c); err != nil {
			return err
		}
	}
	return nil
}

func user(tx store.Tx, email string) (anchorhold.Principal, error) {
	who, err := tx.PrincipalByEmail(strings.ToLower(strings.TrimSpace(email)))
	if errors.Is(err, store.ErrNotFound) {
		err = anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold user ls`", "there is no user with this e-mail address")
	}
	return who, err
}

// Authenticate finds the principal of a token; every token that does not hold
// gets the same error. No token at all is nobody: the zero Principal. At a site
// that a restore has frozen none holds: which were revoked after the backup,
// its books do not say.
func (s *Service) Authenticate(ctx context.Context, token string) (who anchorhold.Principal, err error) {
	if token == "" {
		return who, nil
	}
	if frozen, err := s.Books.Frozen(ctx); err != nil {
		return who, err
	} else if frozen {
		return who, anchorhold.Errorf(anchorhold.Unauthenticated, "try again once its owner has decided; on its machine, `anchorhold restore status` says what it waits for",
			"the site was restored from a backup, and knows of no token whether it still holds").Because(books.ErrFrozen)
	}
	refused := anchorhold.Errorf(anchorhold.Unauthenticated, "ask the owner for a new one", "this token is not valid here, has expired or was revoked")
	if !identity.LooksLikeToken(token) {
		return who, refused
	}
	err = s.Books.View(ctx, func(tx store.Tx) error {
		c, err := tx.CredentialByHash(identity.HashToken(token))
		if errors.Is(err, store.ErrNotFound) {
			return refused
		}
		if err != nil {
			return err
		}
		if !c.Holds(s.Books.Now()) {
			return refused
		}
		if who, err = tx.Principal(c.Principal); err != nil {
			return err
		}
		if who.Disabled {
			return refused
		}
		return nil
	})
	if err != nil {
		return anchorhold.Principal{}, err
	}
	return who, nil
}

// List reads users, sorted by e-mail address.
func (s *Service) List(ctx context.Context, page store.Page) (users []anchorhold.Principal, next string, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		users, next, err = tx.ListPrincipals(page)
		return err
	})
	return users, next, err
}
