package policy

import (
	"testing"

	"github.com/anchorhold/anchorhold"
)

func user(id string, bindings ...anchorhold.Binding) anchorhold.Principal {
	return anchorhold.Principal{ID: id, Email: id + "@example.org", Bindings: bindings}
}

func at(role anchorhold.Role, scope string) anchorhold.Binding {
	return anchorhold.Binding{Role: role, Scope: scope}
}

var (
	nobody     = anchorhold.Principal{}
	local      = anchorhold.Principal{ID: "local:1000"}
	owner      = user("pri-owner", at(anchorhold.RoleOwner, anchorhold.ScopeSite))
	reviewer   = user("pri-reviewer", at(anchorhold.RoleReviewer, "dataset:heart"))
	researcher = user("pri-researcher", at(anchorhold.RoleResearcher, anchorhold.ScopeSite))
	named      = user("pri-named", at(anchorhold.RoleResearcher, "dataset:secret"))
	auditor    = user("pri-auditor", at(anchorhold.RoleAuditor, anchorhold.ScopeSite))
	stranger   = user("pri-stranger")

	heart  = Scope{Dataset: "heart", Visibility: anchorhold.VisibleToUsers}
	secret = Scope{Dataset: "secret", Visibility: anchorhold.VisibleToNamed}
)

func res(t Type, author string, released bool, scopes ...Scope) Resource {
	return Resource{Type: t, ID: "x", Author: author, Released: released, Scopes: scopes}
}

func heldRelease(author string, scopes ...Scope) Resource {
	r := res(TypeRelease, author, false, scopes...)
	r.Held = true
	return r
}

func TestDecisions(t *testing.T) {
	naming := Site()
	naming.NamesFiles = true
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	const permitted = anchorhold.Kind("")
	mine, others := researcher.ID, "pri-other"
	for _, c := range []struct {
		name   string
		who    anchorhold.Principal
		action Action
		on     Resource
		want   anchorhold.Kind
	}{
		{"anybody sees the site", nobody, SiteRead, Site(), permitted},
		{"nobody is told to log in", nobody, DatasetList, Site(), anchorhold.Unauthenticated},
		{"nobody learns nothing of datasets", nobody, DatasetRead, res(TypeDataset, "", false, heart), anchorhold.Unauthenticated},
		{"a user without a role sees no dataset", stranger, DatasetRead, res(TypeDataset, "", false, heart), anchorhold.NotFound},
		{"a researcher sees a visible dataset", researcher, DatasetRead, res(TypeDataset, "", false, heart), permitted},
		{"a hidden dataset is not there", researcher, DatasetRead, res(TypeDataset, "", false, secret), anchorhold.NotFound},
		{"not even for a mock", researcher, DatasetMock, res(TypeDataset, "", false, secret), anchorhold.NotFound},
		{"not even to submit", researcher, RequestSubmit, res(TypeDataset, "", false, secret), anchorhold.NotFound},
		{"a named researcher sees it", named, DatasetRead, res(TypeDataset, "", false, secret), permitted},
		{"and submits", named, RequestSubmit, res(TypeDataset, "", false, secret), permitted},
		{"but not to another", named, RequestSubmit, res(TypeDataset, "", false, heart), anchorhold.Denied},
		{"an owner sees hidden datasets", owner, DatasetRead, res(TypeDataset, "", false, secret), permitted},
		{"where files lie is for owners and reviewers", researcher, DatasetPrivate, res(TypeDataset, "", false, heart), anchorhold.Denied},
		{"not for auditors", auditor, DatasetPrivate, res(TypeDataset, "", false, heart), anchorhold.Denied},
		{"an author reads her request", researcher, RequestRead, res(TypeRequest, mine, false, heart), permitted},
		{"another's request is not there", researcher, RequestRead, res(TypeRequest, others, false, heart), anchorhold.NotFound},
		{"an author does not review her own", researcher, RequestReview, res(TypeRequest, mine, false, heart), anchorhold.Denied},
		{"nor decide", researcher, RequestDecide, res(TypeRequest, mine, false, heart), anchorhold.Denied},
		{"an owner does not decide on her own", owner, RequestDecide, res(TypeRequest, owner.ID, false, heart), anchorhold.Denied},
		{"nor release", owner, ReleaseDecide, res(TypeRelease, owner.ID, false, heart), anchorhold.Denied},
		{"nor who acts on the machine", local, RequestDecide, res(TypeRequest, local.ID, false, heart), anchorhold.Denied},
		{"who acts on the machine decides on others'", local, RequestDecide, res(TypeRequest, mine, false, heart), permitted},
		{"a reviewer decides for her dataset", reviewer, RequestDecide, res(TypeRequest, mine, false, heart), permitted},
		{"not for another", reviewer, RequestDecide, res(TypeRequest, mine, false, secret), anchorhold.NotFound},
		{"not for two at once", reviewer, RequestDecide, res(TypeRequest, mine, false, heart, secret), anchorhold.Denied},
		{"but reads a request over two", reviewer, RequestRead, res(TypeRequest, mine, false, heart, secret), permitted},
		{"not its outputs", reviewer, RequestReview, res(TypeRequest, mine, false, heart, secret), anchorhold.Denied},
		{"not its log", reviewer, RunLog, res(TypeRun, mine, false, heart, secret), anchorhold.NotFound},
		{"but looks at what waits for them", reviewer, ReleaseOutput, heldRelease(mine, heart, secret), permitted},
		{"and decides for hers", reviewer, ReleaseDecide, heldRelease(mine, heart), permitted},
		{"not for all", reviewer, ReleaseDecide, heldRelease(mine, heart, secret), anchorhold.Denied},
		{"nor looks at it when it is decided", reviewer, ReleaseOutput, res(TypeRelease, mine, true, heart, secret), anchorhold.Denied},
		{"nor at her own", reviewer, ReleaseOutput, heldRelease(reviewer.ID, heart, secret), anchorhold.Denied},
		{"nor decides on her own", reviewer, ReleaseDecide, heldRelease(reviewer.ID, heart), anchorhold.Denied},
		{"who has no part in it does not", named, ReleaseOutput, heldRelease(mine, heart, secret), anchorhold.NotFound},
		{"an author gets what was released", researcher, ReleaseOutput, res(TypeRelease, mine, true, heart), permitted},
		{"not what is held", researcher, ReleaseOutput, res(TypeRelease, mine, false, heart), anchorhold.NotFound},
		{"not even as an owner", owner, ReleaseOutput, res(TypeRelease, owner.ID, false, heart), anchorhold.Denied},
		{"nor what the checks found", owner, RequestReview, res(TypeRequest, owner.ID, false, heart), anchorhold.Denied},
		{"nor what the code printed", owner, RunLog, res(TypeRun, owner.ID, false, heart), anchorhold.Denied},
		{"not another's", researcher, ReleaseOutput, res(TypeRelease, others, true, heart), anchorhold.NotFound},
		{"an auditor reads decisions", auditor, RequestReview, res(TypeRequest, mine, false, heart), permitted},
		{"and receipts", auditor, ReleaseReceipt, res(TypeRelease, mine, true, heart), permitted},
		{"nothing private: no output", auditor, ReleaseOutput, res(TypeRelease, mine, true, heart), anchorhold.Denied},
		{"no log", auditor, RunLog, res(TypeRun, mine, false, heart), anchorhold.Denied},
		{"no decision", auditor, RequestDecide, res(TypeRequest, mine, false, heart), anchorhold.Denied},
		{"an auditor reads the audit log", auditor, AuditRead, Site(), permitted},
		{"a researcher does not", researcher, AuditRead, Site(), anchorhold.Denied},
		{"an owner adds users", owner, UserAdd, Site(), permitted},
		{"a reviewer does not", reviewer, UserAdd, Site(), anchorhold.Denied},
		{"an owner writes the card", owner, DatasetEdit, res(TypeDataset, "", false, heart), permitted},
		{"a reviewer does not", reviewer, DatasetEdit, res(TypeDataset, "", false, heart), anchorhold.Denied},
		{"an owner makes its mocks", owner, DatasetMake, res(TypeDataset, "", false, heart), permitted},
		{"and sees what they would tell", owner, DatasetPropose, res(TypeDataset, "", false, heart), permitted},
		{"a reviewer does not", reviewer, DatasetPropose, res(TypeDataset, "", false, heart), anchorhold.Denied},
		{"nor a researcher", researcher, DatasetMake, res(TypeDataset, "", false, heart), anchorhold.Denied},
		{"of a hidden dataset it is not there", researcher, DatasetEdit, res(TypeDataset, "", false, secret), anchorhold.NotFound},
		{"a token names no files", owner, DatasetAdd, naming, anchorhold.Denied},
		{"but copies in", owner, DatasetAdd, Site(), permitted},
		{"sending bytes", owner, DatasetUpload, Site(), permitted},
		{"who acts on the machine does", local, DatasetAdd, naming, permitted},
	} {
		p, err := a.Check(c.who, c.action, c.on)
		got := permitted
		if err != nil {
			got = anchorhold.KindOf(err)
		}
		if got != c.want {
			t.Errorf("%s: got %q (%v), want %q", c.name, got, err, c.want)
		}
		if err == nil && (p.Rule() == "" || p.Action() != c.action || p.Principal().ID != c.who.ID) {
			t.Errorf("%s: the permit says %q, %q, %q", c.name, p.Rule(), p.Action(), p.Principal().ID)
		}
	}
}

// Who may not see a dataset must not learn from the words whether it exists.
func TestHiddenAndAbsentLookTheSame(t *testing.T) {
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	_, hidden := a.Check(researcher, RequestSubmit, Resource{Type: TypeDataset, ID: "secret", Scopes: []Scope{secret}})
	if absent := Missing(TypeDataset, "secret"); hidden.Error() != absent.Error() {
		t.Errorf("hidden: %v\nabsent: %v", hidden, absent)
	}
}

func TestEveryRuleHasASentence(t *testing.T) {
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for id := range a.set.All() {
		if len(id) < 10 {
			t.Errorf("the rule's name %q says too little", id)
		}
		n++
	}
	if n < 10 {
		t.Errorf("%d rules were read", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	a, err := New()
	if err != nil {
		b.Fatal(err)
	}
	on := res(TypeRequest, "pri-other", false, heart)
	for b.Loop() {
		if _, err := a.Check(reviewer, RequestDecide, on); err != nil {
			b.Fatal(err)
		}
	}
}

// TestParts: each part of a card is for its audience, whatever else somebody may.
func TestParts(t *testing.T) {
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	bound := user("pri-bound", at(anchorhold.RoleResearcher, "dataset:heart"))
	shown := func(to anchorhold.Audience, people ...string) anchorhold.Shown {
		return anchorhold.Shown{To: to, People: people}
	}
	type parts = map[anchorhold.Part]anchorhold.Shown
	hidden := parts{anchorhold.PartColumns: shown(anchorhold.ShownToNone), anchorhold.PartCounts: shown(anchorhold.ShownToNone), anchorhold.PartMock: shown(anchorhold.ShownToNone)}
	some := parts{
		anchorhold.PartColumns: shown(anchorhold.ShownToAll), anchorhold.PartCounts: shown(anchorhold.ShownToNamed),
		anchorhold.PartMock: shown(anchorhold.ShownToNamed, "Pri-Researcher@example.org"),
	}
	for _, c := range []struct {
		name                  string
		who                   anchorhold.Principal
		visibility            anchorhold.Visibility
		parts                 parts
		columns, counts, mock bool
	}{
		{"all are for all", researcher, anchorhold.VisibleToUsers, nil, true, true, true},
		{"of those who see the dataset", researcher, anchorhold.VisibleToNamed, nil, false, false, false},
		{"and for no stranger", stranger, anchorhold.VisibleToUsers, nil, false, false, false},
		{"hidden is for no researcher", researcher, anchorhold.VisibleToUsers, hidden, false, false, false},
		{"not even a bound one", bound, anchorhold.VisibleToUsers, hidden, false, false, false},
		{"nor an auditor", auditor, anchorhold.VisibleToUsers, hidden, false, false, false},
		{"but for a reviewer", reviewer, anchorhold.VisibleToUsers, hidden, true, true, true},
		{"and an owner", owner, anchorhold.VisibleToUsers, hidden, true, true, true},
		{"and who acts on the machine", local, anchorhold.VisibleToUsers, hidden, true, true, true},
		{"a name, in any case", researcher, anchorhold.VisibleToUsers, some, true, false, true},
		{"a role for the dataset", bound, anchorhold.VisibleToUsers, some, true, true, true},
		{"neither", user("pri-third", at(anchorhold.RoleResearcher, anchorhold.ScopeSite)), anchorhold.VisibleToUsers, some, true, false, false},
		{"a name without an account's right", user("pri-researcher"), anchorhold.VisibleToUsers, some, false, false, false},
		{"an auditor sees what is shown to all", auditor, anchorhold.VisibleToNamed, some, true, false, false},
		{
			"a mock has columns", researcher, anchorhold.VisibleToUsers,
			parts{anchorhold.PartColumns: shown(anchorhold.ShownToNone)},
			false, true, false,
		},
	} {
		on := res(TypeDataset, "", false, Scope{Dataset: "heart", Visibility: c.visibility, Parts: c.parts})
		for action, want := range map[Action]bool{DatasetColumns: c.columns, DatasetCounts: c.counts, DatasetMock: c.mock} {
			if _, err := a.Check(c.who, QueryAsk, on); err == nil && !c.columns {
				t.Errorf("%s: may ask of columns that they may not see", c.name)
			}
			_, err := a.Check(c.who, action, on)
			if (err == nil) != want {
				t.Errorf("%s: %s: %v", c.name, action, err)
			}
			if err != nil && err.Error() != MissingPart(action, on.ID).Error() {
				t.Errorf("%s: %s tells more than that it is not there: %v", c.name, action, err)
			}
		}
	}
}
