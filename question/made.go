package question

import (
	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/query"
)

// made is of what an answer was made: released numbers alone, so that its
// intervals can be told at any level, at no further cost.
type made struct {
	Aggregates []query.Aggregate `json:"aggregates"`
	Items      []int             `json:"items"`  // the aggregate that a column is; -1: none
	Rows       []int             `json:"rows"`   // the group of each row
	Groups     []int             `json:"groups"` // how many columns each group has
	Kept       dp.Kept           `json:"kept"`
	Trees      []madeTree        `json:"trees,omitempty"`
}

// madeTree is the tree of an aggregate of quantiles, of one group.
type madeTree struct {
	Group     int         `json:"group"`
	Aggregate int         `json:"aggregate"`
	Tree      dp.KeptTree `json:"tree"`
}

// keep notes of which of the groups the rows of an answer are made.
func (q *prepared) keep(shown []noisy, rows []query.Row) *made {
	m := &made{Aggregates: q.plan.Aggregates, Rows: make([]int, len(rows))}
	for _, item := range q.plan.Items() {
		n, ok := item.Aggregate()
		if !ok {
			n = -1
		}
		m.Items = append(m.Items, n)
	}
	var numbers []*dp.Number
	at := map[int]int{}
	for i, r := range rows {
		if _, ok := at[r.Group]; !ok {
			at[r.Group] = len(m.Groups)
			m.Groups = append(m.Groups, len(shown[r.Group].values))
			numbers = append(numbers, shown[r.Group].values...)
			for n, tree := range shown[r.Group].trees {
				if tree != nil {
					m.Trees = append(m.Trees, madeTree{at[r.Group], n, tree.Keep()})
				}
			}
		}
		m.Rows[i] = at[r.Group]
	}
	m.Kept = dp.Keep(numbers)
	return m
}

// intervals sets the ends of an answer's cells, at a level.
func (m *made) intervals(rows [][]Cell, level float64) error {
	numbers, err := m.Kept.Released()
	if err != nil {
		return err
	}
	groups := make([]noisy, len(m.Groups))
	for i, n := range m.Groups {
		groups[i].values, numbers = numbers[:n], numbers[n:]
		groups[i].trees = make([]*dp.Ranks, len(m.Aggregates))
	}
	for _, t := range m.Trees {
		tree, err := t.Tree.Released()
		if err != nil {
			return err
		}
		groups[t.Group].trees[t.Aggregate] = tree
	}
	for i, cells := range rows {
		for j, n := range m.Items {
			if n < 0 {
				continue
			}
			e, err := estimateOf(m.Aggregates[n], groups[m.Rows[i]], level)
			if err != nil {
				return refused(err)
			}
			e.show(&cells[j])
		}
	}
	return nil
}

// kept is an answer as it is stored: the text whose digest the receipt holds.
type kept struct {
	File

	Made *made `json:"made,omitempty"`
}

// told reads a kept answer, with intervals at a level; 0 is that at which it was
// asked for first.
func told(text []byte, level float64) (File, error) {
	k, err := parse(text)
	if err != nil || level == 0 || k.Made == nil {
		return k.File, err
	}
	if level != k.Level {
		k.Level = level
		for i := range k.Columns { // these are of the level at which it was asked for
			k.Columns[i].PlusMinus, k.Columns[i].BySize, k.Columns[i].Ranks = nil, nil, nil
		}
	}
	return k.File, k.Made.intervals(k.Rows, level)
}
