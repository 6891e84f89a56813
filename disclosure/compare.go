package disclosure

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
)

// comparison is one query against one index: a first pass counts how common the
// output's values are in each private column, a second one looks for candidates
// that hold the cells of one private row. Memory follows the output, not the
// private table.
type comparison struct {
	*query
	index      *Index
	params     Params
	rows       float64
	baseCount  [][]uint32 // private column → base id → rows
	valueCount [][]uint32 // private column → value id → rows
	named      map[token]place
	weights    []float32      // candidate × private column: bits that a match there is worth
	choices    []float32      // per candidate: bits to say which private columns match
	unique     float32        // bits that single one row out among all
	need       float32        // bits from which a candidate is near a row
	copied     map[int32]bool // candidates
	copiedRun  map[int32]bool // beginnings in run
	near       map[int32]bool
	work       int
	tooMuch    bool
	taken      []int32 // per cell of the candidate in hand: which attempt took it
	attempt    int32
	seen       []int64 // per candidate: last private row that tried it
	row        int64
}

// A candidate is near a private row from a score that singles the row out, and
// NearBits more, or as many as the number of candidates asks for: who compares a
// thousand candidates meets chances of one in a thousand. beyondChance is by how
// many bits a match must exceed that. The bound behind it is loose: measured, far
// fewer than the one output in four that it permits are held for nothing.
const beyondChance = 2

func newComparison(x *Index, q *query, p Params) *comparison {
	c := &comparison{
		query: q, index: x, params: p, rows: float64(x.rows),
		baseCount: make([][]uint32, len(x.columns)), valueCount: make([][]uint32, len(x.columns)),
		named: map[token]place{}, copied: map[int32]bool{}, copiedRun: map[int32]bool{}, near: map[int32]bool{},
		seen: make([]int64, len(q.candidates)),
	}
	for j := range x.columns {
		c.baseCount[j] = make([]uint32, len(q.base))
		c.valueCount[j] = make([]uint32, len(q.values))
	}
	longest := 0
	for _, cand := range q.candidates {
		longest = max(longest, len(cand.cells))
	}
	c.taken = make([]int32, longest)
	c.unique = float32(math.Log2(c.rows))
	c.need = c.unique + float32(max(p.NearBits, beyondChance+math.Log2(float64(max(len(q.candidates), 1)))))
	return c
}

// count is the first pass.
func (c *comparison) count(ctx context.Context) error {
	var in []uint32
	return c.index.scan(ctx, func(_ int, columns []chunk) bool {
		for j, ch := range columns {
			in = append(in[:0], make([]uint32, len(ch.tokens)+1)...)
			for _, code := range ch.codes {
				in[code]++
			}
			for i, t := range ch.tokens {
				c.countToken(j, t, in[i+1])
			}
		}
		return true
	})
}

func (c *comparison) countToken(column int, t token, rows uint32) {
	if b, ok := c.base[t.base]; ok {
		c.baseCount[column][b] += rows
	}
	if v, ok := c.exact[t]; ok {
		c.valueCount[column][v] += rows
	}
	if c.index.columns[column].Identifier {
		if at, ok := c.phrases[t]; ok {
			c.named[t] = at
		}
	}
}

// bits is the evidence in finding a value that n of all rows have.
func (c *comparison) bits(n uint32) float32 {
	if n == 0 {
		return 0
	}
	return float32(math.Log2(c.rows / math.Min(float64(n), c.rows)))
}

// weigh computes what a match is worth for each candidate and private column:
// the fewer private rows have *any* of the candidate's values in that column,
// the more. So a long candidate, that would match anything, is worth nothing.
func (c *comparison) weigh() {
	c.weights = make([]float32, len(c.candidates)*c.width)
	c.choices = make([]float32, len(c.candidates))
	for i := range c.candidates {
		for j, counts := range c.baseCount {
			n := uint32(0)
			for _, b := range c.candidates[i].bases {
				n += counts[b]
			}
			c.weights[i*c.width+j] = c.bits(n)
			c.choices[i] += float32(math.Log2(2 - math.Min(float64(n)/c.rows, 1)))
		}
	}
}

// hit is a cell of a private row whose value the output has too.
type hit struct {
	column int32
	base   int32
	value  int32 // none: near only
	bits   float32
}

// hits of the distinct tokens of one chunk, by code.
func (c *comparison) hits(column int, ch chunk, into []hit) []hit {
	into = append(into[:0], hit{base: none, value: none})
	for _, t := range ch.tokens {
		h := hit{column: int32(column), base: none, value: none}
		if b, ok := c.base[t.base]; ok {
			h.base, h.bits = b, c.bits(c.baseCount[column][b])
		}
		if v, ok := c.exact[t]; ok {
			h.value = v
		}
		into = append(into, h)
	}
	return into
}

// match is the second pass.
func (c *comparison) match(ctx context.Context) error {
	found := make([][]hit, c.width)
	var row []hit
	return c.index.scan(ctx, func(rows int, columns []chunk) bool {
		for j, ch := range columns {
			found[j] = c.hits(j, ch, found[j])
		}
		for r := range rows {
			row = row[:0]
			cells, exact := 0, 0
			for j := range columns {
				code := columns[j].codes[r]
				if code == 0 {
					continue
				}
				cells++
				if h := found[j][code]; h.base != none {
					row = append(row, h)
					if h.value != none {
						exact++
					}
				}
			}
			c.matchRow(row, cells, exact)
			if c.tooMuch {
				return false
			}
		}
		return true
	})
}

// matchRow compares one private row, of which the output has some values.
func (c *comparison) matchRow(row []hit, cells, exact int) {
	c.row++
	if exact == cells && cells >= c.params.RowCells {
		c.matchExact(row)
	}
	if len(row) >= c.params.NearCells {
		c.matchNear(row)
	}
}

// matchExact looks for candidates that hold every cell of the row. A row whose
// values are all so common that it says nothing about anybody is let go.
func (c *comparison) matchExact(row []hit) {
	shortest, total := row[0], float32(0)
	for _, h := range row {
		total += c.bits(c.valueCount[h.column][h.value])
		if len(c.postings[h.base]) < len(c.postings[shortest.base]) {
			shortest = h
		}
	}
	if total < c.unique {
		return
	}
	if total >= c.need {
		c.matchRun(row)
	}
	for _, i := range c.postings[shortest.base] {
		if !c.spend() {
			return
		}
		if !c.copied[i] && len(c.candidates[i].cells) >= len(row) && c.holds(i, row) {
			c.copied[i] = true
		}
	}
}

// matchRun looks for the row's cells one after the other in the table's order:
// rows of a wide table of small numbers, written into one long sequence, can be
// told from chance only by their order.
func (c *comparison) matchRun(row []hit) {
	rarest := 0
	for k, h := range row {
		if len(c.runAt[h.value]) < len(c.runAt[row[rarest].value]) {
			rarest = k
		}
	}
	for _, at := range c.runAt[row[rarest].value] {
		if !c.spend() {
			return
		}
		first := int(at) - rarest
		if first < 0 || first+len(row) > len(c.run) {
			continue
		}
		k := 0
		for k < len(row) && c.run[first+k] == row[k].value {
			k++
		}
		if k == len(row) {
			c.copiedRun[int32(first)] = true
		}
	}
}

// holds says whether a candidate has every cell of the row exactly, each in a
// cell of its own, and whether that is more than chance would give.
func (c *comparison) holds(i int32, row []hit) bool {
	cand := &c.candidates[i]
	if inOrder(cand.cells, row) {
		return true
	}
	c.attempt++
	bits := float32(0)
	for _, h := range row {
		if !c.take(cand, h.value) {
			return false
		}
		n := uint32(0)
		for _, id := range cand.values {
			n += c.valueCount[h.column][id]
		}
		bits += c.bits(n)
	}
	if len(cand.cells) > len(row) { // among other cells: more room for chance
		return bits >= c.need
	}
	return bits >= c.unique
}

// inOrder says whether cells are exactly the row, column by column.
func inOrder(cells []int32, row []hit) bool {
	return slices.EqualFunc(cells, row, func(id int32, h hit) bool { return id == h.value })
}

// take marks a free cell with this value as used.
func (c *comparison) take(cand *candidate, value int32) bool {
	for k, id := range cand.cells {
		if id == value && c.taken[k] != c.attempt {
			c.taken[k] = c.attempt
			return true
		}
	}
	return false
}

// spend counts work, so that an output made to be slow to check is held instead.
func (c *comparison) spend() bool {
	c.work++
	if c.work > c.params.Work {
		c.tooMuch = true
	}
	return !c.tooMuch
}

// matchNear looks for candidates that hold cells of the row worth enough bits.
// No candidate gets more from a cell than the cell's own rarity gives, so it is
// enough to visit the candidates of the rarest values: those that hold none of
// them cannot reach the score with the others.
func (c *comparison) matchNear(row []hit) {
	rest := float32(0)
	for _, h := range row {
		rest += h.bits
	}
	if rest < c.need {
		return
	}
	slices.SortFunc(row, func(a, b hit) int { return len(c.postings[a.base]) - len(c.postings[b.base]) })
	for _, h := range row {
		if rest < c.need {
			return
		}
		rest -= h.bits
		for _, i := range c.postings[h.base] {
			if !c.spend() {
				return
			}
			if c.seen[i] == c.row || c.near[i] {
				continue
			}
			c.seen[i] = c.row
			if c.score(i, row) {
				c.near[i] = true
			}
		}
	}
}

// score says whether the cells of the row that the candidate holds, each in a
// cell of its own, single the row out. It stops as soon as what is left cannot
// reach that, which for most candidates is at once.
func (c *comparison) score(i int32, row []hit) bool {
	weights := c.weights[int(i)*c.width : int(i+1)*c.width]
	left := float32(0)
	for _, h := range row {
		left += weights[h.column]
	}
	cand := &c.candidates[i]
	c.attempt++
	bits, cells := float32(0), 0
	for _, h := range row {
		if bits+left < c.need {
			return false
		}
		w := weights[h.column]
		left -= w
		if c.takeNear(cand, h.base) {
			bits += w
			cells++
		}
	}
	return cells >= c.params.NearCells && bits >= c.need &&
		bits >= c.need+min(c.choices[i], choose(len(cand.cells), cells))
}

// choose is the number of bits that say which k of n cells match. Matching some
// cells of many is weaker evidence than matching all: without this price, a
// table of medians would be near somebody by chance.
func choose(n, k int) float32 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	d, _ := math.Lgamma(float64(n - k + 1))
	return float32((a - b - d) / math.Ln2)
}

// takeNear marks a free cell that accepts the base as used.
func (c *comparison) takeNear(cand *candidate, base int32) bool {
	at, _ := slices.BinarySearch(cand.accept, int64(base)<<32)
	for ; at < len(cand.accept) && cand.accept[at]>>32 == int64(base); at++ {
		if k := int32(cand.accept[at]); c.taken[k] != c.attempt {
			c.taken[k] = c.attempt
			return true
		}
	}
	return false
}

// places lists where the candidates of a set lie, in the output's order. Runs of
// cells overlap rows and columns, so they are named only if nothing else is.
func (c *comparison) places(set map[int32]bool) []place {
	var at, runs []place
	for _, i := range slices.Sorted(maps.Keys(set)) {
		if p := c.candidates[i].place; p.shape == "run" {
			runs = append(runs, p)
		} else {
			at = append(at, p)
		}
	}
	if len(at) == 0 {
		return runs
	}
	return at
}

// copiedPlaces lists copies of rows.
func (c *comparison) copiedPlaces() []place {
	at := c.places(c.copied)
	if len(at) == 0 {
		for _, i := range slices.Sorted(maps.Keys(c.copiedRun)) {
			at = append(at, place{shape: "run", row: int(i)})
		}
	}
	return at
}

// namedPlaces lists where identifiers lie, in the output's order.
func (c *comparison) namedPlaces() []place {
	return slices.SortedFunc(maps.Values(c.named), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.sheet, b.sheet), cmp.Compare(a.row, b.row), cmp.Compare(a.col, b.col), cmp.Compare(a.shape, b.shape))
	})
}

// What makes an output column a copy of a private one.
const (
	copyCells  = 20  // cells at least
	copyShare  = 0.9 // of its cells have a partner of their own in the private column
	rareRows   = 3   // a value that fewer rows have is rare
	rareValues = 20  // so many rare values are a copy, however few the rows
)

// copies finds whole rows and columns that are made of the cells of one private
// column: at least half of that column, or many values that hardly anybody has.
func (c *comparison) copies() []place {
	var found []place
	for i := range c.candidates {
		cand := &c.candidates[i]
		if !cand.whole || len(cand.cells) < copyCells {
			continue
		}
		has := map[int32]uint32{}
		for _, id := range cand.cells {
			has[c.values[id].own]++
		}
		for j := range c.width {
			if c.isCopy(has, len(cand.cells), c.baseCount[j]) {
				found = append(found, cand.place)
				break
			}
		}
	}
	return found
}

// couldCopy says whether the output has a row or column that is long enough to be
// a copy of one.
func (c *comparison) couldCopy() bool {
	return slices.ContainsFunc(c.candidates, func(cand candidate) bool { return cand.whole && len(cand.cells) >= copyCells })
}

func (c *comparison) isCopy(has map[int32]uint32, cells int, counts []uint32) bool {
	partners, rare := uint32(0), uint32(0)
	for b, n := range has {
		n = min(n, counts[b])
		partners += n
		if counts[b] < rareRows {
			rare += n
		}
	}
	return float64(partners) >= copyShare*float64(cells) &&
		(float64(cells) >= c.rows/2 || rare >= rareValues)
}
