package account_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// form is a site that takes applications, with the mails that it wrote.
type form struct {
	*bookstest.Set
	*account.Applications
	t     *testing.T
	mails []string // address and text
}

func newForm(t *testing.T) *form {
	t.Helper()
	f := &form{Set: bookstest.New(t), t: t}
	f.Applications = &account.Applications{
		Accounts: &account.Service{Books: f.Books},
		Write: func(_ context.Context, to, _, text string) error {
			f.mails = append(f.mails, to+"\n"+text)
			return nil
		},
	}
	if err := f.SetForm(context.Background(), policy.SiteAct(policy.ApplicationForm, "test"), true); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *form) apply(email string) (anchorhold.Application, account.Issued, error) {
	return f.Apply(context.Background(), policy.SiteAct(policy.ApplicationSubmit, "test"), account.Applying{
		Email: email, Name: "Ana", Affiliation: "IPC", Purpose: "Age and diagnosis",
	})
}

func (f *form) must(email string) (anchorhold.Application, account.Issued) {
	f.t.Helper()
	app, issued, err := f.apply(email)
	if err != nil {
		f.t.Fatal(err)
	}
	return app, issued
}

func (f *form) prove(id, code string) error {
	_, err := f.Prove(context.Background(), policy.SiteAct(policy.ApplicationProve, "test"), id, code)
	return err
}

// code is the code of the newest mail.
func (f *form) code() string {
	f.t.Helper()
	found := regexp.MustCompile(`apply prove (\S+)`).FindStringSubmatch(f.mails[len(f.mails)-1])
	if found == nil {
		f.t.Fatalf("no code in %q", f.mails[len(f.mails)-1])
	}
	return found[1]
}

func (f *form) decide(id string, w account.Word) (anchorhold.Application, error) {
	return f.Decide(context.Background(), policy.SiteAct(policy.ApplicationDecide, "test"), id, w)
}

func (f *form) who(issued account.Issued) anchorhold.Principal {
	f.t.Helper()
	who, err := f.Accounts.Authenticate(context.Background(), issued.Token)
	if err != nil {
		f.t.Fatal(err)
	}
	return who
}

func TestOwnersYesMakesTheAccount(t *testing.T) {
	f := newForm(t)
	app, issued := f.must(" Ana@Example.org ")
	if who := f.who(issued); !who.Applicant || len(who.Bindings) != 0 || who.Email != "" {
		t.Errorf("before: %+v", who)
	}
	if _, err := f.decide(app.ID, account.Word{Verdict: anchorhold.Approve, Role: anchorhold.RoleResearcher}); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("accepted before the address was proved: %v", err)
	}
	if !strings.HasPrefix(f.mails[0], "ana@example.org\n") {
		t.Errorf("written to %q", f.mails[0])
	}
	if err := f.prove(app.ID, " "+strings.ToUpper(f.code())); err != nil {
		t.Fatal(err)
	}
	if err := f.prove(app.ID, f.code()); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("proved twice: %v", err)
	}
	app, err := f.decide(app.ID, account.Word{Verdict: anchorhold.Approve, Role: anchorhold.RoleResearcher, Scope: "dataset:heart"})
	if err != nil || app.State != anchorhold.ApplicationAccepted {
		t.Fatalf("%+v, %v", app, err)
	}
	who := f.who(issued)
	want := anchorhold.Binding{Role: anchorhold.RoleResearcher, Scope: "dataset:heart"}
	if who.Applicant || who.Email != "ana@example.org" || len(who.Bindings) != 1 || who.Bindings[0] != want {
		t.Errorf("after: %+v", who)
	}
	if !strings.Contains(f.mails[len(f.mails)-1], "accepted") {
		t.Errorf("the last mail is %q", f.mails[len(f.mails)-1])
	}
	if _, err := f.decide(app.ID, account.Word{Verdict: anchorhold.Deny, Reason: "late"}); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("decided twice: %v", err)
	}
	for _, e := range f.Events() {
		for _, v := range e.Details {
			if strings.Contains(v, issued.Token) || strings.Contains(v, f.mails[0][16:]) {
				t.Errorf("the log says %q", v)
			}
		}
	}
}

func TestDeclinedApplicantReadsWhyAndNothingElse(t *testing.T) {
	f := newForm(t)
	app, issued := f.must("ana@example.org")
	if err := f.prove(app.ID, f.code()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.decide(app.ID, account.Word{Verdict: anchorhold.Deny}); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("declined without a reason: %v", err)
	}
	if _, err := f.decide(app.ID, account.Word{Verdict: anchorhold.Deny, Reason: "not this year"}); err != nil {
		t.Fatal(err)
	}
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	who := f.who(issued)
	mine := policy.Resource{Type: policy.TypeApplication, ID: app.ID, Author: who.ID}
	if _, err := rules.Check(who, policy.ApplicationRead, mine); err != nil {
		t.Errorf("reading it: %v", err)
	}
	for action, on := range map[policy.Action]policy.Resource{
		policy.ApplicationRead: {Type: policy.TypeApplication, ID: "app-2", Author: "pri-2"},
		policy.DatasetList:     policy.Site(), policy.EnvironmentList: policy.Site(), policy.AuditCheckpoint: policy.Site(), policy.RequestList: policy.Site(),
		policy.RequestSubmit: policy.Dataset(anchorhold.Dataset{Name: "heart", Visibility: anchorhold.VisibleToUsers}),
		policy.DatasetRead:   policy.Dataset(anchorhold.Dataset{Name: "heart", Visibility: anchorhold.VisibleToUsers}),
	} {
		if _, err := rules.Check(who, action, on); err == nil {
			t.Errorf("an applicant may %s", action)
		}
	}
}

func TestCodesCannotBeGuessedOrKept(t *testing.T) {
	f := newForm(t)
	app, _ := f.must("ana@example.org")
	good := f.code()
	for range 5 {
		if err := f.prove(app.ID, "aaaaaaaaaaaaaaaa"); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("a wrong code: %v", err)
		}
	}
	if err := f.prove(app.ID, good); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("the sixth try: %v", err)
	}
	late, issued := f.must("eva@example.org")
	code := f.code()
	f.Clock.Move(25 * time.Hour)
	if err := f.prove(late.ID, code); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("a day later: %v", err)
	}
	f.must("ida@example.org") // forgets those that were never proved
	if _, err := f.Accounts.Authenticate(context.Background(), issued.Token); err == nil {
		t.Error("the token of a forgotten application holds")
	}
	err := f.Store.View(context.Background(), func(tx store.Tx) error {
		left, _, err := tx.ListApplications("", store.Page{})
		if len(left) != 1 {
			t.Errorf("%d applications are left, want 1", len(left))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStrangersLearnNothingAndFloodNobody(t *testing.T) {
	f := newForm(t)
	app, _ := f.must("ana@example.org")
	if err := f.prove(app.ID, f.code()); err != nil {
		t.Fatal(err)
	}
	// Somebody else with the same address: no word of the first.
	second, _ := f.must("ana@example.org")
	if err := f.prove(second.ID, f.code()); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("two open applications of one address: %v", err)
	}
	f.must("ana@example.org")
	f.must("ana@example.org")
	if _, _, err := f.apply("ana@example.org"); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Errorf("a fourth code to one address within a day: %v", err)
	}
	if err := f.SetForm(context.Background(), policy.SiteAct(policy.ApplicationForm, "test"), false); err != nil {
		t.Fatal(err)
	}
	before := len(f.mails)
	if _, _, err := f.apply("not an address"); anchorhold.KindOf(err) != anchorhold.Denied || len(f.mails) != before {
		t.Errorf("a closed form: %v", err)
	}
}

// Codes that are on their way count: who applies many times at once has no more
// mails sent to an address than who does so one after the other.
func TestApplyingAtOnceFloodsNobody(t *testing.T) {
	f := newForm(t)
	write := f.Write
	f.Write = func(ctx context.Context, to, subject, text string) error {
		if len(f.mails) < 20 {
			err := write(ctx, to, subject, text)
			_, _, _ = f.apply("ana@example.org") // while this one is being sent
			return err
		}
		return write(ctx, to, subject, text)
	}
	_, _, _ = f.apply("ana@example.org")
	if len(f.mails) > 3 {
		t.Errorf("%d mails went to one address", len(f.mails))
	}
	f.Write = func(context.Context, string, string, string) error {
		return anchorhold.Errorf(anchorhold.Unavailable, "", "down")
	}
	for range 10 {
		if _, _, err := f.apply("bob@example.org"); anchorhold.KindOf(err) != anchorhold.Unavailable {
			t.Errorf("while mail is down: %v", err)
		}
	}
	f.Write = write
	f.must("bob@example.org") // what was not sent does not count
}

// A restored site that takes nothing sends no codes either: without a record of
// them there would be no end to them.
func TestFrozenSiteSendsNoCodes(t *testing.T) {
	f := newForm(t)
	if err := f.Store.Update(t.Context(), func(tx store.Tx) error { return books.Freeze(tx, books.Frozen{Backup: "b"}) }); err != nil {
		t.Fatal(err)
	}
	f.Accounts.Books = &books.Books{Store: f.Store, Log: f.Log, Now: f.Clock.Now} // as after a start
	if _, _, err := f.apply("ana@example.org"); err == nil || len(f.mails) != 0 {
		t.Errorf("%d mails, %v", len(f.mails), err)
	}
}

func TestAccountsAreNotTakenOver(t *testing.T) {
	f := newForm(t)
	ctx := context.Background()
	if _, _, err := f.Accounts.Add(ctx, policy.SiteAct(policy.UserAdd, "test"), account.New{Email: "ana@example.org", Role: anchorhold.RoleOwner}); err != nil {
		t.Fatal(err)
	}
	app, issued := f.must("ana@example.org")
	if err := f.prove(app.ID, f.code()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.decide(app.ID, account.Word{Verdict: anchorhold.Approve, Role: anchorhold.RoleResearcher}); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("an address with an account: %v", err)
	}
	if who := f.who(issued); !who.Applicant {
		t.Errorf("then the applicant is %+v", who)
	}
}
