package question

import (
	"math"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/query"
)

// key finds how a key of the question is grouped by.
func (q *prepared) key(index int) query.Key {
	for _, p := range q.plan.Parts {
		for i, k := range p.Set {
			if k == index {
				return p.Keys[i]
			}
		}
	}
	return query.Key{}
}

func shownType(k query.Key) anchorhold.ColumnType {
	switch k.Type {
	case query.Bool:
		return anchorhold.TypeBool
	case query.Int, query.Decimal:
		if k.Scale > 0 {
			return anchorhold.TypeFloat
		}
		return anchorhold.TypeInt
	case query.Double:
		return anchorhold.TypeFloat
	case query.Date:
		return anchorhold.TypeDate
	case query.Timestamp:
		return anchorhold.TypeTimestamp
	case query.Text:
	}
	return anchorhold.TypeString
}

// showKeys writes keys as people read them: days and times as texts, decimal
// numbers as numbers.
func (q *prepared) showKeys(rows [][]Cell) {
	for i, item := range q.plan.Items() {
		n, ok := item.Key()
		if !ok {
			continue
		}
		k := q.key(n)
		for _, row := range rows {
			if v, whole := row[i].Value.(int64); whole {
				row[i].Value = shownKey(k, v)
			}
		}
	}
}

func shownKey(k query.Key, v int64) any {
	switch {
	case k.Type == query.Date:
		return time.Unix(v*86400, 0).UTC().Format(dayForm)
	case k.Type == query.Timestamp:
		return time.UnixMicro(v).UTC().Format(timeForm)
	case k.Scale > 0:
		return float64(v) / math.Pow10(k.Scale)
	}
	return v
}
