// Package question is the way of a question in SQL that is answered at once: who
// may ask is decided by policy, and whether there is an answer by the ledger.
//
// It promises that what an answer costs is reserved durably before anything of the
// data is touched, and stays charged whatever happens then; that refusals and
// prices depend on the question, on what owners stated, on limits and on the
// ledger, never on data; that a researcher's text is parsed where no data are, and
// that an engine receives only SQL that package query wrote; that what an engine
// answers is held against the bounds of the plan before noise is added, here, by
// exact samplers; that an answer leaves at one of few fixed times; and that the
// same question on the same version has one answer, which the population pays for
// once. It must never give an error of an engine, or an exact number, to anybody.
package question

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/dp/query"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/failpoint"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Engines parse questions and open engines over the tables of a dataset.
type Engines interface {
	// Parse has a text parsed where no data are, for one researcher.
	Parse(ctx context.Context, who, sql string) (tree []byte, err error)
	// Engine opens an engine over a dataset's tables for one researcher. open opens the
	// files of those that are files.
	Engine(ctx context.Context, who string, d anchorhold.Dataset, open func(context.Context) ([]*os.File, error)) (engine.Engine, error)
	// End ends all that goes on over a dataset, for good.
	End(dataset string)
}

// Service answers questions.
type Service struct {
	Books   *books.Books
	Engines Engines // nil while the site does not serve
	Pool    *dp.Pool
	// Find finds a dataset with its newest versions, and Open opens the files of its
	// tables, in the order of its assets, each as it was registered.
	Find func(ctx context.Context, name string) (anchorhold.Dataset, error)
	Open func(ctx context.Context, d anchorhold.Dataset) ([]*os.File, error)
	// Secret is the key by which the choice of a unit's groups is drawn.
	Secret []byte
	Wait   func(ctx context.Context, until time.Time) error // nil: time.Sleep, or the end of ctx
}

// End ends all that goes on over a dataset that was withdrawn: nothing of it stays open.
func (s *Service) End(dataset string) {
	if s.Engines != nil {
		s.Engines.End(dataset)
	}
}

// Asked is a question.
type Asked struct {
	SQL   string  `json:"sql" minLength:"1" maxLength:"100000"`
	Study string  `json:"study,omitempty" maxLength:"100"`
	Level float64 `json:"level,omitempty" minimum:"0" exclusiveMaximum:"1" doc:"of the intervals; default 0.95"`
}

// Quote is what an answer would cost, and how exact it would be.
type Quote struct {
	Price exposure.Amount `json:"price"`
	Items []QuotedItem    `json:"items"`
	// Level is the probability with which an item lies within its ±.
	Level float64 `json:"level"`
}

// QuotedItem is a column of the answer.
type QuotedItem struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // "key", an aggregate, or "expression"
	// PlusMinus is the half-width of the interval; of a mean, a variance or what is
	// made of pairs for each of a few sizes of a group, since it depends on that. Of
	// quantiles it is Ranks: by how many rows one may be off its place.
	PlusMinus *float64           `json:"plus_minus,omitempty"`
	BySize    map[string]float64 `json:"plus_minus_by_group_size,omitempty"`
	Ranks     *float64           `json:"plus_minus_ranks,omitempty"`
	// Noise is that of each value, where it is one released number.
	Noise *dp.Noise `json:"noise,omitempty"`
}

// Answer is what leaves.
type Answer struct {
	ID         string          `json:"id"`
	Columns    []QuotedItem    `json:"columns"`
	Rows       [][]Cell        `json:"rows"`
	Level      float64         `json:"level"`
	Price      exposure.Amount `json:"price"`
	Mechanism  string          `json:"mechanism"`
	Population string          `json:"population"`
	// Again says that the answer was there already: the population was not charged.
	Again bool `json:"again,omitempty"`
	// Late counts the fixed times that passed before the answer was ready.
	Late int `json:"late,omitempty"`

	made *made
}

// Levels of intervals; an interval is made of several, whose misses share what a
// level leaves.
const (
	defaultLevel = 0.95
	leastLevel   = 0.01
	mostLevel    = 1 - 1e-9
)

// prepared is a question that could be answered.
type prepared struct {
	asked   Asked
	dataset anchorhold.Dataset
	plan    *query.Plan
	price   price
	amount  exposure.Amount
	noise   *mechanisms
	key     string
}

// Quote says what a question would cost, and touches no data.
func (s *Service) Quote(ctx context.Context, p policy.Permit, name string, a Asked) (Quote, error) {
	q, err := s.prepare(ctx, p.Principal(), name, a)
	if err != nil {
		return Quote{}, err
	}
	items, err := q.items()
	return Quote{Price: q.amount, Items: items, Level: q.asked.Level}, err
}

// prepare does all that needs no data.
func (s *Service) prepare(ctx context.Context, who anchorhold.Principal, name string, a Asked) (*prepared, error) {
	if a.Level == 0 {
		a.Level = defaultLevel
	}
	if !(a.Level >= leastLevel && a.Level <= mostLevel) {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "name one such as 0.95", "the level of the intervals is not between %v and %v", leastLevel, mostLevel)
	}
	a.SQL = strings.TrimSpace(a.SQL)
	if a.Study != "" && !who.In(anchorhold.ScopeStudy(a.Study)) {
		return nil, anchorhold.Errorf(anchorhold.Denied, "leave it out, or ask an owner to add you to it", "you are in no study of the name %q", a.Study)
	}
	d, err := s.Find(ctx, name)
	if err != nil {
		return nil, err
	}
	if d.State != anchorhold.DatasetOpen {
		return nil, anchorhold.Errorf(anchorhold.Conflict, "ask its owner", "the dataset %q is %s", name, d.State)
	}
	if missing := d.MissingPrivacy(); len(missing) > 0 {
		return nil, anchorhold.Errorf(anchorhold.Conflict, "submit code for a review; or its owner states: "+strings.Join(missing, "; "), "the dataset %q is for review only", name)
	}
	q := &prepared{asked: a, dataset: d}
	if q.plan, err = s.planOf(ctx, who, d, a.SQL, q); err != nil {
		return nil, err
	}
	if q.amount, err = q.price.amount(); err != nil {
		return nil, err
	}
	if q.noise, err = newMechanisms(q.plan, q.price); err != nil {
		return nil, err
	}
	err = q.name()
	return q, err
}

// planOf parses, lowers, bounds and prices.
func (s *Service) planOf(ctx context.Context, who anchorhold.Principal, d anchorhold.Dataset, sql string, q *prepared) (*query.Plan, error) {
	plain, options, err := query.Lift(sql)
	if err != nil {
		return nil, refused(err)
	}
	if s.Engines == nil {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "start it: anchorhold serve", "questions in SQL are answered by a site that serves")
	}
	tree, err := s.Engines.Parse(ctx, who.ID, plain)
	if err != nil {
		return nil, err
	}
	lowered, err := query.Lower(tree, plain, options, schemaOf(d))
	if err != nil {
		return nil, refused(err)
	}
	plan, err := lowered.Bound(privacyOf(d))
	if err != nil {
		return nil, refused(err)
	}
	if options.Within > 0 {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "name the price: OPTIONS(epsilon=0.1); the quote says how exact the answer is", "a precision cannot be named yet")
	}
	limit, err := s.limit(ctx, d.Population)
	if err != nil {
		return nil, err
	}
	q.price, err = priceOf(limit, options, d.Privacy.Price, selects(plan))
	return plan, err
}

func (s *Service) limit(ctx context.Context, population string) (l account.Limit, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		l, err = exposure.LimitOf(tx, population)
		return err
	})
	return l, err
}

// name sets what is equal for equal questions.
func (q *prepared) name() error {
	versions := map[string]string{}
	for _, a := range q.dataset.Assets {
		versions[a.Name] = a.Version.ID
	}
	text, err := digest.Marshal(map[string]any{
		"sql": q.asked.SQL, "versions": versions, "privacy": q.dataset.Privacy, "price": q.amount,
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	q.key = hex.EncodeToString(sum[:])
	return nil
}

// Ask answers a question.
func (s *Service) Ask(ctx context.Context, p policy.Permit, name string, a Asked) (Answer, error) {
	q, err := s.prepare(ctx, p.Principal(), name, a)
	if err != nil {
		return Answer{}, err
	}
	asked, err := s.reserve(ctx, p, q)
	if err != nil {
		return Answer{}, err
	}
	switch asked.State {
	case anchorhold.QuestionAnswered:
		return again(asked, q.asked.Level)
	case anchorhold.QuestionFailed:
		return Answer{}, engine.Failed.Err()
	case anchorhold.QuestionReserved:
	}
	if asked.Key != q.key { // a call that is repeated: what was charged is not what would be answered now
		return Answer{}, changed()
	}
	failpoint.Hit("query/reserved")
	q.noise.prepare(s.Pool) // not before: who is refused costs nothing to draw for
	begun := s.Books.Now()
	// The act that reserved has used the call's key up. Who goes away is charged all
	// the same, and changes nothing: how far an engine has come by then would be told
	// by what becomes of the question, and when.
	ctx = books.WithoutKey(context.WithoutCancel(ctx))
	answer, err := s.within(ctx, q, asked)
	late, waited := s.leave(ctx, q.dataset, begun)
	answer.Late = late
	answer, err = s.finish(ctx, p, q, asked, answer, err)
	if err = errors.Join(err, waited); err != nil {
		return Answer{}, engineError(err)
	}
	return answer, nil
}

// within is answer, ended at a time that follows from what is stated.
func (s *Service) within(ctx context.Context, q *prepared, asked anchorhold.Question) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, longest+mostLate*waitOf(q.dataset))
	defer cancel()
	return s.answer(ctx, q, asked)
}

// engineError gives nothing of an engine's words to anybody, nor which way it
// failed: that may depend on rows.
func engineError(err error) error {
	var known *anchorhold.Error
	if engine.FailureOf(err) == "" && errors.As(err, &known) {
		return known
	}
	return engine.Failed.Err()
}

// reserve charges a question, or finds its answer.
func (s *Service) reserve(ctx context.Context, p policy.Permit, q *prepared) (anchorhold.Question, error) {
	who := p.Principal()
	return books.On(ctx, s.Books, p, questions(), func(tx store.Tx) (anchorhold.Question, books.Record, error) {
		if err := q.unchanged(tx); err != nil {
			return anchorhold.Question{}, books.Record{}, err
		}
		asked := anchorhold.Question{
			ID: anchorhold.NewID(anchorhold.PrefixQuestion), Key: q.key, Author: who.ID, AuthorName: who.Name(), Study: q.asked.Study,
			Dataset: q.dataset.Name, Population: q.dataset.Population, SQL: q.asked.SQL, State: anchorhold.QuestionReserved, Asked: s.Books.Now(),
		}
		charge := exposure.Charge{
			Principal: who.ID, Study: asked.Study, Subject: asked.ID, What: "an answer to a question in SQL about " + q.dataset.Name,
			Populations: []string{asked.Population}, Amount: q.amount,
		}
		before, err := tx.AnsweredQuestion(q.key)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return asked, books.Record{}, err
		default:
			knows, err := tx.KnowsAnswer(who.ID, q.key)
			if err != nil {
				return asked, books.Record{}, err
			}
			asked.State, asked.Of, asked.Answer, charge.Again = anchorhold.QuestionAnswered, before.ID, before.Answer, true
			if knows {
				return asked, books.Record{Subject: asked.ID, Digest: digest.SHA256(asked.Answer)}, tx.PutQuestion(asked)
			}
		}
		if err := exposure.Reserve(tx, s.Books.Now(), charge); err != nil {
			return asked, books.Record{}, overWords(err, q.amount)
		}
		record, err := recorded(asked, charge)
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

func changed() error {
	return anchorhold.Errorf(anchorhold.Conflict, "ask it anew", "what is stated about the dataset has changed since this was asked")
}

// unchanged looks again at what a question was prepared from, in the act that
// charges it.
func (q *prepared) unchanged(tx store.Tx) error {
	now, err := tx.Dataset(q.dataset.Name)
	if err != nil {
		return err
	}
	before, err := digest.Marshal(q.dataset.Privacy)
	if err != nil {
		return err
	}
	stated, err := digest.Marshal(now.Privacy)
	if err != nil {
		return err
	}
	if now.State != q.dataset.State || now.Population != q.dataset.Population || !bytes.Equal(before, stated) {
		return changed()
	}
	return nil
}

// stillOpen says whether answers about the dataset may leave.
func (q *prepared) stillOpen(tx store.Tx) error {
	now, err := tx.Dataset(q.dataset.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err != nil || now.ID != q.dataset.ID || now.State != anchorhold.DatasetOpen {
		return anchorhold.Errorf(anchorhold.Conflict, "ask its owner", "the dataset %q was frozen or withdrawn before there was an answer", q.dataset.Name)
	}
	return nil
}

func questions() books.Kind[anchorhold.Question] {
	return books.Kind[anchorhold.Question]{Name: func(q anchorhold.Question) string { return q.ID }, Find: store.Tx.Question}
}

// overWords says in words what still fits where a limit was met.
func overWords(err error, asked exposure.Amount) error {
	var over *exposure.Over
	if !errors.As(err, &over) {
		return err
	}
	left := over.Left()
	remedy := "nothing is left to spend: ask the owner, or submit code for a review"
	switch e := fits(over.Limit, left); {
	case e > 0 && !over.Limit.Pure() && asked.ZCDPDelta > left.Delta:
		remedy = "name the groups: WHERE key IN (…); those that are found in the data need a delta, of which " + left.Delta.String() + " is left"
	case e > 0:
		remedy = "ask for less precision: epsilon=" + e.String() + " still fits"
	}
	return anchorhold.Errorf(anchorhold.Conflict, remedy, "%s", over.Error())
}

// fits is the most that one more question can cost, in few digits: its noise is
// chosen by the δ that the limit keeps for conversion.
func fits(l account.Limit, left account.Charge) account.Epsilon {
	e := left.Pure
	if !l.Pure() {
		e = left.Rho.Epsilon(l.Conversion)
	}
	step := account.Epsilon(1)
	for step*1000 < e {
		step *= 10
	}
	e -= e % step
	for e > 0 && !l.Pure() && account.RhoFor(e, l.Conversion) > left.Rho {
		e -= step
	}
	return max(e, 0)
}

// again gives an answer that was there already.
func again(q anchorhold.Question, level float64) (Answer, error) {
	a, err := told(q.Answer, level)
	a.ID, a.Again, a.Late = q.ID, true, 0
	return a, err
}

// Answered gives an answer once more, with its intervals at a level; 0 is the
// level at which it was asked for. Nothing is charged: all of it is computed from
// what was released.
func Answered(q anchorhold.Question, level float64) (Answer, error) {
	switch {
	case q.State != anchorhold.QuestionAnswered:
		return Answer{}, anchorhold.Errorf(anchorhold.Conflict, "ask anew", "the question %s has no answer", q.ID)
	case len(q.Answer) == 0:
		return Answer{}, anchorhold.Errorf(anchorhold.NotFound, "ask anew", "the answer of %s is no longer kept", q.ID)
	}
	return again(q, level)
}

// answer has partials computed and adds noise to them.
func (s *Service) answer(ctx context.Context, q *prepared, asked anchorhold.Question) (Answer, error) {
	e, err := s.Engines.Engine(ctx, asked.Author, q.dataset, func(ctx context.Context) ([]*os.File, error) { return s.Open(ctx, q.dataset) })
	if err != nil {
		return Answer{}, err
	}
	shown, err := q.partials(ctx, e, s.Secret, s.Pool)
	if err != nil {
		return Answer{}, err
	}
	items, err := q.items()
	if err != nil {
		return Answer{}, err
	}
	a := Answer{ID: asked.ID, Columns: items, Rows: [][]Cell{}, Level: q.asked.Level, Price: q.amount, Mechanism: q.mechanism(), Population: asked.Population}
	a.Rows, a.made, err = q.rows(shown)
	return a, err
}

func (q *prepared) mechanism() string {
	if q.price.rho == 0 {
		return string(dp.LaplaceNoise)
	}
	return string(dp.GaussianNoise)
}

// finish records what became of a question before its answer leaves. Of two that
// answer one question at the same time, as after a call that is repeated, the
// first has answered it, and the other's noise is seen by nobody. Over a dataset that
// was frozen or withdrawn meanwhile nothing leaves, and no answer is kept.
func (s *Service) finish(ctx context.Context, p policy.Permit, q *prepared, asked anchorhold.Question, a Answer, failed error) (Answer, error) {
	err := failed
	_, acted := books.Act(ctx, s.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
		record := books.Record{Action: "query.answer", Subject: asked.ID}
		now, more := tx.Question(asked.ID)
		if more != nil {
			return struct{}{}, record, more
		}
		if failed == nil {
			failed = q.stillOpen(tx)
			err = failed
		}
		switch {
		case now.State == anchorhold.QuestionAnswered:
			record.Action, record.Digest = "query.repeat", digest.SHA256(now.Answer)
			a, err = told(now.Answer, a.Level)
			return struct{}{}, record, err
		case failed != nil:
			record.Action, now.State = "query.fail", anchorhold.QuestionFailed
			return struct{}{}, record, tx.PutQuestion(now)
		}
		text, err := json.Marshal(kept{a, a.made})
		if err != nil {
			return struct{}{}, record, err
		}
		now.State, now.Answer, record.Digest = anchorhold.QuestionAnswered, text, digest.SHA256(text)
		return struct{}{}, record, tx.PutQuestion(now)
	})
	failpoint.Hit("query/answered")
	return a, errors.Join(err, acted)
}

// Fixed times at which answers leave: multiples of one that follows from what is
// stated, so that when an answer comes tells nothing of the rows.
const (
	leastWait = 500 * time.Millisecond
	rowsASec  = 4_000_000 // that an engine is expected to bound in a second

	// No answer takes longer than this and so many of the fixed times.
	longest  = 5 * time.Minute
	mostLate = 20
)

func waitOf(d anchorhold.Dataset) time.Duration {
	rows := float64(d.Privacy.Size) * float64(max(d.Privacy.MaxRows, 1)) * float64(max(d.Privacy.MaxGroups, 1))
	return leastWait + time.Duration(min(rows/rowsASec, 600)*float64(time.Second)).Round(leastWait)
}

// leave waits for the next fixed time, and says how many have passed.
func (s *Service) leave(ctx context.Context, d anchorhold.Dataset, begun time.Time) (late int, err error) {
	each := waitOf(d)
	late = int(s.Books.Now().Sub(begun) / each)
	until := begun.Add(time.Duration(late+1) * each)
	if s.Wait != nil {
		return late, s.Wait(ctx, until)
	}
	timer := time.NewTimer(until.Sub(s.Books.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return late, nil
	case <-ctx.Done():
		return late, ctx.Err()
	}
}

// tables are the assets of a dataset that questions can name.
func tables(d anchorhold.Dataset) []anchorhold.Asset {
	return slices.DeleteFunc(slices.Clone(d.Assets), func(a anchorhold.Asset) bool { return a.Kind != anchorhold.KindTable })
}
