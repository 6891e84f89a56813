package anchorhold

import (
	"strings"
	"time"
)

// Visibility says who may learn that a dataset exists.
type Visibility string

// The visibilities.
const (
	VisibleToUsers Visibility = "users" // everybody with an account at the site
	VisibleToNamed Visibility = "named" // principals bound to this dataset
)

// Provenance says where a fact on a card comes from. It matters because a
// measured fact is a disclosure, and because privacy bounds may rest on stated
// facts only.
type Provenance string

// The provenances.
const (
	Stated   Provenance = "stated"   // the owner says so, without looking at the data
	Measured Provenance = "measured" // read from the private data, confirmed by the owner
)

// ColumnType is the type of a column as people and generators see it.
type ColumnType string

// The column types.
const (
	TypeInt       ColumnType = "int"
	TypeFloat     ColumnType = "float"
	TypeString    ColumnType = "string"
	TypeBool      ColumnType = "bool"
	TypeDate      ColumnType = "date"
	TypeTimestamp ColumnType = "timestamp"

	// Nested ones, whose parts are the column's Fields: of a list its item, of a
	// map its key and its value.
	TypeList   ColumnType = "list"
	TypeStruct ColumnType = "struct"
	TypeMap    ColumnType = "map"
)

// Nested says whether values of the type have parts.
func (t ColumnType) Nested() bool { return t == TypeList || t == TypeStruct || t == TypeMap }

// ReviewRule says how a request over a dataset has to be read.
type ReviewRule string

// The rules of review. With EveryLine, who approves has marked every line of
// the request as seen, and is somebody with an account.
const (
	AnyReview ReviewRule = ""
	EveryLine ReviewRule = "every-line"
)

// DefaultRequestDays is how long an undecided request waits where its owner
// says nothing else.
const DefaultRequestDays = 90

// Dataset is a described group of assets about one population.
type Dataset struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	License     string     `json:"license,omitempty"`
	Population  string     `json:"population"`
	Visibility  Visibility `json:"visibility"`
	Quorum      int        `json:"quorum"` // approvals that a request over this dataset needs
	Review      ReviewRule `json:"review,omitempty"`
	RequestDays int        `json:"request_days,omitempty"` // that a request waits for a decision; 0: DefaultRequestDays
	Created     time.Time  `json:"created"`
	Assets      []Asset    `json:"assets"`

	Tags     []string       `json:"tags,omitempty"`
	DUO      []string       `json:"duo,omitempty"` // codes of the GA4GH Data Use Ontology, such as DUO:0000042
	Contacts []Contact      `json:"contacts,omitempty"`
	Asking   *Asking        `json:"asking,omitempty"`
	Parts    map[Part]Shown `json:"parts,omitempty"` // owners only; a part that is not named is shown to all
	State    DatasetState   `json:"state,omitempty"`
	Halt     *Halt          `json:"halt,omitempty"` // since when it is not open, and why
	Samples  *SampleRule    `json:"samples,omitempty"`
	Priority int            `json:"priority,omitempty"` // of the runs over it; owners only
	Privacy  *Privacy       `json:"privacy,omitempty"`  // what is stated of its people; nil: review only
}

// SampleRule says how many rows an output of the kind samples may hold of a
// dataset, and which columns the site takes out of it. Without one none leave.
type SampleRule struct {
	Rows int      `json:"rows"`
	Mask []string `json:"mask,omitempty"` // names of columns
}

// Asset finds an asset by name.
func (d Dataset) Asset(name string) (Asset, bool) {
	for _, a := range d.Assets {
		if a.Name == name {
			return a, true
		}
	}
	return Asset{}, false
}

// Kinds of asset: what it is to code.
const (
	KindTable   = "table"   // rows of named columns
	KindArray   = "array"   // numbers in one array of any number of axes
	KindTensors = "tensors" // several named arrays
	KindFiles   = "files"   // files by name: images, texts
)

// Asset is one table, array, set of arrays or folder of files of a dataset, in
// its current version.
type Asset struct {
	Name    string  `json:"name"`
	Kind    string  `json:"kind"` // of the version
	Version Version `json:"version"`
}

// Version is one state of an asset. Its id is portable: it names the version at
// every site and in every receipt.
type Version struct {
	ID         string    `json:"id"`
	Number     int       `json:"number"` // 1, 2, ... within the asset
	Created    time.Time `json:"created"`
	Kind       string    `json:"kind,omitempty"` // empty, as version 0.1 wrote it: a table
	Columns    []Column  `json:"columns"`
	Facts      []Fact    `json:"facts,omitempty"`
	Missing    []string  `json:"missing,omitempty"` // further texts that mean "no value" in a CSV file
	Commitment string    `json:"commitment"`        // blinded root; hides content, size and count
	Mock       *Mock     `json:"mock,omitempty"`
	Private    *Source   `json:"private,omitempty"` // owners only: removed before a researcher sees it
	// Live: the private side is a table of its owner's database and goes on changing
	// there. The version says which table, with which columns; not which rows.
	Live bool `json:"live,omitempty"`
}

// KindOf is the version's kind of asset.
func (v Version) KindOf() string {
	if v.Kind == "" {
		return KindTable
	}
	return v.Kind
}

// Column describes a column on the card; of an array the array itself, of
// tensors each tensor.
type Column struct {
	Name        string     `json:"name"`
	Type        ColumnType `json:"type,omitempty"`
	Description string     `json:"description,omitempty"`
	Unit        string     `json:"unit,omitempty"`
	Facts       []Fact     `json:"facts,omitempty"`
	// Required: the file declares that there is always a value.
	Required bool     `json:"required,omitempty"`
	Fields   []Column `json:"fields,omitempty"` // of a nested type, its parts
}

// TypeText writes the column's type with those of its parts, and whether there is
// always a value: "list<struct<ward string, day date>>, required".
func (c Column) TypeText() string {
	text := c.nestedType()
	if c.Required {
		text += ", required"
	}
	return text
}

func (c Column) nestedType() string {
	if len(c.Fields) == 0 {
		return string(c.Type)
	}
	parts := make([]string, len(c.Fields))
	for i, f := range c.Fields {
		if parts[i] = f.nestedType(); c.Type == TypeStruct {
			parts[i] = f.Name + " " + parts[i]
		}
	}
	return string(c.Type) + "<" + strings.Join(parts, ", ") + ">"
}

// Fact finds a fact of the column by name.
func (c Column) Fact(name string) (Fact, bool) {
	for _, f := range c.Facts {
		if f.Name == name {
			return f, true
		}
	}
	return Fact{}, false
}

// Names of facts that the mock generator knows.
const (
	FactRows        = "rows"         // of a version: number of rows (number)
	FactMin         = "min"          // of a column: smallest value (number, or RFC 3339 text)
	FactMax         = "max"          // of a column: largest value
	FactCategories  = "categories"   // of a column: closed set of values (array of text or numbers)
	FactMissingRate = "missing-rate" // of a column: share of missing values (0 to 1)
	FactType        = "type"         // of a column: its type, where its owner said it rather than let it be read (text)
	FactUnique      = "unique"       // of a column: true where no two rows share a value (bool)
	FactPattern     = "pattern"      // of a column of text: how every value is written, as a regular expression of a small kind (text)
	FactReferences  = "references"   // of a column: every value is one of another column's, ASSET.COLUMN of the same dataset (text)
	FactLike        = "like"         // of a column of text: the type that its texts are written as, but for faults (text)
	FactStorage     = "storage"      // of a column: its exact type in the file (text), where the column type does not say it
	FactShape       = "shape"        // of an array or tensor: the lengths of its axes, the first as "n" since it is a number of rows (array)
)

// Names of facts that state faults of the data, each the share of values that
// have it (0 to 1), so that a mock has them too.
const (
	FaultFormat     = "fault-format"     // dates, times and decimals that are written in another form
	FaultRange      = "fault-range"      // values out of the column's range
	FaultDuplicates = "fault-duplicates" // values of a key that come twice
	FaultBlanks     = "fault-blanks"     // texts with blanks at their end
)

// StatedFacts are the names of facts that an owner can state of a column.
func StatedFacts() []string {
	return []string{
		FactMin, FactMax, FactCategories, FactMissingRate, FactUnique, FactPattern, FactReferences, FactLike,
		FaultFormat, FaultRange, FaultDuplicates, FaultBlanks,
	}
}

// Fact is something said about a version or a column, with where it comes from.
type Fact struct {
	Name       string     `json:"name"`
	Value      any        `json:"value"` // JSON: number, text, true or false, or array of these
	Provenance Provenance `json:"provenance"`
	Of         string     `json:"of,omitempty"` // id of the earlier version that it was measured on, where a mock made from it was kept
}

// Mock is the public twin of a private asset.
type Mock struct {
	Origin string `json:"origin"` // "given" or "generated"
	Format string `json:"format"` // name of its codec: "csv", "parquet"
	Rows   int64  `json:"rows"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Blob   string `json:"-"`

	// Differences are those between a given mock and the private side that its
	// owner accepted.
	Differences []MockDifference `json:"differences,omitempty"`
	// Seed, and how many rows were asked for (0: the table's): what a generated
	// mock is made from beside the card.
	Seed  uint64 `json:"seed,omitempty"`
	Asked int64  `json:"asked_rows,omitempty"`
	// Common: it shares something with the private side, and was published all
	// the same. Owners and reviewers only.
	Common *MockCommon `json:"common,omitempty"`
}

// MockDifference is a difference between a mock and its private side that its
// owner accepted.
type MockDifference struct {
	Code string `json:"code"` // such as "type:patients.age"
	Text string `json:"text"` // the same in words
}

// Column is the name of the column of which it speaks; empty of a whole asset.
func (d MockDifference) Column() string {
	_, of, _ := strings.Cut(d.Code, ":")
	_, column, _ := strings.Cut(of, ".") // names of assets have no dots
	return column
}

// SpeaksOfNulls says whether it tells that a private column has missing values,
// or has none.
func (d MockDifference) SpeaksOfNulls() bool { return strings.HasPrefix(d.Code, "nulls:") }

// MockCommon is an owner's decision to publish a mock that has rows or
// identifiers in common with the private side.
type MockCommon struct {
	Reason string   `json:"reason"`
	By     string   `json:"by"`    // principal
	Found  []string `json:"found"` // which checks found something, and where in the mock
}

// Source says where the private side lies: by reference, so that the file or
// folder stays where its owner keeps it, or copied in; or in a database.
type Source struct {
	Path   string `json:"path"`
	Format string `json:"format"`
	Size   int64  `json:"size"`
	Rows   int64  `json:"rows"`
	Index  string `json:"-"` // blob of the keyed index for disclosure checks
	Secret []byte `json:"-"` // salts and blinding of the commitment
	Stamp  Stamp  `json:"-"`
	// Opaque: it holds files whose content the index does not show, so that no
	// output can be compared with them.
	Opaque bool `json:"opaque,omitempty"`
	// Copied in: the site keeps the bytes itself, in Blob, and Path is the name
	// that they had.
	Copied bool   `json:"copied,omitempty"`
	Blob   string `json:"-"`
	// Database: there is no file, and Blob holds how to connect.
	Database *DatabaseTable `json:"database,omitempty"`
}

// FormatPostgres is the format of a table that stays in PostgreSQL: no codec reads it.
const FormatPostgres = "postgres"

// DatabaseTable is a table of its owner's database.
type DatabaseTable struct {
	Server string `json:"server"` // ROLE@HOST:PORT/DATABASE, without a password
	Schema string `json:"schema"`
	Table  string `json:"table"`
}

// Stamp identifies a file's content without reading it: as long as all of it is
// equal, nobody has written to the file by ordinary means.
type Stamp struct {
	Device uint64
	Inode  uint64
	Size   int64
	MTime  int64 // nanoseconds
	CTime  int64 // nanoseconds; a user cannot set it
	// Tree is, of a folder, the digest of the names and stamps of its files.
	Tree string `json:",omitempty"`
}
