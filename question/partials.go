package question

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/query"
	"github.com/anchorhold/anchorhold/engine"
)

// partials has every part of a plan computed, and releases it: no exact number
// leaves this function.
func (q *prepared) partials(ctx context.Context, e engine.Engine, secret []byte, pool *dp.Pool) ([]noisy, error) {
	exact, found, err := q.exact(ctx, e, secret)
	if err != nil {
		return nil, err
	}
	return q.release(ctx, pool, exact, found)
}

// exact has every part of a plan computed, but for the bins of groups that come from
// the data: those are asked for once it is known which are shown.
func (q *prepared) exact(ctx context.Context, e engine.Engine, secret []byte) ([][]group, finder, error) {
	sources := query.Sources{Tables: map[string]string{}, Key: q.keyOf(secret)}
	for _, a := range tables(q.dataset) {
		t, ok := e.Table(a.Name)
		if !ok {
			return nil, nil, fmt.Errorf("the engine has no table %q", a.Name)
		}
		sources.Tables[a.Name] = t.SQL
	}
	statements, err := q.plan.SQL(query.Dialect(e.Dialect()), sources)
	if err != nil {
		return nil, nil, err
	}
	found := func(i int, names []string) ([]group, error) {
		return ask(ctx, e, q.statement(statements[i].Only(names), &q.plan.Parts[i]), &q.plan.Parts[i])
	}
	out := make([][]group, len(q.plan.Parts))
	for i := range q.plan.Parts {
		of := &q.plan.Parts[i]
		switch {
		case of.Aggregate < 0:
			out[i], err = compute(ctx, e, q.statement(statements[i], of), of)
		case of.Public != nil:
			out[i], err = ask(ctx, e, q.statement(statements[i], of), of)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return out, found, nil
}

// finder asks for the bins of groups that were selected, by their names.
type finder func(part int, names []string) ([]group, error)

// release adds noise to every part.
func (q *prepared) release(ctx context.Context, pool *dp.Pool, exact [][]group, found finder) ([]noisy, error) {
	shown := make([][]noisy, len(exact))
	for i, groups := range exact {
		of := &q.plan.Parts[i]
		var err error
		switch {
		case of.Aggregate < 0:
			shown[i], err = q.noise.release(ctx, pool, i, groups)
		case of.Public != nil:
			err = q.tree(ctx, pool, i, groups, shown[of.Main])
		default:
			err = q.trees(ctx, pool, i, found, shown[of.Main])
		}
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(shown...), nil
}

// What is asked of an engine at once for groups that were selected.
const (
	mostAsked = 4                 // times
	mostNames = engine.MaxSQL / 2 // bytes of their names
)

// trees has the bins of groups computed that are shown, and releases them: it names
// which, so that no more come back than were released. Of very many groups those
// have quantiles that have most units.
func (q *prepared) trees(ctx context.Context, pool *dp.Pool, which int, found finder, shown []noisy) error {
	of := &q.plan.Parts[which]
	shown = slices.Clone(shown) // what is in it is shared
	slices.SortStableFunc(shown, func(a, b noisy) int { return cmp.Compare(b.values[0].Float64(), a.values[0].Float64()) })
	for range mostAsked {
		n, bytes := 0, 0
		var names []string
		for ; n < len(shown) && n < of.MostGroups() && bytes < mostNames; n++ {
			name := of.Name(shown[n].keys)
			names, bytes = append(names, name), bytes+len(name)
		}
		if n == 0 {
			return nil
		}
		rows, err := found(which, names)
		if err != nil {
			return err
		}
		if err := q.tree(ctx, pool, which, rows, shown[:n]); err != nil {
			return err
		}
		shown = shown[n:]
	}
	return nil
}

// tree releases the bins of groups.
func (q *prepared) tree(ctx context.Context, pool *dp.Pool, which int, rows []group, shown []noisy) error {
	of := &q.plan.Parts[which]
	at := make(map[string]int, len(shown))
	bins := make([][]dp.Int128, len(shown))
	for i, g := range shown {
		at[keyText(g.keys)], bins[i] = i, make([]dp.Int128, q.plan.Aggregates[of.Aggregate].Bins.Count)
	}
	for _, row := range rows {
		i, ok := at[keyText(row.keys)]
		if !ok {
			return engine.Wrong("a group that was not asked for")
		}
		bins[i][row.bin] = row.values[0]
	}
	return q.noise.releaseTrees(ctx, pool, which, shown, bins)
}

// compute asks an engine for the groups of one part: all that are named, those
// without rows too, or else all that it found, in the order of their keys.
func compute(ctx context.Context, e engine.Engine, s engine.Statement, of *query.Part) ([]group, error) {
	found, err := ask(ctx, e, s, of)
	if err != nil {
		return nil, err
	}
	if of.Public == nil {
		slices.SortFunc(found, func(a, b group) int { return compareKeys(a.keys, b.keys) })
		return found, nil
	}
	return named(found, of), nil
}

// ask asks an engine for the rows of one part, and holds them against the plan.
func ask(ctx context.Context, e engine.Engine, s engine.Statement, of *query.Part) ([]group, error) {
	columns, err := columnsOf(of)
	if err != nil {
		return nil, err
	}
	s.Columns, s.MaxRows = columns, int(of.Most())
	got, err := e.Partials(ctx, s)
	if err != nil {
		return nil, err
	}
	found := make([]group, 0, got.Rows)
	rows := make([][]any, 0, got.Rows)
	for row := range got.Rows {
		g := group{keys: make([]any, len(of.Keys)), values: make([]dp.Int128, len(of.Columns))}
		var cells []any
		for i, k := range of.Keys {
			g.keys[i] = keyAt(k, got.Values[i], row)
			cells = append(cells, g.keys[i])
		}
		next := len(of.Keys)
		if of.Aggregate >= 0 {
			bin := got.Values[next].Ints[row].BigInt().Int64()
			g.bin, cells, next = int(bin), append(cells, bin), next+1
		}
		for i := range of.Columns {
			n := got.Values[next+i].Ints[row].BigInt()
			v, ok := dp.FromBig(n)
			if !ok {
				return nil, engine.Wrong("a sum out of its range")
			}
			g.values[i], cells = v, append(cells, n)
		}
		found, rows = append(found, g), append(rows, cells)
	}
	if err := of.Check(rows); err != nil {
		return nil, engine.Wrong(err.Error()) // it names no value
	}
	return found, nil
}

// cellBytes is about what a value takes in an engine that keeps it.
const cellBytes = 12

// usualUnits is how many units a dataset is taken to have whose owner has not said.
const usualUnits = 1_000_000

// statement is a part's statement, in two steps where its first gives a row for each
// unit and group: how many there can be is what the owner states.
func (q *prepared) statement(s query.Statement, of *query.Part) engine.Statement {
	out := engine.Statement{SQL: s.Text}
	if s.Capped != "" {
		cells := int64(len(of.Keys) + len(of.Columns))
		units := cmp.Or(q.dataset.Privacy.Size, usualUnits)
		out.Steps = &engine.Steps{First: s.Capped, Then: s.Sums, Bytes: units * max(of.Groups, 1) * cells * cellBytes}
	}
	return out
}

// named are the groups that are known in advance, with what was found of them.
func named(found []group, of *query.Part) []group {
	at := make(map[string]int, len(found))
	for i, g := range found {
		at[keyText(g.keys)] = i
	}
	out := make([]group, len(of.Public))
	for i, keys := range of.Public {
		out[i] = group{keys: keys, values: make([]dp.Int128, len(of.Columns))}
		if j, ok := at[keyText(keys)]; ok {
			out[i].values = found[j].values
		}
	}
	return out
}

func keyText(keys []any) string { return fmt.Sprintf("%#v", keys) }

func compareKeys(a, b []any) int {
	for i := range a {
		if c := compareKey(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

func compareKey(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y)
		}
	case bool:
		if y, ok := b.(bool); ok {
			return cmp.Compare(strconv.FormatBool(x), strconv.FormatBool(y))
		}
	}
	return 0
}

// columnsOf are the columns of a part's rows, with the ranges that its bounds
// leave them.
func columnsOf(of *query.Part) ([]engine.Column, error) {
	var out []engine.Column
	for _, r := range of.Results() {
		c := engine.Column{Name: r.Name, Type: anchorhold.TypeInt, Nullable: r.Nullable}
		switch r.Type {
		case query.Text:
			c.Type = anchorhold.TypeString
		case query.Bool:
			c.Type = anchorhold.TypeBool
		case query.Int, query.Decimal, query.Double, query.Date, query.Timestamp:
			if r.Least.BitLen() > 120 || r.Most.BitLen() > 120 {
				return nil, anchorhold.Errorf(anchorhold.TooLarge, "state tighter bounds", "a sum of the question may not fit")
			}
			c.Within = &engine.Bounds{Least: decimal128.FromBigInt(r.Least), Most: decimal128.FromBigInt(r.Most)}
		}
		out = append(out, c)
	}
	return out, nil
}

// keyAt is a value of a key as package query has it.
func keyAt(k query.Key, v engine.Vector, row int) any {
	if v.IsNull(row) {
		return nil
	}
	switch k.Type {
	case query.Text:
		return v.Texts[row]
	case query.Bool:
		return v.Ints[row].LowBits() == 1
	case query.Int, query.Decimal, query.Double, query.Date, query.Timestamp:
	}
	return int64(v.Ints[row].LowBits()) //nolint:gosec // within 64 bits: the engine's answer was checked
}

// answered does with noisy values what the question asks to be done.
func (q *prepared) answered(shown []noisy) ([]query.Row, error) {
	groups := make([]query.Noisy, len(shown))
	for i, g := range shown {
		part := q.plan.Parts[g.part]
		groups[i].Keys = make([]any, q.keys())
		for j, k := range part.Set {
			groups[i].Keys[k] = g.keys[j]
		}
		for _, a := range q.plan.Aggregates {
			e, err := estimateOf(a, g, q.asked.Level)
			if err != nil {
				return nil, err
			}
			groups[i].Values = append(groups[i].Values, e.value)
		}
	}
	return q.plan.Answer(groups), nil
}

// rows are those of an answer, and of what they were made.
func (q *prepared) rows(shown []noisy) ([][]Cell, *made, error) {
	rows, err := q.answered(shown)
	if err != nil {
		return nil, nil, err
	}
	out := make([][]Cell, len(rows))
	for i, row := range rows {
		for _, value := range row.Cells {
			out[i] = append(out[i], Cell{Value: value})
		}
	}
	m := q.keep(shown, rows)
	err = m.intervals(out, q.asked.Level)
	return out, m, err
}

// keys is how many keys the question has.
func (q *prepared) keys() int {
	n := 0
	for _, p := range q.plan.Parts {
		for _, k := range p.Set {
			n = max(n, k+1)
		}
	}
	return n
}
