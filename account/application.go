package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// Limits of applications: strangers make them.
const (
	proofTime    = 24 * time.Hour // to enter the code that was mailed
	maxTries     = 5              // wrong codes
	maxUnproved  = 100            // at a time
	maxSame      = 3              // of them with one address: nobody is flooded with codes
	maxOpen      = 500
	settingForm  = "applications"
	settingTaken = "open"
)

// Applications takes what people say who would like an account. It is off until
// an owner opens it.
type Applications struct {
	Accounts *Service
	// Write mails a text.
	Write func(ctx context.Context, to, subject, text string) error

	mu      sync.Mutex
	mailing []anchorhold.Application // whose codes are on their way, so that no record counts them yet
}

// Applying is what somebody says of themselves.
type Applying struct {
	Email       string
	Name        string
	Affiliation string
	Purpose     string
}

func (a *Applying) check() error {
	email, err := address(a.Email)
	if err != nil {
		return err
	}
	a.Email = email
	for what, text := range map[string]string{"name": a.Name, "affiliation": a.Affiliation} {
		if len(text) > 200 || strings.Contains(text, "\n") {
			return anchorhold.Errorf(anchorhold.TooLarge, "shorten it to a line", "the %s is too long", what)
		}
		if err := request.CheckText(what, text, what == "name"); err != nil {
			return err
		}
	}
	return request.CheckText("purpose", a.Purpose, true)
}

// SetForm opens or closes the form.
func (s *Applications) SetForm(ctx context.Context, p policy.Permit, open bool) error {
	value := "closed"
	if open {
		value = settingTaken
	}
	_, err := books.Act(ctx, s.Accounts.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
		return struct{}{}, books.Record{Subject: settingForm, Details: map[string]string{"form": value}}, tx.PutSetting(settingForm, value)
	})
	return err
}

// Apply takes an application: a principal without any role, whose token is
// shown this once, and a code that is mailed to prove the address.
func (s *Applications) Apply(ctx context.Context, p policy.Permit, a Applying) (anchorhold.Application, Issued, error) {
	if err := s.taken(ctx); err != nil { // before all else: a closed form says nothing more
		return anchorhold.Application{}, Issued{}, err
	}
	if err := a.check(); err != nil {
		return anchorhold.Application{}, Issued{}, err
	}
	token, cred, err := s.Accounts.mint(0)
	if err != nil {
		return anchorhold.Application{}, Issued{}, err
	}
	code, hash := newCode()
	app := anchorhold.Application{
		ID: anchorhold.NewID(anchorhold.PrefixApplication), Principal: anchorhold.NewID(anchorhold.PrefixPrincipal), Email: a.Email, Name: a.Name,
		Affiliation: a.Affiliation, Purpose: a.Purpose, State: anchorhold.ApplicationUnproved, Created: s.Accounts.Books.Now(), CodeHash: hash,
	}
	cred.Principal = app.Principal
	end, err := s.begin(ctx, app)
	if err != nil {
		return anchorhold.Application{}, Issued{}, err
	}
	defer end()
	// The mail comes first: a code that nobody knows of does no harm, an
	// application whose code was never sent would only be in the way.
	if err := s.mailCode(ctx, app, code); err != nil {
		return anchorhold.Application{}, Issued{}, err
	}
	_, err = books.Act(ctx, s.Accounts.Books, p, func(tx store.Tx) (string, books.Record, error) {
		rec := books.Record{Subject: app.ID, Details: map[string]string{"who": app.Principal}}
		now := s.Accounts.Books.Now()
		if err := errors.Join(room(tx, app, nil, now), tx.DeleteApplications(anchorhold.ApplicationUnproved, now.Add(-proofTime))); err != nil {
			return "", rec, err
		}
		return app.ID, rec, errors.Join(
			tx.PutPrincipal(anchorhold.Principal{ID: app.Principal, Created: app.Created, Applicant: true}), tx.PutCredential(cred), tx.PutApplication(app))
	})
	if err != nil {
		return anchorhold.Application{}, Issued{}, err
	}
	return app, Issued{token, cred.Expires}, nil
}

// begin takes the room for one more application before its code is mailed, so
// that who applies many times at once floods nobody either; end gives it back,
// to be called once the application is recorded or failed.
func (s *Applications) begin(ctx context.Context, app anchorhold.Application) (end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.Accounts.Books.View(ctx, func(tx store.Tx) error { return room(tx, app, s.mailing, s.Accounts.Books.Now()) })
	if err != nil {
		return nil, err
	}
	s.mailing = append(s.mailing, app)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mailing = slices.DeleteFunc(s.mailing, func(m anchorhold.Application) bool { return m.ID == app.ID })
	}, nil
}

// mailCode mails the code that proves an address.
func (s *Applications) mailCode(ctx context.Context, app anchorhold.Application, code string) error {
	return s.Write(ctx, app.Email, "prove your address",
		"Somebody, perhaps you, has applied for an account with this address.\n\nTo prove that it is yours: anchorhold apply prove "+code+
			"\n\nThe code holds for a day. If it was not you, do nothing.\n")
}

// taken is an error while the form is closed. A frozen site takes none, and must
// not write to people whom no record would count.
func (s *Applications) taken(ctx context.Context) error {
	closed := anchorhold.Errorf(anchorhold.Denied, "ask the owner for an account", "this site takes no applications")
	if frozen, err := s.Accounts.Books.Frozen(ctx); err != nil || frozen {
		return cmp.Or(err, error(closed))
	}
	return s.Accounts.Books.View(ctx, func(tx store.Tx) error {
		value, err := tx.Setting(settingForm)
		if errors.Is(err, store.ErrNotFound) || err == nil && value != settingTaken {
			return closed
		}
		return err
	})
}

// room refuses another application where too many are waiting, or are about to;
// what was not proved in time does not count.
func room(tx store.Tx, app anchorhold.Application, mailing []anchorhold.Application, now time.Time) error {
	full := anchorhold.Errorf(anchorhold.Unavailable, "try again tomorrow, or write to the owner", "too many applications are waiting")
	for state, most := range map[anchorhold.ApplicationState]int{anchorhold.ApplicationUnproved: maxUnproved, anchorhold.ApplicationOpen: maxOpen} {
		waiting, _, err := tx.ListApplications(state, store.Page{Limit: most})
		if err != nil {
			return err
		}
		waiting = slices.DeleteFunc(waiting, func(a anchorhold.Application) bool {
			return a.State == anchorhold.ApplicationUnproved && now.Sub(a.Created) > proofTime
		})
		if state == anchorhold.ApplicationUnproved {
			waiting = append(waiting, mailing...)
		}
		// Whether an address has applied before is not for strangers to learn: the
		// same sentence, and only once it would be a nuisance.
		if len(waiting) >= most || count(waiting, app.Email) >= maxSame {
			return full
		}
	}
	return nil
}

func count(waiting []anchorhold.Application, email string) (n int) {
	for _, w := range waiting {
		if w.Email == email {
			n++
		}
	}
	return n
}

// Find finds an application.
func (s *Applications) Find(ctx context.Context, id string) (a anchorhold.Application, err error) {
	err = s.Accounts.Books.View(ctx, func(tx store.Tx) error {
		a, err = tx.Application(id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = policy.Missing(policy.TypeApplication, id)
	}
	return a, err
}

// List reads applications, newest first.
func (s *Applications) List(ctx context.Context, state anchorhold.ApplicationState, page store.Page) (out []anchorhold.Application, next string, err error) {
	err = s.Accounts.Books.View(ctx, func(tx store.Tx) error {
		out, next, err = tx.ListApplications(state, page)
		return err
	})
	return out, next, err
}

// applications is the kind of what is acted on here.
func applications() books.Kind[anchorhold.Application] {
	return books.Kind[anchorhold.Application]{Name: func(a anchorhold.Application) string { return a.ID }, Find: store.Tx.Application}
}

// errWrongCode is remembered with the try that it was.
var errWrongCode = anchorhold.Errorf(anchorhold.Invalid, "enter the code of the newest mail", "this is not the code that was mailed")

// Prove takes the code that was mailed to the applicant's address.
func (s *Applications) Prove(ctx context.Context, p policy.Permit, id, code string) (anchorhold.Application, error) {
	hash := hashCode(code)
	a, err := books.On(ctx, s.Accounts.Books, p, applications(), func(tx store.Tx) (anchorhold.Application, books.Record, error) {
		rec := books.Record{Subject: id}
		a, err := tx.Application(id)
		if err != nil {
			return a, rec, err
		}
		if a.State != anchorhold.ApplicationUnproved {
			return a, rec, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the address is proved already")
		}
		if a.Tries >= maxTries || s.Accounts.Books.Now().Sub(a.Created) > proofTime {
			return a, rec, anchorhold.Errorf(anchorhold.Conflict, "apply again tomorrow", "the code does not hold any more")
		}
		if subtle.ConstantTimeCompare(hash, a.CodeHash) != 1 {
			a.Tries++
		} else if err := onlyOne(tx, a); err != nil {
			return a, rec, err
		} else {
			a.State, a.CodeHash = anchorhold.ApplicationOpen, nil
		}
		rec.Details = map[string]string{"state": string(a.State)}
		return a, rec, tx.PutApplication(a)
	})
	if err == nil && a.State == anchorhold.ApplicationUnproved {
		err = errWrongCode
	}
	return a, err
}

// onlyOne refuses a second application of the same, proved, address.
func onlyOne(tx store.Tx, a anchorhold.Application) error {
	open, _, err := tx.ListApplications(anchorhold.ApplicationOpen, store.Page{Limit: maxOpen})
	if err == nil && count(open, a.Email) > 0 {
		err = anchorhold.Errorf(anchorhold.Conflict, "wait for the owner's answer to that one", "an application with your address is waiting already")
	}
	return err
}

// Word is an owner's answer to an application.
type Word struct {
	Verdict anchorhold.Verdict
	Role    anchorhold.Role // of an acceptance
	Scope   string          // of an acceptance; empty: the whole site
	Reason  string          // of a denial
}

// Decide accepts, which makes the account, or declines.
func (s *Applications) Decide(ctx context.Context, p policy.Permit, id string, w Word) (anchorhold.Application, error) {
	if w.Verdict != anchorhold.Approve && w.Verdict != anchorhold.Deny {
		return anchorhold.Application{}, anchorhold.Errorf(anchorhold.Invalid, "say approve or deny", "the verdict is neither approve nor deny")
	}
	if err := request.CheckText("reason", w.Reason, w.Verdict == anchorhold.Deny); err != nil {
		return anchorhold.Application{}, err
	}
	a, err := books.On(ctx, s.Accounts.Books, p, applications(), func(tx store.Tx) (anchorhold.Application, books.Record, error) {
		rec := books.Record{Subject: id, Details: map[string]string{"verdict": string(w.Verdict), "reason": w.Reason}}
		a, err := tx.Application(id)
		if err != nil {
			return a, rec, err
		}
		if a.State != anchorhold.ApplicationOpen {
			return a, rec, anchorhold.Errorf(anchorhold.Conflict, "see `anchorhold application ls`", "the application is %s", a.State)
		}
		now := s.Accounts.Books.Now()
		a.Decided, a.DeciderName, a.Reason = &now, p.Principal().Name(), w.Reason
		if w.Verdict == anchorhold.Deny {
			a.State = anchorhold.ApplicationDeclined
			return a, rec, tx.PutApplication(a)
		}
		a.State = anchorhold.ApplicationAccepted
		b, err := s.admit(tx, a, w)
		rec.Details["user"], rec.Details["role"], rec.Details["scope"] = a.Email, string(b.Role), b.Scope
		return a, rec, errors.Join(err, tx.PutApplication(a))
	})
	if err == nil {
		s.tell(ctx, a)
	}
	return a, err
}

// tell writes to an applicant. The answer holds whether or not the mail arrives:
// the applicant can see it with the token.
func (s *Applications) tell(ctx context.Context, a anchorhold.Application) {
	text := "Your application " + a.ID + " was " + string(a.State) + ".\n\nSee it with: anchorhold apply show\n"
	if err := s.Write(ctx, a.Email, "your application was "+string(a.State), text); err != nil {
		slog.Warn("an applicant could not be written to", "application", a.ID, "kind", anchorhold.KindOf(err))
	}
}

// admit turns an applicant into a user.
func (s *Applications) admit(tx store.Tx, a anchorhold.Application, w Word) (anchorhold.Binding, error) {
	n := New{Email: a.Email, Role: w.Role, Scope: w.Scope}
	bindings, err := n.check()
	if err != nil {
		return anchorhold.Binding{}, err
	}
	b := bindings[0]
	if _, err := tx.PrincipalByEmail(n.Email); err == nil {
		return b, anchorhold.Errorf(anchorhold.Conflict, "decline, and give that user the role with `anchorhold user add`", "there is already a user with this address")
	} else if !errors.Is(err, store.ErrNotFound) {
		return b, err
	}
	who, err := tx.Principal(a.Principal)
	if err != nil {
		return b, err
	}
	who.Email, who.Applicant, who.Bindings = n.Email, false, []anchorhold.Binding{b}
	return b, tx.PutPrincipal(who)
}

// codeEncoding is RFC 4648's base 32 in lower case.
var codeEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newCode draws the code that proves an address, and its hash.
func newCode() (code string, hash []byte) {
	var b [10]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	code = codeEncoding.EncodeToString(b[:])
	return code, hashCode(code)
}

func hashCode(code string) []byte {
	sum := sha256.Sum256([]byte("anchorhold-proof-v1\n" + strings.ToLower(strings.TrimSpace(code))))
	return sum[:]
}
