package digest_test

import (
	"encoding/json"
	"strings"

	"github.com/anchorhold/anchorhold"
)

const env = "sha256:0000000000000000000000000000000000000000000000000000000000000001"

// plain is code that breaks no rule; the cases below change one thing of it.
func plain() anchorhold.Code {
	return anchorhold.Code{
		Files:       []anchorhold.File{{Path: "main.py", Text: "def f(patients):\n    return len(patients)\n"}},
		Entry:       "main.py:f",
		Parameters:  []anchorhold.Parameter{{Name: "patients", Kind: "asset", Type: "dataframe"}},
		Outputs:     []anchorhold.OutputDecl{{Name: "result", Kind: "any"}},
		Environment: env,
	}
}

func changed(name string, change func(*anchorhold.Code)) codeVector {
	c := plain()
	change(&c)
	return codeVector{Name: name, Code: c}
}

func codeInputs() []codeVector {
	return []codeVector{
		{Name: "one file, one asset", Code: plain()},
		changed("files in any order, defaults in any spelling", func(c *anchorhold.Code) {
			c.Files = []anchorhold.File{
				{Path: "main.py", Text: "from lib.stats import mean\n\ndef f(patients, k=5, cut=0.5, tags=('ä',)):\n    return mean(patients, k)\n"},
				{Path: "lib/stats.py", Text: "def mean(t, k):\r\n    return t.mean()\r\n"},
				{Path: "lib/__init__.py", Text: ""},
				{Path: "Z.txt", Text: "größe 😀\n"},
			}
			c.Parameters = []anchorhold.Parameter{
				{Name: "patients", Kind: "asset", Type: "arrow"},
				{Name: "k", Kind: "value", Type: "int", Default: raw("5.0")},
				{Name: "cut", Kind: "value", Type: "float", Default: raw("5e-1")},
				{Name: "tags", Kind: "value", Type: "list[str]", Default: raw(`["\u00e4", "<b>"]`)},
				{Name: "flag", Kind: "value", Type: "bool"},
			}
			c.Outputs = []anchorhold.OutputDecl{{Name: "table", Kind: "table"}, {Name: "figure", Kind: "image"}}
		}),
		changed("no parameter", func(c *anchorhold.Code) {
			c.Parameters = []anchorhold.Parameter{}
			c.Files[0].Text = "def f():\n    return 1\n"
		}),
		changed("default of false", func(c *anchorhold.Code) {
			c.Parameters = []anchorhold.Parameter{{Name: "b", Kind: "value", Type: "bool", Default: raw("false")}}
		}),
		changed("a script with a text beside it", func(c *anchorhold.Code) {
			c.Files = []anchorhold.File{{Path: "main.py", Text: "result = len(patients)\n"}, {Path: "codes.csv", Text: "num,name\n"}}
			c.Entry = "main.py:" + anchorhold.ScriptEntry
		}),
		changed("version 2: an output with a sensitivity", func(c *anchorhold.Code) {
			c.Outputs = []anchorhold.OutputDecl{
				{Name: "table", Kind: "table"},
				{Name: "rows", Kind: "table", Sensitivity: anchorhold.Individual},
				{Name: "weights", Kind: "array", Sensitivity: anchorhold.Model},
				{Name: "means", Kind: "safetensors", Sensitivity: anchorhold.Aggregate},
			}
		}),
	}
}

func codeRefused() []codeVector {
	path := func(p string) func(*anchorhold.Code) {
		return func(c *anchorhold.Code) { c.Files = append(c.Files, anchorhold.File{Path: p, Text: "x"}) }
	}
	param := func(p anchorhold.Parameter) func(*anchorhold.Code) {
		return func(c *anchorhold.Code) { c.Parameters = append(c.Parameters, p) }
	}
	entry := func(e string) func(*anchorhold.Code) { return func(c *anchorhold.Code) { c.Entry = e } }
	return []codeVector{
		changed("no file", func(c *anchorhold.Code) { c.Files = nil }),
		changed("absolute path", path("/etc/passwd")),
		changed("path climbs", path("../x.py")),
		changed("path climbs inside", path("a/../../x.py")),
		changed("dot segment", path("a/./x.py")),
		changed("hidden file", path(".pth")),
		changed("option as a path", path("-c.py")),
		changed("empty segment", path("a//x.py")),
		changed("trailing slash", path("a/")),
		changed("backslash", path(`a\x.py`)),
		changed("space in a path", path("a b.py")),
		changed("invisible letter in a path", path("a\u200bb.py")),
		changed("line feed in a path", path("a\nb.py")),
		changed("long path", path(strings.Repeat("a", 201))),
		changed("same path twice", path("main.py")),
		changed("same path in other case", path("MAIN.py")),
		changed("file is a folder of another", path("main.py/x.py")),
		changed("nul in a text", func(c *anchorhold.Code) { c.Files[0].Text = "a\x00b" }),
		changed("entry without function", entry("main.py")),
		changed("entry in no file", entry("other.py:f")),
		changed("entry is not python", func(c *anchorhold.Code) { c.Files[0].Path, c.Entry = "main.txt", "main.txt:f" }),
		changed("entry is an expression", entry("main.py:f()")),
		changed("entry is an attribute", entry("main.py:a.f")),
		changed("entry with a digit first", entry("main.py:1f")),
		changed("entry beyond ascii", entry("main.py:größe")),
		changed("parameter twice", param(anchorhold.Parameter{Name: "patients", Kind: "asset", Type: "path"})),
		changed("parameter without name", param(anchorhold.Parameter{Kind: "asset", Type: "path"})),
		changed("parameter of unknown kind", param(anchorhold.Parameter{Name: "x", Kind: "file", Type: "path"})),
		changed("asset of a value's type", param(anchorhold.Parameter{Name: "x", Kind: "asset", Type: "int"})),
		changed("value of an asset's type", param(anchorhold.Parameter{Name: "x", Kind: "value", Type: "path"})),
		changed("list of lists", param(anchorhold.Parameter{Name: "x", Kind: "value", Type: "list[list[int]]"})),
		changed("asset with default", param(anchorhold.Parameter{Name: "x", Kind: "asset", Type: "path", Default: raw("1")})),
		changed("default of another type", param(anchorhold.Parameter{Name: "x", Kind: "value", Type: "int", Default: raw(`"5"`)})),
		changed("default null", param(anchorhold.Parameter{Name: "x", Kind: "value", Type: "int", Default: raw("null")})),
		changed("no output", func(c *anchorhold.Code) { c.Outputs = nil }),
		changed("output of unknown kind", func(c *anchorhold.Code) { c.Outputs[0].Kind = "pickle" }),
		changed("output that is a path", func(c *anchorhold.Code) { c.Outputs[0].Name = "../x" }),
		changed("output twice", func(c *anchorhold.Code) { c.Outputs = append(c.Outputs, c.Outputs[0]) }),
		changed("output of unknown sensitivity", func(c *anchorhold.Code) { c.Outputs[0].Sensitivity = "harmless" }),
		changed("a sensitivity that its kind implies", func(c *anchorhold.Code) { c.Outputs[0].Sensitivity = anchorhold.Aggregate }),
		changed("samples that are said to be aggregate", func(c *anchorhold.Code) {
			c.Outputs[0] = anchorhold.OutputDecl{Name: "result", Kind: "samples", Sensitivity: anchorhold.Aggregate}
		}),
		changed("no environment", func(c *anchorhold.Code) { c.Environment = "" }),
		changed("environment in upper case", func(c *anchorhold.Code) { c.Environment = strings.ToUpper(env) }),
	}
}

const (
	version1 = "ver-0123456789abcdef"
	version2 = "ver-zyxwvtsrqpnmkjhg"
)

func requestInputs(code string) []requestVector {
	return []requestVector{
		{
			Name: "one asset", CodeDigest: code, Values: map[string]json.RawMessage{},
			Assets: map[string]string{"patients": version1}, Purpose: "Mean age by diagnosis", Author: "pri-0123456789abcdef",
		},
		{
			Name: "values, two assets, a study", CodeDigest: code,
			Values: map[string]json.RawMessage{"k": raw("5"), "cut": raw("0.5"), "tags": raw(`["ä"]`), "B": raw("true")},
			Assets: map[string]string{"right": version2, "left": version1}, Purpose: "Größe & \"Alter\"\nzweite Zeile",
			Author: "pri-zyxwvtsrqpnmkjhg", Study: "heart-2026",
		},
		{
			Name: "nothing but code", CodeDigest: code, Values: map[string]json.RawMessage{}, Assets: map[string]string{},
			Purpose: "x", Author: "y",
		},
		{
			Name: "version 2: expected resources", CodeDigest: code, Values: map[string]json.RawMessage{}, Assets: map[string]string{"patients": version1},
			Purpose: "x", Author: "y", Expect: &anchorhold.Resources{CPUSeconds: 90, Memory: 2 << 30, WallSeconds: 300},
		},
		{
			Name: "version 2: memory alone, in a study", CodeDigest: code, Values: map[string]json.RawMessage{}, Assets: map[string]string{},
			Purpose: "x", Author: "y", Study: "heart-2026", Expect: &anchorhold.Resources{Memory: 1 << 30},
		},
	}
}

func valueParameters() []anchorhold.Parameter {
	return []anchorhold.Parameter{
		{Name: "t", Kind: "asset", Type: "dataframe"},
		{Name: "i", Kind: "value", Type: "int", Default: raw("7.0")},
		{Name: "f", Kind: "value", Type: "float", Default: raw("1e1")},
		{Name: "s", Kind: "value", Type: "str", Default: raw(`"\u00e4"`)},
		{Name: "b", Kind: "value", Type: "bool", Default: raw("false")},
		{Name: "li", Kind: "value", Type: "list[int]", Default: raw("[]")},
		{Name: "lf", Kind: "value", Type: "list[float]", Default: raw("[1,2.5]")},
		{Name: "ls", Kind: "value", Type: "list[str]", Default: raw(`["a"]`)},
	}
}

func valueInputs() []valuesVector {
	ps := valueParameters()
	return []valuesVector{
		{Name: "all defaults", Parameters: ps, Values: map[string]json.RawMessage{}},
		{Name: "default given and left out are the same", Parameters: ps, Values: map[string]json.RawMessage{"i": raw("7")}},
		{Name: "all given", Parameters: ps, Values: map[string]json.RawMessage{
			"i": raw("-9007199254740991"), "f": raw("1e-7"), "s": raw(`""`), "b": raw("true"),
			"li": raw("[1,2,3.0]"), "lf": raw("[]"), "ls": raw(`["","x y"]`),
		}},
		{Name: "a float written as an integer", Parameters: ps, Values: map[string]json.RawMessage{"f": raw("5")}},
	}
}

func valuesRefused() []valuesVector {
	one := func(name, param, value string) valuesVector {
		return valuesVector{Name: name, Parameters: valueParameters(), Values: map[string]json.RawMessage{param: raw(value)}}
	}
	return []valuesVector{
		one("value for an asset", "t", "1"),
		one("undeclared", "other", "1"),
		one("int with fraction", "i", "1.5"),
		one("int as text", "i", `"1"`),
		one("int as bool", "i", "true"),
		one("int beyond 2^53", "i", "9007199254740993"),
		one("int of 2^53", "i", "9007199254740992"),
		one("float as text", "f", `"nan"`),
		one("float as null", "f", "null"),
		one("float too large", "f", "1e999"),
		one("text as number", "s", "1"),
		one("text with nul", "s", `"a\u0000"`),
		one("text with a lone surrogate", "s", `"\ud800"`),
		one("bool as number", "b", "1"),
		one("list as scalar", "li", "1"),
		one("list with a wrong item", "li", "[1,\"2\"]"),
		one("list in a list", "li", "[[1]]"),
		one("list with null", "lf", "[null]"),
		one("object", "ls", `{"0":"a"}`),
		{Name: "required and missing", Parameters: []anchorhold.Parameter{{Name: "k", Kind: "value", Type: "int"}}, Values: map[string]json.RawMessage{}},
	}
}
