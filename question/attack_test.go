package question_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/engine/duckdb/duckdbtest"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/internal/dpaudit"
	"github.com/anchorhold/anchorhold/question"
)

// The tests whose names begin with TestAttack are what an adversary would try on
// answers, each at the level of questions. Every one of them succeeds against a
// build that was broken for it: internal/mutants has those builds, and
// docs/threat-model.md the list.
//
// Most play the game of the definition. Two worlds are neighbours: one person is
// in one of them and not in the other, and all else is equal, the secret by which
// groups are chosen too. The attacker asks each the same question very often; what
// then can be proved must be no more than one answer was charged.

// world is tables as an owner offers them.
type world struct {
	tables  []table
	groups  int // to which one unit contributes
	rows    int // of one unit in a group
	size    int64
	epsilon string // of the limit
	delta   string // empty: a limit in pure ε
}

// table has its columns as "name type", and its rows as lines of CSV.
type table struct {
	name    string
	columns string
	stated  anchorhold.AssetPrivacy
	rows    []string
}

// people is a world of one table whose every row is a person.
func people(columns string, stated map[string]anchorhold.ColumnPrivacy, rows ...string) world {
	return world{
		groups: 1, rows: 1, size: 100, epsilon: "1000000",
		tables: []table{{"people", columns, anchorhold.AssetPrivacy{Row: true, Columns: stated}, rows}},
	}
}

// stays is a world of one table with any number of rows for each person, whom its
// first column names.
func stays(columns string, stated map[string]anchorhold.ColumnPrivacy, rows ...string) world {
	return world{
		groups: 2, rows: 2, size: 100, epsilon: "1000000",
		tables: []table{{"stays", "person int, " + columns, anchorhold.AssetPrivacy{Unit: []string{"person"}, Columns: stated}, rows}},
	}
}

// with is the world with more rows in its last table.
func (w world) with(rows ...string) world {
	w.tables = append([]table(nil), w.tables...)
	last := &w.tables[len(w.tables)-1]
	last.rows = append(append([]string(nil), last.rows...), rows...)
	return w
}

// spending is the world with another limit.
func (w world) spending(epsilon, delta string) world {
	w.epsilon, w.delta = epsilon, delta
	return w
}

// repeated is a row n times.
func repeated(n int, row string) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = row
	}
	return rows
}

// open makes a site with the world's tables.
func (w world) open(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	dir := t.TempDir()
	privacy := &anchorhold.Privacy{MaxGroups: w.groups, MaxRows: w.rows, Size: w.size, Assets: map[string]anchorhold.AssetPrivacy{}}
	b.data.Assets = nil
	var paths []string
	for _, of := range w.tables {
		a := anchorhold.Asset{Name: of.name, Kind: anchorhold.KindTable}
		var names []string
		for column := range strings.SplitSeq(of.columns, ", ") {
			name, typ, _ := strings.Cut(column, " ")
			names = append(names, name)
			a.Version.Columns = append(a.Version.Columns, anchorhold.Column{Name: name, Type: anchorhold.ColumnType(typ)})
		}
		path := filepath.Join(dir, of.name+".csv")
		if err := os.WriteFile(path, []byte(strings.Join(append([]string{strings.Join(names, ",")}, of.rows...), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		a.Version.ID, a.Version.Number, a.Version.Private = versionOf(of.name), 1, &anchorhold.Source{Path: path, Format: "csv"}
		a.Version.Commitment = digest.SHA256([]byte(of.name))
		b.data.Assets, paths = append(b.data.Assets, a), append(paths, path)
		privacy.Assets[of.name] = of.stated
	}
	b.data.Privacy = privacy
	b.put()
	b.Open = func(ctx context.Context, _ anchorhold.Dataset) ([]*os.File, error) {
		b.opened++
		return duckdbtest.Files(paths...)(ctx)
	}
	b.limit(exposure.NewLimit{Epsilon: w.epsilon, Delta: w.delta})
	return b
}

// drawer asks a world's engine once.
func (b *bench) drawer(sql string) *question.Drawer {
	b.t.Helper()
	d, err := b.drawerOf(sql)
	if err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return d
}

func (b *bench) drawerOf(sql string) (*question.Drawer, error) {
	who := b.permit("ada")
	return b.Drawer(context.Background(), who.Principal(), "heart", question.Asked{SQL: sql})
}

// draws is how often attackers ask: enough to find what a mutant does wrong, and
// as often as ANCHORHOLD_DP_DRAWS says where there is time.
func draws(t *testing.T, few int) int {
	t.Helper()
	s := os.Getenv("ANCHORHOLD_DP_DRAWS")
	if s == "" && underRace {
		return few / 20
	}
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal("ANCHORHOLD_DP_DRAWS: ", err)
	}
	return max(few, min(n, 1_000_000))
}

// score says how much an answer looks like the world with the person.
type score func(rows [][]any) float64

// cell scores by a number, here that of a row that is always there.
func cell(row, column int) score {
	return func(rows [][]any) float64 {
		f, ok := rows[row][column].(float64)
		if !ok {
			return math.Inf(-1)
		}
		return f
	}
}

func scores(t *testing.T, d *question.Drawer, n int, s score) []float64 {
	t.Helper()
	out := make([]float64, n)
	for i := range out {
		rows, err := d.Draw(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		out[i] = s(rows)
	}
	return out
}

// neighbours are the sites of two worlds: one person is in the first alone.
type neighbours struct {
	t             *testing.T
	with, without *bench
}

func neighbourhood(t *testing.T, with, without world) neighbours {
	t.Helper()
	return neighbours{t, with.open(t), without.open(t)}
}

// holds plays the game for a question. It fails where more is proved than was
// charged, or where the game is blind: a question that tells nothing of the person
// attacks nothing. For Gaussian noise the loss is a μ.
func (o neighbours) holds(sql string, n int, s score) {
	o.t.Helper()
	a, b := o.with.drawer(sql), o.without.drawer(sql)
	claimed, loss := a.Price().Epsilon.Float(), dpaudit.Loss(dpaudit.Pure)
	if rho := a.Price().Rho.Float(); a.Price().Pure == account.Infinite {
		claimed, loss = math.Sqrt(2*rho), dpaudit.Gaussian
	}
	proved := dpaudit.Proved(scores(o.t, a, n, s), scores(o.t, b, n, s), loss)
	if proved > claimed {
		o.t.Errorf("%s: an attacker proves a loss of %v, and %v was charged", sql, proved, claimed)
	}
	if proved < claimed/8 && !underRace {
		o.t.Errorf("%s: an attacker proves only %v of %v: the attack is blind", sql, proved, claimed)
	}
}

// moves fails where the person changes exact sums further than the noise was made
// for, or those of more groups.
func (o neighbours) moves(sql string) {
	o.t.Helper()
	a, b := o.with.drawer(sql), o.without.drawer(sql)
	more, less := a.Exact(), b.Exact()
	for part := range more {
		low, high, most := a.Most(part)
		keys := maps.Clone(more[part])
		maps.Copy(keys, less[part])
		var changed int64
		for k := range keys {
			moved := false
			for c := range low {
				d := new(big.Int).Sub(sumOf(more[part][k], c), sumOf(less[part][k], c))
				moved = moved || d.Sign() != 0
				if d.Cmp(big.NewInt(low[c])) < 0 || d.Cmp(big.NewInt(high[c])) > 0 {
					o.t.Errorf("%s: column %d of group %s moves by %s, and noise is for %d to %d", sql, c, k, d, low[c], high[c])
				}
			}
			if moved {
				changed++
			}
		}
		if changed > most || changed == 0 {
			o.t.Errorf("%s: one person changes %d groups, and noise is for %d", sql, changed, most)
		}
	}
}

func sumOf(sums []*big.Int, column int) *big.Int {
	if sums == nil {
		return new(big.Int)
	}
	return sums[column]
}

// finest is the finest binary step on which a number lies.
func finest(x float64) float64 {
	step := math.Ldexp(1, 60)
	for math.Mod(x, step) != 0 {
		step /= 2
	}
	return step
}

func bounds(low, high string) anchorhold.ColumnPrivacy {
	return anchorhold.ColumnPrivacy{Low: low, High: high}
}

func domain(values ...string) anchorhold.ColumnPrivacy {
	return anchorhold.ColumnPrivacy{Domain: values}
}

func lines(n int, format string) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(format, i)
	}
	return rows
}

// versionOf is the id of a version that goes by a name in a test.
func versionOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	const letters = "0123456789abcdefghjkmnpqrstvwxyz"
	id := anchorhold.PrefixVersion + "-"
	for _, b := range sum[:16] {
		id += string(letters[b%32])
	}
	return id
}
