package disclosure

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A query is an output prepared for comparison with one index: its distinct
// values as tokens, and every sequence of its cells that could be a private row
// in disguise.

// none marks a token that the query does not know.
const none = int32(-1)

// Bounds on what one query may become in memory, beyond Params: an output that
// would need more cannot be checked.
const (
	maxCandidates = 1 << 18
	maxCounters   = 1 << 25 // distinct tokens × private columns, for each of two tables of counters
	maxWeights    = 1 << 24 // candidates × private columns
	minWindow     = 16
	longestPhrase = 4   // words of an identifier found inside text
	maxWords      = 256 // of one text that is still compared as a row
)

// place says where in the output a candidate lies. It never says what is there.
type place struct {
	shape string // "row", "column", "text" or "run"
	sheet int
	row   int // 0-based; of a run: its first cell in reading order
	col   int
	name  string // of the column, where it may be told
}

// maxPlaceName bounds a column's name as part of a sentence, in runes.
const maxPlaceName = 40

func (p place) String() string {
	var s string
	switch p.shape {
	case "row":
		s = fmt.Sprintf("row %d", p.row+1)
	case "column":
		s = fmt.Sprintf("column %d", p.col+1)
	case "run":
		s = fmt.Sprintf("the cells from number %d on, in reading order", p.row+1)
	default:
		s = fmt.Sprintf("%s %d, column %d", p.shape, p.row+1, p.col+1)
	}
	if name := []rune(p.name); len(name) > 0 {
		s += fmt.Sprintf(" (%q)", string(name[:min(len(name), maxPlaceName)]))
	}
	if p.sheet > 0 {
		s += fmt.Sprintf(" of part %d", p.sheet+1)
	}
	return s
}

// outputValue is a distinct value of the output.
type outputValue struct {
	own   int32   // id of its base
	bases []int32 // ids of the bases near it, its own first
}

// candidate is a sequence of cells that could be a private row.
type candidate struct {
	place  place
	cells  []int32 // value ids, missing cells left out
	accept []int64 // base id << 32 | position in cells, sorted: which cells a base may be matched with
	bases  []int32 // distinct
	values []int32 // distinct
	whole  bool    // a whole row or column: may be a copied private column too
}

type query struct {
	hash       *hasher
	width      int // columns of the private table
	values     []outputValue
	exact      map[token]int32  // value id
	base       map[uint64]int32 // base id
	candidates []candidate
	postings   [][]int32 // by base id: candidates that accept it
	run        []int32   // all cells in reading order, then all words in texts
	runAt      [][]int32 // by value id: where in run it stands
	phrases    map[token]place
	tooLong    bool // a text had too many words to be compared as a row
}

// newQuery prepares an output; ok is false where it would become too large.
func newQuery(x *Index, cells Cells) (q *query, ok bool) {
	q = &query{
		hash: x.hash, width: len(x.columns),
		exact: map[token]int32{}, base: map[uint64]int32{}, phrases: map[token]place{},
	}
	var run, words []int32
	for s, sheet := range cells.Sheets {
		q.addSheet(s, sheet)
		for r, row := range sheet.Rows {
			for c, cell := range row {
				if id := q.value(cell); id != none {
					run = append(run, id)
				}
				words = append(words, q.addText(place{"text in row", s, r, c, ""}, cell)...)
			}
		}
		for c, cell := range sheet.Labels {
			q.addText(place{"label", s, 0, c, ""}, cell)
		}
		if len(q.candidates) > maxCandidates {
			return q, false
		}
	}
	q.addWindows(place{shape: "run"}, run)
	q.addWindows(place{shape: "run"}, words)
	q.run = slices.Concat(run, words)
	if !q.fits() {
		return q, false
	}
	q.finish()
	return q, true
}

func (q *query) fits() bool {
	return len(q.candidates) <= maxCandidates && len(q.candidates)*q.width <= maxWeights &&
		max(len(q.base), len(q.values))*q.width <= maxCounters
}

// addSheet makes candidates of the rows and, because turning a table on its side
// must not help, of the columns.
func (q *query) addSheet(s int, sheet Sheet) {
	columns := [][]int32{}
	for r, row := range sheet.Rows {
		ids := make([]int32, 0, len(row))
		for c, cell := range row {
			id := q.value(cell)
			if id == none {
				continue
			}
			ids = append(ids, id)
			for len(columns) <= c {
				columns = append(columns, nil)
			}
			columns[c] = append(columns[c], id)
			if _, ok := q.phrases[q.tokenOf(cell)]; !ok {
				q.phrases[q.tokenOf(cell)] = place{"cell in row", s, r, c, ""}
			}
		}
		q.add(place{"row", s, r, 0, ""}, ids, true)
	}
	if len(sheet.Rows) > 1 {
		for c, ids := range columns {
			q.add(place{"column", s, 0, c, ""}, ids, true)
		}
	}
	labels := make([]int32, 0, len(sheet.Labels))
	for c, cell := range sheet.Labels {
		if id := q.value(cell); id != none {
			labels = append(labels, id)
			q.phrases[q.tokenOf(cell)] = place{"label", s, 0, c, ""}
		}
	}
	q.add(place{"label", s, 0, 0, ""}, labels, true)
}

func (q *query) tokenOf(c Cell) token {
	t, _ := q.hash.token(c)
	return t
}

// value gives the id of a cell's value; a missing cell has none.
func (q *query) value(c Cell) int32 {
	t, ok := q.hash.token(c)
	if !ok {
		return none
	}
	if id, ok := q.exact[t]; ok {
		return id
	}
	v := outputValue{}
	for _, b := range q.hash.near(c, t) {
		id, ok := q.base[b]
		if !ok {
			id = int32(len(q.base))
			q.base[b] = id
		}
		v.bases = append(v.bases, id)
	}
	v.own = v.bases[0]
	id := int32(len(q.values))
	q.exact[t] = id
	q.values = append(q.values, v)
	return id
}

// add makes a candidate of a sequence, and of its parts if it is long.
func (q *query) add(at place, ids []int32, whole bool) {
	if len(ids) < 2 {
		return
	}
	q.candidates = append(q.candidates, candidate{place: at, cells: ids, whole: whole})
}

// addWindows makes candidates of overlapping parts of a long sequence, so that
// rows written one after the other are still rows.
func (q *query) addWindows(at place, ids []int32) {
	step := max(q.width, minWindow/2)
	for i := 0; i < len(ids) && len(q.candidates) <= maxCandidates; i += step {
		w := ids[i:min(i+2*step, len(ids))]
		if len(w) < 2 || i > 0 && len(w) <= step {
			break // the part before holds all of it
		}
		at.row = i
		q.add(at, w, false)
	}
}

// addText looks inside text: its words are remembered as possible identifiers,
// and where there are enough of them they are compared as a row. It gives the
// words' values.
func (q *query) addText(at place, c Cell) []int32 {
	if c.kind != CellText {
		return nil
	}
	q.addPhrases(at, strings.Fields(c.text))
	words := strings.FieldsFunc(c.text, isSeparator)
	q.addPhrases(at, words)
	if len(words) > maxWords {
		q.tooLong = true
		words = words[:maxWords]
	}
	var ids []int32
	for _, w := range words {
		if id := q.value(TextCell(strings.Trim(w, ".-_+"))); id != none {
			ids = append(ids, id)
		}
	}
	if len(ids) >= 3 {
		q.add(at, ids, false)
	}
	return ids
}

// isSeparator says whether a rune parts words. Signs that numbers, dates and
// codes are written with do not.
func isSeparator(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_@", r)
}

// addPhrases remembers runs of up to longestPhrase words.
func (q *query) addPhrases(at place, words []string) {
	for i := range min(len(words), 4*maxWords) {
		for n := 1; n <= longestPhrase && i+n <= len(words); n++ {
			phrase := strings.Trim(strings.Join(words[i:i+n], " "), ".,;:!?()[]{}<>\"'`=|/\\")
			if t, ok := q.hash.token(TextCell(phrase)); ok {
				if _, seen := q.phrases[t]; !seen {
					q.phrases[t] = at
				}
			}
		}
	}
}

// finish builds what the comparison looks up.
func (q *query) finish() {
	q.runAt = make([][]int32, len(q.values))
	for at, id := range q.run {
		q.runAt[id] = append(q.runAt[id], int32(at))
	}
	q.postings = make([][]int32, len(q.base))
	for i := range q.candidates {
		c := &q.candidates[i]
		for at, id := range c.cells {
			for _, b := range q.values[id].bases {
				c.accept = append(c.accept, int64(b)<<32|int64(at))
			}
		}
		slices.Sort(c.accept)
		c.values = slices.Compact(slices.Sorted(slices.Values(c.cells)))
		last := none
		for _, a := range c.accept {
			if b := int32(a >> 32); b != last {
				c.bases = append(c.bases, b)
				q.postings[b] = append(q.postings[b], int32(i))
				last = b
			}
		}
	}
}
