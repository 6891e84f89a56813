// Package store says what a site needs from its database: short transactions
// over principals, catalogue, requests, runs, releases, ledger and audit log.
//
// It promises that what Update returned without error survives a crash, that
// updates are serialised (a transaction sees the effects of all before it), and
// that a failed update leaves nothing behind. It holds no policy and no rule of
// the way of a question: rooms above decide, this one remembers. Package
// storetest holds one conformance suite that every implementation passes.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
)

// ErrNotFound is returned by every lookup of one thing that is absent.
var ErrNotFound = errors.New("store: not found")

// Store is a database. Implementations MUST make Update durable before it
// returns (full sync), and MUST run at most one Update at a time. They MAY run
// any number of Views beside it; a View sees one consistent state.
type Store interface {
	// Update runs fn in a read-write transaction and commits when fn returns
	// nil; on an error or panic nothing of it remains.
	Update(ctx context.Context, fn func(Tx) error) error
	// View runs fn in a read-only transaction.
	View(ctx context.Context, fn func(Tx) error) error
	// Snapshot writes one consistent state, as the newest View sees it, to a new
	// file that only its owner can read. Updates go on beside it.
	Snapshot(ctx context.Context, path string) error
	// Summarise has every update keep the state, as fn sees it, of each request
	// that it touched, for RequestFilter.States; what is not known yet is filled
	// in before it returns. fn MUST depend on the request alone.
	Summarise(ctx context.Context, fn func(anchorhold.Request) anchorhold.State) error
	// Close waits for the running transactions and closes the database.
	Close() error
}

// Tx is an open transaction: the small interfaces that the rooms above ask for,
// together. It MUST NOT be used after the function that received it returned.
type Tx interface {
	// BeforeCommit has fn called with a transaction of the same commit, just
	// before it. An implementation that commits several updates together MAY
	// call one fn for all that gave the same name; an error of fn fails them
	// all. A View ignores it.
	BeforeCommit(name string, fn func(Tx) error)

	Principals
	Catalog
	Requests
	Runs
	Queue
	Trials
	Releases
	Exposure
	Questions
	Log
	Past
	People
	Environments
}

// Page asks for a part of a list. Lists of things that happen are newest first;
// datasets and principals are sorted by name.
type Page struct {
	Limit  int    // at most this many; 0 means DefaultLimit
	Cursor string // where the page before ended; empty for the first
}

// DefaultLimit and MaxLimit bound a page.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// Size gives the limit that holds for the page.
func (p Page) Size() int {
	if p.Limit <= 0 {
		return DefaultLimit
	}
	return min(p.Limit, MaxLimit)
}

// Principals keeps who can act and what proves it.
type Principals interface {
	// PutPrincipal inserts or replaces a principal with its bindings.
	PutPrincipal(anchorhold.Principal) error
	Principal(id string) (anchorhold.Principal, error)
	PrincipalByEmail(email string) (anchorhold.Principal, error)
	ListPrincipals(Page) ([]anchorhold.Principal, string, error)
	PutCredential(anchorhold.Credential) error
	CredentialByHash(hash []byte) (anchorhold.Credential, error)
	// Credentials lists the credentials of a principal, newest first.
	Credentials(principal string) ([]anchorhold.Credential, error)
}

// DatasetFilter selects datasets that have all of what it names; its zero value
// selects all. A word is the beginning of a word of the card (name, title,
// description, tags, assets) or of a column's name or description, and a phrase
// where it has spaces; columns, tags and codes are whole names. Case and accents
// make no difference.
type DatasetFilter struct {
	Words   []string
	Columns []string
	Tags    []string
	DUO     []string
}

// FoundDataset is a dataset that a filter found, yet without assets. ByColumns says that it would
// not have been found by what stands on its card outside of the columns: who
// may not see these must not learn of it.
type FoundDataset struct {
	anchorhold.Dataset
	ByColumns bool
}

// Catalog keeps datasets, their assets and all versions.
type Catalog interface {
	// PutDataset inserts or replaces a dataset's own description; its Assets
	// are not looked at: PutVersion adds those.
	PutDataset(anchorhold.Dataset) error
	// Dataset finds a dataset by name, with every asset in its newest version.
	Dataset(name string) (anchorhold.Dataset, error)
	// DatasetHead finds a dataset by name, without its assets.
	DatasetHead(name string) (anchorhold.Dataset, error)
	// ListDatasets gives a page without those that keep refuses, which is asked
	// before their assets are read; nil keeps all.
	ListDatasets(f DatasetFilter, p Page, keep func(FoundDataset) bool) ([]anchorhold.Dataset, string, error)
	// ForgetDataset takes the files of a dataset out of its records: mocks,
	// copies and indexes of every version, outputs and logs of every run over it,
	// and answers to questions about it.
	// What named them stays, but for trials over it: these are removed whole, also
	// those that go on, and their number is given. GiveUp adds files that nothing
	// names. GivenUp lists the files so given up that nothing names; Gone says
	// that some were removed.
	ForgetDataset(name string, at time.Time) (trials int, err error)
	GiveUp(orphans []string, at time.Time) error
	GivenUp() (map[string]GivenUp, error)
	Gone(blobs []string) error
	// PutVersion inserts a version of an asset of a dataset (creating the asset
	// with the first), or replaces the version with the same id.
	PutVersion(dataset, asset string, v anchorhold.Version) error
	// Version finds a version by id, and where it belongs.
	Version(id string) (anchorhold.AssetRef, anchorhold.Version, error)

	// PutUpload inserts or replaces an upload.
	PutUpload(anchorhold.Upload) error
	Upload(id string) (anchorhold.Upload, error)
	// Uploads gives all, the oldest first.
	Uploads() ([]anchorhold.Upload, error)
	// DeleteUpload removes an upload and gives its parts up.
	DeleteUpload(id string, at time.Time) error
	// ForgetUploads does so with those that nobody continued since a time, and
	// gives their number.
	ForgetUploads(before, at time.Time) (int, error)
}

// GivenUp says since when a file is to be removed. An orphan was named by no
// record then: what names it may yet be on its way.
type GivenUp struct {
	At     time.Time
	Orphan bool
}

// RequestFilter selects requests; zero fields select all.
type RequestFilter struct {
	Author  string // principal id
	Dataset string // name
	Code    string // code digest
	// States selects requests that Summarise put into one of these, and those of
	// which nothing is known.
	States []anchorhold.State
}

// GrantFilter selects grants; zero fields select all.
type GrantFilter struct {
	Request string   // id of the request on which it was decided
	Dataset string   // name
	People  []string // id of its author, or who it is for beside them: any of these
}

// Requests keeps requests, what people said of them, and grants.
type Requests interface {
	// PutRequest inserts or replaces; State, Decisions, Messages, Runs and Trial
	// are not stored with it.
	PutRequest(anchorhold.Request) error
	// Request finds a request by id, with Decisions, Messages, Runs (with outputs
	// and releases) and its newest Trial, but without State. Of the runs it has the
	// newest anchorhold.ShownRuns of each side, all that have not ended, all with a release that
	// is held, and that of the newest release; ListRuns has all.
	Request(id string) (anchorhold.Request, error)
	RequestByDigest(digest string) (anchorhold.Request, error)
	// RequestHead finds a request without the texts of its code and without
	// anything that happened to it.
	RequestHead(id string) (anchorhold.Request, error)
	// ListRequests gives requests without the texts of their code, which may be
	// large.
	ListRequests(RequestFilter, Page) ([]anchorhold.Request, string, error)
	// PutLint inserts or replaces what a reader found in code, by its digest; a
	// Request that is found by id or digest has it.
	PutLint(codeDigest string, l anchorhold.Lint) error
	// ForgetLint removes what was found in code of which no request holds the
	// text any more.
	ForgetLint(codeDigest string) error
	AddDecision(anchorhold.Decision) error
	AddMessage(anchorhold.Message) error
	// ForgetWords empties the messages of a request and takes the reasons out of its
	// decisions, also of those on its outputs; said tells that there were any.
	ForgetWords(request string) (said bool, err error)
	PutGrant(anchorhold.Grant) error
	Grant(id string) (anchorhold.Grant, error)
	// GrantsFor lists the grants of a code digest that are not revoked and have
	// uses left, newest first.
	GrantsFor(codeDigest string) ([]anchorhold.Grant, error)
	ListGrants(GrantFilter, Page) ([]anchorhold.Grant, string, error)
	AddSeen(anchorhold.Seen) error
	// SeenOf lists who has read which lines of a text, by its digest, oldest
	// first.
	SeenOf(digest string) ([]anchorhold.Seen, error)
}

// RunFilter selects runs of one side; further fields, where not empty, too.
type RunFilter struct {
	Side    anchorhold.Side
	Author  string // principal id of who wrote the request or the trial
	Request string // id of a request
}

// Runs keeps runs; the table of runs is the queue.
type Runs interface {
	// PutRun inserts or replaces; Outputs are not stored with it.
	PutRun(anchorhold.Run) error
	// Run finds a run by id, with its outputs and their releases.
	Run(id string) (anchorhold.Run, error)
	ListRuns(RunFilter, Page) ([]anchorhold.Run, string, error)
	// OpenRuns lists the runs under a grant that have not ended, oldest first.
	OpenRuns(grant string) ([]anchorhold.Run, error)
	// RunWaiting says whether ClaimRun would find one, and of which side.
	RunWaiting(now time.Time) (side anchorhold.Side, waiting bool, err error)
	// ClaimRun takes the run whose turn it is: one whose claimant's lease has
	// ended; else the first in line (QueueOrder). Runs of an author
	// whose quota of processor time is used up for the day wait, and so do runs
	// of a request over a dataset that is not open. It sets state
	// running, attempt + 1, claimant and lease, and returns the run. ErrNotFound
	// when there is none.
	ClaimRun(claimant string, now, lease time.Time) (anchorhold.Run, error)
	// ExtendLease moves the lease of a run that the claimant still holds;
	// ErrNotFound when it does not.
	ExtendLease(run, claimant string, lease time.Time) error
	// EndLeases takes every run's claimant for lost, so that ClaimRun finds those
	// that one had. Only for who knows that nobody works.
	EndLeases() error
	// ReturnRun puts a run that the claimant still holds back into the queue, as
	// if it had not been claimed: the attempt is not counted. ErrNotFound when
	// the claimant does not hold it. A trial keeps when it began.
	ReturnRun(run, claimant string) error
}

// Queue says in which order runs are claimed, and who may have how many.
type Queue interface {
	// QueueOrder lists the runs in line in the order in which ClaimRun would take
	// them, if nothing changed: trials last, then by the run's priority, then by the
	// lowest of its datasets', and within one the authors in turn, each one's
	// oldest. A replay is its asker's. Runs that wait for something else are absent.
	QueueOrder(now time.Time) ([]string, error)
	// CountRuns counts the runs in a state.
	CountRuns(anchorhold.RunState) (int, error)
	// Prioritize changes a run's priority.
	Prioritize(run string, priority int) error
	// CountQueued counts the runs on private data of an author that have not ended.
	CountQueued(author string) (int, error)
	// Spend adds what a run used to its author's account of a day; Spent reads it.
	Spend(run string, at time.Time, cpuSeconds float64) error
	Spent(author string, at time.Time) (cpuSeconds float64, err error)
	// PutQuota sets the quota of an author, or with "" of everybody who has none of
	// their own; the zero Quota takes one's own away. Quota reads what holds.
	PutQuota(author string, q anchorhold.Quota) error
	Quota(author string) (anchorhold.Quota, error)
}

// Trials keeps what runs on the mocks execute, for a time.
type Trials interface {
	// PutTrial inserts a trial; its run must be there.
	PutTrial(anchorhold.Trial) error
	// Trial finds a trial by its run.
	Trial(run string) (anchorhold.Trial, error)
	// CountTrials counts the trials that an author asked for which have not
	// ended, and those made since a time. What the site tries of requests is its own.
	CountTrials(author string, since time.Time) (open, recent int, err error)
	// ForgetTrials removes trials that were made before a time and have ended,
	// with their runs and outputs, and gives the ids of the runs and the blobs
	// that nothing names any more.
	ForgetTrials(before time.Time) (runs, blobs []string, err error)
}

// ReleaseFilter selects releases; zero fields select all.
type ReleaseFilter struct {
	State  anchorhold.ReleaseState
	Author string // principal id of the request's author
}

// Releases keeps outputs, releases and the ledger.
type Releases interface {
	// PutOutput inserts or replaces; Release is not stored with it.
	PutOutput(anchorhold.Output) error
	// Output finds an output by id with its release.
	Output(id string) (anchorhold.Output, error)
	PutRelease(anchorhold.Release) error
	Release(id string) (anchorhold.Release, error)
	ListReleases(ReleaseFilter, Page) ([]anchorhold.Release, string, error)
	AddLedger(anchorhold.LedgerEntry) error
	ListLedger(LedgerFilter, Page) ([]anchorhold.LedgerEntry, string, error)
}

// LedgerFilter selects entries of the ledger; zero fields select all.
type LedgerFilter struct {
	Population string
	Class      anchorhold.LedgerClass
	Principal  string
}

// QuestionFilter selects questions; zero fields select all.
type QuestionFilter struct {
	Author  string // principal id
	Dataset string // name
}

// Questions keeps what was asked in SQL, with the answers.
type Questions interface {
	// PutQuestion inserts or replaces.
	PutQuestion(anchorhold.Question) error
	// Question finds a question by id, with its key and answer.
	Question(id string) (anchorhold.Question, error)
	// AnsweredQuestion finds the first that was answered of those with a key;
	// KnowsAnswer says whether somebody was given that answer.
	AnsweredQuestion(key string) (anchorhold.Question, error)
	KnowsAnswer(author, key string) (bool, error)
	// ReservedQuestions gives those that are neither answered nor failed, oldest
	// first.
	ReservedQuestions() ([]anchorhold.Question, error)
	// ListQuestions gives them without answers, newest first.
	ListQuestions(QuestionFilter, Page) ([]anchorhold.Question, string, error)
}

// Exposure keeps limits and running sums of proved exposure. What is summed is
// what stands in the ledger; package exposure keeps them together.
type Exposure interface {
	// PutLimit inserts or replaces the limit of an account.
	PutLimit(anchorhold.ExposureLimit) error
	DeleteLimit(anchorhold.ExposureAccount) error
	// Limits gives those of a population, or all of them for an empty name, by
	// population, scope and name.
	Limits(population string) ([]anchorhold.ExposureLimit, error)
	// Exposed gives a running sum; of an account that has none, nothing spent.
	Exposed(anchorhold.ExposureAccount) (anchorhold.Exposed, error)
	PutExposed(anchorhold.ExposureAccount, anchorhold.Exposed) error
	// Accounts gives those of a population with a running sum, by scope and name.
	Accounts(population string) ([]anchorhold.ExposureAccount, error)
}

// Figures say how much there is, and nothing of what it is.
type Figures struct {
	Queued  int64 // runs that wait
	Running int64 // runs that go on, checking included
	Held    int64 // outputs that wait for a decision
}

// Log keeps the audit log's entries, tree hashes and checkpoint (it is package
// audit's Tx and Reader, with their contracts), the answers given under
// idempotency keys, and the site's settings.
type Log interface {
	audit.Tx
	audit.Reader

	// Idempotent finds what a principal was answered under a key; ErrNotFound
	// when the key is new.
	Idempotent(principal, key string) (fingerprint, response []byte, err error)
	PutIdempotent(principal, key string, fingerprint, response []byte, at time.Time) error

	// ForgetAnswers removes what was answered before a time, and gives its number.
	ForgetAnswers(before time.Time) (int, error)

	// Figures counts for those who watch over a site.
	Figures() (Figures, error)

	// Setting reads a setting of the site.
	Setting(key string) (string, error)
	// PutSetting inserts or replaces a setting.
	PutSetting(key, value string) error
}

// People keeps what is to be told to whom, and who would like an account.
type People interface {
	// PutNotice inserts a notice.
	PutNotice(anchorhold.Notice) error
	// Notices gives the oldest notices that were not told yet: those of the hook,
	// or those of persons.
	Notices(hook bool, limit int) ([]anchorhold.Notice, error)
	// DeleteNotice removes a notice that was told; none is no error.
	DeleteNotice(id string) error

	// PutApplication inserts or replaces.
	PutApplication(anchorhold.Application) error
	Application(id string) (anchorhold.Application, error)
	// ApplicationOf finds the application of a principal.
	ApplicationOf(principal string) (anchorhold.Application, error)
	// ListApplications gives those in a state (all for an empty one), newest first.
	ListApplications(anchorhold.ApplicationState, Page) ([]anchorhold.Application, string, error)
	// DeleteApplications removes applications in a state that were made before a
	// time, with their principals' credentials and principals.
	DeleteApplications(state anchorhold.ApplicationState, before time.Time) error
}

// EnvironmentFilter selects requests for environments; zero fields select all.
type EnvironmentFilter struct {
	Author string // principal id
	State  anchorhold.EnvironmentState
}

// Environments keeps what researchers ask a site to build.
type Environments interface {
	// PutEnvironmentRequest inserts or replaces.
	PutEnvironmentRequest(anchorhold.EnvironmentRequest) error
	// EnvironmentRequest finds one by id, with the text of its lock.
	EnvironmentRequest(id string) (anchorhold.EnvironmentRequest, error)
	// ListEnvironmentRequests gives them without the texts, newest first.
	ListEnvironmentRequests(EnvironmentFilter, Page) ([]anchorhold.EnvironmentRequest, string, error)
}
