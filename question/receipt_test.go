package question_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/receipt"
)

// verified is what the receipt of an answer says, held against its file.
func (b *bench) verified(id string) (s receipt.Statement, file []byte) {
	b.t.Helper()
	data, err := b.Receipt(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	if s, err = receipt.Verify(data, b.Set.Keys.VKey()); err != nil {
		b.t.Fatal(err)
	}
	if file, err = b.AnswerFile(context.Background(), id); err != nil {
		b.t.Fatal(err)
	}
	if err := receipt.VerifyOutput(s, bytes.NewReader(file)); err != nil {
		b.t.Fatal(err)
	}
	return s, file
}

// TestAnAnswerHasAReceipt that says who asked what, of which versions, by which
// noise and at which price; and each who is given the same answer has one of their own.
func TestAnAnswerHasAReceipt(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "2"})
	sql := at("0.5", "sex, COUNT(*) AS n, SUM(age) AS s FROM heart GROUP BY sex")
	a := b.must("ada", " "+sql+"\n")
	s, file := b.verified(a.ID)
	said := s.Answer
	if said.Question.ID != a.ID || said.Question.Author != "ada@example.org" || said.Question.Statement != digest.SHA256([]byte(sql)) || said.Mechanism != "discrete_laplace" {
		t.Errorf("the receipt says %+v", said)
	}
	if len(said.Assets) != 1 || said.Assets[0].Version != b.data.Assets[0].Version.ID || said.Unit[0] != (receipt.Unit{Asset: "patients", Unit: "row"}) {
		t.Errorf("of the data it says %+v, %+v", said.Assets, said.Unit)
	}
	if len(said.Bounds) != 2 || said.Bounds[0].High != "1" || said.Bounds[1].High != "120" || said.MaxGroups != 1 || said.MaxRows != 1 {
		t.Errorf("of one unit it says %+v", said)
	}
	if len(said.Exposure) != 1 || said.Exposure[0].Population != "patients" || !strings.Contains(said.Exposure[0].Amount, `"epsilon":"0.5"`) || said.Exposure[0].Counted != nil {
		t.Errorf("of exposure it says %+v", said.Exposure)
	}
	var f question.File
	if err := json.Unmarshal(file, &f); err != nil || len(f.Rows) != 2 || f.Statement != said.Question.Statement {
		t.Errorf("the file is %s, %v", file, err)
	}
	// Bob pays for his own; asked again, nobody does.
	for i, who := range []string{"bob", "bob"} {
		again := b.must(who, sql)
		s, same := b.verified(again.ID)
		charged := i == 0 && len(s.Answer.Exposure) == 1 && slices.Equal(s.Answer.Exposure[0].Counted, []anchorhold.ExposureScope{anchorhold.LimitResearcher})
		if !bytes.Equal(same, file) || s.Answer.Question.Of != a.ID || s.Answer.Question.Author != "bob@example.org" || !charged && len(s.Answer.Exposure) != 0 {
			t.Errorf("asked again, %d: %+v", i, s.Answer)
		}
	}
	b.VerifyLog()
	b = newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "2"})
	b.broken = errTest
	if _, err := b.as("ada", at("0.1", "COUNT(*) AS n FROM heart")); err == nil {
		t.Error("a broken engine answered")
	}
	if _, err := b.Receipt(t.Context(), b.last().ID); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("the receipt of a failure: %v", err)
	}
}

// TestWhatNoReceiptCanSay is refused before anything is charged.
func TestWhatNoReceiptCanSay(t *testing.T) {
	b := newBench(t)
	b.limit(exposure.NewLimit{Epsilon: "2"})
	for _, name := range []string{"\"a\x07b\"", `"` + strings.Repeat("a", 5000) + `"`} {
		if _, err := b.as("ada", at("0.5", "COUNT(*) AS "+name+" FROM heart")); err == nil {
			t.Errorf("%.10q has an answer", name)
		}
	}
	if s := b.spent(anchorhold.LimitPopulation, ""); s != (anchorhold.Exposed{}) {
		t.Errorf("spent is %+v", s)
	}
}

// TestAnAnswerAsArrow has a column for each of its own and for each end, says how
// it came about, and is held against the receipt's file; one that was changed is not.
func TestAnAnswerAsArrow(t *testing.T) {
	file := []byte(`{"v":1,"statement":"sha256:00","columns":[{"name":"born","kind":"key","type":"date"},{"name":"sex","kind":"key","type":"int"},` +
		`{"name":"n","kind":"count","plus_minus":3},{"name":"r","kind":"expression"}],` +
		`"rows":[[{"value":"1950-02-03"},{"value":9007199254740993},{"value":12.5,"low":9.5,"high":15.5},{"value":true}],[{"value":null},{"value":null},{"value":3,"low":0},{"value":null}]],` +
		`"level":0.95,"mechanism":"discrete_laplace","population":"p","unit":[{"asset":"patients","unit":"row"}],"max_groups":1,"max_rows":1,"bounds":[{"name":"n","kind":"count","low":"0","high":"1"}],` +
		`"price":{"delta":"0","epsilon":"0.5","pure":"0.5","rho":"0.125","zcdp_delta":"0"}}`)
	var b bytes.Buffer
	if err := question.WriteArrow(&b, file); err != nil {
		t.Fatal(err)
	}
	got, err := question.ReadArrow(b.Bytes())
	if err != nil || !bytes.Equal(got, file) {
		t.Fatalf("read again: %s, %v", got, err)
	}
	names, metadata := arrowSchema(t, b.Bytes())
	if want := []string{"born: date32", "sex: int64", "n: float64", "n.low: float64", "n.high: float64", "r: bool"}; !slices.Equal(names, want) {
		t.Errorf("its columns are %q", names)
	}
	for _, name := range []string{"mechanism", "unit", "bounds", "exposure", "level"} {
		if metadata["anchorhold."+name] == "" {
			t.Errorf("it says nothing of %s: %v", name, metadata)
		}
	}
	for i := range b.Len() {
		damaged := bytes.Clone(b.Bytes())
		damaged[i] ^= 0x40
		if _, err := question.ReadArrow(damaged); err == nil {
			t.Fatalf("with byte %d changed it is taken for the answer", i)
		}
	}
}
