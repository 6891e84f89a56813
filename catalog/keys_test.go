package catalog

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

func proposal(t *testing.T, name, text string) *Proposal {
	t.Helper()
	p, err := ProposeFacts(t.Context(), writeFile(t, name, text), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// TestReferencesAreFound where values and names agree; neither alone is a sign.
func TestReferencesAreFound(t *testing.T) {
	var patients, visits, labs strings.Builder
	patients.WriteString("patient_id,code\n")
	visits.WriteString("visit,patient_id,patient,dose,stranger_id\n")
	labs.WriteString("{\"patients-code\":\"Q-1\"}\n")
	for i := range 60 {
		fmt.Fprintf(&patients, "%d,C-%03d\n", i, i*7)
		fmt.Fprintf(&visits, "%d,%d,C-%03d,%d,%d\n", i, i%13, i%13*7, i%13, i%13)
	}
	all := []Of{
		{"visits", proposal(t, "visits.csv", visits.String())},
		{"patients", proposal(t, "patients.csv", patients.String())},
		{"labs", proposal(t, "labs.jsonl", labs.String())},
	}
	FindReferences(all)
	got := map[string]any{}
	for _, of := range all {
		for _, c := range of.Proposal.Columns {
			if f, ok := c.Fact(anchorhold.FactReferences); ok {
				got[of.Asset+"."+c.Name] = f.Value
			}
		}
	}
	want := map[string]any{"visits.patient_id": "patients.patient_id", "visits.patient": "patients.code"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// One value that is nobody's there, and it is no key.
	all[0].Proposal = proposal(t, "visits.csv", visits.String()+"99,777,C-999,1,1\n")
	FindReferences(all)
	if _, ok := all[0].Proposal.Columns[1].Fact(anchorhold.FactReferences); ok {
		t.Error("a value that the key does not have was overlooked")
	}
}

// TestKeysAreBoundedInMemory: of a table with more values than there is room for
// no key is proposed, and one long column does not keep the others from it.
func TestKeysAreBoundedInMemory(t *testing.T) {
	f := newFactCounter(2)
	f.most, f.room = 100, 100
	for i := range 150 {
		f.add([]Cell{{Kind: CellInt, Int: int64(i)}, {Kind: CellText, Text: fmt.Sprint("x", i%40)}}, -1)
	}
	if f.cols[0].keys.seen != nil || f.cols[1].keys.seen == nil || len(f.cols[1].keys.seen) != 40 || !f.cols[1].keys.repeated {
		t.Errorf("%d and %d values are kept", len(f.cols[0].keys.seen), len(f.cols[1].keys.seen))
	}
}

func TestPatternsAreFound(t *testing.T) {
	many := func(form func(i int) string) string {
		var b strings.Builder
		b.WriteString("code,more\n")
		for i := range 90 {
			fmt.Fprintf(&b, "%s,1\n", form(i))
		}
		return b.String()
	}
	for want, text := range map[string]string{
		`P-\d{4}`:              many(func(i int) string { return fmt.Sprintf("P-%04d", i*37) }),
		`[A-Z]{2}\d\.[a-z]`:    many(func(i int) string { return fmt.Sprintf("%c%c%d.%c", 'A'+i%20, 'B'+i%3, i%10, 'a'+i%7) }),
		`\d{2,3}/\d`:           many(func(i int) string { return fmt.Sprintf("%d/%d", 10+i*5, i%7) }),
		"":                     many(func(i int) string { return fmt.Sprintf("P-%d", 9000+i*1000) }), // one alone is short
		"none: free text":      many(func(i int) string { return strings.Repeat("ab ", i%5) + fmt.Sprint(i) }),
		"none: not ASCII":      many(func(i int) string { return fmt.Sprintf("é%04d", i) }),
		"none: nothing varies": many(func(int) string { return "P-0001" }),
		"none: a number":       many(func(i int) string { return fmt.Sprint(1000 + i) }),
	} {
		f, ok := proposal(t, "p.csv", text).Columns[0].Fact(anchorhold.FactPattern)
		if none := want == "" || strings.HasPrefix(want, "none"); none == ok || ok && f.Value != want {
			t.Errorf("found %v, want %q", f.Value, want)
		}
		if ok && mock.CheckPattern(want) != nil {
			t.Errorf("%q cannot be generated", want)
		}
	}
	few := "code\n" + strings.Repeat("P-0001\nP-0002\n", 20)
	if f, ok := proposal(t, "few.csv", few).Columns[0].Fact(anchorhold.FactPattern); ok {
		t.Errorf("of forty people: %v", f)
	}
}

// TestEveryProposalIsASentence with a code of its own.
func TestEveryProposalIsASentence(t *testing.T) {
	var b strings.Builder
	b.WriteString("id,code,ward,dose\n")
	for i := range 100 {
		fmt.Fprintf(&b, "%d,K%05d,%c,%s\n", i, i*31, 'a'+i%3, []string{"", "1.5", "2.5"}[i%3])
	}
	p := proposal(t, "p.csv", b.String())
	var got []string
	for _, f := range Proposals("patients", p.Version, p.Columns) {
		got = append(got, f.Code+" "+f.Says)
	}
	want := []string{
		"rows:patients patients has 100 rows",
		"unique:patients.id no two rows share a value of patients.id",
		"range:patients.id patients.id goes from 0 to 99, which are somebody's",
		"unique:patients.code no two rows share a value of patients.code",
		`pattern:patients.code every value of patients.code is written like K\d{5}`,
		`categories:patients.ward patients.ward has these values and no others: "a", "b", "c"`,
		"categories:patients.dose patients.dose has these values and no others: 1.5,2.5",
		"missing-rate:patients.dose of patients.dose, 34 % is missing",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// FuzzPattern: what is found can be generated, and fits what it was found in.
func FuzzPattern(f *testing.F) {
	f.Add("P-0042", uint8(3))
	f.Add("a.b+[c]^", uint8(9))
	f.Fuzz(func(t *testing.T, text string, spread uint8) {
		var s shapeFinder
		for i := range 120 {
			shifted := strings.Map(func(r rune) rune {
				switch {
				case r >= '0' && r <= '9':
					return '0' + (r-'0'+rune(i)*rune(spread))%10
				case r >= 'a' && r <= 'z':
					return 'a' + (r-'a'+rune(i))%26
				}
				return r
			}, text)
			s.add(Cell{Kind: CellText, Text: shifted})
		}
		if found := s.pattern(); found != "" && mock.CheckPattern(found) != nil {
			t.Errorf("%q gives %q", text, found)
		}
	})
}
