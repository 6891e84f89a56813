package policy

import (
	"testing"

	"github.com/anchorhold/anchorhold"
)

// A role in a study holds for what members of the study ask in its name, and
// for nothing else: not for the datasets, not for others' requests, not at the
// site.
func TestRolesInAStudy(t *testing.T) {
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	in := func(r anchorhold.Role) anchorhold.Principal {
		return user("pri-"+string(r), at(r, anchorhold.ScopeStudy("s1")))
	}
	of := func(t Type, study string) Resource {
		r := res(t, "pri-other", false, heart)
		r.Study = study
		return r
	}
	for _, c := range []struct {
		name   string
		who    anchorhold.Principal
		action Action
		on     Resource
		may    bool
	}{
		{"its reviewer decides in it", in(anchorhold.RoleReviewer), RequestDecide, of(TypeRequest, "s1"), true},
		{"not in another", in(anchorhold.RoleReviewer), RequestDecide, of(TypeRequest, "s2"), false},
		{"not outside of any", in(anchorhold.RoleReviewer), RequestRead, of(TypeRequest, ""), false},
		{"its reviewer sees its outputs", in(anchorhold.RoleReviewer), ReleaseOutput, of(TypeRelease, "s1"), true},
		{"its auditor reads decisions", in(anchorhold.RoleAuditor), RequestReview, of(TypeRequest, "s1"), true},
		{"and no output", in(anchorhold.RoleAuditor), ReleaseOutput, of(TypeRelease, "s1"), false},
		{"and decides nothing", in(anchorhold.RoleAuditor), RequestDecide, of(TypeRequest, "s1"), false},
		{"and not the whole log", in(anchorhold.RoleAuditor), AuditRead, Site(), false},
		{"its researcher submits in it", in(anchorhold.RoleResearcher), RequestSubmit, of(TypeDataset, "s1"), true},
		{"not outside of it", in(anchorhold.RoleResearcher), RequestSubmit, of(TypeDataset, ""), false},
		{"and tries in it", in(anchorhold.RoleResearcher), RunTry, of(TypeDataset, "s1"), true},
		{"not outside of it", in(anchorhold.RoleResearcher), RunTry, of(TypeDataset, ""), false},
		{"nor in another", in(anchorhold.RoleResearcher), RunTry, of(TypeDataset, "s2"), false},
		{"and asks in it", in(anchorhold.RoleResearcher), QueryAsk, of(TypeDataset, "s1"), true},
		{"not outside of it", in(anchorhold.RoleResearcher), QueryAsk, of(TypeDataset, ""), false},
		{"its owner does not run the site", in(anchorhold.RoleOwner), UserAdd, Site(), false},
		{"nor sees where its data lie", in(anchorhold.RoleOwner), DatasetPrivate, of(TypeDataset, ""), false},
	} {
		if _, err := a.Check(c.who, c.action, c.on); (err == nil) != c.may {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	hidden := of(TypeDataset, "s1")
	hidden.Scopes = []Scope{secret}
	if _, err := a.Check(in(anchorhold.RoleResearcher), QueryAsk, hidden); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("a study answers about a hidden dataset: %v", err)
	}
	if _, err := a.Check(in(anchorhold.RoleResearcher), RequestSubmit, hidden); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("a study shows a hidden dataset: %v", err)
	}
}
