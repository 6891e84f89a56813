package dataset

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/store"
)

// Databases look at tables of owners' databases. Their errors hold no password.
type Databases interface {
	// Describe says to which server a connection leads, and which columns of a table
	// questions can be about. A role that may change something is refused.
	Describe(ctx context.Context, c Connection, schema, table string) (server string, columns []anchorhold.Column, err error)
}

// Connection says how to connect to a database. It is kept as a blob, encrypted as all
// of them, and shown to nobody.
type Connection struct {
	URL      string `json:"url"`
	Password string `json:"password,omitempty"`
}

// NewDatabase names a table of a database.
type NewDatabase struct {
	URL      string `json:"url" maxLength:"2000" doc:"postgres://ROLE@HOST/DATABASE, or host=/run/postgresql user=ROLE dbname=DATABASE"`
	Password string `json:"password,omitempty" maxLength:"1000" doc:"kept encrypted and shown to nobody; left out, that of the site's account's own password file"`
	Schema   string `json:"schema" minLength:"1" maxLength:"63"`
	Table    string `json:"table" minLength:"1" maxLength:"63"`
}

// maxConnection bounds the blob of a connection.
const maxConnection = 1 << 16

// prepareLive makes the version of a table that stays in its database. What binds the
// version is where the table lies: its rows go on changing, and no index of them
// is made.
func (s *Service) prepareLive(ctx context.Context, dataset string, n NewAsset) (*draft, error) {
	server, columns, err := s.describe(ctx, n)
	if err != nil {
		return nil, err
	}
	at := &anchorhold.DatabaseTable{Server: server, Schema: n.Database.Schema, Table: n.Database.Table}
	place, err := digest.Marshal(at)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, catalog.SecretSize)
	rand.Read(secret) // never fails: crypto/rand ends the program instead
	commitment, _, err := catalog.Commit(secret, dataset+"/"+n.Name, bytes.NewReader(place))
	if err != nil {
		return nil, err
	}
	how, err := json.Marshal(Connection{n.Database.URL, n.Database.Password}) //nolint:gosec // it is encrypted where it is kept
	if err != nil {
		return nil, err
	}
	kept, err := s.Blobs.Put(bytes.NewReader(how), maxConnection)
	if err != nil {
		return nil, err
	}
	d := &draft{asset: n.Name, version: anchorhold.Version{
		ID: anchorhold.NewID(anchorhold.PrefixVersion), Kind: anchorhold.KindTable, Live: true, Columns: columns, Commitment: commitment,
		Private: &anchorhold.Source{Format: anchorhold.FormatPostgres, Secret: secret, Blob: kept.ID, Database: at},
	}}
	return d, nil
}

// describe asks the database for the columns of a table, and puts onto them what
// their owner states.
func (s *Service) describe(ctx context.Context, n NewAsset) (server string, columns []anchorhold.Column, err error) {
	if s.Databases == nil {
		return "", nil, anchorhold.Errorf(anchorhold.Unavailable, "offer a file", "this site reaches no database")
	}
	server, columns, err = s.Databases.Describe(ctx, Connection{n.Database.URL, n.Database.Password}, n.Database.Schema, n.Database.Table)
	if err != nil {
		return "", nil, err
	}
	for _, said := range n.Columns {
		i := slices.IndexFunc(columns, func(c anchorhold.Column) bool { return c.Name == said.Name })
		if i < 0 {
			return "", nil, anchorhold.Errorf(anchorhold.NotFound, "check the spelling; a column of another type needs a view that casts it", "the table has no column %q that questions can be about", said.Name)
		}
		if said.Type != "" && said.Type != columns[i].Type {
			return "", nil, anchorhold.Errorf(anchorhold.Invalid, "leave the type out, or make a view that casts it", "the column %q is %s in the database", said.Name, columns[i].Type)
		}
		columns[i].Description, columns[i].Unit, columns[i].Facts = said.Description, said.Unit, said.Facts
	}
	return server, columns, nil
}

// Connection reads how to connect to the database of a live version.
func (s *Service) Connection(v anchorhold.Version) (c Connection, err error) {
	if v.Private == nil || v.Private.Database == nil {
		return c, anchorhold.Errorf(anchorhold.Internal, "", "a version that lies in no database was asked for its connection")
	}
	b, err := s.Blobs.Open(v.Private.Blob)
	if err != nil {
		return c, err
	}
	defer b.Close()
	text, err := io.ReadAll(io.LimitReader(b, maxConnection))
	if err != nil {
		return c, err
	}
	err = json.Unmarshal(text, &c)
	return c, err
}

// formerDatabase is where the next version of a live table lies unless its owner says so.
func (s *Service) formerDatabase(v anchorhold.Version) (*NewDatabase, error) {
	c, err := s.Connection(v)
	at := v.Private.Database
	return &NewDatabase{URL: c.URL, Password: c.Password, Schema: at.Schema, Table: at.Table}, err
}

// checkDatabase refuses what cannot be said of a table that stays in its database.
func (n NewAsset) checkDatabase() error {
	switch {
	case n.Path != "" || n.Upload != "":
		return anchorhold.Errorf(anchorhold.Invalid, "name one", "the asset %q has a file and a database", n.Name)
	case len(n.Missing) > 0:
		return anchorhold.Errorf(anchorhold.Invalid, "leave them out: a database says itself what is missing", "texts that mean no value are given for the table %q", n.Name)
	case n.Database.URL == "":
		return anchorhold.Errorf(anchorhold.Invalid, "write it as postgres://ROLE@HOST/DATABASE", "the table %q has no database", n.Name)
	}
	return nil
}

// registered reads a dataset as an act leaves it.
func registered(tx store.Tx, name string) (anchorhold.Dataset, error) {
	d, err := tx.Dataset(name)
	return d, cmp.Or(err, checkHome(d.Assets))
}

// checkHome refuses tables of one dataset that lie in more than one place: a question
// is answered by one engine.
func checkHome(assets []anchorhold.Asset) error {
	home := func(a anchorhold.Asset) string {
		if p := a.Version.Private; p != nil && p.Database != nil {
			return p.Database.Server
		}
		return ""
	}
	first := -1
	for i, a := range assets {
		switch {
		case a.Kind != anchorhold.KindTable:
		case first < 0:
			first = i
		case home(a) != home(assets[first]):
			return anchorhold.Errorf(anchorhold.Conflict, "make a dataset of each, about the same population", "the tables %q and %q would not lie in one place", assets[first].Name, a.Name)
		}
	}
	return nil
}

// mockFormat is the format of a version's mocks that are made here.
func mockFormat(v anchorhold.Version) string {
	if v.Live {
		return "parquet"
	}
	return v.Private.Format
}
