// Package dataset registers what an owner offers: files by reference, their
// cards, versions and mocks.
//
// It promises that a version is complete before anybody sees it (commitment,
// keyed index and mock are durable before the act that names them), that a mock
// which shares rows or identifiers with the private side, or is unlike it, is
// published only where its owner said so on record, and
// that every fact read from private data for a mock was confirmed by the owner
// and stands in the ledger as an unbounded disclosure. Tests register the bad
// files and copying mocks that these sentences speak of.
package dataset

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Service registers and finds datasets.
type Service struct {
	Books    *books.Books
	Blobs    *blob.Store
	IndexKey disclosure.Key
	// Opener reads the files that are handed in, in a sandbox while the site serves.
	// Nil: they are read in this process, which is that of a command of the machine
	// whose files they are.
	Opener codec.Opener
	// Databases look at tables that stay in a database. Nil: none can be offered.
	Databases Databases
}

// New describes a dataset to register.
type New struct {
	Name        string                `json:"name"`
	Title       string                `json:"title,omitempty" maxLength:"300"`
	Description string                `json:"description,omitempty" maxLength:"20000"`
	License     string                `json:"license,omitempty" maxLength:"300"`
	Population  string                `json:"population,omitempty" maxLength:"100" doc:"whom the data describe; default: the dataset's name"`
	Visibility  anchorhold.Visibility `json:"visibility,omitempty" enum:"users,named"`
	Quorum      int                   `json:"quorum,omitempty" minimum:"0" maximum:"10" doc:"approvals that a request needs; default 1"`
	Review      anchorhold.ReviewRule `json:"review,omitempty" enum:",every-line" doc:"how a request has to be read"`
	Priority    int                   `json:"priority,omitempty" minimum:"-1" maximum:"1" doc:"of the runs over it, among those of the same priority: 1 before, -1 after others"`
	RequestDays int                   `json:"request_days,omitempty" minimum:"0" maximum:"3650" doc:"days that a request waits for a decision; default 90"`
	Assets      []NewAsset            `json:"assets" minItems:"1" maxItems:"100"`
	Card
}

// NewAsset describes one table, array, set of arrays or folder of files to
// register.
type NewAsset struct {
	Name   string `json:"name,omitempty"`
	Path   string `json:"path,omitempty" maxLength:"4096" doc:"absolute path of a file or folder on the site's machine"`
	Upload string `json:"upload,omitempty" maxLength:"100" doc:"instead of a path: the id of an upload, to be copied in"`
	// Database names a table that stays where it is.
	Database *NewDatabase        `json:"database,omitempty" doc:"instead of a path: a table of a database, which stays there and is asked in SQL alone"`
	Missing  []string            `json:"missing,omitempty" maxItems:"100" doc:"further texts that mean no value"`
	Columns  []anchorhold.Column `json:"columns,omitempty" doc:"what the owner states of columns, by name"`
	Mock     *NewMock            `json:"mock,omitempty"`

	kept *anchorhold.Source // of a new version whose bytes the site keeps already
}

// NamesFiles says whether the asset or its mock is given by a path of the site's
// machine, or by a database, which is reached from there.
func (n NewAsset) NamesFiles() bool {
	return n.Path != "" || n.Database != nil || n.Mock != nil && n.Mock.Path != ""
}

func (n NewAsset) generates() bool { return n.Mock != nil && n.Mock.Generate != nil }

func (n New) generates() bool { return slices.ContainsFunc(n.Assets, NewAsset.generates) }

// Keeps says whether the site keeps the private side of an asset itself.
func (s *Service) Keeps(ctx context.Context, dataset, asset string) bool {
	d, err := s.Find(ctx, dataset)
	a, ok := d.Asset(asset)
	return err == nil && ok && a.Version.Private != nil && a.Version.Private.Copied
}

// NewMock says where the mock comes from: a file, or the card.
type NewMock struct {
	Path     string    `json:"path,omitempty" maxLength:"4096"`
	Upload   string    `json:"upload,omitempty" maxLength:"100" doc:"instead of a path: the id of an upload"`
	Generate *Generate `json:"generate,omitempty"`
	// Facts confirms facts measured from the private side, each by its code, so that
	// a generated mock may show them. All others are stated ones.
	Facts []string `json:"confirm_facts,omitempty" maxItems:"50000" doc:"codes of measured facts that are confirmed, such as range:patients.age"`
	// Confirm is what version 0.1 said for all of them: it is refused, because nobody
	// may confirm what was not shown.
	Confirm bool `json:"confirm,omitempty" doc:"refused: confirm facts by their codes, which inspections and proposals show"`
	// Accept are the differences between a given mock and the private side that
	// its owner accepts, each by its code.
	Accept []string `json:"accept,omitempty" maxItems:"20000" doc:"codes of differences that a given mock may have, such as type:patients.age"`
	// OverrideCommon says why a mock is published that shares rows or identifiers
	// with the private side.
	OverrideCommon string `json:"override_common,omitempty" maxLength:"1000" doc:"why a given mock may share rows or identifiers with the private side; it is logged"`
}

// keeps says whether the mock of the version before is meant: none other is
// named.
func (m *NewMock) keeps() bool {
	return m == nil || m.Path == "" && m.Upload == "" && m.Generate == nil
}

// Generate asks for a mock made from the card.
type Generate struct {
	Seed uint64 `json:"seed,omitempty"`
	Rows int64  `json:"rows,omitempty" minimum:"0"`
}

// Inspection is what registering a file would find.
type Inspection struct {
	Rows    int64               `json:"rows"`
	Columns []anchorhold.Column `json:"columns" doc:"with the facts that a generated mock would reveal, if confirmed"`
	Facts   []anchorhold.Fact   `json:"facts"`
	// Proposals are what generated mocks of all the assets would reveal together.
	Proposals []catalog.Proposed `json:"proposals" doc:"what generated mocks would reveal, fact by fact, with the codes that confirm them"`
}

// check refuses what can be refused without reading a file.
func (n New) check() error {
	if err := catalog.CheckName("dataset", n.Name); err != nil {
		return err
	}
	if len(n.Assets) == 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "give at least one table", "the dataset has no asset")
	}
	seen := map[string]bool{}
	for _, a := range n.Assets {
		if seen[a.Name] {
			return anchorhold.Errorf(anchorhold.Invalid, "give each a name of its own", "two assets are named %q", a.Name)
		}
		seen[a.Name] = true
		if a.Mock != nil && a.Mock.keeps() {
			return nowhere(a.Name)
		}
	}
	return nil
}

// Inspect reads files for their owner's eyes; nothing is kept but copies of
// uploads, which nobody refers to. Of several assets only the proposals are given.
func (s *Service) Inspect(ctx context.Context, p policy.Permit, assets ...NewAsset) (Inspection, error) {
	var found Inspection
	var drafts []*draft
	for _, n := range assets {
		reg, err := s.inspect(ctx, p, n)
		if err != nil {
			return Inspection{}, err
		}
		if len(assets) == 1 {
			found = Inspection{Rows: reg.Rows, Columns: withFacts(reg.Columns, reg.Proposal.Columns), Facts: reg.Proposal.Version}
		}
		drafts = append(drafts, &draft{asset: n.Name, proposal: reg.Proposal, version: anchorhold.Version{Columns: withFacts(reg.Columns, n.Columns)}})
	}
	findReferences(drafts)
	found.Proposals = []catalog.Proposed{}
	for _, d := range drafts {
		found.Proposals = append(found.Proposals, d.proposals()...)
	}
	return found, nil
}

func (s *Service) inspect(ctx context.Context, p policy.Permit, n NewAsset) (catalog.Registration, error) {
	if err := errors.Join(catalog.CheckName("asset", n.Name), n.check()); err != nil {
		return catalog.Registration{}, err
	}
	if n.Database != nil { // nothing is measured there
		_, columns, err := s.describe(ctx, n)
		return catalog.Registration{Columns: columns, Proposal: &catalog.Proposal{}}, err
	}
	c, _, err := s.content(ctx, p.Principal().ID, n)
	if err != nil {
		return catalog.Registration{}, err
	}
	defer func() { _ = c.Close() }() // nothing was written
	return catalog.RegisterContent(ctx, c, catalog.Options{
		ReadOptions: catalog.ReadOptions{Missing: n.Missing, Columns: n.Columns, Opener: s.Opener}, Label: "inspection", Propose: true,
	})
}

// Add registers a dataset with the first version of each asset.
func (s *Service) Add(ctx context.Context, p policy.Permit, n New) (anchorhold.Dataset, error) {
	if err := n.check(); err != nil {
		return anchorhold.Dataset{}, err
	}
	if d, done, err := books.Again(ctx, s.Books, p, books.Datasets()); done || err != nil {
		return d, err
	}
	d, err := n.described(s.Books.Now())
	if err != nil {
		return d, err
	}
	if _, err := s.Find(ctx, n.Name); err == nil {
		return d, exists(n.Name)
	}
	var prepared []*draft
	for _, a := range n.Assets {
		dr, err := s.prepare(ctx, p, n.Name, a, n.generates())
		if err != nil {
			return d, err
		}
		prepared = append(prepared, dr)
	}
	if err := s.generate(ctx, prepared, nil); err != nil {
		return d, err
	}
	added, err := books.On(ctx, s.Books, p, books.Datasets(), func(tx store.Tx) (anchorhold.Dataset, books.Record, error) {
		if _, err := tx.Dataset(d.Name); err == nil {
			return d, books.Record{}, exists(d.Name)
		}
		if err := tx.PutDataset(d); err != nil {
			return d, books.Record{}, err
		}
		for _, dr := range prepared {
			if err := s.put(tx, p, d, dr, 1); err != nil {
				return d, books.Record{}, err
			}
		}
		full, err := registered(tx, d.Name)
		return full, books.Record{Subject: d.ID, Details: map[string]string{"dataset": d.Name}}, err
	})
	if err == nil {
		for _, dr := range prepared {
			s.removeParts(dr.uploads...)
		}
	}
	return added, err
}

func exists(name string) error {
	return anchorhold.Errorf(anchorhold.Conflict, "choose another name, or register a new version with `anchorhold dataset version "+name+"`",
		"there is already a dataset %q", name)
}

// described is the dataset without its assets.
func (n New) described(now time.Time) (anchorhold.Dataset, error) {
	d := anchorhold.Dataset{
		ID: anchorhold.NewID(anchorhold.PrefixDataset), Name: n.Name, Title: n.Title, Description: n.Description,
		License: n.License, Population: n.Population, Visibility: n.Visibility, Quorum: max(n.Quorum, 1), Created: now,
		Review: n.Review, RequestDays: n.RequestDays, Priority: n.Priority,
	}
	if d.Population == "" {
		d.Population = d.Name
	}
	if d.Visibility == "" {
		d.Visibility = anchorhold.VisibleToUsers
	}
	d.Tags, d.DUO, d.Contacts, d.Asking, d.Parts = n.Tags, n.DUO, n.Contacts, n.Asking, n.Parts
	err := CheckCard(&d)
	return d, err
}

// AddVersion registers a changed file as the asset's next version. What is left
// out of n stays as it was: the path, the texts that mean no value, the stated
// columns, and the mock.
func (s *Service) AddVersion(ctx context.Context, p policy.Permit, dataset, asset string, n NewAsset) (anchorhold.Dataset, error) {
	d, done, err := books.Again(ctx, s.Books, p, books.Datasets())
	if done || err != nil {
		return d, err
	}
	if d, err = s.Find(ctx, dataset); err != nil {
		return d, err
	}
	if d.State == anchorhold.DatasetWithdrawn {
		return d, withdrawn(dataset)
	}
	a, ok := d.Asset(asset)
	if !ok {
		return d, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold dataset show "+dataset+"`", "the dataset %q has no asset %q", dataset, asset)
	}
	dr, others, err := s.prepareNext(ctx, p, d, a, n)
	if err != nil {
		return d, err
	}
	added, err := books.On(ctx, s.Books, p, books.Datasets(), func(tx store.Tx) (anchorhold.Dataset, books.Record, error) {
		now, err := tx.Dataset(dataset)
		if err == nil && now.State == anchorhold.DatasetWithdrawn { // while its file was read: no copy may stay
			err = withdrawn(dataset)
		}
		if err != nil {
			return now, books.Record{}, err
		}
		before, _ := now.Asset(asset)
		if dr.stale(before.Version) {
			return now, books.Record{}, meanwhile(asset)
		}
		if err := s.put(tx, p, now, dr, before.Version.Number+1); err != nil {
			return now, books.Record{}, err
		}
		for _, other := range others {
			if err := s.replace(tx, p, now, other); err != nil {
				return now, books.Record{}, err
			}
		}
		full, err := registered(tx, dataset)
		return full, books.Record{Subject: dr.version.ID, Digest: dr.version.Commitment, Details: map[string]string{
			"dataset": dataset, "asset": asset,
		}}, err
	})
	if err == nil {
		s.removeParts(dr.uploads...)
	}
	return added, err
}

// prepareNext prepares the version that follows an asset's, and the others whose
// mocks refer to its mock.
func (s *Service) prepareNext(ctx context.Context, p policy.Permit, d anchorhold.Dataset, a anchorhold.Asset, n NewAsset) (dr *draft, others []*draft, err error) {
	if n, err = s.after(n, a); err != nil {
		return nil, nil, err
	}
	if n.Columns == nil {
		if n.Columns, err = s.stated(ctx, p, a.Version, n); err != nil {
			return nil, nil, err
		}
	}
	if n.Mock != nil && n.Mock.keeps() && a.Version.Mock == nil {
		return nil, nil, nowhere(a.Name)
	}
	if dr, err = s.prepare(ctx, p, d.Name, n, n.generates()); err != nil {
		return nil, nil, err
	}
	if n.Mock.keeps() && a.Version.Mock != nil {
		return dr, nil, s.keepFormer(ctx, p, dr, n, a.Version)
	}
	drafts := []*draft{dr}
	if n.Mock != nil {
		drafts = withDependents(d, drafts, a.Name)
	}
	return dr, drafts[1:], s.generate(ctx, drafts, d.Assets)
}

// after fills in what a new version leaves out: where the private side lies, and
// the texts that mean no value.
func (s *Service) after(n NewAsset, a anchorhold.Asset) (NewAsset, error) {
	n.Name = a.Name
	if old := a.Version.Private; n.Path == "" && n.Upload == "" && n.Database == nil && old != nil {
		switch {
		case a.Version.Live:
			var err error
			if n.Database, err = s.formerDatabase(a.Version); err != nil {
				return n, err
			}
		case old.Copied:
			n.kept = old
		default:
			n.Path = old.Path
		}
	}
	if n.Missing == nil && n.Database == nil {
		n.Missing = a.Version.Missing
	}
	return n, nil
}

// stated keeps what the owner said of the columns that the next version's file
// still has, without anything that was measured.
func (s *Service) stated(ctx context.Context, p policy.Permit, v anchorhold.Version, n NewAsset) ([]anchorhold.Column, error) {
	now, err := s.columns(ctx, p, n)
	if err != nil {
		return nil, err
	}
	out := []anchorhold.Column{}
	for _, c := range v.Columns {
		if !slices.ContainsFunc(now, func(still anchorhold.Column) bool { return still.Name == c.Name }) {
			continue
		}
		facts := []anchorhold.Fact{}
		c.Type = ""
		for _, f := range c.Facts {
			if f.Provenance != anchorhold.Stated {
				continue
			}
			if text, ok := f.Value.(string); ok && f.Name == anchorhold.FactType {
				c.Type = anchorhold.ColumnType(text)
				continue // said anew when it is used
			}
			facts = append(facts, f)
		}
		c.Facts = facts
		out = append(out, c)
	}
	return out, nil
}

// columns are those that what is to be registered has now.
func (s *Service) columns(ctx context.Context, p policy.Permit, n NewAsset) ([]anchorhold.Column, error) {
	if n.Database != nil {
		_, columns, err := s.describe(ctx, n)
		return columns, err
	}
	content, _, err := s.content(ctx, p.Principal().ID, n)
	if err != nil {
		return nil, err
	}
	t, err := catalog.OpenTable(ctx, content, catalog.ReadOptions{Missing: n.Missing, Opener: s.Opener})
	if err != nil {
		return nil, errors.Join(err, content.Close())
	}
	return t.Columns(), t.Close()
}

// put stores a version with what goes with it: the end of the uploads that it
// came from, and a ledger entry where measured facts were confirmed.
func (s *Service) put(tx store.Tx, p policy.Permit, d anchorhold.Dataset, dr *draft, number int) error {
	dr.version.Number, dr.version.Created = number, s.Books.Now()
	for _, u := range dr.uploads {
		if err := tx.DeleteUpload(u.ID, s.Books.Now()); err != nil {
			return err
		}
	}
	if err := tx.PutVersion(d.Name, dr.asset, dr.version); err != nil {
		return err
	}
	if _, err := s.Books.Enter(tx, p, books.Record{Subject: dr.version.ID, Digest: dr.version.Commitment, Details: dr.details(d.Name)}); err != nil {
		return err
	}
	return s.disclose(tx, d, dr)
}

// disclose enters in the ledger what a draft tells of the private side.
func (s *Service) disclose(tx store.Tx, d anchorhold.Dataset, dr *draft) error {
	for _, what := range dr.discloses(d.Name) {
		if err := tx.AddLedger(anchorhold.LedgerEntry{
			ID: anchorhold.NewID(anchorhold.PrefixLedger), Class: anchorhold.ExposureUnbounded, Population: d.Population,
			Principal: "everybody who may see the mock", Subject: dr.version.ID, Amount: "{}", Created: s.Books.Now(), What: what,
		}); err != nil {
			return err
		}
	}
	return nil
}

// Find finds a dataset by name; store.ErrNotFound when there is none.
func (s *Service) Find(ctx context.Context, name string) (d anchorhold.Dataset, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		d, err = tx.Dataset(name)
		return err
	})
	return d, err
}

// List reads datasets by name: those that a search finds, and keep does not
// refuse.
func (s *Service) List(ctx context.Context, search store.DatasetFilter, page store.Page, keep func(store.FoundDataset) bool) (out []anchorhold.Dataset, next string, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		out, next, err = tx.ListDatasets(search, page, keep)
		return err
	})
	return out, next, err
}

// MockFile is a mock with its open file, which the caller closes.
type MockFile struct {
	anchorhold.Mock
	File io.ReadCloser
}

// Mock opens the mock of an asset.
func (s *Service) Mock(ctx context.Context, dataset, asset string) (MockFile, error) {
	d, err := s.Find(ctx, dataset)
	if err != nil {
		return MockFile{}, err
	}
	a, ok := d.Asset(asset)
	if !ok || a.Version.Mock == nil {
		return MockFile{}, policy.MissingPart(policy.DatasetMock, dataset)
	}
	f, err := s.Blobs.Open(a.Version.Mock.Blob)
	if err != nil {
		err = anchorhold.Errorf(anchorhold.Internal, "ask the owner to register the mock again", "the mock's file is missing").Because(err)
	}
	return MockFile{*a.Version.Mock, f}, err
}
