package house

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// Each case is a small tree that breaks one rule, or keeps it in a way that
// looks like breaking it, with the beginnings of what must be found.
func TestRulesFindWhatTheyForbid(t *testing.T) {
	const ground = "// Package store keeps things.\n//\n// Line.\n// Line.\npackage store\n"
	cases := []struct {
		name  string
		files map[string]string
		check func(*tree) []string
		want  []string
	}{
		{
			"import upward",
			map[string]string{"store/a.go": "package store\nimport _ \"" + module + "/run\"\n", "run/a.go": "package run\n"},
			checkFloors,
			[]string{"store/a.go:2: store (floor 1) imports run (floor 3)"},
		},
		{
			"import along the floor without a line",
			map[string]string{"store/a.go": "package store\nimport _ \"" + module + "/blob\"\n", "blob/a.go": "package blob\n"},
			checkFloors,
			[]string{"store/a.go:2: store (floor 1) imports blob (floor 1)"},
		},
		{
			"import downward, and in a test upward",
			map[string]string{
				"run/a.go":        "package run\nimport _ \"" + module + "/store\"\nimport _ \"" + module + "\"\n",
				"store/a.go":      "package store\n",
				"store/a_test.go": "package store\nimport _ \"" + module + "/run\"\n",
			},
			checkFloors,
			nil,
		},
		{
			"a room of its own within a room",
			map[string]string{
				"store/a.go":            "package store\nimport _ \"" + module + "/store/internal/x\"\n",
				"store/internal/x/a.go": "package x\nimport _ \"" + module + "/run\"\n",
			},
			checkFloors,
			[]string{"store/internal/x/a.go:2: store (floor 1) imports run (floor 3)"},
		},
		{
			"a room without a line",
			map[string]string{"attic/a.go": "package attic\n"},
			checkFloors,
			[]string{"attic has no line"},
		},
		{
			"a technology outside of its door",
			map[string]string{
				"run/a.go":          "package run\nimport _ \"modernc.org/sqlite/lib\"\nimport _ \"log\"\nimport _ \"log/slog\"\n",
				"store/sqlite/a.go": "package sqlite\nimport _ \"modernc.org/sqlite\"\n",
			},
			checkGuarded,
			[]string{"run/a.go:2: run may not import modernc.org/sqlite/lib", "run/a.go:3: run may not import log"},
		},
		{
			"package comments",
			map[string]string{
				"good/a.go":  strings.ReplaceAll(ground, "store", "good"),
				"none/a.go":  "package none\n",
				"short/a.go": "// Package short is short.\n//\n// Line.\npackage short\n",
				"other/a.go": "// This package.\n// Line.\n// Line.\npackage other\n",
				"two/a.go":   strings.ReplaceAll(ground, "store", "two"),
				"two/b.go":   strings.ReplaceAll(ground, "store", "two"),
				"cmd/x/a.go": "// Command x runs.\n// Line.\n// Line.\npackage main\n",
			},
			checkPackageComments,
			[]string{"none: no package comment", "other: the package comment begins with", "short: a package comment of 2 lines", "two: 2 package comments"},
		},
		{
			"exported names",
			map[string]string{"store/a.go": `package store
const A = 1
// The numbers.
const (
	B = 2
	C = 3
)
var D = 4 // said here
type E struct{ F int }
// G is.
type G interface {
	H()
	I() // said here
	J()

	k()
	N()
}
func K() {}
func (E) L() {}
func (e) M() {}
type e struct{}
func n() {}
`},
			checkExported,
			[]string{"a.go:12: exported store.H", "a.go:17: exported store.N", "a.go:19: exported store.K", "a.go:20: exported store.L", "a.go:2: exported store.A", "a.go:9: exported store.E"},
		},
		{
			"init",
			map[string]string{"store/a.go": "package store\nfunc init() {}\ntype t struct{}\nfunc (t) init() {}\n"},
			checkInit,
			[]string{"store/a.go:2: an init function"},
		},
		{
			"exits",
			map[string]string{
				"cmd/x/a.go": "package main\nimport \"os\"\nfunc main() { os.Exit(1) }\nfunc other() { os.Exit(1) }\n",
				"store/a.go": "package store\nimport l \"log\"\nfunc f() { l.Fatalf(\"\") ; os.Exit(1) }\n",
			},
			checkExits,
			[]string{"cmd/x/a.go:4: os.Exit outside func main", "store/a.go:3: l.Fatalf outside func main"},
		},
		{
			"written globals",
			map[string]string{
				"store/a.go": `package store
import "sync"
var table = map[string]int{}
var count int
var limit, Other = 1, 2
var shared struct{ n int }
var held int
var mu sync.Mutex
var read = []int{1}
func f() {
	table["a"] = 1
	count++
	shared.n = 2
	p := &held
	limit := 2
	limit = 3
	local := read[0]
	local = 4
	_, _ = p, local
}
`,
				"run/a.go": "package run\nimport s \"" + module + "/store\"\nfunc f() { s.Other = 3 }\n",
			},
			func(house *tree) []string {
				return checkGlobals(house, map[string]string{"store/store.gone": "reason"})
			},
			[]string{
				"store/store.Other: a package variable written", "store/store.count", "store/store.gone is permitted",
				"store/store.held: a package variable whose address is taken", "store/store.mu: a package variable of type sync.Mutex",
				"store/store.shared", "store/store.table",
			},
		},
		{
			"text",
			map[string]string{
				"a.md":              "see /work/x, ~/work/x, and /root",
				"b.txt":             "from pypi.org; https://example.org/home/",
				"store/a.go":        "package store // TODO\n",
				"store/a_test.go":   "package store\nfunc f() { t.Skip(); time.Sleep(1) }\n",
				"dp/noise.go":       "package dp\n// \"math/rand\" is for tests\nimport \"math/rand/v2\"\n",
				"dp/noise_test.go":  "package dp\nimport \"math/rand\"\n",
				"store/b.go":        "package store // \u202e\nvar x = time.Sleep(1)\n",
				"testdata/x.bin":    "\xff/root/x",
				"sdk/test_thing.py": "time.sleep(1)",
			},
			checkText,
			[]string{`a.md:1: " /work/"`, `b.txt:1: "pypi.org"`, `dp/noise.go:2: "\"math/rand\""`, `dp/noise.go:3: "\"math/rand/v2\""`, `sdk/test_thing.py:1: "time.sleep("`, `store/a.go:1: "TODO"`, `store/a_test.go:2: "t.Skip("`, `store/a_test.go:2: "time.Sleep("`, `store/b.go:1: "\u202e"`},
		},
		{
			"lengths",
			map[string]string{"store/a.go": "package store\n" + strings.Repeat("\n", 600), "store/b.go": "package store\n" + strings.Repeat("\n", 599), "store/x.csv": strings.Repeat("\n", 900)},
			checkLengths,
			[]string{"store/a.go has 601 lines"},
		},
		{
			"documents",
			map[string]string{
				"Makefile":      "demo: x\n\ttrue\nLDFLAGS := 1\n",
				"store/a.go":    "package store\ntype T struct{ F int }\nfunc (T) M() {}\nfunc Open() {}\n",
				"docs/spec.md":  "`good.txt` `store` `store/` `store/a.go` `a.go` `store.Open` `store.T.F` `store.T.M` `make demo` `image/png` `bin/x` `http.Request` `v1`\n```\n`store/none.go`\n```\n",
				"docs/good.txt": "",
				"README.md":     "`store/b.go` `b.go`\n`store.Close` `store.T.G` `shop.Open` `make coffee` `store/a.go:12`\n",
			},
			checkDocuments,
			[]string{
				"README.md:1: `b.go`", "README.md:1: `store/b.go`", "README.md:2: `make coffee`", "README.md:2: `shop.Open`: no package of ours",
				"README.md:2: `store.Close`: no such name", "README.md:2: `store.T.G`: no such name", "README.md:2: `store/a.go:12`: cites a line number",
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, text := range c.files {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			house, err := load(files, slices.Sorted(maps.Keys(files)))
			if err != nil {
				t.Fatal(err)
			}
			got := c.check(house)
			slices.Sort(got)
			got = slices.Compact(got)
			if len(got) != len(c.want) {
				t.Fatalf("found\n  %s\nwant beginnings\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
			for i := range got {
				if !strings.Contains(got[i], c.want[i]) {
					t.Errorf("found %q, want %q", got[i], c.want[i])
				}
			}
		})
	}
}
