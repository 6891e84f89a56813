// Package policy is the one place where it is decided who may do what.
//
// Rules are written in Cedar (site.cedar): deny by default, and every decision
// names the rule that made it. A decision to permit is a Permit, a type that
// only Check and the site's own acts can make; every service takes one, so an
// operation that forgot to ask does not compile. Package api tests every
// operation with every role and every kind of credential.
package policy

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"

	"github.com/cedar-policy/cedar-go"
)

// Action names what is being attempted, as the rules write it.
type Action string

// The actions.
const (
	SiteRead        Action = "site.read"
	MeRead          Action = "me.read"
	UserList        Action = "user.list"
	UserAdd         Action = "user.add"
	UserToken       Action = "user.token"
	UserRemove      Action = "user.remove"
	EnvironmentList Action = "environment.list"

	EnvironmentAsk    Action = "environment.ask"
	EnvironmentRead   Action = "environment.read" // what others asked for, and each lock
	EnvironmentDecide Action = "environment.decide"

	DatasetList     Action = "dataset.list"
	DatasetRead     Action = "dataset.read"
	DatasetPrivate  Action = "dataset.private" // see where the private side lies
	DatasetColumns  Action = "dataset.columns" // see the part of the card
	DatasetCounts   Action = "dataset.counts"
	DatasetMock     Action = "dataset.mock"
	DatasetAdd      Action = "dataset.add"
	DatasetVersion  Action = "dataset.version"
	DatasetUpload   Action = "dataset.upload" // send bytes that a dataset may be made of
	DatasetEdit     Action = "dataset.edit"
	DatasetPrivacy  Action = "dataset.privacy" // state whose the rows are, and what may be asked of them
	DatasetPropose  Action = "dataset.propose" // see which facts of the private side a mock would tell
	DatasetMake     Action = "dataset.make-mock"
	DatasetFreeze   Action = "dataset.freeze"
	DatasetThaw     Action = "dataset.thaw"
	DatasetWithdraw Action = "dataset.withdraw"
	RequestList     Action = "request.list"
	RequestSubmit   Action = "request.submit"
	RequestRead     Action = "request.read"
	RequestReview   Action = "request.review" // see what the author may not: checks, reasons, exact times
	RequestAsk      Action = "request.ask"
	RequestAnswer   Action = "request.answer"
	RequestDecide   Action = "request.decide"
	RequestWithdraw Action = "request.withdraw"
	RequestReading  Action = "request.reading" // see which lines were read, and by whom
	RequestSeen     Action = "request.seen"    // mark lines as seen by oneself
	GrantList       Action = "grant.list"
	GrantRead       Action = "grant.read"
	GrantReview     Action = "grant.review" // see whom else it names, and what became of it
	GrantRevoke     Action = "grant.revoke"
	GrantResume     Action = "grant.resume"
	RunList         Action = "run.list"
	RunRead         Action = "run.read"
	RunLog          Action = "run.log"
	RunCancel       Action = "run.cancel"
	RunDeposit      Action = "run.deposit" // hand in what was made elsewhere
	RunReplay       Action = "run.replay"  // run again what a receipt speaks of
	RunTry          Action = "run.try"     // run code on mocks
	RunOutput       Action = "run.output"  // fetch what a run on mocks gave
	RunPriority     Action = "run.priority"
	QueueRead       Action = "queue.read"
	QuotaRead       Action = "quota.read"
	QuotaSet        Action = "quota.set"
	ReleaseList     Action = "release.list"
	ReleaseRead     Action = "release.read"
	ReleaseDecide   Action = "release.decide"
	ReleaseOutput   Action = "release.output"
	ReleaseReceipt  Action = "release.receipt"
	LedgerRead      Action = "ledger.read"
	ExposureRead    Action = "exposure.read"   // how limits stand that concern oneself
	ExposureReview  Action = "exposure.review" // those that concern others too, and what-if
	ExposureLimit   Action = "exposure.limit"
	QueryAsk        Action = "query.ask"
	QueryRead       Action = "query.read"    // see a question, and what became of it
	QueryAnswer     Action = "query.answer"  // its answer
	QueryReceipt    Action = "query.receipt" // and the receipt
	AuditRead       Action = "audit.read"
	AuditCheckpoint Action = "audit.checkpoint"

	NotifyRead   Action = "notify.read"
	NotifySet    Action = "notify.set"
	NotifyTest   Action = "notify.test"
	NotifyPrefer Action = "notify.prefer" // how often one is written to oneself
	NotifyEnd    Action = "notify.end"    // by the link of a mail
	NotifyAskEnd Action = "notify.askend" // what that link shows first

	ApplicationForm   Action = "application.form" // open or close the form
	ApplicationSubmit Action = "application.submit"
	ApplicationRead   Action = "application.read"
	ApplicationProve  Action = "application.prove" // an e-mail address, by its applicant
	ApplicationList   Action = "application.list"
	ApplicationDecide Action = "application.decide"
)

// Type is the type of a resource, as the rules write it.
type Type string

// The types of resources.
const (
	TypeSite    Type = "Site"
	TypeUser    Type = "User"
	TypeDataset Type = "Dataset"
	TypeRequest Type = "Request"
	TypeGrant   Type = "Grant"
	TypeRun     Type = "Run"
	TypeRelease Type = "Release"
	TypeQuery   Type = "Query"

	TypeEnvironment Type = "Environment"
	TypeApplication Type = "Application"
)

// readOf is the action that shows a thing at all. Who may not do even that
// cannot tell that the thing exists.
var readOf = map[Type]Action{
	TypeDataset: DatasetRead, TypeRequest: RequestRead, TypeGrant: GrantRead, TypeRun: RunRead, TypeRelease: ReleaseRead, TypeUser: UserList,
	TypeQuery: QueryRead, TypeEnvironment: EnvironmentRead, TypeApplication: ApplicationRead,
}

// ReadOf is the action that shows a thing of a type at all.
func ReadOf(t Type) Action { return readOf[t] }

// Scope is a dataset as far as rules look at it.
type Scope struct {
	Dataset    string
	Visibility anchorhold.Visibility
	Parts      map[anchorhold.Part]anchorhold.Shown // one that is not named is shown to all
}

// ScopeOf is a dataset as rules look at it.
func ScopeOf(d anchorhold.Dataset) Scope {
	return Scope{Dataset: d.Name, Visibility: d.Visibility, Parts: d.Parts}
}

// Resource is what is acted on, as far as rules look at it.
type Resource struct {
	Type   Type
	ID     string
	Scopes []Scope // the datasets concerned; none for what belongs to the site
	// Study is the study of a request or a trial whose author belongs to it: roles
	// in that study hold. What an author alone says it belongs to gives nobody a role.
	Study    string
	Author   string // principal id of the request's author, or of who applies
	Released bool   // of a release: it has been let out
	Held     bool   // of a release: it waits for a decision
	Grantee  bool   // of a grant: the caller may run under it
	Named    bool   // of a grant: it names the caller, beside its author
	Mock     bool   // of a run: it is a trial, on mocks
	Reviewed bool   // of a trial: the site made it for a request, to be looked at by its reviewers

	NamesFiles bool // the act names files of the site's machine
}

// Site is the resource of everything that belongs to the site as a whole.
func Site() Resource { return Resource{Type: TypeSite, ID: "site"} }

// Dataset is a dataset as a resource.
func Dataset(d anchorhold.Dataset) Resource {
	return Resource{Type: TypeDataset, ID: d.Name, Scopes: []Scope{ScopeOf(d)}}
}

// Missing is the error for a thing that is absent, or hidden from the caller:
// one sentence for both.
func Missing(t Type, id string) error {
	return anchorhold.Errorf(anchorhold.NotFound, "check the name, or ask the owner for access",
		"there is no %s %q that you can see here", strings.ToLower(string(t)), id)
}

// MissingPart is the error for a part of a dataset's card that is absent, or
// hidden from the caller; of a dataset that is hidden altogether, the same.
func MissingPart(action Action, dataset string) error {
	return anchorhold.Errorf(anchorhold.NotFound, "check the name, or ask the owner for access",
		"there is no %s of %q that you can see here", strings.TrimPrefix(string(action), "dataset."), dataset)
}

// Permit says that a principal may do one action, and which rule said so. It
// can be made by Check and SiteAct only.
type Permit struct {
	principal anchorhold.Principal
	action    Action
	rule      string
}

// Principal is who may.
func (p Permit) Principal() anchorhold.Principal { return p.principal }

// Action is what.
func (p Permit) Action() Action { return p.action }

// Rule names the rule that permitted it.
func (p Permit) Rule() string { return p.rule }

// Local is whoever acts on the site's own machine, as the user uid.
func Local(uid int) anchorhold.Principal {
	return anchorhold.Principal{ID: localPrefix + strconv.Itoa(uid)}
}

const localPrefix = "local:"

// SiteName is the id of the site itself as an actor in the audit log.
const SiteName = "site"

// SiteAct permits the site to carry out what somebody decided before: the queue
// running an approved request, a grant's automatic release. Rule names that
// decision (a grant's or decision's id).
func SiteAct(action Action, rule string) Permit {
	return Permit{principal: anchorhold.Principal{ID: SiteName}, action: action, rule: rule}
}

//go:embed site.cedar
var rules []byte

// Authorizer decides by a set of rules. It is safe for concurrent use.
type Authorizer struct{ set *cedar.PolicySet }

// New reads the rules. Rules that do not parse, or lack an id, stop the start:
// a site without rules must not run.
func New() (*Authorizer, error) {
	list, err := cedar.NewPolicyListFromBytes("site.cedar", rules)
	if err != nil {
		return nil, fmt.Errorf("the policy does not parse: %w", err)
	}
	set := cedar.NewPolicySet()
	for i, p := range list {
		id := p.Annotations()["id"]
		if id == "" || set.Get(cedar.PolicyID(id)) != nil {
			return nil, fmt.Errorf("rule %d of the policy has no id of its own", i+1)
		}
		set.Add(cedar.PolicyID(id), p)
	}
	return &Authorizer{set: set}, nil
}

// Check decides whether who may do action on res. The error is Unauthenticated
// for a caller without a credential, NotFound where the caller may not even see
// the thing, and Denied otherwise.
func (a *Authorizer) Check(who anchorhold.Principal, action Action, res Resource) (Permit, error) {
	rule, ok := a.decide(who, action, res)
	if ok {
		return Permit{principal: who, action: action, rule: rule}, nil
	}
	if who.ID == "" {
		return Permit{}, anchorhold.Errorf(anchorhold.Unauthenticated,
			"log in with `anchorhold login URL --token TOKEN`, or ask the owner for a new token",
			"this needs a valid token")
	}
	// That a part is there, and hidden, is not told either. A question is no part: of
	// a hidden dataset it is refused as everything about it is.
	if res.Type == TypeDataset && action != QueryAsk && len(partsOf(action, res)) > 0 {
		return Permit{}, MissingPart(action, res.ID)
	}
	if read, hidden := readOf[res.Type]; hidden {
		if _, sees := a.decide(who, read, res); !sees && res.ID != "" {
			return Permit{}, Missing(res.Type, res.ID)
		}
	}
	return Permit{}, anchorhold.Errorf(anchorhold.Denied, remedyFor(who, action, res, rule), "you may not do this (%s, rule: %s)", action, rule)
}

func remedyFor(who anchorhold.Principal, action Action, res Resource, rule string) string {
	if studies := studiesOf(who); res.Type == TypeDataset && res.Study == "" && studiesCount(action) && len(studies) > 0 {
		return "name the study that you ask for: --study " + strings.Join(studies, ", or --study ")
	}
	switch rule {
	case "nobody-decides-on-their-own-request", "nobody-reviews-their-own-request":
		return "another owner or reviewer has to decide"
	case "only-people-with-an-account-mark-lines":
		return "read it with your own account: --url, and your token in ANCHORHOLD_TOKEN"
	case "only-local-hands-in-folders", "only-local-names-files":
		return "run the command on the site's own machine with --dir, or copy the file in: --copy"
	case "only-local-sets-where-notices-go", "only-local-keeps-the-site":
		return "run the command on the site's own machine with --dir"
	}
	return "ask the owner for the role that it needs"
}

// decide asks Cedar; the rule is the first that permitted, or forbade.
func (a *Authorizer) decide(who anchorhold.Principal, action Action, res Resource) (rule string, ok bool) {
	p := cedar.NewEntityUID(principalType(who), cedar.String(who.ID))
	r := cedar.NewEntityUID(cedar.EntityType(res.Type), cedar.String(res.ID))
	entities := cedar.EntityMap{r: {UID: r, Attributes: cedar.NewRecord(cedar.RecordMap{
		"author": cedar.String(res.Author), "released": cedar.Boolean(res.Released), "held": cedar.Boolean(res.Held),
		"grantee": cedar.Boolean(res.Grantee), "named": cedar.Boolean(res.Named),
		"mock": cedar.Boolean(res.Mock), "reviewed": cedar.Boolean(res.Reviewed),
	})}}
	decision, diagnostic := cedar.Authorize(a.set, entities, cedar.Request{
		Principal: p, Action: cedar.NewEntityUID("Action", cedar.String(action)), Resource: r, Context: contextOf(who, action, res),
	})
	if len(diagnostic.Errors) > 0 { // a rule that cannot be evaluated must not be passed over
		return "policy-error", false
	}
	names := []string{}
	for _, reason := range diagnostic.Reasons {
		names = append(names, string(reason.PolicyID))
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "default-deny", false
	}
	return names[0], decision == cedar.Allow
}

func principalType(who anchorhold.Principal) cedar.EntityType {
	switch {
	case who.ID == "":
		return "Anyone"
	case strings.HasPrefix(who.ID, localPrefix):
		return "Local"
	case who.Applicant:
		return "Applicant"
	}
	return "User"
}

// partsOf says which parts of a card an action shows. A mock has the columns of
// its table.
func partsOf(a Action, res Resource) []anchorhold.Part {
	if res.Mock {
		a = DatasetMock // a trial shows what its code made of mocks
	}
	switch a {
	case DatasetColumns, QueryAsk: // what is refused, and why, names columns
		return []anchorhold.Part{anchorhold.PartColumns}
	case DatasetCounts:
		return []anchorhold.Part{anchorhold.PartCounts}
	case DatasetMock:
		return []anchorhold.Part{anchorhold.PartColumns, anchorhold.PartMock}
	}
	return nil
}

// shown says whether the parts that an action shows are for somebody; named
// says whether they have a role for this dataset.
func (s Scope) shown(who anchorhold.Principal, parts []anchorhold.Part, named bool) bool {
	for _, part := range parts {
		to, chosen := s.Parts[part]
		if chosen && to.To != anchorhold.ShownToAll && (to.To != anchorhold.ShownToNamed || !named && !to.Names(who.Email)) {
			return false
		}
	}
	return true
}

// contextOf works out which roles hold: roles are those that hold for every
// dataset concerned, partRoles those that hold for at least one.
func contextOf(who anchorhold.Principal, action Action, res Resource) cedar.Record {
	site := rolesIn(who, anchorhold.ScopeSite)
	if res.Study != "" && holdsInStudy(who, action, res) {
		site = append(site, rolesIn(who, anchorhold.ScopeStudy(res.Study))...)
	}
	all, part := site, slices.Clone(site)
	visible := len(res.Scopes) > 0
	shown := visible
	for i, s := range res.Scopes {
		own := append(rolesIn(who, "dataset:"+s.Dataset), site...)
		part = append(part, own...)
		if i == 0 {
			all = own
		} else {
			all = slices.DeleteFunc(slices.Clone(all), func(r anchorhold.Role) bool { return !slices.Contains(own, r) })
		}
		// A site-wide researcher sees what is shown to users; what is shown to
		// named people needs a binding to that dataset, or a reading role.
		named := len(rolesIn(who, "dataset:"+s.Dataset)) > 0
		shown = shown && s.shown(who, partsOf(action, res), named)
		visible = visible && (s.Visibility == anchorhold.VisibleToUsers && len(who.Bindings) > 0 || named)
	}
	return cedar.NewRecord(cedar.RecordMap{
		"principal": cedar.String(who.ID), "visible": cedar.Boolean(visible), "shown": cedar.Boolean(shown),
		"namesFiles": cedar.Boolean(res.NamesFiles),
		"roles":      roleSet(all), "partRoles": roleSet(part),
	})
}

// holdsInStudy says whether roles in a study count for an act: they let people ask
// in its name and show what others ask so, but no dataset, and no mock to who tries
// something on it.
func holdsInStudy(who anchorhold.Principal, action Action, res Resource) bool {
	if res.Type == TypeDataset {
		return studiesCount(action)
	}
	return !res.Mock || res.Author != who.ID
}

// studiesCount says whether roles in a study count for an act on a dataset.
func studiesCount(action Action) bool {
	return action == RequestSubmit || action == RunTry || action == QueryAsk
}

// studiesOf names the studies in which somebody has a role.
func studiesOf(who anchorhold.Principal) (names []string) {
	for _, b := range who.Bindings {
		if name, ok := strings.CutPrefix(b.Scope, anchorhold.ScopeStudy("")); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func rolesIn(who anchorhold.Principal, scope string) []anchorhold.Role {
	var out []anchorhold.Role
	for _, b := range who.Bindings {
		if b.Scope == scope {
			out = append(out, b.Role)
		}
	}
	return out
}

func roleSet(roles []anchorhold.Role) cedar.Set {
	values := make([]cedar.Value, len(roles))
	for i, r := range roles {
		values[i] = cedar.String(r)
	}
	return cedar.NewSet(values...)
}
