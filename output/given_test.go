package output

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/disclosure"
)

var update = flag.Bool("update", false, "write testdata/expected.txt anew")

// given are the files in testdata/given with the Python type of each; see
// testdata/make.py.
func given(t testing.TB) (entries []ManifestEntry, files map[string][]byte) {
	t.Helper()
	python := map[string]string{
		"arrow.parquet": "pyarrow.Table", "series.parquet": "pandas.Series", "counts.parquet": "pandas.Series",
		"unnamed.parquet": "pandas.Series", "range.parquet": "pandas.Series", "index.parquet": "pandas.Index",
		"intervals.parquet": "pandas.Series", "dict.json": "dict", "nan.json": "float",
	}
	kinds := map[string]struct{ kind, python string }{
		".parquet": {KindTable, "pandas.DataFrame"}, ".npy": {KindArray, "numpy.ndarray"},
		".json": {KindJSON, ""}, ".txt": {KindText, "str"}, ".png": {KindImage, "image/png"},
	}
	paths, err := filepath.Glob("testdata/given/*")
	if err != nil || len(paths) < 30 {
		t.Fatalf("testdata/given has %d files, %v", len(paths), err)
	}
	files = map[string][]byte{}
	for _, path := range paths {
		file := filepath.Base(path)
		k := kinds[filepath.Ext(file)]
		e := ManifestEntry{Name: strings.TrimSuffix(file, filepath.Ext(file)), Kind: k.kind, Python: k.python, File: file}
		if p, ok := python[file]; ok {
			e.Python = p
		}
		if files[file], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries, files
}

func declare(e ManifestEntry) Declared { return Declared{Name: e.Name, Kind: KindAny} }

// show writes all that Parse gives, for comparison by eye.
func show(c Canonical, cells disclosure.Cells) string {
	var b strings.Builder
	fmt.Fprintf(&b, "== %s %s %s, %d rows, %d columns, %d bytes, sha256 %.8x, partial %v\n",
		c.File, c.Python, c.Media, c.Rows, c.Columns, len(c.Data), sha256.Sum256(c.Data), cells.Partial)
	for _, s := range cells.Sheets {
		fmt.Fprintf(&b, "-- index %d, labels%s\n", s.Index, showRow(s.Labels))
		for i, r := range s.Rows {
			if i == 7 {
				fmt.Fprintf(&b, "   … %d rows\n", len(s.Rows))
				break
			}
			fmt.Fprintf(&b, "  %s\n", showRow(r))
		}
	}
	return b.String()
}

func showRow(cells []disclosure.Cell) string {
	var b strings.Builder
	for _, c := range cells {
		switch c.Kind() {
		case disclosure.CellMissing:
			b.WriteString(" -")
		case disclosure.CellInteger, disclosure.CellReal:
			f, _ := c.Number()
			fmt.Fprintf(&b, " %v", f)
		default:
			fmt.Fprintf(&b, " %q", c.Text())
		}
	}
	return b.String()
}

// Files of pandas, PyArrow, NumPy and Pillow come through with every value, and
// what Parse writes for them is what it always wrote.
func TestGivenFilesAreUnderstood(t *testing.T) {
	entries, files := given(t)
	var got strings.Builder
	for _, e := range entries {
		c, cells, err := Parse(e, files[e.File], declare(e), Limits{})
		if err != nil {
			t.Errorf("%s: %v", e.File, err)
			continue
		}
		got.WriteString(show(c, cells))
	}
	const path = "testdata/expected.txt"
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s", got.String())
	}
}

// A canonical file is its own canonical form, and carries no bytes of the given
// one's freedom.
func TestCanonicalFormIsAFixedPoint(t *testing.T) {
	entries, files := given(t)
	for _, e := range entries {
		once, cells, err := Parse(e, files[e.File], declare(e), Limits{})
		if err != nil {
			t.Fatalf("%s: %v", e.File, err)
		}
		twice, again, err := Parse(e, once.Data, declare(e), Limits{})
		if err != nil {
			t.Errorf("%s: the canonical form is refused: %v", e.File, err)
			continue
		}
		if !bytes.Equal(once.Data, twice.Data) {
			t.Errorf("%s: parsing the canonical form gives other bytes", e.File)
		}
		if show(once, cells) != show(twice, again) {
			t.Errorf("%s: the canonical form has other cells:\n%s%s", e.File, show(once, cells), show(twice, again))
		}
	}
}

// Python's libraries read what Parse writes as they read what it was given. This
// needs an environment with pandas; where the machine has one, each is asked.
func TestPythonReadsTheSameValues(t *testing.T) {
	entries, files := given(t)
	dir := t.TempDir()
	for _, e := range entries {
		c, _, err := Parse(e, files[e.File], declare(e), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, c.File), c.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environments, err := filepath.Glob("/var/lib/anchorhold/envs/*/packages")
	if err != nil {
		t.Fatal(err)
	}
	for _, packages := range environments {
		python := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/compare.py", "testdata/given", dir)
		python.Env = []string{"PYTHONPATH=" + packages}
		out, err := python.CombinedOutput()
		if want := fmt.Sprintf("%d files are equal\n", len(entries)); err != nil || string(out) != want {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestEveryReasonHasItsSentence(t *testing.T) {
	for r := range lastReason {
		if s := r.sentence(); s.message == "" || s.remedy == "" {
			t.Errorf("reason %d has no sentence", r)
		}
	}
}
