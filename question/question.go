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
	"github.com/anchorhold/anchorhold/identity/keys"
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
	Keys *keys.SiteKeys // which sign receipts
	// Secret is the key by which the choice of a unit's groups is drawn.
	Secret []byte
	Wait   func(ctx context.Context, until time.Time) error // nil: time.Sleep, or the end of ctx

	turns turns
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
	// Within names the precision instead of the price: the largest ± of any aggregate.
	Within float64 `json:"within,omitempty" minimum:"0" doc:"the largest ± of any aggregate, at the level; instead of a price"`
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
	// Type is that of a key's values; all others are numbers, texts or truth values as
	// the question makes them.
	Type anchorhold.ColumnType `json:"type,omitempty"`
	// PlusMinus is the half-width of the interval; of a mean, a variance or what is
	// made of pairs for each of a few sizes of a group, since it depends on that. Of
	// quantiles it is Ranks: by how many rows one may be off its place.
	PlusMinus *float64           `json:"plus_minus,omitempty"`
	BySize    map[string]float64 `json:"plus_minus_by_group_size,omitempty"`
	Ranks     *float64           `json:"plus_minus_ranks,omitempty"`
	// Noise is that of each value, where it is one released number.
	Noise *dp.Noise `json:"noise,omitempty"`
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
	who     anchorhold.Principal
	asked   Asked
	dataset anchorhold.Dataset
	plan    *query.Plan
	price   price
	amount  exposure.Amount
	named   bool // the question names a δ
	noise   *mechanisms
	name    string // what is equal for equal questions
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
	q := &prepared{who: who, asked: a, dataset: d}
	if q.plan, err = s.planOf(ctx, who, d, a.SQL, q); err != nil {
		return nil, err
	}
	if err := s.receivable(q, who); err != nil {
		return nil, err
	}
	err = q.setName()
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
	limit, err := s.limit(ctx, d.Population)
	if err != nil {
		return nil, err
	}
	q.plan, q.named = plan, options.Delta > 0
	if err := precision(&q.asked, options); err != nil {
		return nil, err
	}
	return plan, q.buy(limit, options)
}

func (s *Service) limit(ctx context.Context, population string) (l account.Limit, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		l, err = exposure.LimitOf(tx, population)
		return err
	})
	return l, err
}

// setName sets what is equal for equal questions.
func (q *prepared) setName() error {
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
	q.name = hex.EncodeToString(sum[:])
	return nil
}

// Ask answers a question.
func (s *Service) Ask(ctx context.Context, p policy.Permit, name string, a Asked) (Answer, error) {
	done, err := s.turns.take(ctx, p.Principal().ID)
	if err != nil {
		return Answer{}, err
	}
	defer done()
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
		file, err := told(asked.Answer, q.asked.Level)
		return Answer{ID: asked.ID, File: file, Again: true}, err
	case anchorhold.QuestionFailed:
		return Answer{}, ended(asked)
	case anchorhold.QuestionReserved:
	}
	if asked.Key != q.name { // a call that is repeated: what was charged is not what would be answered now
		return Answer{}, changed()
	}
	failpoint.Hit("query/reserved")
	q.noise.prepare(s.Pool) // not before: who is refused costs nothing to draw for
	begun := s.Books.Now()
	// The act that reserved has used the call's key up. Who goes away is charged all
	// the same, and changes nothing: how far an engine has come by then would be told
	// by what becomes of the question, and when.
	ctx = books.WithoutKey(context.WithoutCancel(ctx))
	file, err := s.within(ctx, q)
	late, waited := s.leave(ctx, q.dataset, begun)
	failpoint.Hit("query/computed")
	file, err = s.finish(ctx, p, q, asked, file, err)
	if err = errors.Join(err, waited); err != nil {
		return Answer{}, engineError(err)
	}
	return Answer{ID: asked.ID, File: file, Late: late}, nil
}

// within is answer, ended at a time that follows from what is stated.
func (s *Service) within(ctx context.Context, q *prepared) (File, error) {
	ctx, cancel := context.WithTimeout(ctx, longest+mostLate*waitOf(q.dataset))
	defer cancel()
	return s.answer(ctx, q)
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
	file, err := told(q.Answer, level)
	return Answer{ID: q.ID, File: file, Again: true}, err
}

// answer has partials computed and adds noise to them.
func (s *Service) answer(ctx context.Context, q *prepared) (File, error) {
	e, err := s.Engines.Engine(ctx, q.who.ID, q.dataset, func(ctx context.Context) ([]*os.File, error) { return s.Open(ctx, q.dataset) })
	if err != nil {
		return File{}, err
	}
	shown, err := q.partials(ctx, e, s.Secret, s.Pool)
	if err != nil {
		return File{}, err
	}
	f, err := q.file()
	if err != nil {
		return File{}, err
	}
	f.Rows, f.made, err = q.rows(shown)
	q.showKeys(f.Rows)
	return f, err
}

func (q *prepared) mechanism() string {
	if q.price.rho == 0 {
		return string(dp.LaplaceNoise)
	}
	return string(dp.GaussianNoise)
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
