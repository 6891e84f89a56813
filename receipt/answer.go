package receipt

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// AnswerType is the type of a statement about an answer that left without a
// person's decision, with noise: docs/spec/receipt.md §7.
const AnswerType = "https://anchorhold.org/answer/v1"

// Answer says which question was answered, on which versions of which data, by
// which mechanism, and what it cost. It is the predicate of statements of
// AnswerType.
type Answer struct {
	Site      string        `json:"site"` // origin of the site's log
	Question  Question      `json:"question"`
	Assets    []AnswerAsset `json:"assets"` // sorted by dataset and asset
	Unit      []Unit        `json:"unit"`   // sorted by asset
	Mechanism string        `json:"mechanism"`
	MaxGroups int64         `json:"max_groups"` // to so many groups of an answer one unit contributes, at most
	MaxRows   int64         `json:"max_rows"`   // with so many rows in each, at most
	Bounds    []Influence   `json:"bounds"`     // one for each aggregate among the answer's columns, in their order
	Exposure  []Charged     `json:"exposure"`   // empty where its asker knew the answer
	Answered  time.Time     `json:"answered"`
	Output    AnswerOutput  `json:"output"`
}

// Question says who asked what. The digest of the statement is that of its text,
// without the space around it.
type Question struct {
	ID        string `json:"id"`
	Statement string `json:"statement"`
	Author    string `json:"author"`
	Study     string `json:"study,omitempty"`
	Of        string `json:"of,omitempty"` // the question that was answered before, and has the same answer
}

// AnswerAsset says which version of a table was asked.
type AnswerAsset struct {
	Dataset    string `json:"dataset"`
	Asset      string `json:"asset"`
	Version    string `json:"version"`
	Commitment string `json:"commitment"`
}

// Unit says whose the rows of a table are: "row", "public", or the columns that
// name somebody.
type Unit struct {
	Asset string `json:"asset"`
	Unit  string `json:"unit"`
}

// Influence says by how much one unit can move an aggregate in one group: Low and
// High are decimal numbers, and absent where the aggregate is no sum.
type Influence struct {
	Name string `json:"name"` // of the column
	Kind string `json:"kind"`
	Low  string `json:"low,omitempty"`
	High string `json:"high,omitempty"`
}

// Charged is one line that the answer wrote to the ledger. Counted names the
// accounts that it counts in, where not all of them are meant.
type Charged struct {
	Class      anchorhold.LedgerClass     `json:"class"`
	Population string                     `json:"population"`
	Amount     string                     `json:"amount"` // canonical JSON text
	Counted    []anchorhold.ExposureScope `json:"counted,omitempty"`
}

// AnswerOutput describes the file of an answer.
type AnswerOutput struct {
	Media string `json:"media"`
	Size  int64  `json:"size"`
}

// NewAnswer makes the statement about an answer's file with this SHA-256 (64
// hexadecimal digits). It sorts what has an order, puts the time to the second and
// turns absent lists into empty ones; the result is checked by Sign.
func NewAnswer(sha256hex string, a Answer) Statement {
	a.Assets = append([]AnswerAsset{}, a.Assets...)
	slices.SortFunc(a.Assets, func(x, y AnswerAsset) int { return strings.Compare(x.key(), y.key()) })
	a.Unit = append([]Unit{}, a.Unit...)
	slices.SortFunc(a.Unit, func(x, y Unit) int { return strings.Compare(x.Asset, y.Asset) })
	a.Bounds = append([]Influence{}, a.Bounds...)
	a.Exposure = append([]Charged{}, a.Exposure...)
	a.Answered = seconds(a.Answered)
	return Statement{
		Type: StatementType, PredicateType: AnswerType, Answer: &a,
		Subject: []Subject{{Name: "answer", Digest: Digest{SHA256: sha256hex}}},
	}
}

func (a AnswerAsset) key() string { return a.Dataset + "\x00" + a.Asset }

// said is a statement as it is written, with one predicate or the other.
type said[P any] struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     P         `json:"predicate"`
}

// MarshalJSON writes the predicate of the statement's type.
func (s Statement) MarshalJSON() ([]byte, error) {
	if s.Answer != nil {
		return json.Marshal(said[*Answer]{s.Type, s.Subject, s.PredicateType, s.Answer})
	}
	return json.Marshal(said[Predicate]{s.Type, s.Subject, s.PredicateType, s.Predicate})
}

// UnmarshalJSON reads the predicate of the statement's type.
func (s *Statement) UnmarshalJSON(data []byte) error {
	var read said[json.RawMessage]
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*s = Statement{Type: read.Type, Subject: read.Subject, PredicateType: read.PredicateType}
	if s.PredicateType == AnswerType {
		s.Answer = &Answer{}
		return json.Unmarshal(read.Predicate, s.Answer)
	}
	return json.Unmarshal(read.Predicate, &s.Predicate)
}

// site is the origin of the log that the statement names.
func (s Statement) site() string {
	if s.Answer != nil {
		return s.Answer.Site
	}
	return s.Predicate.Site
}

// event is what the entry of the log must say: docs/spec/receipt.md §4.
func (s Statement) event() (action, subject string) {
	if s.Answer != nil {
		return audit.ActionAnswer, s.Answer.Question.ID
	}
	return audit.ActionRelease, s.Predicate.Release.ID
}

// size is that of the file that left, in bytes.
func (s Statement) size() int64 {
	if s.Answer != nil {
		return s.Answer.Output.Size
	}
	return s.Predicate.Output.Size
}

// rules are those of docs/spec/receipt.md §7.
func (a *Answer) rules() []rule {
	if a == nil {
		return []rule{{"predicate", false}}
	}
	rules := []rule{
		{"site", keys.CheckOrigin(a.Site) == nil},
		{"question", a.Question.sound()},
		{"list", max(len(a.Assets), len(a.Unit), len(a.Exposure), len(a.Bounds)) <= maxList},
		{"list", min(len(a.Assets), len(a.Unit)) > 0 && a.Bounds != nil && a.Exposure != nil},
		{"mechanism", text(a.Mechanism)},
		{"contribution", a.MaxGroups >= 1 && a.MaxRows >= 1 && max(a.MaxGroups, a.MaxRows) < 1<<53},
		{"time", wholeSecond(a.Answered)},
		{"output", text(a.Output.Media) && a.Output.Size >= 0 && a.Output.Size < 1<<53},
	}
	return slices.Concat(rules, a.whoseRules(), a.costRules())
}

func (a *Answer) whoseRules() (rules []rule) {
	for i, x := range a.Assets {
		sorted := i == 0 || a.Assets[i-1].key() < x.key()
		rules = append(rules, rule{"asset", sorted && text(x.Dataset, x.Asset) && anchorhold.IsID(anchorhold.PrefixVersion, x.Version) && digest.IsSHA256(x.Commitment)})
	}
	for i, u := range a.Unit {
		sorted := i == 0 || a.Unit[i-1].Asset < u.Asset
		rules = append(rules, rule{"unit", sorted && text(u.Asset, u.Unit)})
	}
	return rules
}

func (a *Answer) costRules() (rules []rule) {
	for _, b := range a.Bounds {
		rules = append(rules, rule{"bound", text(b.Name, b.Kind) && plain(b.Low) && plain(b.High) && (b.Low == "") == (b.High == "")})
	}
	for _, c := range a.Exposure {
		line := Exposure{c.Class, c.Population, c.Amount}
		rules = append(rules, rule{"exposure", line.sound() && c.Class == anchorhold.ExposureProved && c.countedIsSound()})
	}
	return rules
}

func (q Question) sound() bool {
	return text(q.ID, q.Author) && plain(q.Study) && plain(q.Of) && digest.IsSHA256(q.Statement)
}

func (c Charged) countedIsSound() bool {
	for _, scope := range c.Counted {
		if !text(string(scope)) {
			return false
		}
	}
	return len(c.Counted) <= maxList && (c.Counted == nil || len(c.Counted) > 0)
}
