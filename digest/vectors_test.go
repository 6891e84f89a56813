package digest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
)

var writeVectors = flag.Bool("write-vectors", false, "write docs/spec/vectors/digest.json anew")

const vectorFile = "../docs/spec/vectors/digest.json"

type jcsVector struct {
	Name     string `json:"name"`
	In       string `json:"in,omitempty"`
	InBase64 string `json:"in_base64,omitempty"`
	Out      string `json:"out,omitempty"`
}

func (v jcsVector) input(t *testing.T) []byte {
	if v.InBase64 == "" {
		return []byte(v.In)
	}
	b, err := base64.StdEncoding.DecodeString(v.InBase64)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type codeVector struct {
	Name     string          `json:"name"`
	Code     anchorhold.Code `json:"code"`
	Manifest string          `json:"manifest_jcs,omitempty"`
	Digest   string          `json:"code_digest,omitempty"`
}

type requestVector struct {
	Name       string                     `json:"name"`
	CodeDigest string                     `json:"code_digest"`
	Values     map[string]json.RawMessage `json:"values"`
	Assets     map[string]string          `json:"assets"`
	Purpose    string                     `json:"purpose"`
	Author     string                     `json:"author"`
	Study      string                     `json:"study"`
	Expect     *anchorhold.Resources      `json:"expect,omitempty"`
	Manifest   string                     `json:"manifest_jcs"`
	Digest     string                     `json:"request_digest"`
}

func (v requestVector) refs() map[string]anchorhold.AssetRef {
	refs := map[string]anchorhold.AssetRef{}
	for name, id := range v.Assets {
		refs[name] = anchorhold.AssetRef{Dataset: "any", Asset: "any", Version: id}
	}
	return refs
}

func (v requestVector) asked() digest.Asked {
	return digest.Asked{
		Code: v.CodeDigest, Values: v.Values, Assets: v.refs(), Purpose: v.Purpose, Author: v.Author, Study: v.Study, Expect: v.Expect,
	}
}

type valuesVector struct {
	Name       string                     `json:"name"`
	Parameters []anchorhold.Parameter     `json:"parameters"`
	Values     map[string]json.RawMessage `json:"values"`
	Out        map[string]json.RawMessage `json:"out,omitempty"`
}

type vectors struct {
	JCS           []jcsVector     `json:"jcs"`
	JCSRefused    []jcsVector     `json:"jcs_refused"`
	Code          []codeVector    `json:"code"`
	CodeRefused   []codeVector    `json:"code_refused"`
	Request       []requestVector `json:"request"`
	Values        []valuesVector  `json:"values"`
	ValuesRefused []valuesVector  `json:"values_refused"`
}

// TestVectors checks every published vector; with -write-vectors it first
// writes them from the inputs below.
func TestVectors(t *testing.T) {
	if *writeVectors {
		write(t)
	}
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.JCS) < 20 || len(v.JCSRefused) < 10 || len(v.Code) < 3 || len(v.Request) < 3 || len(v.Values) < 3 {
		t.Fatal("the vector file is not complete")
	}
	checkJCS(t, v)
	checkCode(t, v)
	checkRequests(t, v)
	checkValueVectors(t, v)
}

func checkJCS(t *testing.T, v vectors) {
	for _, c := range v.JCS {
		out, err := digest.Canonical(c.input(t))
		if err != nil || string(out) != c.Out {
			t.Errorf("jcs %s: %q, %v; want %q", c.Name, out, err, c.Out)
		}
	}
	for _, c := range v.JCSRefused {
		if out, err := digest.Canonical(c.input(t)); err == nil {
			t.Errorf("jcs %s: accepted as %q", c.Name, out)
		}
	}
}

func checkCode(t *testing.T, v vectors) {
	for _, c := range v.Code {
		m, err := digest.CodeManifest(c.Code)
		if err != nil || string(m) != c.Manifest {
			t.Errorf("code %s: manifest %s, %v; want %s", c.Name, m, err, c.Manifest)
		}
		if d, err := digest.Code(c.Code); err != nil || d != c.Digest {
			t.Errorf("code %s: digest %s, %v; want %s", c.Name, d, err, c.Digest)
		}
	}
	for _, c := range v.CodeRefused {
		if d, err := digest.Code(c.Code); anchorhold.KindOf(err) == anchorhold.Internal || d != "" {
			t.Errorf("code %s: got %q, %v; want a refusal", c.Name, d, err)
		}
	}
}

func checkRequests(t *testing.T, v vectors) {
	for _, c := range v.Request {
		m, err := digest.RequestManifest(c.asked())
		if err != nil || string(m) != c.Manifest {
			t.Errorf("request %s: manifest %s, %v; want %s", c.Name, m, err, c.Manifest)
		}
		d, err := digest.Request(c.asked())
		if err != nil || d != c.Digest {
			t.Errorf("request %s: digest %s, %v; want %s", c.Name, d, err, c.Digest)
		}
	}
}

func checkValueVectors(t *testing.T, v vectors) {
	for _, c := range v.Values {
		got, err := digest.CheckValues(anchorhold.Code{Parameters: c.Parameters}, c.Values)
		if err != nil || len(got) != len(c.Out) {
			t.Errorf("values %s: %s, %v", c.Name, got, err)
		}
		for name, want := range c.Out {
			var compact bytes.Buffer // the file is indented for people
			if err := json.Compact(&compact, want); err != nil || !bytes.Equal(got[name], compact.Bytes()) {
				t.Errorf("values %s: %s is %s, want %s", c.Name, name, got[name], want)
			}
		}
	}
	for _, c := range v.ValuesRefused {
		got, err := digest.CheckValues(anchorhold.Code{Parameters: c.Parameters}, c.Values)
		if anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("values %s: %s, %v; want a refusal", c.Name, got, err)
		}
	}
}

func write(t *testing.T) {
	v := vectors{
		JCS: jcsInputs(), JCSRefused: jcsRefused(), Code: codeInputs(), CodeRefused: codeRefused(),
		Values: valueInputs(), ValuesRefused: valuesRefused(),
	}
	for i, c := range v.JCS {
		out, err := digest.Canonical(c.input(t))
		if err != nil {
			t.Fatal(c.Name, err)
		}
		v.JCS[i].Out = string(out)
	}
	for i, c := range v.Code {
		m, err := digest.CodeManifest(c.Code)
		if err != nil {
			t.Fatal(c.Name, err)
		}
		v.Code[i].Manifest = string(m)
		v.Code[i].Digest, _ = digest.Code(c.Code)
	}
	v.Request = requestInputs(v.Code[0].Digest)
	for i, c := range v.Request {
		m, err := digest.RequestManifest(c.asked())
		if err != nil {
			t.Fatal(c.Name, err)
		}
		v.Request[i].Manifest = string(m)
		v.Request[i].Digest, _ = digest.Request(c.asked())
	}
	for i, c := range v.Values {
		out, err := digest.CheckValues(anchorhold.Code{Parameters: c.Parameters}, c.Values)
		if err != nil {
			t.Fatal(c.Name, err)
		}
		v.Values[i].Out = out
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func jcsInputs() []jcsVector {
	return []jcsVector{
		{Name: "empty object", In: `{}`},
		{Name: "white space", In: " { \"b\" : [ 1 , 2 ] ,\r\n\t\"a\" : null } "},
		{Name: "nested order", In: `{"b":{"z":1,"y":2},"a":[{"d":1,"c":2}]}`},
		{Name: "rfc 8785 3.2.2", In: `{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`},
		{Name: "rfc 8785 3.2.3: sorting by utf-16", In: `{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`},
		{Name: "surrogates sort before u+e000", In: `{"\ue000":1,"\ud800\udc00":2}`},
		{Name: "escaped pair and letter are the same", In: `["\ud83d\ude00","😀"]`},
		{Name: "upper case escape digits", In: `["\uD83D\uDE00","\u00FC"]`},
		{Name: "not escaped: slash, html, u+2028, delete", In: "[\"a\\/b\",\"<&>\",\"\u2028\",\"\u007f\"]"},
		{Name: "control characters", In: `["\u0000\u0001\b\t\n\u000b\f\r\u001f"]`},
		{Name: "escaped backslash before u", In: `["\\ud800"]`},
		{Name: "empty name", In: `{"":1}`},
		{Name: "prefix sorts first", In: `{"aa":1,"a":2,"":3}`},
		{Name: "minus zero", In: `[-0,-0.0,0e5]`},
		{Name: "integer with fraction", In: `[5.0,100e0,1.50]`},
		{Name: "exponents", In: `[1e20,1e21,1e-6,1e-7,123456789e-10,1E+2]`},
		{Name: "safe integers", In: `[9007199254740991,-9007199254740991]`},
		{Name: "canonical integers beyond safe", In: `[9007199254740992,100000000000000000000,123456789012345680000]`},
		{Name: "extreme doubles", In: `[5e-324,1.7976931348623157e308,2.2250738585072014e-308]`},
		{Name: "too small for a double", In: `[1e-400]`},
		{Name: "seventeen digits", In: `[0.1,0.30000000000000004,9007199254740993.0]`},
		{Name: "top-level number", In: " 1.0 "},
		{Name: "top-level text", In: `"a"`},
		{Name: "top-level literal", In: "null\n"},
	}
}

func jcsRefused() []jcsVector {
	b64 := func(b string) string { return base64.StdEncoding.EncodeToString([]byte(b)) }
	return []jcsVector{
		{Name: "empty", InBase64: b64(" ")},
		{Name: "two texts", In: `{} {}`},
		{Name: "trailing comma", In: `[1,]`},
		{Name: "single quotes", In: `{'a':1}`},
		{Name: "duplicate name", In: `{"a":1,"b":2,"a":3}`},
		{Name: "duplicate name, escaped", In: `{"a":1,"\u0061":2}`},
		{Name: "duplicate name, inner", In: `[{"x":{"a":1,"a":1}}]`},
		{Name: "lone high surrogate", In: `["\ud800"]`},
		{Name: "lone low surrogate", In: `["\udc00"]`},
		{Name: "high surrogate and letter", In: `["\ud800a"]`},
		{Name: "two high surrogates", In: `["\ud800\ud800"]`},
		{Name: "lone surrogate in a name", In: `{"\udfff":1}`},
		{Name: "not utf-8", InBase64: b64("[\"\xff\"]")},
		{Name: "overlong utf-8", InBase64: b64("[\"\xc0\xaf\"]")},
		{Name: "surrogate in utf-8", InBase64: b64("[\"\xed\xa0\x80\"]")},
		{Name: "byte order mark", InBase64: b64("\xef\xbb\xbf{}")},
		{Name: "raw control character", InBase64: b64("[\"\x01\"]")},
		{Name: "2^53+1", In: `[9007199254740993]`},
		{Name: "-2^53-1", In: `[-9007199254740993]`},
		{Name: "2^60", In: `[1152921504606846976]`},
		{Name: "2^64", In: `[18446744073709551616]`},
		{Name: "infinite", In: `[1e400]`},
		{Name: "infinity", In: `[Infinity]`},
		{Name: "nan", In: `[NaN]`},
		{Name: "hexadecimal", In: `[0x10]`},
		{Name: "leading zero", In: `[01]`},
		{Name: "no digit after the point", In: `[1.]`},
		{Name: "space within a number", In: `[1 2]`},
		{Name: "65 levels", In: strings.Repeat("[", 65) + strings.Repeat("]", 65)},
	}
}
