package query_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/query"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb"
	"github.com/anchorhold/anchorhold/engine/duckdb/duckdbtest"
	"github.com/anchorhold/anchorhold/engine/postgres"
	"github.com/anchorhold/anchorhold/internal/postgrestest"
)

// The tests of this file ask DuckDB's worker and Debian's PostgreSQL themselves,
// over the same tables: started once, when the first of them needs them.

var both struct {
	sync.Mutex
	ends    []func() error
	workers *duckdb.Workers
	admin   *pgx.Conn
	socket  string
	over    map[bool]*engines
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range slices.Backward(both.ends) {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// engines are both, over tables whose rows are wicked or not.
type engines struct {
	of    map[query.Dialect]engine.Engine
	trees map[string][]byte
}

func start(t *testing.T, wicked bool) *engines {
	t.Helper()
	both.Lock()
	defer both.Unlock()
	if both.over == nil {
		if err := startBoth(); err != nil {
			t.Fatal(err)
		}
	}
	if both.over[wicked] == nil {
		e, err := offer(wicked)
		if err != nil {
			t.Fatal(err)
		}
		both.over[wicked] = e
	}
	return both.over[wicked]
}

func startBoth() error {
	program, err := duckdbtest.Program()
	if err != nil {
		return err
	}
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	both.workers = &duckdb.Workers{Sandbox: duckdbtest.Unboxed{Program: program}, Program: program, Memory: 1 << 30}
	both.ends = append(both.ends, both.workers.Close)
	dir, end, err := postgrestest.Start("jit=off")
	if err != nil {
		return err
	}
	both.ends = append(both.ends, end)
	ctx := context.Background()
	if both.admin, err = pgx.Connect(ctx, "host="+dir+" user=postgres"); err != nil {
		return err
	}
	both.ends = append(both.ends, func() error { return both.admin.Close(ctx) })
	both.socket, both.over = dir, map[bool]*engines{}
	_, err = both.admin.Exec(ctx, "CREATE ROLE reader LOGIN")
	return err
}

// typesOf are the types under which columns are registered; a decimal has none of its
// own: DuckDB reads it from a text, as package query is told.
func typesOf(d query.Dialect, t query.Table) []engine.Column {
	var out []engine.Column
	for _, c := range append([]query.Column{{Name: "rid", Type: query.Int}}, t.Columns...) {
		if c.Name == "rid" && t.Name != "survey" {
			continue
		}
		typ := map[query.Type]anchorhold.ColumnType{
			query.Bool: anchorhold.TypeBool, query.Int: anchorhold.TypeInt, query.Decimal: anchorhold.TypeFloat, query.Double: anchorhold.TypeFloat,
			query.Text: anchorhold.TypeString, query.Date: anchorhold.TypeDate, query.Timestamp: anchorhold.TypeTimestamp,
		}[c.Type]
		if c.Type == query.Decimal && d == query.DuckDB {
			typ = anchorhold.TypeString
		}
		out = append(out, engine.Column{Name: c.Name, Type: typ})
	}
	return out
}

// offer makes the tables in PostgreSQL, and has DuckDB read files of the same rows.
func offer(wicked bool) (*engines, error) {
	ctx := context.Background()
	name := fmt.Sprintf("wicked_%v", wicked)
	prepare := append([]string{"CREATE SCHEMA " + name, "SET search_path TO " + name}, statements(wicked)...)
	prepare = append(prepare, "GRANT USAGE ON SCHEMA "+name+" TO reader", "GRANT SELECT ON ALL TABLES IN SCHEMA "+name+" TO reader")
	for _, sql := range prepare {
		if _, err := both.admin.Exec(ctx, sql); err != nil {
			return nil, fmt.Errorf("%s: %w", sql, err)
		}
	}
	dir, err := os.MkdirTemp("", "query")
	if err != nil {
		return nil, err
	}
	both.ends = append(both.ends, func() error { return os.RemoveAll(dir) })
	var paths []string
	files := duckdb.Dataset{Name: name}
	at := postgres.Options{URL: "host=" + both.socket + " user=reader dbname=postgres"}
	for _, t := range schema.Tables {
		path := filepath.Join(dir, t.Name)
		if err := asTexts(ctx, t.Name, path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
		files.Tables = append(files.Tables, duckdb.Table{Name: fileOf(t.Name), Format: "arrow", Columns: typesOf(query.DuckDB, t)})
		at.Tables = append(at.Tables, postgres.Table{Name: t.Name, Schema: name, Relation: t.Name, Columns: typesOf(query.PostgreSQL, t)})
	}
	files.Open = duckdbtest.Files(paths...)
	there, err := postgres.Open(ctx, at)
	if err != nil {
		return nil, err
	}
	here := both.workers.Engine("tests", files)
	both.ends = append(both.ends, here.Close, there.Close)
	return &engines{map[query.Dialect]engine.Engine{query.DuckDB: here, query.PostgreSQL: there}, map[string][]byte{}}, nil
}

// asTexts writes a table of PostgreSQL as an Arrow file of texts, which the worker
// reads as what its columns are registered as.
func asTexts(ctx context.Context, table, path string) error {
	rows, err := both.admin.Query(ctx, "SELECT * FROM "+table, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return err
	}
	defer rows.Close()
	var fields []arrow.Field
	for _, f := range rows.FieldDescriptions() {
		fields = append(fields, arrow.Field{Name: f.Name, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for rows.Next() {
		for i, raw := range rows.RawValues() {
			column, _ := b.Field(i).(*array.StringBuilder)
			if raw == nil {
				column.AppendNull()
			} else {
				column.Append(string(raw))
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w, err := ipc.NewFileWriter(f, ipc.WithSchema(b.Schema()))
	if err != nil {
		return err
	}
	record := b.NewRecordBatch()
	defer record.Release()
	return errors.Join(w.Write(record), w.Close(), f.Close())
}

// fileOf names the file of a table, so that its own name is free for what statements
// make of it.
func fileOf(table string) string { return table + "_file" }

// decimals is what reads the one decimal column.
const decimals = "REPLACE (TRY_CAST(cost AS DECIMAL(10, 2)) AS cost)"

// raw has DuckDB answer a researcher's statement as it is written.
func (e *engines) raw(plain string, n int) ([][]*string, error) {
	var with, names, casts []string
	for _, t := range schema.Tables {
		all := "*"
		if t.Name == "visits" {
			all += " " + decimals
		}
		with = append(with, t.Name+" AS (SELECT "+all+" FROM "+fileOf(t.Name)+")")
	}
	columns := make([]engine.Column, n)
	for i := range n {
		name := fmt.Sprintf("x%d", i)
		names, casts = append(names, name), append(casts, "CAST("+name+" AS VARCHAR) AS "+name)
		columns[i] = engine.Column{Name: name, Type: anchorhold.TypeString, Nullable: true}
	}
	sql := "WITH " + strings.Join(with, ", ") + " SELECT " + strings.Join(casts, ", ") + " FROM (" + plain + ") AS answer(" + strings.Join(names, ", ") + ")"
	got, err := e.of[query.DuckDB].Partials(context.Background(), engine.Statement{SQL: sql, Columns: columns, MaxRows: engine.MaxRows})
	if err != nil {
		return nil, err
	}
	return texts(got), nil
}

// from says how an engine reads the tables; without a unit, or a row, where one is
// named.
func (e *engines) from(d query.Dialect, without string) query.Sources {
	s := query.Sources{Key: "00ff|v1", Tables: map[string]string{}}
	for _, t := range schema.Tables {
		name := t.Name
		if d == query.DuckDB {
			name = fileOf(name)
		}
		table, _ := e.of[d].Table(name)
		text := table.SQL
		if t.Name == "visits" && d == query.DuckDB {
			text = "(SELECT * " + decimals + " FROM " + text + ")"
		}
		row, isRow := strings.CutPrefix(without, "row ")
		switch {
		case isRow && t.Name == "survey":
			text = "(SELECT * FROM " + text + " AS x WHERE rid <> " + row + ")"
		case without != "" && !isRow && (t.Name == "visits" || t.Name == "patients"):
			text = "(SELECT * FROM " + text + " AS x WHERE patient_id IS DISTINCT FROM " + without + ")"
		}
		s.Tables[t.Name] = text
	}
	return s
}

func (e *engines) ast(t *testing.T, sql string) []byte {
	t.Helper()
	if e.trees[sql] == nil {
		tree, err := both.workers.Parse(t.Context(), "tests", sql)
		var said *duckdb.SyntaxError
		if err != nil && !errors.As(err, &said) {
			t.Fatal(err)
		}
		e.trees[sql] = bytes.TrimSpace(tree)
	}
	return e.trees[sql]
}

func (e *engines) plan(t *testing.T, sql string, p query.Privacy) (*query.Plan, error) {
	t.Helper()
	plain, o, err := query.Lift(sql)
	if err != nil {
		return nil, err
	}
	q, err := query.Lower(e.ast(t, plain), plain, o, schema)
	if err != nil {
		return nil, err
	}
	return q.Bound(p)
}

// run has a statement of a part executed, and its rows checked and sorted.
func (e *engines) run(d query.Dialect, sql string, p *query.Part) ([][]*string, error) {
	var columns []engine.Column
	for _, r := range p.Results() {
		c := engine.Column{Name: r.Name, Type: anchorhold.TypeInt, Nullable: r.Nullable}
		switch r.Type {
		case query.Text:
			c.Type = anchorhold.TypeString
		case query.Bool:
			c.Type = anchorhold.TypeBool
		default:
			c.Within = &engine.Bounds{Least: decimal128.FromBigInt(r.Least), Most: decimal128.FromBigInt(r.Most)}
		}
		columns = append(columns, c)
	}
	got, err := e.of[d].Partials(context.Background(), engine.Statement{SQL: sql, Columns: columns, MaxRows: int(p.Most())})
	if err != nil {
		return nil, err
	}
	rows, values := texts(got), make([][]any, got.Rows)
	for i := range values {
		for c, v := range got.Values {
			switch {
			case v.IsNull(i):
				values[i] = append(values[i], nil)
			case columns[c].Type == anchorhold.TypeString:
				values[i] = append(values[i], v.Texts[i])
			case columns[c].Type == anchorhold.TypeBool:
				values[i] = append(values[i], v.Ints[i].LowBits() == 1)
			case c < len(p.Keys) || p.Aggregate >= 0 && c == len(p.Keys):
				values[i] = append(values[i], v.Ints[i].BigInt().Int64())
			default:
				values[i] = append(values[i], v.Ints[i].BigInt())
			}
		}
	}
	return rows, p.Check(values)
}

// texts are rows as texts, in order.
func texts(p *engine.Partials) [][]*string {
	rows := make([][]*string, p.Rows)
	for i := range rows {
		for c, v := range p.Values {
			text := ""
			switch {
			case v.IsNull(i):
				rows[i] = append(rows[i], nil)
				continue
			case p.Columns[c].Type == anchorhold.TypeString:
				text = v.Texts[i]
			case p.Columns[c].Type == anchorhold.TypeBool:
				text = map[bool]string{true: "true", false: "false"}[v.Ints[i].LowBits() == 1]
			default:
				text = v.Ints[i].BigInt().String()
			}
			rows[i] = append(rows[i], &text)
		}
	}
	slices.SortFunc(rows, func(a, b []*string) int { return slices.CompareFunc(a, b, compareTexts) })
	return rows
}

func compareTexts(a, b *string) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	x, ok := new(big.Int).SetString(*a, 10)
	y, also := new(big.Int).SetString(*b, 10)
	if ok && also {
		return x.Cmp(y)
	}
	return strings.Compare(*a, *b)
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
	e := start(t, true)
	all := map[string]json.RawMessage{}
	for _, q := range questions {
		plain, _, err := query.Lift(q.sql)
		if err != nil {
			t.Fatal(err)
		}
		all[plain] = e.ast(t, plain)
	}
	for _, sql := range others {
		plain, _, err := query.Lift(sql)
		if err != nil {
			t.Fatal(err)
		}
		all[plain] = e.ast(t, plain)
	}
	for _, r := range refusals {
		if plain, _, err := query.Lift(r.sql); err == nil {
			all[plain] = e.ast(t, plain)
		}
	}
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, k := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		name, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
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
		plan, err := e.plan(t, q.sql, privacy())
		if err != nil {
			t.Fatal(err)
		}
		g := readGolden(t, q.name)
		for _, d := range []query.Dialect{query.DuckDB, query.PostgreSQL} {
			statements, err := plan.SQL(d, e.from(d, ""))
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range statements {
				p := &plan.Parts[i]
				s = some(p, s)
				rows, err := e.run(d, s.Text, p)
				if err != nil {
					t.Fatalf("%s: %s: %v\n%s", q.name, d, err, s.Text)
				}
				g.is(t, fmt.Sprintf("partials %d", i), show(rows))
				if s.Capped == "" {
					continue
				}
				// What each unit contributes can be kept, and added up later.
				kept, err := e.run(d, s.Sums("("+s.Capped+") AS kept"), p)
				if err != nil || show(kept) != show(rows) {
					t.Errorf("%s: %s: kept units give\n%s%v", q.name, d, show(kept), err)
				}
			}
		}
	}
}

// whole is the text of a statement, of some groups where it has to be told which.
func whole(p *query.Part, s query.Statement) string { return some(p, s).Text }

// some has a part that asks for the groups that were selected ask for two that there
// are and one that there is not.
func some(p *query.Part, s query.Statement) query.Statement {
	if p.Aggregate < 0 || p.Public != nil {
		return s
	}
	names := []string{}
	for _, v := range []any{"alpha", nil, "nobody"} {
		keys := make([]any, len(p.Keys))
		for i, k := range p.Keys {
			switch k.Type {
			case query.Text:
				keys[i] = v
			case query.Bool:
				keys[i] = v != nil
			default:
				keys[i] = int64(1)
			}
		}
		names = append(names, p.Name(keys))
	}
	return s.Only(names)
}
