package exposure

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// NewLimit is a limit as an owner states it.
type NewLimit struct {
	Population string                   `json:"population" minLength:"1" maxLength:"100"`
	Scope      anchorhold.ExposureScope `json:"scope,omitempty" enum:",population,researcher,study,exploration,question" doc:"what it counts; default: all answers about the population"`
	Name       string                   `json:"name,omitempty" maxLength:"200" doc:"e-mail address of a researcher, or a study; empty: each of them"`
	Epsilon    string                   `json:"epsilon,omitempty" maxLength:"40" doc:"decimal; empty: the limit ends"`
	Delta      string                   `json:"delta,omitempty" maxLength:"40" doc:"decimal; empty: none, which admits mechanisms without a delta alone"`
	Reason     string                   `json:"reason,omitempty" maxLength:"2000" doc:"needed where more may be learnt than before"`
}

// SetLimit sets, changes or ends a limit. Where more may be learnt than before,
// a reason is needed: what was spent stays spent, and the raise is on record.
func (s *Service) SetLimit(ctx context.Context, p policy.Permit, n NewLimit) ([]anchorhold.ExposureLimit, error) {
	if n.Scope == "" {
		n.Scope = anchorhold.LimitPopulation
	}
	limit, err := n.limit()
	if err != nil {
		return nil, err
	}
	_, err = books.Act(ctx, s.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
		none := struct{}{}
		a, err := n.account(tx)
		if err != nil {
			return none, books.Record{}, err
		}
		own, before, after, err := change(tx, a, limit)
		if err != nil {
			return none, books.Record{}, err
		}
		raised, err := raises(tx, a, before, after)
		if err != nil {
			return none, books.Record{}, err
		}
		if raised && strings.TrimSpace(n.Reason) == "" {
			return none, books.Record{}, anchorhold.Errorf(anchorhold.Invalid, "say why: --reason TEXT", "more may be learnt than before, which needs a reason on record")
		}
		rec := books.Record{Subject: a.Population, Details: map[string]string{"scope": string(a.Scope), "name": a.Name, "reason": n.Reason, "limit": words(limit), "before": words(own)}}
		if limit == nil {
			if own == nil {
				return none, rec, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold ledger limits`", "there is no such limit")
			}
			return none, rec, tx.DeleteLimit(a)
		}
		return none, rec, tx.PutLimit(anchorhold.ExposureLimit{
			ExposureAccount: a, Epsilon: limit.Epsilon.String(), Delta: limit.Delta.String(), Conversion: limit.Conversion.String(), Rho: limit.Rho.String(),
			Set: s.Books.Now(), By: p.Principal().Name(), Reason: n.Reason,
		})
	})
	if err != nil {
		return nil, err
	}
	return s.Limits(ctx, n.Population)
}

// Limits lists the limits of a population, or all of them for an empty name.
func (s *Service) Limits(ctx context.Context, population string) (out []anchorhold.ExposureLimit, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		out, err = tx.Limits(population)
		return err
	})
	return out, err
}

// limit reads what was stated; nil ends the limit.
func (n NewLimit) limit() (*account.Limit, error) {
	if n.Epsilon == "" && n.Delta == "" {
		return nil, nil //nolint:nilnil // no limit
	}
	e, err := account.ParseEpsilon(n.Epsilon)
	if err != nil {
		return nil, refused(err)
	}
	if n.Delta == "" {
		l, err := account.PureLimit(e)
		return &l, refused(err)
	}
	d, err := account.ParseDelta(n.Delta)
	if err != nil {
		return nil, refused(err)
	}
	l, err := account.NewLimit(e, d)
	return &l, refused(err)
}

// refused says what a parameter lacks in the words of package account.
func refused(err error) error {
	var wrong *account.Error
	if errors.As(err, &wrong) {
		return anchorhold.Errorf(anchorhold.Invalid, wrong.Remedy, "%s", wrong.Problem)
	}
	return err
}

// account finds whom the limit is for. A population is known by its datasets.
func (n NewLimit) account(tx store.Tx) (anchorhold.ExposureAccount, error) {
	a := anchorhold.ExposureAccount{Population: n.Population, Scope: n.Scope, Name: n.Name}
	known, err := Populations(tx)
	if err != nil {
		return a, err
	}
	if !slices.Contains(known, n.Population) {
		return a, anchorhold.Errorf(anchorhold.NotFound, "see the population of a dataset: anchorhold dataset show NAME", "no dataset is about a population %q", n.Population)
	}
	switch n.Scope {
	case anchorhold.LimitStudy:
	case anchorhold.LimitResearcher:
		if n.Name == "" {
			break
		}
		who, err := tx.PrincipalByEmail(n.Name)
		if errors.Is(err, store.ErrNotFound) {
			err = policy.Missing(policy.TypeUser, n.Name)
		}
		if err != nil {
			return a, err
		}
		a.Name = who.ID
	case anchorhold.LimitPopulation, anchorhold.LimitExploration, anchorhold.LimitQuestion:
		if n.Name != "" {
			return a, anchorhold.Errorf(anchorhold.Invalid, "leave the name out", "a limit of this kind is for nobody by name")
		}
	default:
		return a, anchorhold.Errorf(anchorhold.Invalid, "choose population, researcher, study, exploration or question", "there is no such kind of limit")
	}
	return a, nil
}

// Populations lists whom the datasets of a site describe, each once.
func Populations(tx store.Tx) (out []string, err error) {
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		list, next, err := tx.ListDatasets(store.DatasetFilter{}, page, nil)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			out = append(out, d.Population)
		}
		if next == "" {
			slices.Sort(out)
			return slices.Compact(out), nil
		}
		page.Cursor = next
	}
}

// change gives an account's own limit, and which limit holds in it before and
// after that is replaced; nil is none.
func change(tx store.Tx, a anchorhold.ExposureAccount, to *account.Limit) (own, before, after *account.Limit, err error) {
	all, err := limitsOf(tx, a.Population)
	if err != nil {
		return nil, nil, nil, err
	}
	if l, ok := all[a]; ok {
		own = &l
	}
	if l, ok := all.of(a); ok {
		before = &l
	}
	delete(all, a)
	after = to
	if l, ok := all.of(a); ok && to == nil {
		after = &l
	}
	return own, before, after, nil
}

// raises says whether more may be learnt than before. No limit of a population
// admits nothing, and so does one of which all was spent; no limit of anything
// within it admits all.
func raises(tx store.Tx, a anchorhold.ExposureAccount, before, after *account.Limit) (bool, error) {
	if a.Scope == anchorhold.LimitPopulation && before == nil {
		spent, err := tx.Exposed(a)
		return after != nil && spent != anchorhold.Exposed{}, err
	}
	switch {
	case before == nil:
		return false, nil
	case after == nil:
		return a.Scope != anchorhold.LimitPopulation, nil
	case before.Pure() != after.Pure():
		return true, nil // the currencies do not compare
	}
	return after.Epsilon > before.Epsilon || after.Delta > before.Delta || after.Rho > before.Rho, nil
}

func words(l *account.Limit) string {
	switch {
	case l == nil:
		return "none"
	case l.Pure():
		return "ε " + l.Epsilon.String()
	}
	return "ε " + l.Epsilon.String() + ", δ " + l.Delta.String()
}
