// Package output reads what came out of a sandbox: hostile bytes, until shown
// otherwise.
//
// Parse decodes one file within limits, refuses all that is not expected, and
// writes the same values anew in one canonical form, so that nothing travels in
// unused bytes, spare metadata or the freedoms of a format. It also gives the
// values as normalised cells for the disclosure checks. Serve runs it in a
// sandbox of its own that holds no keys; Client hands files in and treats the
// answers as untrusted too. A refusal is one of a fixed list of sentences and
// never holds anything of the file. Parse never opens a file, starts a goroutine
// or keeps state. Tests: files written by pandas, NumPy and PyArrow go through
// unchanged in value, parsing a canonical file gives the same bytes, a zoo of
// bombs and lies is refused, and every parser is fuzzed.
package output

import (
	"errors"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/disclosure"
)

// The kinds of output.
const (
	KindTable = "table"
	KindArray = "array"
	KindJSON  = "json"
	KindText  = "text"
	KindImage = "image"

	// Kinds that are declared and never inferred.
	KindCSV         = "csv"
	KindSVG         = "svg"
	KindSafetensors = "safetensors"
	KindONNX        = "onnx"
	KindSamples     = "samples" // rows of a private table, for questions about the data's quality

	KindAny = "any" // in a declaration only: one of these
)

// Declared is an output as the request declares it.
type Declared struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// ManifestEntry is what a run says of a file that it wrote.
type ManifestEntry struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Python string `json:"python"` // the type that was returned
	File   string `json:"file"`
}

// Limits bound one output. Zero values mean the defaults.
type Limits struct {
	Bytes   int64 `json:"bytes"`   // of the file, and of its canonical form; default 64 MiB
	Memory  int64 `json:"memory"`  // of decoded columns; default 512 MiB
	Rows    int64 `json:"rows"`    // of a table; default 10 million
	Columns int   `json:"columns"` // of a table; default 4096
	Text    int   `json:"text"`    // bytes of one text; default 1 MiB
	Depth   int   `json:"depth"`   // of JSON; default 32
	Pixels  int   `json:"pixels"`  // of an image; default 25 million
	Cells   int   `json:"cells"`   // handed to the checks; more make them inapplicable; default 1 million

	Samples *Samples `json:"samples,omitempty"` // without it no samples are read
	Plain   bool     `json:"plain,omitempty"`   // also tables that no runner described, as others write them
}

// Samples says what may be in a table of the kind samples.
type Samples struct {
	Rows    int64    `json:"rows"`    // at most so many
	Columns []string `json:"columns"` // of the private tables: no column may have another name
	Masked  []string `json:"masked"`  // of these: they are taken out
}

// DefaultLimits are the limits of a site that sets none.
func DefaultLimits() Limits {
	return Limits{
		Bytes: 64 << 20, Memory: 512 << 20, Rows: 10_000_000, Columns: 4096,
		Text: 1 << 20, Depth: 32, Pixels: 25_000_000, Cells: 1_000_000,
	}
}

// withDefaults fills in what is not set, and keeps what is set below what the
// formats of this package can carry.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.Bytes = min(orDefault(l.Bytes, d.Bytes), 1<<30)
	l.Memory = min(orDefault(l.Memory, d.Memory), 1<<33)
	l.Rows = min(orDefault(l.Rows, d.Rows), 1<<31-1)
	l.Columns = min(orDefault(l.Columns, d.Columns), 1<<16)
	l.Text = min(orDefault(l.Text, d.Text), 1<<28)
	l.Depth = min(orDefault(l.Depth, d.Depth), 256)
	l.Pixels = min(orDefault(l.Pixels, d.Pixels), 1<<28)
	l.Cells = min(orDefault(l.Cells, d.Cells), maxStreamCells/4)
	return l
}

func orDefault[T int | int64](v, standard T) T {
	if v <= 0 {
		return standard
	}
	return v
}

// Canonical is an output as it may leave.
type Canonical struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Python  string `json:"python"`
	Media   string `json:"media"`   // media type
	File    string `json:"file"`    // suggested name
	Rows    int    `json:"rows"`    // of a table; of an array its first axis; lines of a text; else 1
	Columns int    `json:"columns"` // of a table, without its index; else 0
	Data    []byte `json:"-"`
}

// format is what is fixed by an output's kind.
type format struct {
	extension string
	media     string
	parse     func(entry ManifestEntry, data []byte, lim Limits) (parsed, error)
}

// parsed is what the parser of a kind gives.
type parsed struct {
	data          []byte
	rows, columns int
	cells         disclosure.Cells
}

func formatOf(kind string) (format, bool) {
	switch kind {
	case KindTable:
		return format{".parquet", "application/vnd.apache.parquet", parseTable}, true
	case KindArray:
		return format{".npy", "application/x-npy", parseArray}, true
	case KindJSON:
		return format{".json", "application/json", parseJSON}, true
	case KindText:
		return format{".txt", "text/plain; charset=utf-8", parseText}, true
	case KindImage:
		return format{".png", "image/png", parseImage}, true
	case KindSamples:
		return format{".parquet", "application/vnd.apache.parquet", parseSamples}, true
	case KindCSV:
		return format{".csv", "text/csv; charset=utf-8", parseCSV}, true
	case KindSVG:
		return format{".svg", "image/svg+xml", parseSVG}, true
	case KindSafetensors:
		return format{".safetensors", "application/x-safetensors", parseSafetensors}, true
	case KindONNX:
		return format{".onnx", "application/x-onnx", parseONNX}, true
	}
	return format{}, false
}

// Parse reads one output: the entry of the manifest that names it, its file's
// bytes, and its declaration. It is a pure function of its arguments; the error
// is a refusal, an *anchorhold.Error without anything of the content.
func Parse(entry ManifestEntry, data []byte, declared Declared, lim Limits) (c Canonical, cells disclosure.Cells, err error) {
	// The Parquet library panics on some malformed files instead of giving an
	// error, and on purpose when the memory limit is reached (see budget). Both
	// are refusals: nothing survives them but this function's own values.
	defer func() {
		if r := recover(); r != nil {
			c, cells, err = Canonical{}, disclosure.Cells{}, refuse(damagedFile)
			if cause, ok := r.(error); ok && errors.Is(cause, errBudget) {
				err = refuse(tooMuchMemory)
			}
		}
	}()
	lim = lim.withDefaults()
	f, err := admit(entry, declared, int64(len(data)), lim)
	if err != nil {
		return Canonical{}, disclosure.Cells{}, err
	}
	p, err := f.parse(entry, data, lim)
	if err != nil {
		return Canonical{}, disclosure.Cells{}, asRefusal(err)
	}
	if int64(len(p.data)) > lim.Bytes {
		return Canonical{}, disclosure.Cells{}, refuse(tooManyBytes)
	}
	p.cells.Kind = entry.Kind
	return Canonical{
		Name: entry.Name, Kind: entry.Kind, Python: entry.Python, Media: f.media, File: entry.Name + f.extension,
		Rows: p.rows, Columns: p.columns, Data: p.data,
	}, p.cells, nil
}

// admit checks what can be said before looking into the file.
func admit(entry ManifestEntry, declared Declared, size int64, lim Limits) (format, error) {
	f, ok := formatOf(entry.Kind)
	switch {
	case !ok:
		return f, refuse(unknownKind)
	case entry.Name != declared.Name || !isName(entry.Name):
		return f, refuse(undeclaredOutput)
	case declared.Kind != entry.Kind && (declared.Kind != KindAny || !Inferred(entry.Kind)):
		return f, refuse(otherKind)
	case entry.File != entry.Name+f.extension:
		return f, refuse(wrongFileName)
	case !allowedPython(entry.Kind, entry.Python):
		return f, refuse(wrongPython)
	case size > lim.Bytes:
		return f, refuse(tooManyBytes)
	}
	return f, nil
}

// Kinds lists the kinds of output.
func Kinds() []string {
	return []string{KindTable, KindArray, KindJSON, KindText, KindImage, KindCSV, KindSVG, KindSafetensors, KindONNX, KindSamples}
}

// Extension is how the file of an output of a kind ends.
func Extension(kind string) string {
	f, _ := formatOf(kind)
	return f.extension
}

// Types lists the Python types that a file of a kind may be read as, where
// nothing says which: the plainest first.
func Types(kind string) []string {
	switch kind {
	case KindTable, KindSamples:
		return []string{"pandas.DataFrame", "pandas.Series", "pandas.Index", "pyarrow.Table", "polars.DataFrame"}
	case KindCSV:
		return []string{"pandas.DataFrame"}
	case KindJSON:
		return []string{"dict", "list", "str", "bool", "int", "float", "None"}
	}
	for _, python := range []string{"numpy.ndarray", "str", "image/png", "image/svg+xml", "dict", "onnx.ModelProto"} {
		if allowedPython(kind, python) {
			return []string{python}
		}
	}
	return nil
}

// Inferred says whether an output may be of a kind without being declared so.
func Inferred(kind string) bool {
	return oneOf(kind, KindTable, KindArray, KindJSON, KindText, KindImage)
}

// isName says whether a name of an output is one that we let into file names.
func isName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '-') {
			return false
		}
	}
	return true
}

// asRefusal makes sure that what a parser says is one of our sentences.
func asRefusal(err error) error {
	var known *anchorhold.Error
	if errors.As(err, &known) {
		return known
	}
	return refuseFor(damagedFile, err)
}
