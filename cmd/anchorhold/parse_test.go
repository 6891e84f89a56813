package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
)

func TestParseSpan(t *testing.T) {
	for in, want := range map[string]time.Duration{"30d": 720 * time.Hour, "2w": 336 * time.Hour, "12h": 12 * time.Hour, "90m": 90 * time.Minute} {
		if got, err := parseSpan("expires", in); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "d", "30", "-1d", "0d", "1.5d", "30 d", "30D", "9999999999999d", "d30", "３d"} {
		if got, err := parseSpan("expires", in); err == nil {
			t.Errorf("%q was read as %v", in, got)
		}
	}
}

func TestSecondsSayAShortTimeToo(t *testing.T) {
	for s, want := range map[float64]string{0.015: "0.01 s", 0.04: "0.04 s", 0.97: "0.97 s", 1.52: "1.5 s", 90: "90.0 s"} {
		if got := seconds(s); got != want {
			t.Errorf("%v seconds are shown as %q, not %q", s, got, want)
		}
	}
}

func TestParseExpiry(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, berlin)
	for in, want := range map[string]string{
		"30d": "2026-12-21T11:00:00Z", "12h": "2026-11-21T23:00:00Z",
		"2026-11-21":                "2026-11-21T23:00:00Z", // until the end of that day, where the person is
		"2027-01-31":                "2027-01-31T23:00:00Z",
		"2026-12-01T00:00:00Z":      "2026-12-01T00:00:00Z",
		"2026-12-01T00:00:00+01:00": "2026-11-30T23:00:00Z",
	} {
		got, err := parseExpiry(in, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"2026-11-20", "2020-01-01T00:00:00Z", "soon", "31.12.2026", "2026-13-01", "-3d"} {
		if got, err := parseExpiry(in, now); err == nil {
			t.Errorf("%q was read as %v", in, got)
		}
	}
	if got, err := parseExpiry("", now); got != nil || err != nil {
		t.Errorf("none: %v, %v", got, err)
	}
}

func TestParseValue(t *testing.T) {
	for _, c := range []struct{ typ, in, want string }{
		{"int", "5", "5"},
		{"int", "-07", "-7"},
		{"int", "+9223372036854775807", "9223372036854775807"},
		{"float", "1", "1"},
		{"float", "-2.5e-3", "-0.0025"},
		{"bool", "true", "true"},
		{"bool", "No", "false"},
		{"str", `say "hi" <b>`, `"say \"hi\" \u003cb\u003e"`},
		{"str", "5", `"5"`},
		{"list[int]", "18,40, 65", "[18,40,65]"},
		{"list[int]", "[1, 2]", "[1, 2]"},
		{"list[float]", "0.5", "[0.5]"},
		{"list[str]", "a,b c", `["a","b c"]`},
		{"list[str]", `["a,b"]`, `["a,b"]`},
	} {
		if got, err := parseValue("k", c.typ, c.in); err != nil || string(got) != c.want {
			t.Errorf("%s %q: %s, %v", c.typ, c.in, got, err)
		}
	}
	for _, c := range [][2]string{
		{"int", "1.5"},
		{"int", ""},
		{"int", "9223372036854775808"},
		{"int", "five"},
		{"float", "NaN"},
		{"float", "inf"},
		{"float", "1e999"},
		{"bool", "1"},
		{"list[int]", "1,x"},
		{"list[int]", ""},
		{"dict", "{}"},
	} {
		if got, err := parseValue("k", c[0], c[1]); err == nil {
			t.Errorf("%s %q was read as %s", c[0], c[1], got)
		}
	}
}

func TestPairs(t *testing.T) {
	got, err := pairs("asset", []string{"patients=a=b.csv", "visits=/x,y.csv"})
	if err != nil || len(got) != 2 || got[0] != (pair{"patients", "a=b.csv"}) || got[1] != (pair{"visits", "/x,y.csv"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range [][]string{{"patients"}, {"=x"}, {"patients="}, {"a=1", "a=2"}} {
		if got, err := pairs("asset", bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

func TestAssetOptions(t *testing.T) {
	o := assetOptions{
		assets: []string{"patients=/data/p.csv", "visits=/data/v.parquet"}, missing: []string{"?"},
		mocks: []string{"patients=generate", "visits=/data/m.csv"}, mockSeed: 7, mockRows: 50,
		accept: []string{"type:visits.a.b", "format:visits"}, override: []string{"visits=a=b"},
		columns: []string{"patients.age=int:Age in years [a]", "visits.a.b=string", "patients.sex=string: 0, 1 "},
		facts:   []string{"patients.age.min=18", "patients.sex.categories=0,1", "patients.age.missing-rate=0.25", `visits.a.b.categories=["x,y",3]`},
	}
	got, err := o.read("")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"patients","path":"/data/p.csv","missing":["?"],"columns":[` +
		`{"name":"age","type":"int","description":"Age in years","unit":"a","facts":[{"name":"min","value":18,"provenance":"stated"},{"name":"missing-rate","value":0.25,"provenance":"stated"}]},` +
		`{"name":"sex","type":"string","description":"0, 1","facts":[{"name":"categories","value":["0","1"],"provenance":"stated"}]}],` +
		`"mock":{"generate":{"seed":7,"rows":50}}},` +
		`{"name":"visits","path":"/data/v.parquet","missing":["?"],"columns":[{"name":"a.b","type":"string","facts":[{"name":"categories","value":["x,y",3],"provenance":"stated"}]}],` +
		`"mock":{"path":"/data/m.csv","accept":["type:visits.a.b","format:visits"],"override_common":"a=b"}}]`
	if string(b) != want {
		t.Errorf("%s\nwant\n%s", b, want)
	}
}

// What is accepted belongs to a table, and can be all that is said of a mock.
func TestConsentOptions(t *testing.T) {
	o := assetOptions{assets: []string{"patients=/p.csv"}, accept: []string{"nulls:patients.age"}, override: []string{"a=b, as agreed"}}
	got, err := o.read("")
	if err != nil || got[0].Mock == nil || got[0].Mock.Path != "" || got[0].Mock.OverrideCommon != "a=b, as agreed" || len(got[0].Mock.Accept) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []assetOptions{
		{accept: []string{"patients.age"}}, {accept: []string{"type:"}}, {accept: []string{"type:visits.age"}}, {override: []string{"one", "two"}},
	} {
		bad.assets = []string{"patients=/p.csv"}
		if got, err := bad.read(""); err == nil {
			t.Errorf("%+v was read as %+v", bad, got)
		}
	}
}

// With one table its name may be left out, also before a column with a dot.
func TestAssetOptionsOfOnlyTable(t *testing.T) {
	o := assetOptions{assets: []string{"patients=/p.csv"}, mocks: []string{"generate"}, columns: []string{"age=int", "patients.sex=string", "a.b=bool"}}
	got, err := o.read("")
	if err != nil || got[0].Mock == nil || len(got[0].Columns) != 3 || got[0].Columns[1].Name != "sex" || got[0].Columns[2].Name != "a.b" {
		t.Errorf("%+v, %v", got, err)
	}
}

// Facts can be stated of columns whose types the file says.
func TestFactOptions(t *testing.T) {
	o := assetOptions{
		assets: []string{"p=/p.csv"}, facts: []string{"id.unique=true", `p.code.pattern=P-\d{4}`, "visit.references=q.id", "n.max=7", "c.categories=1,x", "c.missing-rate=5%"},
		faults: []string{"seen=format:2%", "p.n=range:0.01"},
	}
	got, err := o.read("")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got[0].Columns)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"id","facts":[{"name":"unique","value":true,"provenance":"stated"}]},` +
		`{"name":"code","facts":[{"name":"pattern","value":"P-\\d{4}","provenance":"stated"}]},` +
		`{"name":"visit","facts":[{"name":"references","value":"q.id","provenance":"stated"}]},` +
		`{"name":"n","facts":[{"name":"max","value":7,"provenance":"stated"},{"name":"fault-range","value":0.01,"provenance":"stated"}]},` +
		`{"name":"c","facts":[{"name":"categories","value":[1,"x"],"provenance":"stated"},{"name":"missing-rate","value":0.05,"provenance":"stated"}]},` +
		`{"name":"seen","facts":[{"name":"fault-format","value":0.02,"provenance":"stated"}]}]`
	if string(b) != want {
		t.Errorf("%s\nwant\n%s", b, want)
	}
}

func TestAssetOptionsRefused(t *testing.T) {
	one := []string{"p=/p.csv"}
	for what, o := range map[string]assetOptions{
		"use --asset patients=FILE":     {},
		"names no value":                {assets: []string{"p"}},
		"table that is not given":       {assets: one, mocks: []string{"q=generate"}},
		"given twice":                   {assets: one, mocks: []string{"p=generate", "p=/m.csv"}},
		"cannot be read":                {assets: one, columns: []string{"age=integer"}},
		"describe each column once":     {assets: one, columns: []string{"age=int", "p.age=float"}},
		"--fact age=3 cannot be read":   {assets: one, facts: []string{"age=3"}},
		"--fault age=odd:1 cannot be":   {assets: one, faults: []string{"age=odd:1"}},
		"--fault age=range:x cannot be": {assets: one, faults: []string{"age=range:x"}},
		"does not say of which table":   {assets: []string{"p=/p", "q=/q"}, columns: []string{"age=int"}},
	} {
		if _, err := o.read(""); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v", what, err)
		}
	}
}

func TestChecked(t *testing.T) {
	const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	for _, c := range []struct {
		text, sha string
		size      int64
		good      bool
	}{
		{"hello", sum, 5, true},
		{"hello", "sha256:" + sum, 5, true},
		{"hellO", sum, 5, false},
		{"hello", sum, 4, false},
		{"hello", sum, 6, false},
		{"hello!", sum, 5, false},
		{"", sum, 0, false},
		{"hello", "", 5, false},
	} {
		_, err := io.ReadAll(newChecked(strings.NewReader(c.text), c.size, c.sha))
		if (err == nil) != c.good {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestExitStatus(t *testing.T) {
	a := &app{out: io.Discard, err: io.Discard}
	for _, c := range []struct {
		err  error
		want int
	}{
		{usagef("r", "m"), exitUsage},
		{anchorhold.Errorf(anchorhold.Denied, "", "no"), exitDenied},
		{anchorhold.Errorf(anchorhold.Unauthenticated, "", "no"), exitDenied},
		{anchorhold.Errorf(anchorhold.NotFound, "", "no"), exitFailed},
		{errors.New("any"), exitFailed},
	} {
		if got := a.fail(t.Context(), c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

// Every state has words, so that nobody reads "this program does not know".
func TestMeaning(t *testing.T) {
	for _, s := range []anchorhold.State{
		anchorhold.StatePending, anchorhold.StateAsked, anchorhold.StateApproved, anchorhold.StateDenied, anchorhold.StateWithdrawn,
		anchorhold.StateExpired, anchorhold.StateQueued, anchorhold.StateRunning, anchorhold.StateFailed, anchorhold.StateCancelled,
		anchorhold.StateChecking, anchorhold.StateHeld, anchorhold.StateDeciding, anchorhold.StateReleased, anchorhold.StateRefused,
	} {
		if strings.Contains(meaning(s), "does not know") {
			t.Errorf("%s has no meaning", s)
		}
	}
}
