package account_test

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/identity"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// bench is an account service over fresh books.
type bench struct {
	*bookstest.Set
	*account.Service
	t *testing.T
}

func newBench(t *testing.T) *bench {
	t.Helper()
	set := bookstest.New(t)
	return &bench{Set: set, Service: &account.Service{Books: set.Books}, t: t}
}

// by is an owner's permit for an action on users.
func (b *bench) by(action policy.Action) policy.Permit {
	b.t.Helper()
	return bookstest.Permit(b.t, bookstest.User("olga", anchorhold.RoleOwner), action, policy.Site())
}

func (b *bench) add(n account.New) (anchorhold.Principal, string) {
	b.t.Helper()
	who, issued, err := b.Add(context.Background(), b.by(policy.UserAdd), n)
	if err != nil {
		b.t.Fatal(err)
	}
	return who, issued.Token
}

func (b *bench) ada() (anchorhold.Principal, string) {
	b.t.Helper()
	return b.add(account.New{Email: "ada@example.org", Role: anchorhold.RoleResearcher})
}

func (b *bench) credentials(principal string) (out []anchorhold.Credential) {
	b.t.Helper()
	err := b.View(context.Background(), func(tx store.Tx) (err error) {
		out, err = tx.Credentials(principal)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// refused holds every way in which a token may fail against one error.
func (b *bench) refused(why, token string) {
	b.t.Helper()
	who, err := b.Authenticate(context.Background(), token)
	var e *anchorhold.Error
	if !errors.As(err, &e) {
		b.t.Errorf("%s: got %v as %v", why, err, who)
		return
	}
	const want = "this token is not valid here, has expired or was revoked; ask the owner for a new one"
	if e.Kind != anchorhold.Unauthenticated || e.Error() != want || e.Cause != nil {
		b.t.Errorf("%s: the error tells which way it failed: %s %q, cause %v", why, e.Kind, e, e.Cause)
	}
	if !reflect.DeepEqual(who, anchorhold.Principal{}) {
		b.t.Errorf("%s: the refusal names %+v", why, who)
	}
}

func (b *bench) holds(token, id string) {
	b.t.Helper()
	if who, err := b.Authenticate(context.Background(), token); err != nil || who.ID != id {
		b.t.Errorf("the token is %q's with %v, want %q", who.ID, err, id)
	}
}

func wantKind(t *testing.T, what string, err error, kind anchorhold.Kind) {
	t.Helper()
	var e *anchorhold.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Message == "" || e.Remedy == "" {
		t.Errorf("%s: got %v, want a sentence and a remedy of kind %s", what, err, kind)
	}
}

func TestTokenIsItsPrincipal(t *testing.T) {
	b := newBench(t)
	ada, token := b.ada()
	bob, other := b.add(account.New{Email: "bob@example.org", Role: anchorhold.RoleReviewer})
	who, err := b.Authenticate(context.Background(), token)
	if err != nil || !reflect.DeepEqual(who, ada) {
		t.Fatalf("got %+v, %v, want %+v", who, err, ada)
	}
	if !anchorhold.IsID(anchorhold.PrefixPrincipal, who.ID) || who.Email != "ada@example.org" || !who.Created.Equal(b.Clock.Now()) ||
		!slices.Equal(who.Bindings, []anchorhold.Binding{{Role: anchorhold.RoleResearcher, Scope: anchorhold.ScopeSite}}) {
		t.Errorf("the user is %+v", who)
	}
	b.holds(other, bob.ID)
	nobody, err := b.Authenticate(context.Background(), "")
	if err != nil || nobody.ID != "" || len(nobody.Bindings) != 0 {
		t.Errorf("no token is %+v, %v", nobody, err)
	}
}

// TestEveryBadTokenLooksTheSame presents what an attacker has.
func TestEveryBadTokenLooksTheSame(t *testing.T) {
	b := newBench(t)
	_, good := b.ada()
	_, foreign := newBench(t).ada()
	_, revoked := b.add(account.New{Email: "rita@example.org", Role: anchorhold.RoleOwner})
	_, disabled := b.add(account.New{Email: "dora@example.org", Role: anchorhold.RoleOwner})
	_, expired := b.add(account.New{Email: "eve@example.org", Role: anchorhold.RoleOwner, Life: time.Minute})
	ctx := context.Background()
	if err := b.RevokeTokens(ctx, b.by(policy.UserToken), "rita@example.org"); err != nil {
		t.Fatal(err)
	}
	if err := b.Disable(ctx, b.by(policy.UserRemove), "dora@example.org"); err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(time.Minute)
	unknown, hash := identity.NewToken()
	for why, token := range map[string]string{
		"foreign": foreign, "revoked": revoked, "of a disabled user": disabled, "expired": expired, "never issued": unknown,
		"nonsense": "aht_nonsense", "upper case": strings.ToUpper(good), "with a blank": good + " ", "cut": good[:len(good)-1],
		"its hash": hex.EncodeToString(hash), "an id": "pri-olga", "an address": "ada@example.org", "SQL": "' OR 1=1 --", "NUL": "\x00", "huge": strings.Repeat("a", 1<<20),
	} {
		b.refused(why, token)
	}
	if _, err := b.Authenticate(ctx, good); err != nil {
		t.Errorf("the good token: %v", err)
	}
}

// TestStolenDatabaseIsNoCredential looks for the secret in every form in every
// file of the database, and presents what is stored there instead.
func TestStolenDatabaseIsNoCredential(t *testing.T) {
	b := newBench(t)
	ctx := books.WithKey(context.Background(), "key", []byte("body")) // the answer is kept too
	ada, issued, err := b.Add(ctx, b.by(policy.UserAdd), account.New{Email: "ada@example.org", Role: anchorhold.RoleResearcher})
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.NewToken(books.WithKey(context.Background(), "key 2", []byte("body")), b.by(policy.UserToken), "ada@example.org", 0)
	if err != nil {
		t.Fatal(err)
	}
	stored := databaseBytes(t)
	for _, token := range []string{issued.Token, second.Token} {
		text := strings.TrimPrefix(token, "aht_")
		secret, err := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for form, needle := range map[string]string{
			"token": token, "its text": text, "half of it": text[:26], "bytes": string(secret), "hexadecimal": hex.EncodeToString(secret),
			"base64": base64.RawStdEncoding.EncodeToString(secret), "the token in base64": base64.RawStdEncoding.EncodeToString([]byte(token)),
		} {
			if bytes.Contains(stored, []byte(needle)) {
				t.Errorf("the database holds the %s", form)
			}
		}
		hash := identity.HashToken(token)
		if !bytes.Contains(stored, hash) {
			t.Error("the database lacks the token's hash: this test looks at the wrong files")
		}
		b.refused("the stored hash", "aht_"+base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(hash))
	}
	for _, e := range b.Events() {
		if said := fmt.Sprintf("%+v", e); strings.Contains(said, "aht_") || strings.Contains(said, strings.TrimPrefix(issued.Token, "aht_")) {
			t.Errorf("the audit log tells a token: %s", said)
		}
	}
	for _, c := range b.credentials(ada.ID) {
		if len(c.Hash) != 32 || c.Kind != "token" {
			t.Errorf("the credential is %+v", c)
		}
	}
}

// databaseBytes reads every file of the test's database, the write-ahead log
// included.
func databaseBytes(t *testing.T) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(t.TempDir()), "*", "site.db*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	names := []string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
		names = append(names, filepath.Base(f))
	}
	if !slices.Contains(names, "site.db") || !slices.Contains(names, "site.db-wal") {
		t.Fatalf("the database has only the files %v", names)
	}
	return all
}

func TestTokenIsShownOnce(t *testing.T) {
	b := newBench(t)
	ctx := books.WithKey(context.Background(), "key", []byte("body"))
	n := account.New{Email: "ada@example.org", Role: anchorhold.RoleResearcher}
	ada, first, err := b.Add(ctx, b.by(policy.UserAdd), n)
	if err != nil {
		t.Fatal(err)
	}
	entries := len(b.Events())
	for range 2 {
		who, again, err := b.Add(ctx, b.by(policy.UserAdd), n)
		wantKind(t, "adding again", err, anchorhold.Conflict)
		if !strings.Contains(err.Error(), "anchorhold user token ada@example.org") {
			t.Errorf("the remedy does not say how to make a token: %v", err)
		}
		if who.ID != ada.ID || again.Token == first.Token {
			t.Errorf("the repetition answers %+v, %+v", who, again)
		}
		if again.Token != "" {
			b.refused("what a repetition returned", again.Token)
		}
	}
	if n := len(b.credentials(ada.ID)); n != 1 {
		t.Errorf("%d credentials for one act", n)
	}
	if n := len(b.Events()); n != entries {
		t.Errorf("%d entries for one act", n)
	}
	b.holds(first.Token, ada.ID)

	ctx = books.WithKey(context.Background(), "another key", []byte("body"))
	second, err := b.NewToken(ctx, b.by(policy.UserToken), "ada@example.org", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	third, err := b.NewToken(ctx, b.by(policy.UserToken), "ada@example.org", time.Hour)
	wantKind(t, "a token again", err, anchorhold.Conflict)
	if third.Token != "" {
		b.refused("what a repetition returned", third.Token)
	}
	if n := len(b.credentials(ada.ID)); n != 2 {
		t.Errorf("%d credentials for two acts", n)
	}
	b.holds(first.Token, ada.ID)
	b.holds(second.Token, ada.ID)
}

// TestRepeatedEndingsAreAnswered: what shows no token may be repeated in peace.
func TestRepeatedEndingsAreAnswered(t *testing.T) {
	b := newBench(t)
	_, token := b.ada()
	for name, end := range map[string]func(context.Context) error{
		"revoke":  func(ctx context.Context) error { return b.RevokeTokens(ctx, b.by(policy.UserToken), "ada@example.org") },
		"disable": func(ctx context.Context) error { return b.Disable(ctx, b.by(policy.UserRemove), "ada@example.org") },
	} {
		ctx := books.WithKey(context.Background(), name, []byte("body"))
		before := len(b.Events())
		for range 2 {
			if err := end(ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := len(b.Events()) - before; n != 1 {
			t.Errorf("%s twice under one key wrote %d entries", name, n)
		}
		if err := end(context.Background()); err != nil {
			t.Errorf("%s where nothing is left to end: %v", name, err)
		}
		b.refused(name, token)
	}
}

func TestTokensExpireToTheInstant(t *testing.T) {
	for life, want := range map[time.Duration]time.Duration{
		0: account.DefaultLife, time.Hour: time.Hour, account.MaxLife: account.MaxLife,
	} {
		b := newBench(t)
		ada, issued, err := b.Add(context.Background(), b.by(policy.UserAdd), account.New{Email: "ada@example.org", Role: anchorhold.RoleOwner, Life: life})
		if err != nil {
			t.Fatal(err)
		}
		if !issued.Expires.Equal(b.Clock.Now().Add(want)) {
			t.Errorf("a life of %v ends at %v", life, issued.Expires)
		}
		b.Clock.Move(want - time.Nanosecond)
		b.holds(issued.Token, ada.ID)
		b.Clock.Move(time.Nanosecond)
		b.refused("expired", issued.Token)
		b.Clock.Move(100 * 365 * 24 * time.Hour)
		b.refused("long expired", issued.Token)
	}
}

func TestLivesOutOfRangeAreRefused(t *testing.T) {
	b := newBench(t)
	b.ada()
	for _, life := range []time.Duration{-1, -time.Hour, account.MaxLife + 1, 1<<63 - 1, -1 << 63} {
		_, _, err := b.Add(context.Background(), b.by(policy.UserAdd), account.New{Email: "bob@example.org", Role: anchorhold.RoleOwner, Life: life})
		wantKind(t, fmt.Sprintf("adding with a life of %d", life), err, anchorhold.Invalid)
		_, err = b.NewToken(context.Background(), b.by(policy.UserToken), "ada@example.org", life)
		wantKind(t, fmt.Sprintf("a token with a life of %d", life), err, anchorhold.Invalid)
	}
	if users, _, err := b.List(context.Background(), store.Page{}); err != nil || len(users) != 1 {
		t.Errorf("the users are %+v, %v", users, err)
	}
	if n := len(b.Events()); n != 1 {
		t.Errorf("%d entries for one act", n)
	}
}

func TestRevokingEndsEveryTokenOfOneUser(t *testing.T) {
	b := newBench(t)
	ada, first := b.ada()
	bob, others := b.add(account.New{Email: "bob@example.org", Role: anchorhold.RoleResearcher})
	second, err := b.NewToken(context.Background(), b.by(policy.UserToken), "ada@example.org", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.RevokeTokens(context.Background(), b.by(policy.UserToken), "ada@example.org"); err != nil {
		t.Fatal(err)
	}
	at := b.Clock.Now()
	b.refused("first", first)
	b.refused("second", second.Token)
	b.holds(others, bob.ID)
	b.Clock.Move(time.Hour)
	third, err := b.NewToken(context.Background(), b.by(policy.UserToken), "ada@example.org", 0)
	if err != nil {
		t.Fatal(err)
	}
	b.holds(third.Token, ada.ID)
	if err := b.RevokeTokens(context.Background(), b.by(policy.UserToken), "ada@example.org"); err != nil {
		t.Fatal(err)
	}
	b.refused("third", third.Token)
	var revoked []time.Time
	for _, c := range b.credentials(ada.ID) { // newest first
		revoked = append(revoked, *c.Revoked)
	}
	if len(revoked) != 3 || !revoked[0].Equal(b.Clock.Now()) || !revoked[1].Equal(at) || !revoked[2].Equal(at) {
		t.Errorf("the tokens were revoked at %v: a second revocation moved the first", revoked)
	}
}

func TestDisabledUsersHaveNothingLeft(t *testing.T) {
	b := newBench(t)
	ada, token := b.add(account.New{Email: "ada@example.org", Role: anchorhold.RoleOwner})
	if err := b.Disable(context.Background(), b.by(policy.UserRemove), "ADA@example.org"); err != nil {
		t.Fatal(err)
	}
	b.refused("disabled", token)
	users, _, err := b.List(context.Background(), store.Page{})
	if err != nil || len(users) != 1 || !users[0].Disabled || len(users[0].Bindings) != 0 || users[0].ID != ada.ID {
		t.Fatalf("the users are %+v, %v", users, err)
	}
	if issued, err := b.NewToken(context.Background(), b.by(policy.UserToken), "ada@example.org", 0); err == nil {
		b.refused("made for a disabled user", issued.Token)
	}
	// Coming back, the user has the new role alone, and no old token.
	again, fresh := b.add(account.New{Email: "ada@example.org", Role: anchorhold.RoleAuditor})
	if again.ID != ada.ID || again.Disabled || !slices.Equal(again.Bindings, []anchorhold.Binding{{Role: anchorhold.RoleAuditor, Scope: anchorhold.ScopeSite}}) {
		t.Errorf("the user came back as %+v", again)
	}
	b.refused("of before", token)
	b.holds(fresh, ada.ID)
}

func TestExistingUsersGetFurtherRoles(t *testing.T) {
	b := newBench(t)
	ada, first := b.ada()
	again, second := b.add(account.New{Email: "ada@example.org", Role: anchorhold.RoleReviewer, Scope: "dataset:heart"})
	same, third := b.add(account.New{Email: " Ada@Example.ORG ", Role: anchorhold.RoleResearcher})
	want := []anchorhold.Binding{{Role: anchorhold.RoleResearcher, Scope: "site"}, {Role: anchorhold.RoleReviewer, Scope: "dataset:heart"}}
	if again.ID != ada.ID || same.ID != ada.ID || !slices.Equal(same.Bindings, want) || !same.Created.Equal(ada.Created) {
		t.Errorf("the user is %+v, want the roles %v", same, want)
	}
	for _, token := range []string{first, second, third} {
		who, err := b.Authenticate(context.Background(), token)
		if err != nil || !slices.Equal(who.Bindings, want) {
			t.Errorf("a token is %+v, %v", who, err)
		}
	}
	if first == second || second == third {
		t.Error("a token was issued twice")
	}
	if users, _, err := b.List(context.Background(), store.Page{}); err != nil || len(users) != 1 {
		t.Errorf("the users are %+v, %v", users, err)
	}
}

func TestAddressesAreNormalised(t *testing.T) {
	b := newBench(t)
	ada, _ := b.add(account.New{Email: "\t Ada.Lovelace+Heart@Example.ORG\n", Role: anchorhold.RoleResearcher})
	if ada.Email != "ada.lovelace+heart@example.org" {
		t.Fatalf("the address is %q", ada.Email)
	}
	const shouted = "ADA.LOVELACE+HEART@EXAMPLE.ORG"
	issued, err := b.NewToken(context.Background(), b.by(policy.UserToken), shouted, 0)
	if err != nil {
		t.Fatal(err)
	}
	b.holds(issued.Token, ada.ID)
	if err := b.RevokeTokens(context.Background(), b.by(policy.UserToken), shouted); err != nil {
		t.Fatal(err)
	}
	b.refused("revoked", issued.Token)
}

func TestBadUsersAreRefused(t *testing.T) {
	good := account.New{Email: "ada@example.org", Role: anchorhold.RoleResearcher, Scope: "dataset:heart"}
	b := newBench(t)
	for name, change := range map[string]func(*account.New){
		"no address":              func(n *account.New) { n.Email = "" },
		"blank address":           func(n *account.New) { n.Email = " \t" },
		"no at":                   func(n *account.New) { n.Email = "ada" },
		"no host":                 func(n *account.New) { n.Email = "ada@" },
		"no person":               func(n *account.New) { n.Email = "@example.org" },
		"with a name":             func(n *account.New) { n.Email = "Ada <ada@example.org>" },
		"two addresses":           func(n *account.New) { n.Email = "ada@example.org, bob@example.org" },
		"comment":                 func(n *account.New) { n.Email = "ada@example.org (owner)" },
		"line break":              func(n *account.New) { n.Email = "ada\n@example.org" },
		"forged line":             func(n *account.New) { n.Email = "ada@example.org\nowner@example.org" },
		"terminal escape":         func(n *account.New) { n.Email = "ada\x1b[2K@example.org" },
		"local principal":         func(n *account.New) { n.Email = "local:0" },
		"the site itself":         func(n *account.New) { n.Email = policy.SiteName },
		"too long":                func(n *account.New) { n.Email = strings.Repeat("a", 250) + "@x.org" },
		"no role":                 func(n *account.New) { n.Role = "" },
		"unknown role":            func(n *account.New) { n.Role = "admin" },
		"role in capitals":        func(n *account.New) { n.Role = "Owner" },
		"role with a blank":       func(n *account.New) { n.Role = "owner " },
		"unknown scope":           func(n *account.New) { n.Scope = "world" },
		"scope in capitals":       func(n *account.New) { n.Scope = "Site" },
		"site with a name":        func(n *account.New) { n.Scope = "site:x" },
		"dataset without a name":  func(n *account.New) { n.Scope = "dataset:" },
		"dataset without a colon": func(n *account.New) { n.Scope = "dataset" },
		"study without a name":    func(n *account.New) { n.Scope = "study:" },
		"unknown kind":            func(n *account.New) { n.Scope = "asset:heart" },
		"blank before":            func(n *account.New) { n.Scope = " dataset:heart" },
	} {
		n := good
		change(&n)
		_, issued, err := b.Add(context.Background(), b.by(policy.UserAdd), n)
		wantKind(t, name, err, anchorhold.Invalid)
		if issued.Token != "" {
			t.Errorf("%s: a token was made", name)
		}
	}
	if n := len(b.Events()); n != 0 {
		t.Errorf("%d entries for refused users", n)
	}
	for _, scope := range []string{"", "site", "dataset:heart", "study:2026-a"} {
		for _, role := range anchorhold.Roles() {
			n := good
			n.Role, n.Scope = role, scope
			if _, _, err := b.Add(context.Background(), b.by(policy.UserAdd), n); err != nil {
				t.Errorf("%s of %q: %v", role, scope, err)
			}
		}
	}
}

func TestUnknownUsersAreNotFound(t *testing.T) {
	b := newBench(t)
	b.ada()
	ctx := context.Background()
	for _, email := range []string{"bob@example.org", "", "ada@example.org'--", "%", "pri-olga"} {
		_, err := b.NewToken(ctx, b.by(policy.UserToken), email, 0)
		wantKind(t, "a token", err, anchorhold.NotFound)
		wantKind(t, "revoking", b.RevokeTokens(ctx, b.by(policy.UserToken), email), anchorhold.NotFound)
		wantKind(t, "disabling", b.Disable(ctx, b.by(policy.UserRemove), email), anchorhold.NotFound)
	}
	if n := len(b.Events()); n != 1 {
		t.Errorf("%d entries for one act", n)
	}
}

// TestOnlyOwnersManageUsers: the services take a permit, and only owners get one.
func TestOnlyOwnersManageUsers(t *testing.T) {
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []policy.Action{policy.UserAdd, policy.UserToken, policy.UserRemove} {
		for _, who := range []anchorhold.Principal{
			{},
			bookstest.User("ada", anchorhold.RoleResearcher), bookstest.User("rita", anchorhold.RoleReviewer), bookstest.User("aron", anchorhold.RoleAuditor),
			{ID: "pri-part", Email: "part@example.org", Bindings: []anchorhold.Binding{{Role: anchorhold.RoleOwner, Scope: "dataset:heart"}}},
		} {
			if _, err := rules.Check(who, action, policy.Site()); err == nil {
				t.Errorf("%q may %s", who.Name(), action)
			}
		}
	}
}

func TestEveryActIsInTheBooks(t *testing.T) {
	b := newBench(t)
	ada, _ := b.ada()
	ctx := context.Background()
	if _, err := b.NewToken(ctx, b.by(policy.UserToken), "ada@example.org", 0); err != nil {
		t.Fatal(err)
	}
	if err := b.RevokeTokens(ctx, b.by(policy.UserToken), "ada@example.org"); err != nil {
		t.Fatal(err)
	}
	if err := b.Disable(ctx, b.by(policy.UserRemove), "ada@example.org"); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, e := range b.Events() {
		if e.Actor != "olga@example.org" || e.Subject != ada.ID || e.Details["user"] != "ada@example.org" || e.Rule != "owners-run-the-site" {
			t.Errorf("an entry says %+v", e)
		}
		said = append(said, e.Action)
	}
	if want := []string{"user.add", "user.token", "user.token", "user.remove"}; !slices.Equal(said, want) {
		t.Errorf("the log says %v, want %v", said, want)
	}
	b.VerifyLog()
}

func TestListPages(t *testing.T) {
	b := newBench(t)
	var want []string
	for i := range 7 {
		email := fmt.Sprintf("user%d@example.org", 6-i) // added backwards
		b.add(account.New{Email: email, Role: anchorhold.RoleResearcher})
		want = append(want, email)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 3, 7, 8, 0} {
		var got []string
		page := store.Page{Limit: limit}
		for pages := 0; ; pages++ {
			users, next, err := b.List(context.Background(), page)
			if err != nil || pages > len(want) || len(users) > page.Size() {
				t.Fatalf("limit %d: page %d has %d users, %v", limit, pages, len(users), err)
			}
			for _, u := range users {
				got = append(got, u.Email)
			}
			if next == "" {
				break
			}
			page.Cursor = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: got %v, want %v", limit, got, want)
		}
	}
}
