package question

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
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

// The kinds of columns that are no aggregate.
const (
	kindKey        = "key"
	kindExpression = "expression"
)

// items says of each column of the answer what it is, and how exact.
func (q *prepared) items() ([]QuotedItem, error) {
	out := []QuotedItem{}
	for _, item := range q.plan.Items() {
		i := QuotedItem{Name: item.Name, Kind: kindExpression}
		if n, ok := item.Key(); ok {
			k := q.key(n)
			i.Kind, i.Type = kindKey, shownType(k)
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
// same noise. Where that depends on the size of a group, it is told for a few.
func (q *prepared) exactness(i *QuotedItem, a query.Aggregate) (err error) {
	switch a.Kind {
	case query.Units, query.Count, query.Sum:
		return q.plusMinus(i, a)
	case query.Quantiles:
		return q.rankError(i, a)
	case query.Mean, query.Variance, query.Deviation, query.Covariance, query.Correlation, query.Slope, query.Intercept:
	}
	i.BySize = map[string]float64{}
	for _, n := range []int64{100, 1000, 10_000, 100_000} {
		g, err := q.noise.expected(0, n)
		if err != nil {
			return refused(err)
		}
		e, err := estimateOf(a, g, q.asked.Level)
		if err != nil {
			return err
		}
		if w := (e.ends[0].High - e.ends[0].Low) / 2; !math.IsInf(w, 0) {
			i.BySize[strconv.FormatInt(n, 10)] = w
		}
	}
	return nil
}

// plusMinus is the half-width of a number that is released as it is.
func (q *prepared) plusMinus(i *QuotedItem, a query.Aggregate) error {
	p, column := q.noise.parts[0], a.Columns()[0]
	var w float64
	var err error
	var noise dp.Noise
	if at := slices.Index(p.columns, column); at >= 0 {
		w, err = p.totals.PlusMinus(at, q.asked.Level)
		noise = p.totals.Noise(at)
	} else {
		w, err = p.chosen.PlusMinus(q.asked.Level)
		noise = p.chosen.Noise()
	}
	if a.Kind == query.Sum {
		w /= a.Values.Scale
		noise.Scale /= a.Values.Scale
	}
	i.PlusMinus, i.Noise = &w, &noise
	return refused(err)
}

// rankError is by how many rows a quantile may be off its place.
func (q *prepared) rankError(i *QuotedItem, a query.Aggregate) error {
	at := slices.IndexFunc(q.plan.Parts, func(p query.Part) bool { return p.Aggregate == a.Tree })
	w, err := q.noise.parts[at].ranks.RankError(q.asked.Level)
	i.Ranks = &w
	return refused(err)
}
