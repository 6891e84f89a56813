package codec

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
	"github.com/anchorhold/anchorhold/internal/plaintar"
)

// Limits of an asset of files.
const (
	MaxFiles     = 100_000
	MaxFilePath  = 512 // bytes
	maxFileDepth = 32
)

// What the rows of files are made of: for each file its name and the digest of
// its content, both of which identify it; and for each line of a text that is
// long enough to be told from others, its words.
const (
	wordsPerRow  = 32
	wordsPerLine = 4 // at least
	filesWidth   = 2 + wordsPerRow
)

// Entry is one file of an asset of files.
type Entry struct {
	Path   string // slash-separated, within the folder or archive
	Size   int64
	Offset int64 // in the archive
}

// CheckEntries sorts entries by path and refuses what an asset of files cannot
// have.
func CheckEntries(name string, entries []Entry) error {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
	if len(entries) == 0 {
		return invalid("put files into it; names that begin with a dot are left out", "%s holds no files", name)
	}
	if len(entries) > MaxFiles {
		return anchorhold.Errorf(anchorhold.TooLarge, "offer fewer, or put many into one file", "%s holds more than %d files", name, MaxFiles)
	}
	for i, e := range entries {
		if !safePath(e.Path) {
			return invalid("give it a short name without control characters, dots at its beginning or backslashes", "file number %d of %s has a name that cannot be offered", i+1, name)
		}
		if i > 0 && entries[i-1].Path == e.Path {
			return invalid("write each file once", "%s holds two files of the same name", name)
		}
	}
	return nil
}

func safePath(p string) bool {
	if len(p) > MaxFilePath || !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) || strings.Count(p, "/") >= maxFileDepth {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part[0] == '.' || strings.ContainsRune(part, '\\') {
			return false
		}
	}
	return true
}

// FilesColumns are what the card of an asset of files says: which kinds of file
// it has, by their extensions.
func FilesColumns(entries []Entry) []anchorhold.Column {
	seen := map[string]bool{}
	for _, e := range entries {
		seen["*"+strings.ToLower(path.Ext(e.Path))] = true
	}
	cols := []anchorhold.Column{}
	for ext := range seen {
		cols = append(cols, anchorhold.Column{Name: ext, Type: anchorhold.TypeString})
	}
	slices.SortFunc(cols, func(a, b anchorhold.Column) int { return cmp.Compare(a.Name, b.Name) })
	return cols
}

// FilesReader reads files one after the other.
type FilesReader struct {
	name    string
	entries []Entry
	open    func(i int) (io.ReadCloser, error)
	cols    []anchorhold.Column
	at      int
	bytes   int64
	in      io.ReadCloser
	lines   *bufio.Scanner
	sum     interface{ Sum(b []byte) []byte }
	opaque  bool
	batch   [][]Cell
}

// NewFilesReader reads entries, which CheckEntries has seen, each through open.
func NewFilesReader(name string, entries []Entry, o Options, open func(i int) (io.ReadCloser, error)) (*FilesReader, error) {
	cols := FilesColumns(entries)
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	given, err := byName(name, names, o.Columns)
	if err != nil {
		return nil, err
	}
	for i := range cols {
		if g, ok := given[cols[i].Name]; ok {
			cols[i].Description = g.Description
		}
	}
	return &FilesReader{name: name, entries: entries, open: open, cols: cols, batch: makeBatch(filesWidth)}, nil
}

// Columns implements Reader.
func (r *FilesReader) Columns() []anchorhold.Column { return slices.Clone(r.cols) }

// Width implements Reader.
func (r *FilesReader) Width() int { return filesWidth }

// Of implements Reader: nothing of files is measured.
func (r *FilesReader) Of() int { return None }

// Identifiers implements Identifier.
func (r *FilesReader) Identifiers() []int { return []int{0, 1} }

// Opaque says whether there were files whose content the rows do not show.
func (r *FilesReader) Opaque() bool { return r.opaque }

// Rows implements Reader.
func (r *FilesReader) Rows() int64 { return int64(r.at) }

// Position implements Reader.
func (r *FilesReader) Position() int64 { return r.bytes }

// Close implements Reader.
func (r *FilesReader) Close() {
	if r.in != nil {
		_ = r.in.Close() // opened for reading only
		r.in = nil
	}
}

// Next implements Reader: the rows of the next file, or of a part of it.
func (r *FilesReader) Next() ([][]Cell, error) {
	if r.at == len(r.entries) {
		return nil, io.EOF
	}
	if r.in == nil {
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	n := 0
	for n < len(r.batch)-1 {
		words, more := r.line()
		if !more {
			return r.end(n)
		}
		// A short line is not told from others, and of a long one the rest is left
		// out: what the rows do not show, nothing can be compared with.
		r.opaque = r.opaque || len(words) > wordsPerRow || len(words) > 0 && len(words) < wordsPerLine
		if len(words) >= wordsPerLine {
			clear(r.batch[n])
			for i, w := range words[:min(len(words), wordsPerRow)] {
				r.batch[n][2+i] = Cell{Kind: CellText, Text: w}
			}
			n++
		}
	}
	return r.batch[:n], nil
}

func (r *FilesReader) begin() error {
	in, err := r.open(r.at)
	if err != nil {
		return explain(r.name, err)
	}
	h := sha256.New()
	r.in, r.sum = in, h
	r.lines = bufio.NewScanner(io.TeeReader(in, h))
	r.lines.Buffer(make([]byte, 0, 64<<10), MaxRowBytes)
	return nil
}

// line gives the words of the next line of a text; more is false at its end, and
// at the first line that is no text.
func (r *FilesReader) line() (words []string, more bool) {
	if !r.lines.Scan() {
		if errors.Is(r.lines.Err(), bufio.ErrTooLong) {
			r.opaque = true
		}
		return nil, false
	}
	b := r.lines.Bytes()
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		r.opaque = true
		return nil, false
	}
	return strings.Fields(string(b)), true
}

// end reads what is left of a file, and adds the row that names it.
func (r *FilesReader) end(n int) ([][]Cell, error) {
	if err := r.lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, explain(r.name, err)
	}
	h, _ := r.sum.(io.Writer)
	if _, err := io.Copy(h, r.in); err != nil {
		return nil, explain(r.name, err)
	}
	clear(r.batch[n])
	r.batch[n][0] = Cell{Kind: CellText, Text: r.entries[r.at].Path}
	r.batch[n][1] = Cell{Kind: CellText, Text: hex.EncodeToString(r.sum.Sum(nil))}
	r.bytes += r.entries[r.at].Size
	r.Close()
	r.at++
	return r.batch[:n+1], nil
}

// Folder is the format of files that lie in a folder, where their owner keeps
// them.
type Folder struct{ Tar }

// Format implements Codec.
func (Folder) Format() Format {
	return Format{
		Name: "folder", Kind: anchorhold.KindFiles, Title: "a folder", Media: "application/x-tar", MockFormat: Tar{}.Format().Name,
		Sniff: func([]byte) bool { return false }, // no file is a folder
	}
}

// Open implements Codec.
func (Folder) Open(in Input, o Options) (Reader, error) {
	r, err := NewFilesReader(in.Name, in.Entries, o, in.Open)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// TarWriter writes archives whose bytes depend on names and contents alone.
type TarWriter struct{ t *tar.Writer }

// NewTarWriter begins an archive.
func NewTarWriter(w io.Writer) TarWriter { return TarWriter{tar.NewWriter(w)} }

// Add adds a file.
func (w TarWriter) Add(name string, size int64, r io.Reader) error {
	h := &tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
	if err := w.t.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.Copy(w.t, r)
	return err
}

// Close ends the archive.
func (w TarWriter) Close() error { return w.t.Close() }

// Tar is the format of a folder of files in one: a tar archive, not compressed,
// of regular files. It is what a folder that is copied in is kept as.
type Tar struct{}

// Format implements Codec.
func (Tar) Format() Format {
	return Format{
		Name: "tar", Kind: anchorhold.KindFiles, Title: "a tar archive", Extensions: []string{".tar"}, Media: "application/x-tar",
	}
}

// Open implements Codec.
func (Tar) Open(in Input, o Options) (Reader, error) {
	entries, err := TarEntries(in)
	if err != nil {
		return nil, err
	}
	r, err := NewFilesReader(in.Name, entries, o, func(i int) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(in.At, entries[i].Offset, entries[i].Size)), nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// TarEntries lists the files of an archive and where their contents lie.
func TarEntries(in Input) ([]Entry, error) {
	section := io.NewSectionReader(in.At, 0, in.Size)
	t := tar.NewReader(section)
	var entries []Entry
	var folders []string
	for end := int64(0); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			if !blank(in.At, end, in.Size-end) {
				return nil, invalid("write it again", "%s holds something behind its end", in.Name)
			}
			return entries, cmp.Or(CheckEntries(in.Name, entries), checkFolders(in.Name, folders, entries))
		}
		if err != nil {
			return nil, invalid("write it again, without compression, for example with tar -cf FILE.tar -C FOLDER .", "%s is damaged or not a tar archive", in.Name).Because(err)
		}
		at, err := section.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, Unreadable(in.Name, err)
		}
		folder, odd := plainEntry(h, in.At, end, at)
		end = at
		if odd != "" {
			return nil, oddEntry(in.Name, odd)
		} else if folder {
			if folders = append(folders, h.Name); len(folders) > MaxFiles {
				return nil, anchorhold.Errorf(anchorhold.TooLarge, "offer fewer", "%s holds more than %d folders", in.Name, MaxFiles)
			}
			continue
		}
		e := Entry{Path: strings.TrimPrefix(h.Name, "./"), Size: h.Size, Offset: at}
		if e.Size < 0 || e.Size > in.Size-at {
			return nil, invalid("copy it again", "%s is cut off", in.Name)
		}
		if hidden(e.Path) {
			return nil, invalid("write it without them: tar --exclude='.[!.]*' -cf FILE.tar -C FOLDER .", "%s holds files whose names begin with a dot", in.Name)
		}
		if !blank(in.At, at+e.Size, -e.Size&(tarBlock-1)) {
			return nil, invalid("write it again", "%s holds something behind a file, where nothing should be", in.Name)
		}
		end = at + e.Size + -e.Size&(tarBlock-1)
		if entries = append(entries, e); len(entries) > MaxFiles {
			return nil, CheckEntries(in.Name, entries)
		}
	}
}

// plainEntry says whether an entry is a folder, and what makes it more than that or
// than a plain file: what nobody lists would still be in the file, and in a mock
// would leave with it. Its headers lie between two places of the archive.
func plainEntry(h *tar.Header, in io.ReaderAt, from, to int64) (folder bool, odd string) {
	if to-from > plaintar.MaxHeaders {
		return false, "has headers that are too long"
	}
	raw := make([]byte, to-from)
	if _, err := in.ReadAt(raw, from); err != nil && !errors.Is(err, io.EOF) {
		return false, "could not be read twice"
	}
	if h.Typeflag == tar.TypeDir && h.Size == 0 {
		folder = true
		h.Typeflag = tar.TypeReg
	}
	return folder, plaintar.OddHeaders(h, raw)
}

// checkFolders refuses a folder in which no file lies: nothing compares its name
// with anything.
func checkFolders(name string, folders []string, entries []Entry) error {
	used := map[string]bool{".": true}
	for _, e := range entries {
		for p := path.Dir(e.Path); !used[p]; p = path.Dir(p) {
			used[p] = true
		}
	}
	for _, f := range folders {
		if f != "./" && !used[strings.TrimSuffix(strings.TrimPrefix(f, "./"), "/")] {
			return invalid("leave it out: cd FOLDER && find . -type f ! -path '*/.*' -print0 | tar --null -T - -cf FILE.tar", "%s has a folder without files", name)
		}
	}
	return nil
}

func oddEntry(name, what string) error {
	return invalid("write it with plain files alone: tar -cf FILE.tar -C FOLDER .", "%s has an entry that %s", name, what)
}

const tarBlock = 512

// blank says whether nothing but zeros lies in a part of a file.
func blank(r io.ReaderAt, at, n int64) bool {
	part := bufio.NewReader(io.NewSectionReader(r, at, n))
	for {
		b, err := part.ReadByte()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if b != 0 {
			return false
		}
	}
}

// hidden says whether a file is left out: its name, or a folder's that it lies
// in, begins with a dot.
func hidden(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		if strings.HasPrefix(part, ".") && part != ".." {
			return true
		}
	}
	return false
}

// mockFiles is how many files of each kind a mock has.
const mockFiles = 5

// Generate implements Codec: a few small files of each kind, of words or of
// random bytes. Code that reads images needs a mock that its owner gives.
func (Tar) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	t := NewTarWriter(w)
	n := int64(0)
	for i, c := range card.Columns {
		draw, err := mock.Numbers(anchorhold.Column{Name: c.Name, Type: anchorhold.TypeInt, Facts: []anchorhold.Fact{
			{Name: anchorhold.FactMin, Value: 0.0}, {Name: anchorhold.FactMax, Value: 255.0},
		}}, 4096, seed, i)
		if err != nil {
			return 0, err
		}
		ext := strings.TrimPrefix(c.Name, "*")
		for k := range mockFiles {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			var content bytes.Buffer
			for range 16 {
				fmt.Fprintf(&content, "mock %d of %d\n", int(draw()), k+1)
			}
			if err := t.Add(fmt.Sprintf("mock-%d%s", k+1, ext), int64(content.Len()), &content); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, t.Close()
}
