package anchorhold

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// State summarises a request for people: the state of its newest run, or of its
// decision where nothing has run yet.
type State string

// The states of a request. Researchers see StateDeciding for StateChecking and
// StateHeld: which of the two it is says something about the output.
const (
	StatePending   State = "pending"
	StateAsked     State = "asked"
	StateApproved  State = "approved"
	StateDenied    State = "denied"
	StateWithdrawn State = "withdrawn"
	StateExpired   State = "expired"
	StateQueued    State = "queued"
	StateRunning   State = "running"
	StateFailed    State = "failed"
	StateCancelled State = "cancelled"
	StateChecking  State = "checking"
	StateHeld      State = "held"
	StateDeciding  State = "deciding"
	StateReleased  State = "released"
	StateRefused   State = "refused"
)

// Ended says whether nothing more will happen without somebody asking again.
func (s State) Ended() bool {
	switch s {
	case StateDenied, StateWithdrawn, StateExpired, StateFailed, StateCancelled, StateReleased, StateRefused:
		return true
	}
	return false
}

// File is one source file of a code bundle.
type File struct {
	Path string `json:"path"` // relative, slash-separated, no dot segments
	Text string `json:"text"` // UTF-8
}

// Parameter is a declared parameter of the entry function.
type Parameter struct {
	Name    string          `json:"name"`
	Kind    string          `json:"kind"`              // "asset" or "value"
	Type    string          `json:"type"`              // asset: dataframe, polars, arrow, numpy, batches, tensors, files, path; value: int, float, str, bool, list[int], list[float], list[str]
	Default json.RawMessage `json:"default,omitempty"` // of a value; absent: required
}

// OutputDecl is a declared output.
type OutputDecl struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // table, array, json, text, image, or any (one of these, told after the run)
	// Sensitivity is what its author says that it tells; empty: what its kind implies.
	Sensitivity Sensitivity `json:"sensitivity,omitempty"`
}

// Sensitivity says what an output tells of the people in the data.
type Sensitivity string

// The sensitivities, from the least: figures about many, what was learnt from
// many, and what is about single ones.
const (
	Aggregate  Sensitivity = "aggregate"
	Model      Sensitivity = "model"
	Individual Sensitivity = "individual"
)

// Tells is the declared sensitivity of an output, or the one that its kind
// implies.
func (o OutputDecl) Tells() Sensitivity {
	if o.Sensitivity != "" {
		return o.Sensitivity
	}
	return SensitivityOf(o.Kind)
}

// SensitivityOf is what outputs of a kind tell where nobody says anything else.
func SensitivityOf(kind string) Sensitivity {
	switch kind {
	case "samples":
		return Individual
	case "safetensors", "onnx":
		return Model
	}
	return Aggregate
}

// Resources are what an author expects a run to use at most; they become its
// limits. Zero: as much as the site allows.
type Resources struct {
	CPUSeconds  int64 `json:"cpu_seconds,omitempty" minimum:"0" doc:"processor time"`
	Memory      int64 `json:"memory,omitempty" minimum:"0" doc:"bytes"`
	WallSeconds int64 `json:"wall_seconds,omitempty" minimum:"0" doc:"time from its start to its end"`
}

// Bytes says a number of bytes as people read it, the same everywhere: 300 MiB,
// 1.5 GiB.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, i := float64(n)/unit, 0
	for value >= unit && i < 4 {
		value, i = value/unit, i+1
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + " " + [...]string{"KiB", "MiB", "GiB", "TiB", "PiB"}[i]
}

// Words says what is expected, as people read it.
func (r *Resources) Words() (out []string) {
	if r == nil {
		return nil
	}
	if r.CPUSeconds > 0 {
		out = append(out, fmt.Sprintf("%v of processor time", time.Duration(r.CPUSeconds)*time.Second))
	}
	if r.Memory > 0 {
		out = append(out, Bytes(r.Memory)+" of memory")
	}
	if r.WallSeconds > 0 {
		out = append(out, fmt.Sprintf("%v in all", time.Duration(r.WallSeconds)*time.Second))
	}
	return out
}

// Within says whether r expects no more than most in anything that most bounds.
func (r *Resources) Within(most *Resources) bool {
	if most == nil {
		return true
	}
	if r == nil {
		return *most == Resources{}
	}
	fits := func(asked, most int64) bool { return most == 0 || asked > 0 && asked <= most }
	return fits(r.CPUSeconds, most.CPUSeconds) && fits(r.Memory, most.Memory) && fits(r.WallSeconds, most.WallSeconds)
}

// Code is what a researcher wants to run, complete: sources, entry point,
// declared parameters and outputs, and the environment's lock. Its digest is
// the same at every site.
type Code struct {
	Files       []File       `json:"files"`
	Entry       string       `json:"entry"` // "main.py:function", or of a script "main.py:__main__"
	Parameters  []Parameter  `json:"parameters"`
	Outputs     []OutputDecl `json:"outputs"`
	Environment string       `json:"environment"` // "sha256:..." of the environment's lock
}

// ScriptEntry stands in the place of an entry's function where the file is a
// script: it runs from top to bottom, with its parameters as variables that are
// there when it begins, and its outputs as variables that it leaves.
const ScriptEntry = "__main__"

// AssetRef names an asset as people write it, and the version it resolved to.
type AssetRef struct {
	Dataset string `json:"dataset"`
	Asset   string `json:"asset"`
	Version string `json:"version,omitempty"` // portable version id; in a submission empty: the newest
}

// ShownRuns is how many runs of a side come with a request, whatever their states.
const ShownRuns = 5

// Request is a code digest with parameter values, asset versions, purpose and
// author: immutable, and named by its digest.
type Request struct {
	ID         string                     `json:"id"`
	Digest     string                     `json:"digest"`
	CodeDigest string                     `json:"code_digest"`
	Code       Code                       `json:"code"`
	Author     string                     `json:"author"`      // principal id
	AuthorName string                     `json:"author_name"` // e-mail address
	Assets     map[string]AssetRef        `json:"assets"`      // by parameter name
	Values     map[string]json.RawMessage `json:"parameters"`  // by parameter name
	Purpose    string                     `json:"purpose"`
	Study      string                     `json:"study,omitempty"`
	Expect     *Resources                 `json:"expect,omitempty"` // what its runs may use at most
	Created    time.Time                  `json:"created"`
	Opening    int                        `json:"opening"` // 1, and one more each time it re-opens after an end
	Opened     time.Time                  `json:"opened"`
	Undecided  *time.Time                 `json:"undecided_until,omitempty"` // when this opening expires without a decision
	Withdrawn  bool                       `json:"withdrawn,omitempty"`       // in this opening
	Forgotten  *time.Time                 `json:"forgotten,omitempty"`       // when the texts of its code and its purpose were removed for their age
	// WordsForgotten is when what people said about it was removed for its age.
	WordsForgotten *time.Time `json:"words_forgotten,omitempty"`
	Priority       int        `json:"priority,omitempty"` // of its runs
	State          State      `json:"state"`
	Decisions      []Decision `json:"decisions"`
	Messages       []Message  `json:"messages,omitempty"`
	Runs           []Run      `json:"runs"`                 // on the private side
	Waits          []Wait     `json:"waits_for,omitempty"`  // while it is undecided: datasets with decisions to come
	Trial          *Run       `json:"trial,omitempty"`      // the newest run on the mocks that the site made for its reviewers
	TrialNote      string     `json:"trial_note,omitempty"` // why the site made none
	Lint           *Lint      `json:"lint,omitempty"`       // what a reader of the code points at; not in lists
}

// Lint is what a reader of code, which does not run it, points at: advice.
type Lint struct {
	Version  int       `json:"version"` // of the reader
	Findings []Finding `json:"findings"`
	More     int       `json:"more,omitempty"` // how many further findings there are
}

// Finding is one thing in code that a reviewer should look at.
type Finding struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Category string `json:"category"`
	What     string `json:"what"`
	Why      string `json:"why"` // why it matters
}

// Wait says what a dataset of an undecided request still waits for.
type Wait struct {
	Dataset   string     `json:"dataset"`
	Approvals int        `json:"approvals"`          // so far
	Quorum    int        `json:"quorum"`             // that are needed
	Deciders  []string   `json:"deciders,omitempty"` // who may decide and has not; not for the author
	Review    ReviewRule `json:"review,omitempty"`
}

// Verdict is what a decision says.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Deny    Verdict = "deny"
)

// Decision is one person's word on one request for one dataset.
type Decision struct {
	ID          string     `json:"id"`
	Request     string     `json:"request"`
	Opening     int        `json:"opening"`
	Dataset     string     `json:"dataset"` // name
	Verdict     Verdict    `json:"verdict"`
	Decider     string     `json:"decider"` // principal id
	DeciderName string     `json:"decider_name"`
	Reason      string     `json:"reason,omitempty"`
	Category    string     `json:"category,omitempty"`     // of a denial
	WouldAccept string     `json:"would_accept,omitempty"` // of a denial: what the author could ask for instead
	Terms                  // of an approval
	Review      ReviewRule `json:"review,omitempty"` // that the decider fulfilled
	Created     time.Time  `json:"created"`
	Rule        string     `json:"rule"` // the rule of the policy that permitted it
}

// DenialCategories sort denials by what the author can do about them.
func DenialCategories() []string {
	return []string{"purpose", "disclosure-risk", "code-quality", "wrong-data", "policy", "other"}
}

// Message is a question to the author or the answer to one.
type Message struct {
	Request  string    `json:"request"`
	Opening  int       `json:"opening"`
	Author   string    `json:"author"`
	Name     string    `json:"name"`
	Question bool      `json:"question"`
	Text     string    `json:"text"`
	Created  time.Time `json:"created"`
}
