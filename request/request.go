// Package request is where a question becomes a request and people decide on it.
//
// A request is immutable: a code digest, parameter values, asset versions,
// purpose and author. Submitted again while it is open it is the same request;
// submitted after an end it opens anew, for a new decision unless a grant still
// holds. Nobody decides on their own request (policy), everybody who must
// decide has decided before a run is queued (here), and run and approval are
// queued in one transaction (books). Each of these is a test of this package.
package request

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Limits on what people write.
const (
	MaxText    = 4096 // bytes of a purpose, reason, question or answer
	MaxUses    = 10_000
	MaxExpires = 5 * 365 * 24 * time.Hour
)

// Service takes submissions and decisions.
type Service struct {
	Books *books.Books
	// Policy says whether who asked some time ago may still ask.
	Policy *policy.Authorizer
	// HasEnvironment says whether the site offers an environment by its lock.
	HasEnvironment func(lock string) bool
	// EnvironmentBuilt says whether code can run in it here and now.
	EnvironmentBuilt func(lock string) bool
	// Wake tells the queue that a run may be waiting. It must not block.
	Wake func()
	// Unchanged looks whether the private sides of assets are still what was
	// registered.
	Unchanged func(ctx context.Context, assets []anchorhold.AssetRef) error
	// Most is what a run may use here; nobody may expect more. Zero fields are unbounded.
	Most anchorhold.Resources
}

// Submission is what a researcher sends.
type Submission struct {
	Code    anchorhold.Code                `json:"code"`
	Assets  map[string]anchorhold.AssetRef `json:"assets"` // dataset and asset by parameter name
	Values  map[string]json.RawMessage     `json:"parameters,omitempty"`
	Purpose string                         `json:"purpose"`
	Study   string                         `json:"study,omitempty"`
	Expect  *anchorhold.Resources          `json:"expect,omitempty"`
}

// Datasets lists the names of the datasets that a submission touches, sorted.
func (s Submission) Datasets() []string { return datasets(s.Assets) }

func datasets(assets map[string]anchorhold.AssetRef) []string {
	var names []string
	for _, a := range assets {
		names = append(names, a.Dataset)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Submit accepts a submission by the permit's principal, who was permitted on
// every dataset in it.
func (s *Service) Submit(ctx context.Context, p policy.Permit, sub Submission) (anchorhold.Request, error) {
	codeDigest, values, err := s.check(sub)
	if err != nil {
		return anchorhold.Request{}, err
	}
	sub.Values = values
	if sub.Expect, err = s.expected(sub.Expect); err != nil {
		return anchorhold.Request{}, err
	}
	r, err := s.act(ctx, p, func(tx store.Tx) (string, books.Record, error) {
		r, err := s.resolve(tx, p, sub, codeDigest)
		if err != nil {
			return "", books.Record{}, err
		}
		if err := checkSamples(tx, r); err != nil {
			return "", books.Record{}, err
		}
		r, err = s.open(tx, p, r)
		return r.ID, books.Record{Subject: r.ID, Digest: r.Digest, Details: map[string]string{
			"code": r.CodeDigest, "datasets": strings.Join(sub.Datasets(), " "), "purpose": r.Purpose, "opening": strconv.Itoa(r.Opening),
		}}, err
	})
	if err == nil {
		s.Wake()
	}
	return r, err
}

// act carries out an act on a request and reads the request anew. Only its id is
// kept as the answer under an idempotency key: the code may be large, and what
// may be seen of a request changes.
func (s *Service) act(ctx context.Context, p policy.Permit, fn func(store.Tx) (string, books.Record, error)) (r anchorhold.Request, err error) {
	id, err := books.Act(ctx, s.Books, p, fn)
	if err != nil {
		return r, err
	}
	err = s.Books.View(ctx, func(tx store.Tx) error {
		r, err = tx.Request(id)
		return err
	})
	return r, err
}

// check refuses what can be refused without the database.
func (s *Service) check(sub Submission) (codeDigest string, values map[string]json.RawMessage, err error) {
	if err := digest.ValidateCode(sub.Code); err != nil {
		return "", nil, err
	}
	if err := CheckText("purpose", sub.Purpose, true); err != nil {
		return "", nil, err
	}
	if err := checkStudy(sub.Study); err != nil {
		return "", nil, err
	}
	if !s.HasEnvironment(sub.Code.Environment) {
		return "", nil, anchorhold.Errorf(anchorhold.Invalid, "submit with one that the site lists, or ask the owner to add yours",
			"this site does not offer the environment that the code names")
	}
	if values, err = digest.CheckValues(sub.Code, sub.Values); err != nil {
		return "", nil, err
	}
	codeDigest, err = digest.Code(sub.Code)
	return codeDigest, values, err
}

func checkStudy(name string) error {
	if len(name) > 200 || strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
		return anchorhold.Errorf(anchorhold.Invalid, "use a short plain name", "the study's name is too long or holds control characters")
	}
	return nil
}

// CheckText refuses what people write when it is too long, is no plain text or,
// where it is required, says nothing; what is the word for it in the error.
func CheckText(what, text string, required bool) error {
	if required && strings.TrimSpace(text) == "" {
		return anchorhold.Errorf(anchorhold.Invalid, "say it in a sentence", "the %s is empty", what)
	}
	if len(text) > MaxText {
		return anchorhold.Errorf(anchorhold.TooLarge, "shorten it", "the %s is longer than %d bytes", what, MaxText)
	}
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	if !utf8.ValidString(text) || strings.ContainsFunc(text, control) {
		return anchorhold.Errorf(anchorhold.Invalid, "write plain text", "the %s holds control characters or is not UTF-8", what)
	}
	return nil
}

// resolve finds the asset versions that a submission means and names the
// request by its digest.
func (s *Service) resolve(tx store.Tx, p policy.Permit, sub Submission, codeDigest string) (anchorhold.Request, error) {
	r := anchorhold.Request{
		CodeDigest: codeDigest, Code: sub.Code, Author: p.Principal().ID, AuthorName: p.Principal().Name(),
		Values: sub.Values, Purpose: sub.Purpose, Study: sub.Study, Expect: sub.Expect,
	}
	var err error
	if r.Assets, err = versions(tx, sub.Code, sub.Assets, withPrivate); err != nil {
		return r, err
	}
	r.Digest, err = digest.Request(digest.Asked{
		Code: codeDigest, Values: r.Values, Assets: r.Assets, Purpose: r.Purpose, Author: r.AuthorName, Study: r.Study, Expect: r.Expect,
	})
	return r, err
}

// versions resolves the assets that are given to code's parameters, one to each
// that takes one.
func versions(tx store.Tx, code anchorhold.Code, given map[string]anchorhold.AssetRef, usable side) (map[string]anchorhold.AssetRef, error) {
	out := map[string]anchorhold.AssetRef{}
	for _, param := range code.Parameters {
		if param.Kind != "asset" {
			continue
		}
		ref, ok := given[param.Name]
		if !ok {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "name the asset for it", "no asset is given for the parameter %q", param.Name)
		}
		full, kind, err := current(tx, ref, usable)
		if err != nil {
			return nil, err
		}
		if types := digest.AssetTypesOf(kind); !slices.Contains(types, param.Type) {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "annotate the parameter for one of: "+strings.Join(types, ", "),
				"the parameter %q asks for %s, and %s/%s is of the kind %s", param.Name, param.Type, ref.Dataset, ref.Asset, kind)
		}
		out[param.Name] = full
	}
	if len(out) == 0 {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give at least one asset", "the request uses no asset")
	}
	for name := range given {
		if _, ok := out[name]; !ok {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "add it to the function's parameters, or leave the asset out",
				"the function has no parameter %q to take an asset", name)
		}
	}
	return out, nil
}

// side says whether a version has the side that is wanted.
type side func(anchorhold.Version) error

func withPrivate(v anchorhold.Version) error {
	if v.Private == nil {
		return anchorhold.Errorf(anchorhold.Conflict, "ask the owner", "the private side of this asset is not at this site")
	}
	if v.Live {
		return anchorhold.Errorf(anchorhold.Conflict, "ask in SQL: anchorhold query; or ask its owner to offer a file", "this asset stays in its owner's database, on which no code is run")
	}
	return nil
}

func withMock(v anchorhold.Version) error {
	if v.Mock == nil {
		return anchorhold.Errorf(anchorhold.Conflict, "ask the owner for one", "this asset has no mock")
	}
	return nil
}

// current resolves an asset by name to its newest version, and gives its kind.
func current(tx store.Tx, ref anchorhold.AssetRef, usable side) (full anchorhold.AssetRef, kind string, err error) {
	d, err := tx.Dataset(ref.Dataset)
	if errors.Is(err, store.ErrNotFound) {
		return ref, "", policy.Missing(policy.TypeDataset, ref.Dataset)
	}
	if err != nil {
		return ref, "", err
	}
	if err := takes(d); err != nil {
		return ref, "", err
	}
	a, ok := d.Asset(ref.Asset)
	if !ok {
		return ref, "", anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold dataset show "+d.Name+"`",
			"the dataset %q has no asset %q", d.Name, ref.Asset)
	}
	if err := usable(a.Version); err != nil {
		return ref, "", err
	}
	ref.Version = a.Version.ID
	return ref, a.Version.KindOf(), nil
}

// open stores a new request, returns the one that is already open, or opens an
// ended one anew: with a run at once where a grant still holds.
func (s *Service) open(tx store.Tx, p policy.Permit, r anchorhold.Request) (anchorhold.Request, error) {
	now := s.Books.Now()
	before, err := tx.RequestByDigest(r.Digest)
	switch {
	case errors.Is(err, store.ErrNotFound):
		r.ID, r.Opening, r.Created, r.Opened = anchorhold.NewID(anchorhold.PrefixRequest), 1, now, now
	case err != nil:
		return r, err
	case !StateOf(before, now).Ended():
		return s.start(tx, p, before)
	default:
		r = remembered(before, r)
		r.Opening, r.Opened, r.Withdrawn = before.Opening+1, now, false
	}
	if r.Undecided, err = undecidedUntil(tx, r, now); err != nil {
		return r, err
	}
	if err := tx.PutRequest(r); err != nil {
		return r, err
	}
	return s.start(tx, p, r)
}

// undecidedUntil is when a request that opens now expires without a decision:
// after the shortest time that the owner of one of its datasets set.
func undecidedUntil(tx store.Tx, r anchorhold.Request, now time.Time) (*time.Time, error) {
	var until *time.Time
	for _, name := range datasets(r.Assets) {
		d, err := tx.Dataset(name)
		if err != nil {
			return nil, err
		}
		end := now.AddDate(0, 0, cmp.Or(d.RequestDays, anchorhold.DefaultRequestDays))
		if until == nil || end.Before(*until) {
			until = &end
		}
	}
	return until, nil
}

// start queues a run of an undecided request where a grant covers it; what
// waits for a decision is tried on the mocks.
func (s *Service) start(tx store.Tx, p policy.Permit, r anchorhold.Request) (anchorhold.Request, error) {
	now := s.Books.Now()
	if state := StateOf(r, now); state != anchorhold.StatePending && state != anchorhold.StateAsked {
		return r, nil
	}
	g, found, err := standing(tx, r, now)
	if err != nil {
		return r, err
	}
	if found {
		if err := room(tx, r.Author); err != nil {
			return r, err
		}
		if err := s.queue(tx, policy.SiteAct(p.Action(), g.ID), r, g); err != nil {
			return r, err
		}
		return tx.Request(r.ID)
	}
	if err := s.tryFor(tx, r); err != nil {
		return r, err
	}
	return tx.Request(r.ID)
}

// room refuses one more run of somebody who has as many as they may. Only what
// people ask for is refused: a run that an owner approves is queued in any case.
func room(tx store.Tx, author string) error {
	q, err := tx.Quota(author)
	if err != nil || q.Queued == 0 {
		return err
	}
	n, err := tx.CountQueued(author)
	if err == nil && n >= q.Queued {
		err = anchorhold.Errorf(anchorhold.Conflict, "submit again when some have ended, or ask the owner for a larger quota",
			"%d of your runs have not ended, and more may not wait at once", n)
	}
	return err
}

// queue adds a run under a grant, consuming one of its uses.
func (s *Service) queue(tx store.Tx, p policy.Permit, r anchorhold.Request, g anchorhold.Grant) error {
	g.Used++
	if err := tx.PutGrant(g); err != nil {
		return err
	}
	run := anchorhold.Run{
		ID: anchorhold.NewID(anchorhold.PrefixRun), Request: r.ID, Opening: r.Opening, Grant: g.ID, Study: r.Study,
		State: anchorhold.RunQueued, Queued: s.Books.Now(), Priority: r.Priority,
	}
	if err := tx.PutRun(run); err != nil {
		return err
	}
	_, err := s.Books.Enter(tx, p, books.Record{Subject: run.ID, Digest: r.Digest, Details: map[string]string{"queued": r.ID}})
	return err
}
