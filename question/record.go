package question

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/failpoint"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// charge is what a question costs.
func (q *prepared) charge(asked anchorhold.Question) *exposure.Charge {
	return &exposure.Charge{
		Principal: q.who.ID, Study: asked.Study, Subject: asked.ID, What: "an answer to a question in SQL about " + q.dataset.Name,
		Populations: []string{q.dataset.Population}, Amount: q.amount,
	}
}

// stated is the price as people write it.
func (q *prepared) stated() *anchorhold.Price {
	p := &anchorhold.Price{Epsilon: q.amount.Epsilon.String()}
	if q.amount.Delta > 0 {
		p.Delta = q.amount.Delta.String()
	}
	return p
}

// reserve charges a question, or finds its answer.
func (s *Service) reserve(ctx context.Context, p policy.Permit, q *prepared) (anchorhold.Question, error) {
	return books.On(ctx, s.Books, p, questions(), func(tx store.Tx) (anchorhold.Question, books.Record, error) {
		if err := q.unchanged(tx); err != nil {
			return anchorhold.Question{}, books.Record{}, err
		}
		asked := anchorhold.Question{
			ID: anchorhold.NewID(anchorhold.PrefixQuestion), Key: q.name, Author: q.who.ID, AuthorName: q.who.Name(), Study: q.asked.Study,
			Dataset: q.dataset.Name, Population: q.dataset.Population, SQL: q.asked.SQL, State: anchorhold.QuestionReserved, Asked: s.Books.Now(),
			Price: q.stated(),
		}
		charge := q.charge(asked)
		before, err := tx.AnsweredQuestion(q.name)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return asked, books.Record{}, err
		default:
			return s.again(tx, p, q, asked, before)
		}
		if err := exposure.Reserve(tx, s.Books.Now(), *charge); err != nil {
			return asked, books.Record{}, q.overWords(tx, *charge, err)
		}
		record, err := recorded(asked, *charge)
		if err != nil {
			return asked, books.Record{}, err
		}
		return asked, record, tx.PutQuestion(asked)
	})
}

// recorded is what the log has of a charge: whoever reads it can add up by themselves
// what every account has spent.
func recorded(q anchorhold.Question, c exposure.Charge) (books.Record, error) {
	amount, err := json.Marshal(c.Amount)
	details := map[string]string{"dataset": q.Dataset, "population": q.Population, "principal": q.Author, "epsilon": c.Amount.Epsilon.String(), "amount": string(amount)}
	if q.Study != "" {
		details["study"] = q.Study
	}
	if c.Again {
		details["again"] = q.Of // who asks is charged, the population is not
	}
	return books.Record{Subject: q.ID, Details: details}, err
}

// again gives an answer that was there already: the population has paid for it,
// and so has its asker who knows it.
func (s *Service) again(tx store.Tx, p policy.Permit, q *prepared, asked, before anchorhold.Question) (anchorhold.Question, books.Record, error) {
	knows, err := tx.KnowsAnswer(q.who.ID, q.name)
	if err != nil {
		return asked, books.Record{}, err
	}
	asked.Of, asked.Answer = before.ID, before.Answer
	var charge *exposure.Charge
	record := books.Record{Subject: asked.ID, Details: map[string]string{"dataset": q.dataset.Name}}
	if knows {
		asked.Price = nil
	} else {
		charge = q.charge(asked)
		charge.Again = true
		if err := exposure.Reserve(tx, s.Books.Now(), *charge); err != nil {
			return asked, books.Record{}, q.overWords(tx, *charge, err)
		}
		if record, err = recorded(asked, *charge); err != nil {
			return asked, books.Record{}, err
		}
	}
	committed, err := s.sign(q, &asked, charge)
	if err != nil {
		return asked, books.Record{}, err
	}
	if _, err := s.Books.Enter(tx, p, record); err != nil {
		return asked, books.Record{}, err
	}
	answered := s.answered(tx, &asked, committed)
	return asked, answered, nil
}

// answered is the record that a receipt points to: with its entry the question is
// written.
func (s *Service) answered(tx store.Tx, asked *anchorhold.Question, committed string) books.Record {
	return books.Record{
		Action: audit.ActionAnswer, Subject: asked.ID, Digest: committed, Details: map[string]string{"answer": digest.SHA256(asked.Answer)},
		Entered: func(index int64) error {
			asked.LogIndex = index
			return tx.PutQuestion(*asked)
		},
	}
}

// finish records what became of a question before its answer leaves. Of two that
// answer one question at the same time, as after a call that is repeated, the
// first has answered it, and the other's noise is seen by nobody. Over a dataset that
// was frozen or withdrawn meanwhile nothing leaves, and no answer is kept.
func (s *Service) finish(ctx context.Context, p policy.Permit, q *prepared, asked anchorhold.Question, f File, failed error) (File, error) {
	err := failed
	_, acted := books.Act(ctx, s.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
		now, more := tx.Question(asked.ID)
		if more != nil {
			return struct{}{}, books.Record{}, more
		}
		if failed == nil {
			failed = q.stillOpen(tx)
			err = failed
		}
		switch {
		case now.State == anchorhold.QuestionAnswered:
			f, err = told(now.Answer, q.asked.Level)
			return struct{}{}, books.Record{Action: "query.repeat", Subject: now.ID, Digest: digest.SHA256(now.Answer)}, err
		case now.State == anchorhold.QuestionFailed:
			return struct{}{}, books.Record{}, ended(now)
		case failed != nil:
			return struct{}{}, s.fail(&now, noAnswer), tx.PutQuestion(now)
		}
		if now.Answer, more = json.Marshal(kept{f, f.made}); more != nil {
			return struct{}{}, books.Record{}, more
		}
		committed, more := s.sign(q, &now, q.charge(now))
		return struct{}{}, s.answered(tx, &now, committed), more
	})
	failpoint.Hit("query/answered")
	return f, errors.Join(err, acted)
}

// CloseReserved ends the questions that were charged and not answered when the site
// stopped: they stay charged, and their askers are told. It is to be called before
// the site answers anything.
func (s *Service) CloseReserved(ctx context.Context) error {
	if frozen, err := s.Books.Frozen(ctx); err != nil || frozen {
		return err
	}
	var open []anchorhold.Question
	err := s.Books.View(ctx, func(tx store.Tx) (err error) {
		open, err = tx.ReservedQuestions()
		return err
	})
	if err != nil {
		return err
	}
	for _, q := range open {
		_, err := books.Act(ctx, s.Books, policy.SiteAct(policy.QueryAsk, "the site's start"), func(tx store.Tx) (struct{}, books.Record, error) {
			rec := s.fail(&q, stopped)
			return struct{}{}, rec, tx.PutQuestion(q)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Why a question has no answer: never more than this, since which way an engine
// failed may depend on rows.
const (
	noAnswer = "it could not be answered"
	stopped  = "the site stopped before there was an answer"
)

func (s *Service) fail(q *anchorhold.Question, why string) books.Record {
	now := s.Books.Now()
	q.State, q.Ended, q.Why = anchorhold.QuestionFailed, &now, why
	return books.Record{Action: "query.fail", Subject: q.ID, Details: map[string]string{"why": why}}
}

// ended is the error for a question that has failed.
func ended(q anchorhold.Question) error {
	if q.Why == stopped {
		return anchorhold.Errorf(anchorhold.Unavailable, "ask it anew; it is charged once more", "%s; it stays charged", stopped)
	}
	return engine.Failed.Err()
}
