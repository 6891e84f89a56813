package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/anchorhold/anchorhold"
)

// NewDataset describes a dataset to register. Paths are absolute and on the
// site's machine: the data stays where it is.
type NewDataset struct {
	Name        string                `json:"name"`
	Title       string                `json:"title,omitempty"`
	Description string                `json:"description,omitempty"`
	License     string                `json:"license,omitempty"`
	Population  string                `json:"population,omitempty"`
	Visibility  anchorhold.Visibility `json:"visibility,omitempty"`
	Quorum      int                   `json:"quorum,omitempty"` // approvals that a request needs; 0: one
	Review      anchorhold.ReviewRule `json:"review,omitempty"`
	Priority    int                   `json:"priority,omitempty"`     // of the runs over it: anchorhold.PriorityLow to PriorityHigh
	RequestDays int                   `json:"request_days,omitempty"` // that a request waits for a decision; 0: the site's
	Assets      []NewAsset            `json:"assets"`
	Card
}

// Card is what an owner says of a new dataset beyond its title.
type Card struct {
	Tags     []string                             `json:"tags,omitempty"`
	DUO      []string                             `json:"duo,omitempty"` // codes of the Data Use Ontology, or shorthands
	Contacts []anchorhold.Contact                 `json:"contacts,omitempty"`
	Asking   *anchorhold.Asking                   `json:"asking,omitempty"`
	Parts    map[anchorhold.Part]anchorhold.Shown `json:"parts,omitempty"`
}

// Edit changes a card; what is nil stays as it was.
type Edit struct {
	Title       *string                              `json:"title,omitempty"`
	Description *string                              `json:"description,omitempty"`
	License     *string                              `json:"license,omitempty"`
	Visibility  *anchorhold.Visibility               `json:"visibility,omitempty"`
	Quorum      *int                                 `json:"quorum,omitempty"`
	Review      *anchorhold.ReviewRule               `json:"review,omitempty"`
	Priority    *int                                 `json:"priority,omitempty"` // of the runs over it
	RequestDays *int                                 `json:"request_days,omitempty"`
	Tags        *[]string                            `json:"tags,omitempty"`
	DUO         *[]string                            `json:"duo,omitempty"`
	Contacts    *[]anchorhold.Contact                `json:"contacts,omitempty"`
	Asking      *anchorhold.Asking                   `json:"asking,omitempty"`
	Parts       map[anchorhold.Part]anchorhold.Shown `json:"parts,omitempty"`
	Columns     []ColumnEdit                         `json:"columns,omitempty"`
	Samples     *anchorhold.SampleRule               `json:"samples,omitempty"` // 0 rows: none leave
}

// ColumnEdit changes what is said of a column.
type ColumnEdit struct {
	Asset       string  `json:"asset"`
	Name        string  `json:"name"`
	Description *string `json:"description,omitempty"`
	Unit        *string `json:"unit,omitempty"`
}

// Search selects datasets that have all of what it names.
type Search struct {
	Q       string // words of the card, and column:NAME, tag:NAME, duo:CODE
	Columns []string
	Tags    []string
	DUO     []string
}

// NewAsset describes one asset of a dataset, or its new version. It lies at a
// path of the site's machine, or is copied in as an upload.
type NewAsset struct {
	Name   string `json:"name,omitempty"`
	Path   string `json:"path,omitempty"`
	Upload string `json:"upload,omitempty"`
	// Database is a table that stays where it is, and is asked in SQL alone.
	Database *NewDatabase        `json:"database,omitempty"`
	Missing  []string            `json:"missing,omitempty"` // further texts that mean no value
	Columns  []anchorhold.Column `json:"columns,omitempty"` // what the owner states of columns
	Mock     *NewMock            `json:"mock,omitempty"`
}

// NewDatabase names a table of a PostgreSQL that the site's machine reaches.
type NewDatabase struct {
	URL      string `json:"url"`
	Password string `json:"password,omitempty"`
	Schema   string `json:"schema"`
	Table    string `json:"table"`
}

// NewMock says where a mock comes from: a file, or the generator.
type NewMock struct {
	Path     string    `json:"path,omitempty"`
	Upload   string    `json:"upload,omitempty"`
	Generate *Generate `json:"generate,omitempty"`
	// Facts lets facts measured from the private side appear on the card and in a
	// generated mock, by the codes that Inspect and Propose give.
	Facts []string `json:"confirm_facts,omitempty"`
	// Accept are the differences that a given mock may have, each by its code,
	// such as type:patients.age. Of a new version, they can be all that is said:
	// the mock of the version before is kept then.
	Accept []string `json:"accept,omitempty"`
	// OverrideCommon says why a given mock may share rows or identifiers with the
	// private side. It is logged.
	OverrideCommon string `json:"override_common,omitempty"`
}

// Generate asks for a mock made from the card alone.
type Generate struct {
	Seed uint64 `json:"seed"`
	Rows int64  `json:"rows,omitempty"` // 0: the site's default
}

// Inspection is what registering a file would find, for its owner's eyes.
type Inspection struct {
	Rows    int64               `json:"rows"`
	Columns []anchorhold.Column `json:"columns"` // with the facts that a generated mock would show
	Facts   []anchorhold.Fact   `json:"facts"`
	// Proposals are what generated mocks would reveal, with the codes to confirm it.
	Proposals []Proposed `json:"proposals"`
}

// Inspect looks at the files of assets as AddDataset would, and keeps nothing of
// them. Of several only the proposals are given.
func (c *Client) Inspect(ctx context.Context, assets ...NewAsset) (Inspection, error) {
	bare := make([]NewAsset, len(assets))
	for i, a := range assets {
		a.Mock = nil
		bare[i] = a
	}
	return send[Inspection](ctx, c, http.MethodPost, "/inspections", struct {
		Assets []NewAsset `json:"assets"`
	}{bare})
}

// Datasets lists the datasets that the caller may know of, and that a search
// finds.
func (c *Client) Datasets(ctx context.Context, s Search) iter.Seq2[anchorhold.Dataset, error] {
	q := filter("q", s.Q)
	for name, values := range map[string][]string{"column": s.Columns, "tag": s.Tags, "duo": s.DUO} {
		if len(values) > 0 {
			q[name] = values
		}
	}
	return pages[anchorhold.Dataset](ctx, c, "/datasets", q)
}

// EditDataset changes a dataset's card.
func (c *Client) EditDataset(ctx context.Context, name string, e Edit) (anchorhold.Dataset, error) {
	return send[anchorhold.Dataset](ctx, c, http.MethodPatch, "/datasets/"+segment(name), e)
}

// StatePrivacy replaces what is stated of a dataset's people.
func (c *Client) StatePrivacy(ctx context.Context, name string, p anchorhold.Privacy) (anchorhold.Dataset, error) {
	return send[anchorhold.Dataset](ctx, c, http.MethodPut, "/datasets/"+segment(name)+"/privacy", p)
}

// Dataset reads one dataset.
func (c *Client) Dataset(ctx context.Context, name string) (anchorhold.Dataset, error) {
	return get[anchorhold.Dataset](ctx, c, "/datasets/"+segment(name), nil)
}

// AddDataset registers a dataset. Only a principal on the site's own machine
// may, since it names files there.
func (c *Client) AddDataset(ctx context.Context, d NewDataset) (anchorhold.Dataset, error) {
	return send[anchorhold.Dataset](ctx, c, http.MethodPost, "/datasets", d)
}

// AddVersion registers a new version of an asset.
func (c *Client) AddVersion(ctx context.Context, dataset, asset string, a NewAsset) (anchorhold.Dataset, error) {
	return send[anchorhold.Dataset](ctx, c, http.MethodPost,
		"/datasets/"+segment(dataset)+"/assets/"+segment(asset)+"/versions", a)
}

// Proposed is what a mock would reveal of the private side if its owner lets it.
type Proposed struct {
	Code      string            `json:"code"` // by which it is confirmed
	Says      string            `json:"says"` // what everybody who may see the mock would learn
	Asset     string            `json:"asset"`
	Column    string            `json:"column,omitempty"`
	Facts     []anchorhold.Fact `json:"facts"`
	Confirmed bool              `json:"confirmed,omitempty"` // it is on the card already
}

// Propose measures what mocks of assets would reveal: of those named, or of all
// that have no mock of their owner's own.
func (c *Client) Propose(ctx context.Context, dataset string, assets []string) ([]Proposed, error) {
	found, err := send[struct {
		Proposals []Proposed `json:"proposals"`
	}](ctx, c, http.MethodPost, "/datasets/"+segment(dataset)+"/proposals", map[string][]string{"assets": assets})
	return found.Proposals, err
}

// Making says how mocks are made anew.
type Making struct {
	Assets  []string     `json:"assets,omitempty"`
	Confirm []string     `json:"confirm,omitempty"` // codes of proposed facts
	State   []StatedFact `json:"state,omitempty"`
	Seed    *uint64      `json:"seed,omitempty"` // nil: as before
	Rows    *int64       `json:"rows,omitempty"`
}

// StatedFact is a fact that an owner states of a column; a value of nil takes it
// back.
type StatedFact struct {
	Asset  string `json:"asset"`
	Column string `json:"column"`
	Name   string `json:"name"`
	Value  any    `json:"value"`
}

// MakeMocks makes the mocks of a dataset's assets anew.
func (c *Client) MakeMocks(ctx context.Context, dataset string, m Making) (anchorhold.Dataset, error) {
	return send[anchorhold.Dataset](ctx, c, http.MethodPost, "/datasets/"+segment(dataset)+"/mocks", m)
}

// Card reads a dataset's card, a Croissant document.
func (c *Client) Card(ctx context.Context, name string) (json.RawMessage, error) {
	return get[json.RawMessage](ctx, c, "/datasets/"+segment(name)+"/card", nil)
}

// Mock opens the mock of an asset; the caller closes it.
func (c *Client) Mock(ctx context.Context, dataset, asset string) (io.ReadCloser, error) {
	return c.stream(ctx, "/datasets/"+segment(dataset)+"/assets/"+segment(asset)+"/mock")
}

// Halting is why a dataset is halted or goes on.
type Halting struct {
	Reason     string `json:"reason"`
	ShowReason bool   `json:"show_reason,omitempty"` // to researchers
}

// Withdrawal is what withdrawing a dataset does, and what it cannot.
type Withdrawal struct {
	Dataset  string     `json:"dataset"`
	Requests int        `json:"requests"`
	Grants   int        `json:"grants"`   // revoked
	Outputs  int        `json:"outputs"`  // answers that are deleted at the site
	Trials   int        `json:"trials"`   // on its mocks, that are deleted
	Mocks    int        `json:"mocks"`    // deleted at the site; who has one keeps it
	Backups  int        `json:"backups"`  // of the site, made since it was added: cannot be recalled
	Later    int        `json:"later"`    // files without a record, removed within a day and some hours
	Released []Released `json:"released"` // cannot be recalled
}

// Released is an answer that has left the site.
type Released struct {
	Release string     `json:"release"`
	Request string     `json:"request"`
	Output  string     `json:"output"`
	To      string     `json:"to"`
	Decided *time.Time `json:"decided"`
	By      string     `json:"by"`
}

// FreezeDataset stops new requests and runs over a dataset; ThawDataset lets it
// go on.
func (c *Client) FreezeDataset(ctx context.Context, name string, h Halting) (anchorhold.Dataset, error) {
	return send[anchorhold.Dataset](ctx, c, http.MethodPost, "/datasets/"+segment(name)+"/freeze", h)
}

// ThawDataset lets a frozen dataset go on.
func (c *Client) ThawDataset(ctx context.Context, name string, h Halting) (anchorhold.Dataset, error) {
	return send[anchorhold.Dataset](ctx, c, http.MethodPost, "/datasets/"+segment(name)+"/thaw", h)
}

// PreviewWithdrawal says what withdrawing a dataset would do.
func (c *Client) PreviewWithdrawal(ctx context.Context, name string) (Withdrawal, error) {
	return get[Withdrawal](ctx, c, "/datasets/"+segment(name)+"/withdrawal", nil)
}

// WithdrawDataset takes a dataset back for good; confirm is its name once more.
func (c *Client) WithdrawDataset(ctx context.Context, name, confirm string, h Halting) (Withdrawal, error) {
	return send[Withdrawal](ctx, c, http.MethodPost, "/datasets/"+segment(name)+"/withdrawal", struct {
		Halting
		Confirm string `json:"confirm"`
	}{h, confirm})
}
