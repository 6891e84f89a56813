package digest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
)

// TestOneDigestHoweverSubmitted: order of files and spelling of defaults are
// how somebody wrote it down, not what it is.
func TestOneDigestHoweverSubmitted(t *testing.T) {
	a := codeInputs()[1].Code
	b := codeInputs()[1].Code
	b.Files[0], b.Files[3] = b.Files[3], b.Files[0]
	b.Parameters[1].Default = raw(" 5 ")
	b.Parameters[2].Default = raw("0.50")
	da, err := digest.Code(a)
	if err != nil {
		t.Fatal(err)
	}
	if db, err := digest.Code(b); err != nil || da != db {
		t.Errorf("%s and %s, %v", da, db, err)
	}
}

// TestEveryPartCounts: changing any part of code or of a request changes its digest.
func TestEveryPartCounts(t *testing.T) {
	seen := map[string]string{}
	note := func(name, d string, err error) {
		if err != nil {
			t.Fatal(name, err)
		}
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		seen[d] = name
	}
	code := func(name string, change func(*anchorhold.Code)) {
		d, err := digest.Code(changed(name, change).Code)
		note(name, d, err)
	}
	code("plain", func(*anchorhold.Code) {})
	code("text", func(c *anchorhold.Code) { c.Files[0].Text += " " })
	code("path", func(c *anchorhold.Code) { c.Files[0].Path, c.Entry = "m.py", "m.py:f" })
	code("entry", func(c *anchorhold.Code) { c.Entry = "main.py:g" })
	code("parameter type", func(c *anchorhold.Code) { c.Parameters[0].Type = "arrow" })
	code("parameter name", func(c *anchorhold.Code) { c.Parameters[0].Name = "p" })
	code("output kind", func(c *anchorhold.Code) { c.Outputs[0].Kind = "table" })
	code("output sensitivity", func(c *anchorhold.Code) { c.Outputs[0].Sensitivity = anchorhold.Individual })
	code("other sensitivity", func(c *anchorhold.Code) { c.Outputs[0].Sensitivity = anchorhold.Model })
	code("environment", func(c *anchorhold.Code) { c.Environment = strings.Replace(env, "1", "2", 1) })
	code("further file", func(c *anchorhold.Code) { c.Files = append(c.Files, anchorhold.File{Path: "b.py"}) })
	two := []anchorhold.Parameter{{Name: "a", Kind: "value", Type: "int"}, {Name: "b", Kind: "value", Type: "int"}}
	code("parameters a b", func(c *anchorhold.Code) { c.Parameters = two })
	code("parameters b a", func(c *anchorhold.Code) { c.Parameters = []anchorhold.Parameter{two[1], two[0]} })

	request := func(name string, change func(*requestVector)) {
		r := requestInputs(env)[1]
		change(&r)
		d, err := digest.Request(r.asked())
		note("request "+name, d, err)
	}
	request("plain", func(*requestVector) {})
	request("code", func(r *requestVector) { r.CodeDigest = strings.Replace(env, "1", "3", 1) })
	request("value", func(r *requestVector) { r.Values["k"] = raw("6") })
	request("value text", func(r *requestVector) { r.Values["k"] = raw(`"5"`) })
	request("asset", func(r *requestVector) { r.Assets["left"] = version2 })
	request("purpose", func(r *requestVector) { r.Purpose += "." })
	request("author", func(r *requestVector) { r.Author += "x" })
	request("study", func(r *requestVector) { r.Study = "" })
	for name, expect := range map[string]anchorhold.Resources{"processor": {CPUSeconds: 60}, "memory": {Memory: 60}, "time": {WallSeconds: 60}} {
		request("expected "+name, func(r *requestVector) { r.Expect = &expect })
	}
}

func TestLimits(t *testing.T) {
	many := func(c *anchorhold.Code, n int) {
		for i := range n {
			c.Files = append(c.Files, anchorhold.File{Path: "f" + strings.Repeat("x", i) + ".py"})
		}
	}
	cases := []struct {
		name   string
		change func(*anchorhold.Code)
		kind   anchorhold.Kind // empty: accepted
	}{
		{"100 files", func(c *anchorhold.Code) { many(c, 99) }, ""},
		{"101 files", func(c *anchorhold.Code) { many(c, 100) }, anchorhold.TooLarge},
		{"1 MiB", func(c *anchorhold.Code) { c.Files[0].Text = strings.Repeat("#", digest.MaxCodeBytes) }, ""},
		{"more than 1 MiB", func(c *anchorhold.Code) { c.Files[0].Text = strings.Repeat("#", digest.MaxCodeBytes+1) }, anchorhold.TooLarge},
		{"not UTF-8", func(c *anchorhold.Code) { c.Files[0].Text = "\xff" }, anchorhold.Invalid},
		{"65 parameters", func(c *anchorhold.Code) {
			c.Parameters = make([]anchorhold.Parameter, digest.MaxParameters+1)
		}, anchorhold.TooLarge},
		{"17 outputs", func(c *anchorhold.Code) { c.Outputs = make([]anchorhold.OutputDecl, digest.MaxOutputs+1) }, anchorhold.TooLarge},
	}
	for _, tc := range cases {
		err := digest.ValidateCode(changed(tc.name, tc.change).Code)
		if tc.kind == "" && err != nil || tc.kind != "" && anchorhold.KindOf(err) != tc.kind {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestRequestRefusals(t *testing.T) {
	for name, change := range map[string]func(*requestVector){
		"no code digest":      func(r *requestVector) { r.CodeDigest = "sha256:abc" },
		"no version":          func(r *requestVector) { r.Assets["left"] = "" },
		"a row number":        func(r *requestVector) { r.Assets["left"] = "17" },
		"bad asset name":      func(r *requestVector) { r.Assets["a b"] = version1 },
		"bad value name":      func(r *requestVector) { r.Values["a\nb"] = raw("1") },
		"bad value":           func(r *requestVector) { r.Values["k"] = raw(`{"a":1,"a":2}`) },
		"no purpose":          func(r *requestVector) { r.Purpose = "" },
		"purpose not UTF-8":   func(r *requestVector) { r.Purpose = "\xff" },
		"no author":           func(r *requestVector) { r.Author = "" },
		"purpose with CR":     func(r *requestVector) { r.Purpose = "a\r\nb" },
		"author in two lines": func(r *requestVector) { r.Author = "a\nb" },
		"study with NUL":      func(r *requestVector) { r.Study = "a\x00" },
		"nothing expected":    func(r *requestVector) { r.Expect = &anchorhold.Resources{} },
		"less than no memory": func(r *requestVector) { r.Expect = &anchorhold.Resources{CPUSeconds: 1, Memory: -1} },
		"purpose of a novel":  func(r *requestVector) { r.Purpose = strings.Repeat("a", digest.MaxPurpose+1) },
	} {
		r := requestInputs(env)[1]
		change(&r)
		d, err := digest.Request(r.asked())
		if d != "" || (anchorhold.KindOf(err) != anchorhold.Invalid && anchorhold.KindOf(err) != anchorhold.TooLarge) {
			t.Errorf("%s: %q, %v", name, d, err)
		}
	}
}

// TestMessagesKeepValues: a message names the parameter and never the value.
func TestMessagesKeepValues(t *testing.T) {
	for _, c := range valuesRefused() {
		c.Values = map[string]json.RawMessage{"i": raw(`"SECRET-4711"`), "SECRET-4711": raw("1")}
		_, err := digest.CheckValues(anchorhold.Code{Parameters: c.Parameters}, c.Values)
		if err == nil || strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: %v", c.Name, err)
		}
		var e *anchorhold.Error
		if !errors.As(err, &e) || e.Remedy == "" {
			t.Errorf("%s: %v has no remedy", c.Name, err)
		}
	}
}

func TestValueLimits(t *testing.T) {
	code := anchorhold.Code{Parameters: []anchorhold.Parameter{
		{Name: "a", Kind: "value", Type: "list[int]"}, {Name: "b", Kind: "value", Type: "str", Default: raw(`""`)}, {Name: "c", Kind: "value", Type: "str", Default: raw(`""`)},
	}}
	list := func(n int) json.RawMessage { return raw("[" + strings.Repeat("1,", n-1) + "1]") }
	big := raw(`"` + strings.Repeat("x", digest.MaxValueBytes*2/3) + `"`)
	if _, err := digest.CheckValues(code, map[string]json.RawMessage{"a": list(digest.MaxItems), "b": big}); err != nil {
		t.Error(err)
	}
	if _, err := digest.CheckValues(code, map[string]json.RawMessage{"a": list(digest.MaxItems + 1)}); err == nil {
		t.Error("a list beyond the limit was accepted")
	}
	_, err := digest.CheckValues(code, map[string]json.RawMessage{"a": list(1), "b": big, "c": big})
	if anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Error("values beyond the limit:", err)
	}
}

func TestManyMembers(t *testing.T) {
	var b strings.Builder
	for range digest.MaxMembers + 1 {
		b.WriteString(`,"` + strings.Repeat("k", 1+b.Len()%50) + anchorhold.NewID("x") + `":1`)
	}
	if _, err := digest.Canonical([]byte("{" + b.String()[1:] + "}")); anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Error(err)
	}
}

// FuzzCanonical: what has a canonical form keeps it, decodes to the same value
// and is made of nothing that a reader could take differently.
func FuzzCanonical(f *testing.F) {
	for _, v := range append(jcsInputs(), jcsRefused()...) {
		f.Add([]byte(v.In))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := digest.Canonical(data)
		if err != nil {
			if anchorhold.KindOf(err) == anchorhold.Internal {
				t.Fatalf("%q: %v", data, errors.Unwrap(err))
			}
			return
		}
		twice, err := digest.Canonical(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q, then %q (%v)", data, once, twice, err)
		}
		var a, b any
		if json.Unmarshal(data, &a) != nil || json.Unmarshal(once, &b) != nil {
			t.Fatalf("%q or %q is not JSON", data, once)
		}
		ja, _ := json.Marshal(a)
		jb, _ := json.Marshal(b)
		if !bytes.Equal(bytes.ReplaceAll(ja, []byte("-0"), nil), bytes.ReplaceAll(jb, []byte("-0"), nil)) &&
			!bytes.Contains(ja, []byte("-0")) {
			t.Fatalf("%q means %s, its form %q means %s", data, ja, once, jb)
		}
	})
}

func BenchmarkCode(b *testing.B) {
	c := codeInputs()[1].Code
	b.ReportAllocs()
	for b.Loop() {
		if _, err := digest.Code(c); err != nil {
			b.Fatal(err)
		}
	}
}
