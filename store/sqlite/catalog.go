package sqlite

import (
	"database/sql"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutPrincipal(p anchorhold.Principal) error {
	body, err := encode(p)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO principal(id, email, body) VALUES (?, NULLIF(?, ''), ?)
		ON CONFLICT(id) DO UPDATE SET email = excluded.email, body = excluded.body`, p.ID, p.Email, body)
}

func (t *tx) principal(where, arg string) (p anchorhold.Principal, err error) {
	var body string
	if err := t.scan("SELECT body FROM principal WHERE "+where+" = ?", []any{arg}, &body); err != nil {
		return p, err
	}
	err = decode(body, &p)
	return p, err
}

func (t *tx) Principal(id string) (anchorhold.Principal, error) { return t.principal("id", id) }

func (t *tx) PrincipalByEmail(email string) (anchorhold.Principal, error) {
	return t.principal("email", email)
}

func (t *tx) ListPrincipals(p store.Page) ([]anchorhold.Principal, string, error) {
	return byName[anchorhold.Principal](t, "principal", "COALESCE(email, id)", p)
}

// byName reads a page of bodies sorted by a name column; the cursor is the last
// name of the page before.
func byName[T any](t *tx, table, name string, p store.Page) ([]T, string, error) {
	return page[T](t, "SELECT "+name+", body FROM "+table+" WHERE "+name+" > ? ORDER BY 1 LIMIT ?", []any{p.Cursor}, p)
}

func (t *tx) PutCredential(c anchorhold.Credential) error {
	body, err := encode(c)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO credential(id, principal, hash, body) VALUES (?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET body = excluded.body`, c.ID, c.Principal, c.Hash, body)
}

func (t *tx) CredentialByHash(hash []byte) (c anchorhold.Credential, err error) {
	var body string
	if err := t.scan("SELECT body FROM credential WHERE hash = ?", []any{hash}, &body); err != nil {
		return c, err
	}
	c.Hash = hash
	err = decode(body, &c)
	return c, err
}

func (t *tx) Credentials(principal string) (out []anchorhold.Credential, err error) {
	err = t.each("SELECT hash, body FROM credential WHERE principal = ? ORDER BY seq DESC", []any{principal},
		func(r *sql.Rows) error {
			var c anchorhold.Credential
			var body string
			if err := r.Scan(&c.Hash, &body); err != nil {
				return err
			}
			if err := decode(body, &c); err != nil {
				return err
			}
			out = append(out, c)
			return nil
		})
	return out, err
}

func (t *tx) PutDataset(d anchorhold.Dataset) error {
	d.Assets = nil
	body, err := encode(d)
	if err != nil {
		return err
	}
	err = t.exec(`INSERT INTO dataset(id, name, population, quorum, state, priority, body) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET name = excluded.name, population = excluded.population, quorum = excluded.quorum,
		state = excluded.state, priority = excluded.priority, body = excluded.body`, d.ID, d.Name, d.Population, d.Quorum, string(d.State), d.Priority, body)
	if err != nil {
		return err
	}
	return t.indexDataset(d.Name)
}

func (t *tx) DatasetHead(name string) (d anchorhold.Dataset, err error) {
	var body string
	if err := t.scan("SELECT body FROM dataset WHERE name = ?", []any{name}, &body); err != nil {
		return d, err
	}
	err = decode(body, &d)
	return d, err
}

func (t *tx) Dataset(name string) (d anchorhold.Dataset, err error) {
	if d, err = t.DatasetHead(name); err != nil {
		return d, err
	}
	one := []anchorhold.Dataset{d}
	err = t.fillAssets(one)
	return one[0], err
}

const versionColumns = "dataset, asset, id, body, mock_blob, index_blob, private_blob, secret, stamp"

// fillAssets adds every asset of datasets in its newest version.
func (t *tx) fillAssets(sets []anchorhold.Dataset) error {
	at := map[string]*anchorhold.Dataset{}
	names := []string{}
	for i := range sets {
		sets[i].Assets = []anchorhold.Asset{}
		at[sets[i].Name] = &sets[i]
		names = append(names, sets[i].Name)
	}
	list, err := encode(names)
	if err != nil {
		return err
	}
	return t.each("SELECT "+versionColumns+` FROM newest_version WHERE dataset IN (SELECT value FROM json_each(?)) ORDER BY dataset, asset`,
		[]any{list}, func(r *sql.Rows) error {
			ref, v, err := scanVersion(r.Scan)
			if err != nil {
				return err
			}
			d := at[ref.Dataset]
			d.Assets = append(d.Assets, anchorhold.Asset{Name: ref.Asset, Kind: v.KindOf(), Version: v})
			return nil
		})
}

func scanVersion(scan func(...any) error) (ref anchorhold.AssetRef, v anchorhold.Version, err error) {
	var body, mock, index, private, stamp string
	var secret []byte
	if err := scan(&ref.Dataset, &ref.Asset, &ref.Version, &body, &mock, &index, &private, &secret, &stamp); err != nil {
		return ref, v, err
	}
	if err := decode(body, &v); err != nil {
		return ref, v, err
	}
	if v.Mock != nil {
		v.Mock.Blob = mock
	}
	if v.Private != nil {
		v.Private.Index, v.Private.Secret, v.Private.Blob = index, secret, private
		err = decode(stamp, &v.Private.Stamp)
	}
	return ref, v, err
}

func (t *tx) PutVersion(dataset, asset string, v anchorhold.Version) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	var mock, index, private string
	var secret []byte
	stamp := "{}"
	if v.Mock != nil {
		mock = v.Mock.Blob
	}
	if v.Private != nil {
		index, secret, private = v.Private.Index, v.Private.Secret, v.Private.Blob
		if stamp, err = encode(v.Private.Stamp); err != nil {
			return err
		}
	}
	err = t.exec(`INSERT INTO version(id, dataset, asset, number, body, mock_blob, index_blob, private_blob, secret, stamp)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET body = excluded.body,
		mock_blob = excluded.mock_blob, index_blob = excluded.index_blob, private_blob = excluded.private_blob, secret = excluded.secret, stamp = excluded.stamp`,
		v.ID, dataset, asset, v.Number, body, mock, index, private, secret, stamp)
	if err != nil {
		return err
	}
	return t.indexDataset(dataset)
}

func (t *tx) Version(id string) (anchorhold.AssetRef, anchorhold.Version, error) {
	ref, v, err := scanVersion(t.row("SELECT "+versionColumns+" FROM version WHERE id = ?", id).Scan)
	if err == sql.ErrNoRows { //nolint:errorlint // Scan returns it bare
		err = store.ErrNotFound
	}
	return ref, v, err
}
