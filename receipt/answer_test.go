package receipt_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/receipt"
)

// answered is the statement about an answer in SQL.
func answered(origin string) receipt.Statement {
	sum := sha256.Sum256(output)
	amount := `{"delta":"0","epsilon":"0.5","pure":"0.5","rho":"0.125","zcdp_delta":"0"}`
	return receipt.NewAnswer(hex.EncodeToString(sum[:]), receipt.Answer{
		Site:     origin,
		Question: receipt.Question{ID: "que-0123456789abcdef", Statement: hash(7), Author: "ada@example.org", Study: "heart-2026", Of: "que-zyxwvtsrqpnmkjhg"},
		Assets: []receipt.AnswerAsset{
			{Dataset: "heart-cleveland", Asset: "visits", Version: "ver-zyxwvtsrqpnmkjhg", Commitment: hash(4)},
			{Dataset: "heart-cleveland", Asset: "patients", Version: "ver-0123456789abcdef", Commitment: hash(3)},
		},
		Unit:      []receipt.Unit{{Asset: "visits", Unit: "row of patients"}, {Asset: "patients", Unit: "row"}},
		Mechanism: "discrete_laplace", MaxGroups: 4, MaxRows: 10,
		Bounds: []receipt.Influence{{Name: "größe", Kind: "sum", Low: "0", High: "240.5"}, {Name: "q", Kind: "quantiles"}},
		Exposure: []receipt.Charged{
			{Class: anchorhold.ExposureProved, Population: "patients", Amount: amount, Counted: []anchorhold.ExposureScope{anchorhold.LimitResearcher}},
		},
		Answered: time.Date(2026, 11, 28, 0, 12, 34, 567, time.UTC),
		Output:   receipt.AnswerOutput{Media: "application/json", Size: int64(len(output))},
	})
}

// third is a world in which a question in SQL was answered.
func third(t testing.TB) *world { return thirdAs(t, audit.ActionAnswer) }

func thirdAs(t testing.TB, action string) *world {
	w := newWorld(t, "hospital.example/heart", 1)
	w.others(2)
	s := answered(w.keys.Origin())
	var err error
	if w.sealed, err = receipt.Sign(s, w.keys); err != nil {
		t.Fatal(err)
	}
	w.index = w.append(audit.Event{Actor: "ada@example.org", Action: action, Rule: "researchers-ask-questions", Subject: s.Answer.Question.ID, Digest: w.sealed.Digest})
	w.others(3)
	w.seal()
	return w
}

func answerVectors(t testing.TB, w *world) []fileVector {
	vkey := w.keys.VKey().String()
	r := w.receipt()
	p, _ := r.Envelope.DecodeB64Payload()
	files := []fileVector{
		{File: "receipts/answer.json", VKey: vkey, What: "as the site made it", data: marshal(t, r)},
		{File: "receipts/answer-release.json", VKey: vkey, Reason: receipt.ReasonEvent, What: "logged as a release", data: marshal(t, thirdAs(t, audit.ActionRelease).receipt())},
	}
	for _, c := range []struct{ name, what, old, with string }{
		{"first", "said to be of an output", "anchorhold.org/answer/v1", "anchorhold.org/receipt/v1"},
		{"later", "of a later version", "anchorhold.org/answer/v1", "anchorhold.org/answer/v2"},
		{"no-assets", "no table was asked", string(p[bytes.Index(p, []byte(`"assets":[`)) : bytes.Index(p, []byte("}]"))+2]), `"assets":[]`},
		{"order", "tables that are not sorted", `"asset":"patients","commitment"`, `"asset":"z","commitment"`},
		{"unbounded", "an exposure that nobody can bound", `"class":"proved"`, `"class":"unbounded"`},
		{"counted", "a list of no accounts", `"counted":["researcher"]`, `"counted":[]`},
		{"half-bound", "a bound of one end", `"high":"240.5",`, ""},
		{"no-groups", "a unit that is in no group", `"max_groups":4`, `"max_groups":0`},
		{"fine-clock", "a time with parts of a second", "00:12:34Z", "00:12:34.5Z"},
		{"statement", "a statement that is no digest", hash(7), "SELECT"},
		{"member", "a member that is not specified", `"max_rows":10`, `"max_rows":10,"more":1`},
		{"control", "an author with an escape sequence", "ada@example.org", `\u001b[2J`},
	} {
		if strings.Count(string(p), c.old) != 1 {
			t.Fatalf("%s: %q is there %d times", c.name, c.old, strings.Count(string(p), c.old))
		}
		changed := []byte(strings.Replace(string(p), c.old, c.with, 1))
		files = append(files, fileVector{
			File: "receipts/answer-" + c.name + ".json", VKey: vkey, Reason: receipt.ReasonPayload, What: "signed by the site: " + c.what,
			data: marshal(t, resigned(t, w, w, changed)),
		})
	}
	return files
}

// TestVectorsOfAnswers verifies the published receipts of answers.
func TestVectorsOfAnswers(t *testing.T) {
	v, want := readVectors(t, "answer.json", 14)
	if want.Answer == nil || receipt.VerifyOutput(want, bytes.NewReader(output)) != nil {
		t.Error("the answer is not that of the statement")
	}
	if receipt.VerifyOutput(want, strings.NewReader("another answer")) == nil {
		t.Error("another answer was taken for it")
	}
	var again receipt.Statement
	text, err := json.Marshal(want)
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if err != nil || !reflect.DeepEqual(again, want) || v.VKey == "" {
		t.Errorf("written and read again, the statement is %+v, %v", again, err)
	}
}

// TestAnAnswerThatCannotBeSaid is not signed.
func TestAnAnswerThatCannotBeSaid(t *testing.T) {
	w := newWorld(t, "a.example", 3)
	for name, change := range map[string]func(*receipt.Statement){
		"another site":    func(s *receipt.Statement) { s.Answer.Site = "b.example" },
		"both predicates": func(s *receipt.Statement) { s.PredicateType = receipt.PredicateType },
		"no predicate":    func(s *receipt.Statement) { s.Answer = nil },
		"no mechanism":    func(s *receipt.Statement) { s.Answer.Mechanism = "" },
		"no unit":         func(s *receipt.Statement) { s.Answer.Unit = nil },
		"no version":      func(s *receipt.Statement) { s.Answer.Assets[0].Version = "1" },
		"no commitment":   func(s *receipt.Statement) { s.Answer.Assets[0].Commitment = "" },
		"a nameless one":  func(s *receipt.Statement) { s.Answer.Bounds[0].Name = "" },
		"many columns":    func(s *receipt.Statement) { s.Answer.Bounds = make([]receipt.Influence, 65) },
		"amount not JCS":  func(s *receipt.Statement) { s.Answer.Exposure[0].Amount = "{ }" },
		"negative size":   func(s *receipt.Statement) { s.Answer.Output.Size = -1 },
	} {
		s := answered("a.example")
		change(&s)
		if _, err := receipt.Sign(s, w.keys); err == nil {
			t.Errorf("%s: was signed", name)
		}
	}
	if _, err := receipt.Sign(answered("a.example"), w.keys); err != nil {
		t.Error(err)
	}
}
