//go:build engines

// The tests of this build ask DuckDB and PostgreSQL themselves, through
// testdata/engines.py: QUERY_PYTHON names a Python that has what it needs.

package query_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/dp/query"
)

type engines struct {
	t    *testing.T
	in   *json.Encoder
	out  *bufio.Reader
	asts map[string][]byte
}

func start(t *testing.T, wicked bool) *engines {
	cmd := exec.Command(os.Getenv("QUERY_PYTHON"), "testdata/engines.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	e := &engines{t: t, in: json.NewEncoder(in), out: bufio.NewReaderSize(out, 1<<20), asts: map[string][]byte{}}
	if a := e.ask(map[string]any{"op": "do", "all": statements(wicked)}); a.Error != "" {
		t.Fatal(a.Error)
	}
	return e
}

type answer struct {
	AST   string      `json:"ast"`
	Rows  [][]*string `json:"rows"`
	Error string      `json:"error"`
}

func (e *engines) ask(q any) answer {
	if err := e.in.Encode(q); err != nil {
		e.t.Fatal(err)
	}
	line, err := e.out.ReadBytes('\n')
	if err != nil {
		e.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		e.t.Fatal(err)
	}
	return a
}

func (e *engines) ast(sql string) []byte {
	if e.asts[sql] == nil {
		a := e.ask(map[string]any{"op": "ast", "sql": sql})
		if a.Error != "" {
			e.t.Fatal(a.Error)
		}
		e.asts[sql] = []byte(a.AST)
	}
	return e.asts[sql]
}

func (e *engines) run(d query.Dialect, sql string) ([][]*string, string) {
	a := e.ask(map[string]any{"op": string(d), "sql": sql})
	return a.Rows, a.Error
}

func (e *engines) plan(sql string, p query.Privacy) (*query.Plan, error) {
	plain, o, err := query.Lift(sql)
	if err != nil {
		return nil, err
	}
	q, err := query.Lower(e.ast(plain), plain, o, schema)
	if err != nil {
		return nil, err
	}
	return q.Bound(p)
}

func show(rows [][]*string) string {
	var b strings.Builder
	for _, r := range rows {
		for i, v := range r {
			if i > 0 {
				b.WriteString(" | ")
			}
			if v == nil {
				b.WriteString("NULL")
			} else {
				b.WriteString(*v)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The recorded trees are what DuckDB says today.
func TestTrees(t *testing.T) {
	e := start(t, false)
	all := map[string]json.RawMessage{}
	for _, q := range questions {
		plain, _, err := query.Lift(q.sql)
		if err != nil {
			t.Fatal(err)
		}
		all[plain] = e.ast(plain)
	}
	for _, sql := range others {
		all[sql] = e.ast(sql)
	}
	for _, r := range refusals {
		if plain, _, err := query.Lift(r.sql); err == nil {
			all[plain] = e.ast(plain)
		}
	}
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, k := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		name, _ := json.Marshal(k)
		b.Write(name)
		b.WriteString(": ")
		b.Write(all[k])
	}
	b.WriteString("\n}\n")
	if *update {
		if err := os.WriteFile("testdata/trees.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if data, err := os.ReadFile("testdata/trees.json"); err != nil || !bytes.Equal(data, b.Bytes()) {
		t.Errorf("the recorded trees are not those of this DuckDB: %v", err)
	}
}

// The partials of the golden files are what both engines give.
func TestGoldenPartials(t *testing.T) {
	e := start(t, true)
	for _, q := range questions {
		plan, err := ask(t, q.sql, privacy())
		if err != nil {
			t.Fatal(err)
		}
		g := readGolden(t, q.name)
		for _, d := range []query.Dialect{query.DuckDB, query.PostgreSQL} {
			statements, _ := plan.SQL(d, sources(""))
			for i, s := range statements {
				rows, failed := e.run(d, s.Text)
				if failed != "" {
					t.Fatalf("%s: %s: %s\n%s", q.name, d, failed, s.Text)
				}
				g.is(t, fmt.Sprintf("partials %d", i), show(rows))
				if s.Capped == "" {
					continue
				}
				// What each unit contributes can be kept, and added up later.
				if _, failed = e.run(d, "CREATE TEMP TABLE kept AS "+s.Capped); failed != "" {
					t.Fatalf("%s: %s: %s\n%s", q.name, d, failed, s.Capped)
				}
				if kept, failed := e.run(d, s.Sums("kept")); failed != "" || show(kept) != show(rows) {
					t.Errorf("%s: %s: kept units give\n%s%s", q.name, d, show(kept), failed)
				}
				e.run(d, "DROP TABLE kept")
			}
		}
	}
}
