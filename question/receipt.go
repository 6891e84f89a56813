package question

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/dp/query"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/receipt"
	"github.com/anchorhold/anchorhold/store"
)

// said is what a receipt says of an answer, whose file is given.
func (q *prepared) said(site string, asked anchorhold.Question, file []byte, charged *exposure.Charge, now time.Time) (receipt.Statement, error) {
	groups, rows := q.contribution()
	a := receipt.Answer{
		Site: site,
		Question: receipt.Question{
			ID: asked.ID, Statement: statementDigest(q.asked.SQL), Author: asked.AuthorName, Study: asked.Study, Of: asked.Of,
		},
		Unit: unitsOf(q.dataset), Mechanism: q.mechanism(), MaxGroups: groups, MaxRows: rows, Bounds: q.bounds(),
		Answered: now, Output: receipt.AnswerOutput{Media: Media, Size: int64(len(file))},
	}
	for _, t := range tables(q.dataset) {
		a.Assets = append(a.Assets, receipt.AnswerAsset{Dataset: q.dataset.Name, Asset: t.Name, Version: t.Version.ID, Commitment: t.Version.Commitment})
	}
	if charged != nil {
		amount, err := json.Marshal(charged.Amount)
		if err != nil {
			return receipt.Statement{}, err
		}
		for _, p := range charged.Populations {
			a.Exposure = append(a.Exposure, receipt.Charged{Class: anchorhold.ExposureProved, Population: p, Amount: string(amount), Counted: charged.Counted()})
		}
	}
	return receipt.NewAnswer(strings.TrimPrefix(digest.SHA256(file), "sha256:"), a), nil
}

// receivable makes the receipt of an answer that is not there, so that what no
// receipt can say is refused before anything is charged.
func (s *Service) receivable(q *prepared, who anchorhold.Principal) error {
	asked := anchorhold.Question{ID: anchorhold.NewID(anchorhold.PrefixQuestion), AuthorName: who.Name(), Study: q.asked.Study}
	st, err := q.said(s.Keys.Origin(), asked, nil, q.charge(asked), s.Books.Now())
	if err != nil {
		return err
	}
	if _, err := receipt.Sign(st, s.Keys); err != nil {
		return anchorhold.Errorf(anchorhold.Invalid, "ask for fewer columns, and give each a short name: COUNT(*) AS n", "no receipt could be made of the answer").Because(err)
	}
	return nil
}

// sign puts a receipt's statement to a question that is answered, and gives the
// digest that the audit entry commits to.
func (s *Service) sign(q *prepared, asked *anchorhold.Question, charged *exposure.Charge) (committed string, err error) {
	now := s.Books.Now()
	st, err := q.said(s.Keys.Origin(), *asked, asked.Answer, charged, now)
	if err != nil {
		return "", err
	}
	sealed, err := receipt.Sign(st, s.Keys)
	if err != nil {
		return "", err
	}
	asked.State, asked.Ended = anchorhold.QuestionAnswered, &now
	asked.Envelope, err = json.Marshal(sealed.Envelope)
	return sealed.Digest, err
}

// Receipt makes the receipt file of an answered question, with the proof that the
// answer is in the log as it is now.
func (s *Service) Receipt(ctx context.Context, id string) (file []byte, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		q, err := tx.Question(id)
		if err != nil {
			return err
		}
		if len(q.Envelope) == 0 {
			return policy.Missing(policy.TypeQuery, id)
		}
		file, err = receipt.Complete(q.Envelope, func(signers []string) (audit.Opening, error) {
			return s.Books.Opening(tx, s.Keys.VKey(), signers, q.LogIndex)
		})
		return err
	})
	return file, err
}

// AnswerFile gives the file of an answered question, as its receipt speaks of it.
func (s *Service) AnswerFile(ctx context.Context, id string) (file []byte, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		q, err := tx.Question(id)
		if err == nil && len(q.Answer) == 0 {
			err = policy.Missing(policy.TypeQuery, id)
		}
		file = q.Answer
		return err
	})
	return file, err
}

// unitsOf says whose the rows of a dataset's tables are.
func unitsOf(d anchorhold.Dataset) (out []receipt.Unit) {
	for _, t := range tables(d) {
		path, at, _ := d.Privacy.UnitOf(t.Name)
		u := receipt.Unit{Asset: t.Name, Unit: strings.Join(at.Unit, "+")}
		switch {
		case at.Public:
			u.Unit = "public"
		case at.Row:
			u.Unit = "row"
		}
		if len(path) > 0 {
			last := path[len(path)-1]
			u.Unit += " of " + last.Asset
		}
		out = append(out, u)
	}
	return out
}

// contribution is to how many groups, and with how many rows in each, one unit
// contributes to an answer at most.
func (q *prepared) contribution() (groups, rows int64) {
	for _, p := range q.plan.Parts {
		groups = max(groups, p.Groups)
	}
	return max(groups, 1), max(q.plan.MaxRows(), 1)
}

// bounds says of each aggregate of the answer by how much one unit can move what
// it is made of, in one group.
func (q *prepared) bounds() (out []receipt.Influence) {
	out = []receipt.Influence{}
	for _, item := range q.plan.Items() {
		n, ok := item.Aggregate()
		if !ok {
			continue
		}
		a := q.plan.Aggregates[n]
		b := receipt.Influence{Name: item.Name, Kind: string(a.Kind)}
		switch a.Kind {
		case query.Count, query.Units:
			b.Low, b.High = q.ends(a.Count, 1)
		case query.Sum, query.Mean:
			b.Low, b.High = q.ends(a.Sum, a.Values.Scale)
		case query.Variance, query.Deviation:
			b.Low, b.High = q.ends(a.Squares, a.Square.Scale)
		case query.Covariance, query.Correlation, query.Slope, query.Intercept:
			b.Low, b.High = q.ends(a.Products, a.Values.Scale*a.X.Values.Scale)
		case query.Quantiles:
		}
		out = append(out, b)
	}
	return out
}

func (q *prepared) ends(column int, scale float64) (low, high string) {
	if column < 0 || math.IsInf(scale, 0) || scale == 0 {
		return "", ""
	}
	c := q.plan.Parts[0].Columns[column]
	text := func(n int64) string { return strconv.FormatFloat(float64(n)/scale, 'f', -1, 64) }
	return text(min(c.Lo, 0)), text(max(c.Hi, 0))
}
