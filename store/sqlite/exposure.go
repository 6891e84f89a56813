package sqlite

import (
	"database/sql"
	"errors"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutLimit(l anchorhold.ExposureLimit) error {
	body, err := encode(l)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO exposure_limit(population, scope, name, body) VALUES (?, ?, ?, ?)
		ON CONFLICT(population, scope, name) DO UPDATE SET body = excluded.body`, l.Population, l.Scope, l.Name, body)
}

func (t *tx) DeleteLimit(a anchorhold.ExposureAccount) error {
	return t.exec("DELETE FROM exposure_limit WHERE population = ? AND scope = ? AND name = ?", a.Population, a.Scope, a.Name)
}

func (t *tx) Limits(population string) ([]anchorhold.ExposureLimit, error) {
	var out []anchorhold.ExposureLimit
	err := t.each("SELECT body FROM exposure_limit WHERE ?1 IN ('', population) ORDER BY population, scope, name", []any{population}, func(r *sql.Rows) error {
		var body string
		var l anchorhold.ExposureLimit
		if err := r.Scan(&body); err != nil {
			return err
		}
		err := decode(body, &l)
		out = append(out, l)
		return err
	})
	return out, err
}

func (t *tx) Exposed(a anchorhold.ExposureAccount) (s anchorhold.Exposed, err error) {
	err = t.scan("SELECT pure, rho, delta, plain, plain_delta FROM exposure_sum WHERE population = ? AND scope = ? AND name = ?",
		[]any{a.Population, a.Scope, a.Name}, &s.Pure, &s.Rho, &s.Delta, &s.Plain, &s.PlainDelta)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return s, err
}

func (t *tx) PutExposed(a anchorhold.ExposureAccount, s anchorhold.Exposed) error {
	return t.exec(`INSERT INTO exposure_sum(population, scope, name, pure, rho, delta, plain, plain_delta) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(population, scope, name) DO UPDATE SET pure = excluded.pure, rho = excluded.rho, delta = excluded.delta,
		plain = excluded.plain, plain_delta = excluded.plain_delta`,
		a.Population, a.Scope, a.Name, s.Pure, s.Rho, s.Delta, s.Plain, s.PlainDelta)
}

func (t *tx) Accounts(population string) (out []anchorhold.ExposureAccount, err error) {
	err = t.each("SELECT scope, name FROM exposure_sum WHERE population = ? ORDER BY scope, name", []any{population}, func(r *sql.Rows) error {
		a := anchorhold.ExposureAccount{Population: population}
		err := r.Scan(&a.Scope, &a.Name)
		out = append(out, a)
		return err
	})
	return out, err
}
