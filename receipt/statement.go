package receipt

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// Names of the format; nothing is ever fetched from them.
const (
	StatementType  = "https://in-toto.io/Statement/v1"
	PredicateType  = "https://anchorhold.org/receipt/v1"
	PredicateType2 = "https://anchorhold.org/receipt/v2" // can also say what Facts are for
	PayloadType    = "application/vnd.in-toto+json"
)

const (
	maxText = 4096 // bytes of one text
	maxList = 64   // elements of one list
)

// Statement is what a receipt says: an in-toto Statement v1 about one released
// output, or about one answer that left.
type Statement struct {
	Type          string
	Subject       []Subject // exactly one
	PredicateType string
	Predicate     Predicate // of an output
	Answer        *Answer   // of an answer, and then the other is empty
}

// Subject names the released output.
type Subject struct {
	Name   string `json:"name"`
	Digest Digest `json:"digest"`
}

// Digest holds the digest of a file, in-toto's way.
type Digest struct {
	SHA256 string `json:"sha256"` // 64 lower case hexadecimal digits
}

// Predicate says how the output came to be and to leave.
type Predicate struct {
	Site        string      `json:"site"` // origin of the site's log
	Request     Request     `json:"request"`
	Assets      []Asset     `json:"assets"` // sorted by parameter
	Environment Environment `json:"environment"`
	Run         Run         `json:"run"`
	Decisions   []Decision  `json:"decisions"`
	Checks      []Check     `json:"checks"`
	Exposure    []Exposure  `json:"exposure"`
	Release     Release     `json:"release"`
	Output      Output      `json:"output"`
	Facts       []Fact      `json:"facts,omitzero"` // sorted by name; of version 2, where it may be empty
}

// Fact is one more thing that a receipt of version 2 says, such as that the
// result was made elsewhere. The names are those of docs/spec/receipt.md §3; a
// verifier shows those that it does not know.
type Fact struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Request says what was asked, and by whom.
type Request struct {
	ID         string `json:"id"`
	Digest     string `json:"digest"`
	CodeDigest string `json:"code_digest"`
	Purpose    string `json:"purpose"`
	Author     string `json:"author"`
	Study      string `json:"study,omitempty"`
}

// Asset says which version was bound to a parameter; the commitment names its
// bytes without telling anything about them.
type Asset struct {
	Parameter  string `json:"parameter"`
	Dataset    string `json:"dataset"`
	Asset      string `json:"asset"`
	Version    string `json:"version"`
	Commitment string `json:"commitment"`
}

// Environment says what the code ran in.
type Environment struct {
	Lock   string `json:"lock"`             // digest that the code names
	Built  string `json:"built,omitempty"`  // digest of the directory that the site built from it; absent where nothing ran here
	Python string `json:"python,omitempty"` // version; likewise
}

// Run says which run it was and what enclosed it. Times are on the coarse clock.
type Run struct {
	ID       string    `json:"id"`
	Boundary string    `json:"boundary"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
}

// Decision is one approval of the request.
type Decision struct {
	Dataset string             `json:"dataset"`
	Verdict anchorhold.Verdict `json:"verdict"`
	Decider string             `json:"decider"`
	Rule    string             `json:"rule"`
	At      time.Time          `json:"at"`
}

// Check is what one disclosure check found.
type Check struct {
	Name   string                 `json:"name"`
	Result anchorhold.CheckResult `json:"result"`
}

// Exposure is one line that the release wrote to the ledger.
type Exposure struct {
	Class      anchorhold.LedgerClass `json:"class"`
	Population string                 `json:"population"`
	Amount     string                 `json:"amount"` // canonical JSON text
}

// Release says who let the output out.
type Release struct {
	ID        string    `json:"id"`
	Decider   string    `json:"decider"` // the grant when automatic
	Automatic bool      `json:"automatic"`
	At        time.Time `json:"at"`
}

// Output describes the released file.
type Output struct {
	Kind   string `json:"kind"`
	Python string `json:"python"`
	Media  string `json:"media"`
	Size   int64  `json:"size"`
}

// New makes the statement about an output with this name and SHA-256 (64
// hexadecimal digits). It sorts assets, puts the run's times on the coarse clock
// and the others to the second, and turns absent lists into empty ones; the
// result is checked by Sign. It is of version 1 as long as that can say it all, so
// that older verifiers read it.
func New(name, sha256hex string, p Predicate) Statement {
	p.Assets = append([]Asset{}, p.Assets...)
	slices.SortFunc(p.Assets, func(a, b Asset) int { return strings.Compare(a.Parameter, b.Parameter) })
	p.Decisions = append([]Decision{}, p.Decisions...)
	for i := range p.Decisions {
		p.Decisions[i].At = seconds(p.Decisions[i].At)
	}
	p.Checks = append([]Check{}, p.Checks...)
	p.Exposure = append([]Exposure{}, p.Exposure...)
	p.Run.Started, p.Run.Finished = anchorhold.Coarse(p.Run.Started), anchorhold.Coarse(p.Run.Finished)
	p.Release.At = seconds(p.Release.At)
	version := PredicateType
	if len(p.Facts) > 0 || !slices.Contains(firstKinds(), p.Output.Kind) || p.Environment.Built == "" {
		version = PredicateType2
		p.Facts = append([]Fact{}, p.Facts...)
		slices.SortFunc(p.Facts, func(a, b Fact) int { return strings.Compare(a.Name, b.Name) })
	}
	return Statement{
		Type: StatementType, PredicateType: version, Predicate: p,
		Subject: []Subject{{Name: name, Digest: Digest{SHA256: sha256hex}}},
	}
}

// firstKinds are the kinds of output that version 1 knows.
func firstKinds() []string { return []string{"table", "array", "json", "text", "image"} }

func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// payload gives the statement's canonical text, after checking it.
func (s Statement) payload() ([]byte, error) {
	if what := s.fault(); what != "" {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "", "the receipt's statement has no sound %s", what)
	}
	return digest.Marshal(s)
}

// parsePayload is the strict inverse of payload: it accepts no text that
// payload would not have made.
func parsePayload(text []byte) (Statement, error) {
	var s Statement
	if err := json.Unmarshal(text, &s); err != nil {
		return Statement{}, err
	}
	again, err := s.payload()
	if err != nil {
		return Statement{}, err
	}
	if !bytes.Equal(again, text) {
		return Statement{}, anchorhold.Errorf(anchorhold.Invalid, "", "the statement is not in canonical form")
	}
	return s, nil
}

// rule is one thing that a statement must be.
type rule struct {
	what string
	ok   bool
}

// fault names the first member that breaks a rule of docs/spec/receipt.md §3 or §7.
func (s Statement) fault() string {
	rules := []rule{
		{"type", s.Type == StatementType && slices.Contains([]string{PredicateType, PredicateType2, AnswerType}, s.PredicateType)},
		{"subject", len(s.Subject) == 1 && text(s.Subject[0].Name) && digest.IsHex256(s.Subject[0].Digest.SHA256)},
	}
	more := s.Answer.rules
	if s.PredicateType != AnswerType {
		rules = append(rules, rule{"predicate", s.Answer == nil})
		more = func() []rule { return s.Predicate.rules(s.PredicateType) }
	}
	for _, r := range append(rules, more()...) {
		if !r.ok {
			return r.what
		}
	}
	return ""
}

func (p Predicate) rules(version string) []rule {
	versionRules := p.firstRules()
	if version == PredicateType2 {
		versionRules = p.secondRules()
	}
	return slices.Concat([]rule{{"site", keys.CheckOrigin(p.Site) == nil}}, p.Request.rules(), p.listRules(), p.howRules(), versionRules)
}

func (r Request) rules() []rule {
	purpose := strings.NewReplacer("\n", "", "\t", "").Replace(r.Purpose)
	return []rule{
		{"request id", text(r.ID)},
		{"request digest", digest.IsSHA256(r.Digest)},
		{"code digest", digest.IsSHA256(r.CodeDigest)},
		{"purpose", r.Purpose != "" && len(r.Purpose) <= maxText && plain(purpose)},
		{"author", text(r.Author)},
		{"study", plain(r.Study)},
	}
}

func (p Predicate) listRules() []rule {
	rules := []rule{
		{"list", max(len(p.Assets), len(p.Decisions), len(p.Checks), len(p.Exposure)) <= maxList},
		{"decision", len(p.Decisions) > 0},
	}
	for i, a := range p.Assets {
		sorted := i == 0 || p.Assets[i-1].Parameter < a.Parameter
		rules = append(rules, rule{"asset", sorted && a.sound()})
	}
	for _, d := range p.Decisions {
		rules = append(rules, rule{"decision", d.sound()})
	}
	for _, c := range p.Checks {
		rules = append(rules, rule{"check", c.sound()})
	}
	for _, e := range p.Exposure {
		rules = append(rules, rule{"exposure", e.sound()})
	}
	return rules
}

func (a Asset) sound() bool {
	return text(a.Parameter, a.Dataset, a.Asset) && anchorhold.IsID(anchorhold.PrefixVersion, a.Version) && digest.IsSHA256(a.Commitment)
}

func (d Decision) sound() bool {
	return text(d.Dataset, d.Decider, d.Rule) && d.Verdict == anchorhold.Approve && wholeSecond(d.At)
}

func (c Check) sound() bool {
	known := []anchorhold.CheckResult{anchorhold.CheckPassed, anchorhold.CheckFailed, anchorhold.CheckInapplicable}
	return text(c.Name) && slices.Contains(known, c.Result)
}

func (e Exposure) sound() bool {
	known := []anchorhold.LedgerClass{anchorhold.ExposureProved, anchorhold.ExposureDeclared, anchorhold.ExposureUnbounded}
	amount, err := digest.Canonical([]byte(e.Amount))
	return text(e.Population) && slices.Contains(known, e.Class) && err == nil && string(amount) == e.Amount && len(e.Amount) <= maxText
}

func (p Predicate) howRules() []rule {
	return []rule{
		{"environment", digest.IsSHA256(p.Environment.Lock)},
		{"run", text(p.Run.ID, p.Run.Boundary) && p.Run.Started.Equal(anchorhold.Coarse(p.Run.Started)) &&
			p.Run.Finished.Equal(anchorhold.Coarse(p.Run.Finished)) && wholeSecond(p.Run.Started) && wholeSecond(p.Run.Finished)},
		{"release", text(p.Release.ID, p.Release.Decider) && wholeSecond(p.Release.At)},
		{"output", text(p.Output.Kind, p.Output.Python, p.Output.Media) && p.Output.Size >= 0 && p.Output.Size < 1<<53},
	}
}

// firstRules are those of version 1 alone.
func (p Predicate) firstRules() []rule {
	return []rule{
		{"environment", digest.IsSHA256(p.Environment.Built) && text(p.Environment.Python)},
		{"output", slices.Contains(firstKinds(), p.Output.Kind)},
		{"version", p.Facts == nil},
	}
}

// secondRules are those of version 2 alone.
func (p Predicate) secondRules() []rule {
	built := digest.IsSHA256(p.Environment.Built) && text(p.Environment.Python)
	rules := []rule{
		{"environment", built || p.Environment.Built == "" && p.Environment.Python == ""},
		{"list", p.Facts != nil && len(p.Facts) <= maxList},
	}
	for i, f := range p.Facts {
		rules = append(rules, rule{"fact", text(f.Name, f.Text) && (i == 0 || p.Facts[i-1].Name < f.Name)})
	}
	return rules
}

// wholeSecond says whether a time is written as YYYY-MM-DDTHH:MM:SSZ.
func wholeSecond(t time.Time) bool {
	return t.Nanosecond() == 0 && t.Location() == time.UTC && t.Year() >= 1970 && t.Year() <= 9999
}

// text says whether all are non-empty plain texts.
func text(all ...string) bool {
	for _, s := range all {
		if s == "" || !plain(s) {
			return false
		}
	}
	return true
}

// plain says whether s is short UTF-8 without control characters, which could
// forge lines where a receipt is shown.
func plain(s string) bool {
	control := func(r rune) bool { return r < 0x20 || r == 0x7f }
	return len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsFunc(s, control)
}
