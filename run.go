package anchorhold

import (
	"encoding/json"
	"time"
)

// RunState is where a run stands.
type RunState string

// The states of a run, in order; the last three end it.
const (
	RunQueued    RunState = "queued"
	RunRunning   RunState = "running"
	RunChecking  RunState = "checking"
	RunDone      RunState = "done"
	RunFailed    RunState = "failed"
	RunCancelled RunState = "cancelled"
)

// Side is the side of the assets that a run reads. The zero value is the private
// side, so that every run of before there were trials is one on it.
type Side string

// SideMock is the side that everybody who may see an asset's mock may see whole:
// a run on it is a trial.
const SideMock Side = "mock"

// SideReplay is the private side read once more, to see whether the same comes
// out: a replay stores no output and releases nothing.
const SideReplay Side = "replay"

// Run is one execution: of a granted request on the private side, or of a trial
// on the mocks, which needs no grant and has no release.
type Run struct {
	ID          string     `json:"id"`
	Side        Side       `json:"side,omitempty"`
	Request     string     `json:"request"` // of a trial: empty unless the site tries a request
	Opening     int        `json:"opening"` // of the request, when it was queued
	Grant       string     `json:"grant"`
	Study       string     `json:"study,omitempty"`
	State       RunState   `json:"state"`
	Attempt     int        `json:"attempt"`
	Queued      time.Time  `json:"queued"`
	Started     *time.Time `json:"started,omitempty"`
	Finished    *time.Time `json:"finished,omitempty"`
	Reason      string     `json:"reason,omitempty"`      // owners only
	Lock        string     `json:"lock,omitempty"`        // of its environment, as the code names it
	Environment string     `json:"environment,omitempty"` // digest of the built environment
	Python      string     `json:"python,omitempty"`      // version of the interpreter
	Boundary    string     `json:"boundary,omitempty"`    // which isolation and limits held
	Usage       Usage      `json:"usage"`
	Priority    int        `json:"priority,omitempty"` // PriorityLow to PriorityHigh
	Ahead       *int       `json:"ahead,omitempty"`    // about how many runs come before it; only while it waits
	Log         string     `json:"-"`                  // blob; owners only
	Failure     string     `json:"failure,omitempty"`  // of a trial: the traceback of the code's error
	Outputs     []Output   `json:"outputs"`
	Deposit     *Deposit   `json:"deposit,omitempty"` // it was not executed here
	Replay      *Replay    `json:"replay,omitempty"`  // of a replay; owners only
}

// Ended says whether a run will do nothing more.
func (r Run) Ended() bool {
	return r.State != RunQueued && r.State != RunRunning && r.State != RunChecking
}

// Trial is what a run on the mocks executes, complete, and for whom. It names
// nothing of a private side, so that a run made from it can reach none.
type Trial struct {
	Run        string                     `json:"run"`
	Author     string                     `json:"author"` // principal id
	AuthorName string                     `json:"author_name"`
	Code       Code                       `json:"code"`
	Assets     map[string]AssetRef        `json:"assets"`     // by parameter name
	Values     map[string]json.RawMessage `json:"parameters"` // by parameter name
	Expect     *Resources                 `json:"expect,omitempty"`
	Created    time.Time                  `json:"created"`
	ReadOnly   bool                       `json:"read_only,omitempty"` // the code is read for its reviewers, and not run
}

// The priorities of runs: of higher ones all are claimed before any of a lower.
const (
	PriorityLow    = -1
	PriorityNormal = 0
	PriorityHigh   = 1
)

// Quota bounds what one researcher's runs may take; zero fields do not.
type Quota struct {
	Queued     int     `json:"queued"`      // runs on private data that have not ended
	CPUSeconds float64 `json:"cpu_seconds"` // of processor time in one day (UTC), after which further runs wait for the next
}

// Usage is what a run used. Of a run on private data owners only.
type Usage struct {
	CPUSeconds  float64 `json:"cpu_seconds"`
	WallSeconds float64 `json:"wall_seconds"`
	PeakBytes   int64   `json:"peak_bytes"`
}

// Output is what a run wrote under one declared name, frozen by its SHA-256.
type Output struct {
	ID      string   `json:"id"`
	Run     string   `json:"run"`
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`   // table, array, json, text, image
	Python  string   `json:"python"` // how the SDK rebuilds the type that was returned
	Media   string   `json:"media"`  // media type of the file
	File    string   `json:"file"`   // suggested file name
	Size    int64    `json:"size"`
	SHA256  string   `json:"sha256"`
	Blob    string   `json:"-"`
	Gone    bool     `json:"gone,omitempty"`    // the site keeps its file no more: withdrawn with its dataset, or refused long ago
	Preview string   `json:"preview,omitempty"` // of a trial's output: its beginning, for reading
	Samples *Samples `json:"samples,omitempty"` // of the kind samples
	// Sensitivity is what it was declared to tell; empty: made by version 0.1.
	Sensitivity Sensitivity `json:"sensitivity,omitempty"`
	Checks      []Check     `json:"checks"`
	Release     *Release    `json:"release,omitempty"`
}

// Samples says what rows of private tables an output holds, and what the site
// took out of it.
type Samples struct {
	Rows   int      `json:"rows"`
	Cap    int      `json:"cap"` // at most so many could have left
	Masked []string `json:"masked,omitempty"`
}

// Deposit says that a run was not executed here: its outputs were handed in.
type Deposit struct {
	By   string    `json:"by"` // principal id
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// Replay says what a run was that was done again, and what came out this time.
type Replay struct {
	Run         string     `json:"run"`                   // that was done again
	By          string     `json:"by,omitempty"`          // principal id of who asked for it
	Name        string     `json:"name,omitempty"`        // of them
	Release     string     `json:"release"`               // whose receipt asked for it
	Environment string     `json:"environment,omitempty"` // digest of what was built then; it may have been built anew
	Outputs     []Replayed `json:"outputs"`
}

// Replayed compares one output.
type Replayed struct {
	Name string `json:"name"`
	Then string `json:"then"`          // SHA-256 in hexadecimal
	Now  string `json:"now,omitempty"` // empty until it has run, or when it failed
	Same bool   `json:"same"`
}

// CheckResult is what a disclosure check found.
type CheckResult string

// The results. Anything but CheckPassed stops an automatic release.
const (
	CheckPassed       CheckResult = "passed"
	CheckFailed       CheckResult = "failed"
	CheckInapplicable CheckResult = "inapplicable"
)

// Check is one disclosure check on one output. Detail may speak of private
// values' positions but never of values; owners only.
type Check struct {
	Name   string      `json:"name"`
	Result CheckResult `json:"result"`
	Detail string      `json:"detail,omitempty"`
}

// ReleaseState is where a release stands.
type ReleaseState string

// The states of a release.
const (
	ReleaseHeld     ReleaseState = "held"
	ReleaseApproved ReleaseState = "approved"
	ReleaseDenied   ReleaseState = "denied"
)

// Release is the decision that lets one output leave, and what left.
type Release struct {
	ID          string       `json:"id"`
	Output      string       `json:"output"`
	Request     string       `json:"request"`
	State       ReleaseState `json:"state"`
	Decider     string       `json:"decider,omitempty"`      // principal id of who decided last, or the grant's id for an automatic release
	DeciderName string       `json:"decider_name,omitempty"` // of all who let it out, or of who refused it
	Reason      string       `json:"reason,omitempty"`
	Decided     *time.Time   `json:"decided,omitempty"`
	Decisions   []Decision   `json:"decisions,omitempty"` // of people, one for each dataset that they decided for
	Envelope    []byte       `json:"-"`                   // the signed receipt, once approved
	LogIndex    int64        `json:"-"`                   // the audit entry that commits to it
}

// LedgerClass keeps three kinds of exposure apart; they are never added.
type LedgerClass string

// The classes of exposure.
const (
	ExposureProved    LedgerClass = "proved"    // bounded by our own mechanisms
	ExposureDeclared  LedgerClass = "declared"  // claimed by reviewed code
	ExposureUnbounded LedgerClass = "unbounded" // released by a person's decision
)

// LedgerEntry is one line of the record of exposure.
type LedgerEntry struct {
	ID         string      `json:"id"`
	Class      LedgerClass `json:"class"`
	Population string      `json:"population"`
	Study      string      `json:"study,omitempty"`
	Principal  string      `json:"principal"` // who learnt it
	Subject    string      `json:"subject"`   // id of the release or version
	Amount     string      `json:"amount"`    // JCS text; {} for unbounded
	What       string      `json:"what"`      // one sentence without private values
	Created    time.Time   `json:"created"`
	// Counted says in which accounts of proved exposure the amount was added: all
	// that fit where it is empty. An answer that was given before counts for who
	// learns it anew, and not again for the population.
	Counted []ExposureScope `json:"counted,omitempty"`
}
