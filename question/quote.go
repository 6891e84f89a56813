package question

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/query"
)

// keyOf is the key by which a version's choice of a unit's groups is drawn: the
// same for each question about it, so that nobody learns of a person's other
// groups by asking twice.
func (q *prepared) keyOf(secret []byte) string {
	m := hmac.New(sha256.New, secret)
	for _, a := range q.dataset.Assets {
		m.Write([]byte(a.Version.ID + "\x00")) //nolint:errcheck,revive // a hash takes everything
	}
	return hex.EncodeToString(m.Sum(nil))
}

// items says of each column of the answer what it is, and how exact.
func (q *prepared) items() ([]QuotedItem, error) {
	out := []QuotedItem{}
	for _, item := range q.plan.Items() {
		i := QuotedItem{Name: item.Name, Kind: "expression"}
		if _, ok := item.Key(); ok {
			i.Kind = "key"
		}
		if n, ok := item.Aggregate(); ok {
			a := q.plan.Aggregates[n]
			i.Kind = string(a.Kind)
			if err := q.exactness(&i, a); err != nil {
				return nil, err
			}
		}
		out = append(out, i)
	}
	return out, nil
}

// exactness says how far an aggregate may be off, of the first part: all have the
// same noise.
func (q *prepared) exactness(i *QuotedItem, a query.Aggregate) error {
	p := q.noise.parts[0]
	switch a.Kind {
	case query.Units:
		if a.Count < 0 && p.chosen != nil {
			return nil // the selection's own
		}
		return i.plusMinus(p.sums[max(a.Count, 0)], 1, q.asked.Level)
	case query.Count:
		return i.plusMinus(p.sums[a.Count], 1, q.asked.Level)
	case query.Sum:
		return i.plusMinus(p.sums[a.Sum], a.Values.Scale, q.asked.Level)
	case query.Mean:
		w, err := p.sums[a.Sum].PlusMinus(q.asked.Level)
		if err != nil {
			return refused(err)
		}
		i.BySize = map[string]float64{}
		for _, n := range []float64{100, 1000, 10_000} {
			i.BySize[strconv.FormatFloat(n, 'f', 0, 64)] = w / a.Values.Scale / n
		}
	case query.Variance, query.Deviation, query.Quantiles:
	}
	return nil
}

func (i *QuotedItem) plusMinus(s *dp.Sum, scale, level float64) error {
	if s == nil {
		return nil
	}
	w, err := s.PlusMinus(level)
	if err != nil {
		return refused(err)
	}
	w /= scale
	i.PlusMinus = &w
	noise := s.Noise()
	noise.Scale /= scale
	i.Noise = &noise
	return nil
}
