package storetest

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func exposed(t *testing.T, s store.Store) {
	all := anchorhold.ExposureAccount{Population: "heart", Scope: anchorhold.LimitPopulation}
	ada := anchorhold.ExposureAccount{Population: "heart", Scope: anchorhold.LimitResearcher, Name: "pri-1"}
	lung := anchorhold.ExposureAccount{Population: "lung", Scope: anchorhold.LimitPopulation}
	limit := anchorhold.ExposureLimit{ExposureAccount: all, Epsilon: "3", Delta: "0", Set: clock, By: "olga", Reason: "r"}
	other := anchorhold.ExposureLimit{ExposureAccount: lung, Epsilon: "1", Delta: "0", Set: clock, By: "olga"}
	sum := anchorhold.Exposed{Pure: 1, Rho: math.MaxInt64, Delta: 3, Plain: 4, PlainDelta: 5}
	update(t, s, func(tx store.Tx) error {
		before, err := tx.Exposed(all)
		equal(t, "a sum of nothing", before, anchorhold.Exposed{})
		return errors.Join(err, tx.PutLimit(other), tx.PutLimit(anchorhold.ExposureLimit{ExposureAccount: all, Epsilon: "1"}), tx.PutLimit(limit),
			tx.PutExposed(ada, anchorhold.Exposed{Pure: 1}), tx.PutExposed(all, anchorhold.Exposed{Pure: 9}), tx.PutExposed(all, sum))
	})
	view(t, s, func(tx store.Tx) error {
		limits, err := tx.Limits("")
		equal(t, "all limits", limits, []anchorhold.ExposureLimit{limit, other})
		limits, err2 := tx.Limits("lung")
		equal(t, "limits of lung", limits, []anchorhold.ExposureLimit{other})
		got, err3 := tx.Exposed(all)
		equal(t, "sum", got, sum)
		accounts, err4 := tx.Accounts("heart")
		equal(t, "accounts", accounts, []anchorhold.ExposureAccount{all, ada})
		return errors.Join(err, err2, err3, err4)
	})
	update(t, s, func(tx store.Tx) error { return tx.DeleteLimit(all) })
	view(t, s, func(tx store.Tx) error {
		limits, err := tx.Limits("")
		equal(t, "limits that are left", limits, []anchorhold.ExposureLimit{other})
		return err
	})
}

func questions(t *testing.T, s store.Store) {
	q := anchorhold.Question{ID: "que-1", Key: "k", Author: "pri-1", Dataset: "heart", Population: "p", SQL: "s", State: anchorhold.QuestionReserved, Asked: clock}
	other := anchorhold.Question{ID: "que-2", Key: "k", Author: "pri-2", Dataset: "heart", Population: "p", SQL: "s", State: anchorhold.QuestionReserved, Asked: clock}
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.PutQuestion(q), tx.PutQuestion(other)) })
	view(t, s, func(tx store.Tx) error {
		if _, err := tx.AnsweredQuestion("k"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("what was not answered: %v", err)
		}
		return nil
	})
	ended := clock
	other.State, other.Answer, other.Ended = anchorhold.QuestionAnswered, json.RawMessage(`{"a":1}`), &ended
	other.Envelope, other.LogIndex = json.RawMessage(`{"payload":""}`), 7
	update(t, s, func(tx store.Tx) error { return tx.PutQuestion(other) })
	view(t, s, func(tx store.Tx) error {
		got, err := tx.AnsweredQuestion("k")
		equal(t, "the answered question", got, other)
		got, err2 := tx.Question("que-1")
		equal(t, "the other", got, q)
		knows, err3 := tx.KnowsAnswer("pri-2", "k")
		not, err4 := tx.KnowsAnswer("pri-1", "k")
		equal(t, "who knows it", []bool{knows, not}, []bool{true, false})
		reserved, err6 := tx.ReservedQuestions()
		equal(t, "what waits", reserved, []anchorhold.Question{q})
		other.Key, other.Answer, other.Envelope, other.LogIndex = "", nil, nil, 0
		list, _, err5 := tx.ListQuestions(store.QuestionFilter{Author: "pri-2", Dataset: "heart"}, store.Page{})
		equal(t, "a list", list, []anchorhold.Question{other})
		return errors.Join(err, err2, err3, err4, err5, err6)
	})
	update(t, s, func(tx store.Tx) error {
		_, err := tx.ForgetDataset("heart", clock)
		return err
	})
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Question("que-2")
		equal(t, "an answer about a dataset that was taken back", string(got.Answer), "")
		return err
	})
}
