package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/store"

	"github.com/danielgtaylor/huma/v2"
)

// datasetResource is a dataset as the policy sees it.
func (a *API) datasetResource(ctx context.Context, name string) (res policy.Resource, err error) {
	d, err := a.Datasets.Find(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		err = policy.Missing(policy.TypeDataset, name)
	}
	return policy.Dataset(d), err
}

// DatasetName is the path parameter that names a dataset.
type DatasetName struct {
	Name string `path:"name" maxLength:"100"`
}

// AssetName is the path parameters that name an asset.
type AssetName struct {
	DatasetName
	Asset string `path:"asset" maxLength:"100"`
}

func (a *API) onDataset(ctx context.Context, in *DatasetName) ([]policy.Resource, error) {
	res, err := a.datasetResource(ctx, in.Name)
	return []policy.Resource{res}, err
}

// sight is what the caller may see of a dataset.
func (a *API) sight(ctx context.Context, d anchorhold.Dataset) catalog.Sight {
	res := policy.Dataset(d)
	if a.may(ctx, policy.DatasetPrivate, res) {
		return catalog.Sight{Private: true, Columns: true, Counts: true, Mock: true}
	}
	return catalog.Sight{
		Columns: a.may(ctx, policy.DatasetColumns, res), Counts: a.may(ctx, policy.DatasetCounts, res), Mock: a.may(ctx, policy.DatasetMock, res),
	}
}

// showDataset leaves out what the caller may not see.
func (a *API) showDataset(ctx context.Context, d anchorhold.Dataset) anchorhold.Dataset {
	return catalog.Seen(d, a.sight(ctx, d))
}

type listDatasets struct {
	Paging
	Q      string   `query:"q" maxLength:"1000" doc:"only datasets with these words in name, title, description, tags, assets or columns; also column:NAME, tag:NAME, duo:CODE; quotes keep words together"`
	Column []string `query:"column,explode" maxItems:"32" doc:"only datasets with a column of this name"`
	Tag    []string `query:"tag,explode" maxItems:"32"`
	DUO    []string `query:"duo,explode" maxItems:"32" doc:"only datasets under this term of the Data Use Ontology"`
}

type haltDataset struct {
	DatasetName
	Body dataset.Halting
}

type withdrawDataset struct {
	DatasetName
	Body release.Withdrawing
}

type editDataset struct {
	DatasetName
	Body dataset.Edit
}

type statePrivacy struct {
	DatasetName
	Body anchorhold.Privacy
}

type newDataset struct{ Body dataset.New }

type newVersion struct {
	AssetName
	Body dataset.NewAsset
}

type proposeFacts struct {
	DatasetName
	Body struct {
		Assets []string `json:"assets,omitempty" maxItems:"100" doc:"which; empty: all that have no mock of their owner's own"`
	}
}

type proposals struct {
	Proposals []catalog.Proposed `json:"proposals"`
}

type makeMocks struct {
	DatasetName
	Body dataset.Making
}

type inspectFile struct {
	Body struct {
		Path    string             `json:"path,omitempty" maxLength:"4096"`
		Upload  string             `json:"upload,omitempty" maxLength:"100" doc:"instead of a path: the id of an upload"`
		Missing []string           `json:"missing,omitempty" maxItems:"100"`
		Assets  []dataset.NewAsset `json:"assets,omitempty" maxItems:"100" doc:"instead: assets as they would be registered together"`
	}
}

// assets are those that are looked at.
func (in *inspectFile) assets() []dataset.NewAsset {
	if len(in.Body.Assets) > 0 {
		return in.Body.Assets
	}
	return []dataset.NewAsset{{Name: "data", Path: in.Body.Path, Upload: in.Body.Upload, Missing: in.Body.Missing}}
}

type fileBytes struct {
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag"`
	Disposition string `header:"Content-Disposition"`
	Length      string `header:"Content-Length"`
	Body        func(huma.Context)
}

// naming is the site as the resource of an act that names files of its machine,
// or does not.
func naming(files bool) []policy.Resource {
	res := policy.Site()
	res.NamesFiles = files
	return []policy.Resource{res}
}

func (a *API) datasetOperations() {
	add(a, op("list-datasets", http.MethodGet, "/datasets", "Datasets that the caller may see, by name"), policy.DatasetList, onSite, a.listDatasets)
	add(a, op("show-dataset", http.MethodGet, "/datasets/{name}", "One dataset"), policy.DatasetRead, a.onDataset,
		func(ctx context.Context, _ policy.Permit, in *DatasetName) (*body[anchorhold.Dataset], error) {
			d, err := a.Datasets.Find(ctx, in.Name)
			return &body[anchorhold.Dataset]{a.showDataset(ctx, d)}, err
		})
	add(a, op("edit-dataset", http.MethodPatch, "/datasets/{name}", "Change a dataset's card, or who may see which part of it"), policy.DatasetEdit,
		func(ctx context.Context, in *editDataset) ([]policy.Resource, error) {
			return a.onDataset(ctx, &in.DatasetName)
		},
		func(ctx context.Context, p policy.Permit, in *editDataset) (*body[anchorhold.Dataset], error) {
			d, err := a.Datasets.Edit(ctx, p, in.Name, in.Body)
			return &body[anchorhold.Dataset]{a.showDataset(ctx, d)}, err
		})
	add(a, op("state-privacy", http.MethodPut, "/datasets/{name}/privacy", "State whose the rows are and what may be asked of them, all anew"), policy.DatasetPrivacy,
		func(ctx context.Context, in *statePrivacy) ([]policy.Resource, error) {
			return a.onDataset(ctx, &in.DatasetName)
		},
		func(ctx context.Context, p policy.Permit, in *statePrivacy) (*body[anchorhold.Dataset], error) {
			d, err := a.Datasets.StatePrivacy(ctx, p, in.Name, in.Body)
			return &body[anchorhold.Dataset]{a.showDataset(ctx, d)}, err
		})
	add(a, op("dataset-card", http.MethodGet, "/datasets/{name}/card", "The dataset's Croissant description"), policy.DatasetRead, a.onDataset, a.card)
	add(a, op("dataset-mock", http.MethodGet, "/datasets/{name}/assets/{asset}/mock", "The mock twin of an asset"), policy.DatasetMock,
		func(ctx context.Context, in *AssetName) ([]policy.Resource, error) {
			res, err := a.datasetResource(ctx, in.Name)
			if anchorhold.KindOf(err) == anchorhold.NotFound {
				err = policy.MissingPart(policy.DatasetMock, in.Name)
			}
			return []policy.Resource{res}, err
		}, a.mock)
	a.mockOperations()
	add(a, op("inspect-file", http.MethodPost, "/inspections", "What registering a file would find, and which facts a generated mock would reveal"), policy.DatasetAdd,
		func(_ context.Context, in *inspectFile) ([]policy.Resource, error) {
			return naming(slices.ContainsFunc(in.assets(), dataset.NewAsset.NamesFiles)), nil
		},
		func(ctx context.Context, p policy.Permit, in *inspectFile) (*body[dataset.Inspection], error) {
			i, err := a.Datasets.Inspect(ctx, p, in.assets()...)
			return &body[dataset.Inspection]{i}, err
		})
	add(a, op("add-dataset", http.MethodPost, "/datasets", "Register a dataset from files of the site's machine, or from uploads"), policy.DatasetAdd,
		func(_ context.Context, in *newDataset) ([]policy.Resource, error) {
			return naming(slices.ContainsFunc(in.Body.Assets, dataset.NewAsset.NamesFiles)), nil
		},
		func(ctx context.Context, p policy.Permit, in *newDataset) (*body[anchorhold.Dataset], error) {
			d, err := a.Datasets.Add(ctx, p, in.Body)
			return &body[anchorhold.Dataset]{a.showDataset(ctx, d)}, err
		})
	add(a, op("add-version", http.MethodPost, "/datasets/{name}/assets/{asset}/versions", "Register a changed file, or a mock, as a new version"), policy.DatasetVersion,
		func(ctx context.Context, in *newVersion) ([]policy.Resource, error) {
			res, err := a.datasetResource(ctx, in.Name)
			// What is left out is read anew where it lies; a copy that the site keeps names no file.
			res.NamesFiles = in.Body.NamesFiles() || in.Body.Upload == "" && !a.Datasets.Keeps(ctx, in.Name, in.Asset)
			return []policy.Resource{res}, err
		},
		func(ctx context.Context, p policy.Permit, in *newVersion) (*body[anchorhold.Dataset], error) {
			d, err := a.Datasets.AddVersion(ctx, p, in.Name, in.Asset, in.Body)
			return &body[anchorhold.Dataset]{a.showDataset(ctx, d)}, err
		})
}

// mockOperations make mocks of what is registered.
func (a *API) mockOperations() {
	add(a, op("propose-facts", http.MethodPost, "/datasets/{name}/proposals", "Which facts of the private side generated mocks would reveal, each with the code by which it is confirmed"), policy.DatasetPropose,
		func(ctx context.Context, in *proposeFacts) ([]policy.Resource, error) {
			return a.onDataset(ctx, &in.DatasetName)
		},
		func(ctx context.Context, _ policy.Permit, in *proposeFacts) (*body[proposals], error) {
			p, err := a.Datasets.Propose(ctx, in.Name, in.Body.Assets)
			return &body[proposals]{proposals{p}}, err
		})
	add(a, op("make-mocks", http.MethodPost, "/datasets/{name}/mocks", "Make mocks of the current versions anew, from what is stated and confirmed"), policy.DatasetMake,
		func(ctx context.Context, in *makeMocks) ([]policy.Resource, error) {
			return a.onDataset(ctx, &in.DatasetName)
		},
		func(ctx context.Context, p policy.Permit, in *makeMocks) (*body[anchorhold.Dataset], error) {
			d, err := a.Datasets.MakeMocks(ctx, p, in.Name, in.Body)
			return &body[anchorhold.Dataset]{a.showDataset(ctx, d)}, err
		})
}

// haltOperations end what a dataset is asked for, for a while or for good.
func (a *API) haltOperations() {
	on := func(ctx context.Context, in *haltDataset) ([]policy.Resource, error) {
		return a.onDataset(ctx, &in.DatasetName)
	}
	turn := func(do func(context.Context, policy.Permit, string, dataset.Halting) (anchorhold.Dataset, error)) func(context.Context, policy.Permit, *haltDataset) (*body[anchorhold.Dataset], error) {
		return func(ctx context.Context, p policy.Permit, in *haltDataset) (*body[anchorhold.Dataset], error) {
			d, err := do(ctx, p, in.Name, in.Body)
			a.Runs.Wake()
			return &body[anchorhold.Dataset]{a.showDataset(ctx, d)}, err
		}
	}
	add(a, op("freeze-dataset", http.MethodPost, "/datasets/{name}/freeze", "Take no new request and begin no new run; what runs ends held"), policy.DatasetFreeze, on, turn(a.Datasets.Freeze))
	add(a, op("thaw-dataset", http.MethodPost, "/datasets/{name}/thaw", "Let a frozen dataset go on"), policy.DatasetThaw, on, turn(a.Datasets.Thaw))
	add(a, op("preview-withdrawal", http.MethodGet, "/datasets/{name}/withdrawal", "What withdrawing a dataset would do, and what it could not"), policy.DatasetWithdraw, a.onDataset,
		func(ctx context.Context, _ policy.Permit, in *DatasetName) (*body[release.Withdrawal], error) {
			w, err := a.Releases.PreviewWithdrawal(ctx, in.Name)
			return &body[release.Withdrawal]{w}, err
		})
	add(a, op("withdraw-dataset", http.MethodPost, "/datasets/{name}/withdrawal", "Take a dataset back for good"), policy.DatasetWithdraw,
		func(ctx context.Context, in *withdrawDataset) ([]policy.Resource, error) {
			return a.onDataset(ctx, &in.DatasetName)
		},
		func(ctx context.Context, p policy.Permit, in *withdrawDataset) (*body[release.Withdrawal], error) {
			w, err := a.Releases.Withdraw(ctx, p, in.Name, in.Body)
			return &body[release.Withdrawal]{w}, err
		})
}

func (a *API) listDatasets(ctx context.Context, _ policy.Permit, in *listDatasets) (*body[page[anchorhold.Dataset]], error) {
	search, err := dataset.ParseSearch(in.Q)
	if err != nil {
		return nil, err
	}
	search.Columns, search.Tags, search.DUO = append(search.Columns, in.Column...), append(search.Tags, in.Tag...), append(search.DUO, in.DUO...)
	if err := dataset.CheckSearch(&search); err != nil {
		return nil, err
	}
	// What the caller may not see is left out before it is read further, and what
	// stands in columns finds nothing for those who may not see them.
	sees := func(d store.FoundDataset) bool {
		res := policy.Dataset(d.Dataset)
		return a.may(ctx, policy.DatasetRead, res) && (!d.ByColumns || a.may(ctx, policy.DatasetColumns, res))
	}
	return listed(in.Paging,
		func(p store.Page) ([]anchorhold.Dataset, string, error) { return a.Datasets.List(ctx, search, p, sees) },
		func(d *anchorhold.Dataset) bool {
			*d = a.showDataset(ctx, *d)
			return true
		})
}

func (a *API) card(ctx context.Context, _ policy.Permit, in *DatasetName) (*fileBytes, error) {
	d, err := a.Datasets.Find(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	see := a.sight(ctx, d)
	see.Private = false // a card is made to be passed on
	text, err := catalog.Croissant(catalog.Seen(d, see), "")
	return &fileBytes{
		ContentType: "application/ld+json",
		Body:        func(c huma.Context) { _, _ = c.BodyWriter().Write(text) },
	}, err
}

func (a *API) mock(ctx context.Context, _ policy.Permit, in *AssetName) (*fileBytes, error) {
	m, err := a.Datasets.Mock(ctx, in.Name, in.Asset)
	if err != nil {
		return nil, err
	}
	return &fileBytes{
		ContentType: "application/octet-stream", ETag: strconv.Quote(m.SHA256), Length: strconv.FormatInt(m.Size, 10),
		Disposition: `attachment; filename="` + in.Asset + "." + m.Format + `"`,
		Body:        sendBlob(m.File),
	}, nil
}
