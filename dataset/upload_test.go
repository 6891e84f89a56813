package dataset_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// olga owns the site and is elsewhere: she names no file of its machine.
var olga = bookstest.User("olga", anchorhold.RoleOwner)

func (b *bench) permit(who anchorhold.Principal, action policy.Action) policy.Permit {
	b.t.Helper()
	return bookstest.Permit(b.t, who, action, policy.Site())
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// send uploads bytes in parts and gives the upload's id.
func (b *bench) send(name string, data []byte) string {
	b.t.Helper()
	p := b.permit(olga, policy.DatasetUpload)
	u, err := b.Begin(context.Background(), p, dataset.NewUpload{Name: name, Size: int64(len(data)), SHA256: digestOf(data)})
	if err != nil {
		b.t.Fatal(err)
	}
	for at := 0; at < len(data); at += dataset.UploadPart {
		if u, err = b.Append(context.Background(), p, u.ID, int64(at), data[at:min(at+dataset.UploadPart, len(data))]); err != nil {
			b.t.Fatal(err)
		}
	}
	if u.Received != int64(len(data)) {
		b.t.Fatalf("%d of %d bytes arrived", u.Received, len(data))
	}
	return u.ID
}

func (b *bench) uploads() []anchorhold.Upload {
	b.t.Helper()
	var all []anchorhold.Upload
	if err := b.Store.View(context.Background(), func(tx store.Tx) (err error) {
		all, err = tx.Uploads()
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return all
}

// table is a CSV file of more than two parts.
func table(seed int) []byte {
	var b strings.Builder
	b.WriteString("id,score\n")
	for i := 0; b.Len() < 2*dataset.UploadPart+1000; i++ {
		fmt.Fprintf(&b, "%d,%d.5\n", seed+i, i%97)
	}
	return []byte(b.String())
}

// TestCopiedIn: what an owner sends becomes an asset like one that lies at the
// site, and the next version may keep its bytes.
func TestCopiedIn(t *testing.T) {
	b := newBench(t)
	data := table(100_000)
	id := b.send("patients.csv", data)
	mock := b.send("mock.csv", []byte("id,score\n1,0.5\n2,1.5\n"))
	d, err := b.Add(t.Context(), b.permit(olga, policy.DatasetAdd), dataset.New{Name: "heart", Assets: []dataset.NewAsset{
		{Name: "patients", Upload: id, Mock: &dataset.NewMock{Upload: mock}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	v := b.patients(d)
	p := v.Private
	if !p.Copied || p.Path != "patients.csv" || p.Size != int64(len(data)) || p.Format != "csv" || v.Mock == nil || v.Mock.Rows != 2 {
		t.Fatalf("%+v", v)
	}
	kept, err := b.Blobs.Open(p.Blob)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if all, err := io.ReadAll(kept); err != nil || !bytes.Equal(all, data) {
		t.Errorf("the copy is not what was sent: %v", err)
	}
	if left := b.uploads(); len(left) != 0 {
		t.Errorf("uploads are left: %+v", left)
	}
	blobs, err := b.Blobs.List()
	if err != nil || len(blobs) != 3 { // the copy, its index, the mock
		t.Errorf("%d blobs are kept, %v", len(blobs), err)
	}
	if !b.Keeps(t.Context(), "heart", "patients") || b.Keeps(t.Context(), "heart", "nobody") {
		t.Error("Keeps is wrong")
	}
	next, err := b.AddVersion(t.Context(), b.permit(olga, policy.DatasetVersion), "heart", "patients", dataset.NewAsset{Missing: []string{"?"}})
	if err != nil {
		t.Fatal(err)
	}
	if w := b.patients(next); w.Number != 2 || w.Private.Blob != p.Blob || w.Commitment == v.Commitment {
		t.Errorf("%+v", w)
	}
	b.VerifyLog()
}

// TestTakenOnce: who did not hear that an upload was taken asks again under the
// same key, and hears it; the upload is gone by then, and the name in use.
func TestTakenOnce(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name string
		ask  func(ctx context.Context, n dataset.NewAsset) (anchorhold.Dataset, error)
	}{
		{"add", func(ctx context.Context, n dataset.NewAsset) (anchorhold.Dataset, error) {
			n.Name = "patients"
			return b.Add(ctx, b.permit(olga, policy.DatasetAdd), dataset.New{Name: "heart", Assets: []dataset.NewAsset{n}})
		}},
		{"version", func(ctx context.Context, n dataset.NewAsset) (anchorhold.Dataset, error) {
			return b.AddVersion(ctx, b.permit(olga, policy.DatasetVersion), "heart", "patients", n)
		}},
	} {
		n := dataset.NewAsset{Upload: b.send(c.name+".csv", []byte("id,score\n1,0.5\n2,1.5\n"))}
		ctx := books.WithKey(t.Context(), c.name, []byte("body"))
		first, err := c.ask(ctx, n)
		if err != nil {
			t.Fatal(c.name, err)
		}
		entries := len(b.Events())
		again, err := c.ask(ctx, n)
		if err != nil || b.patients(again).ID != b.patients(first).ID || len(b.Events()) != entries {
			t.Errorf("%s: %+v, %v and %d entries; want what was done, once", c.name, again, err, len(b.Events())-entries)
		}
		if _, err := c.ask(books.WithKey(t.Context(), c.name, []byte("another body")), n); anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Errorf("%s: one key for two acts: %v", c.name, err)
		}
	}
}

// TestUploadsAreWholeAndOnesOwn is what goes wrong on the way.
func TestUploadsAreWholeAndOnesOwn(t *testing.T) {
	b := newBench(t)
	data := table(5)
	ctx, p := t.Context(), b.permit(olga, policy.DatasetUpload)
	begin := func(n dataset.NewUpload) anchorhold.Upload {
		t.Helper()
		u, err := b.Begin(ctx, p, n)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	u := begin(dataset.NewUpload{Name: "a.csv", Size: int64(len(data)), SHA256: digestOf(data)})
	part := data[:dataset.UploadPart]
	if _, err := b.Append(ctx, p, u.ID, 0, part); err != nil {
		t.Fatal(err)
	}
	again, err := b.Append(ctx, p, u.ID, 0, part) // the answer was not heard
	if err != nil || again.Received != dataset.UploadPart || len(again.Parts) != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	for what, c := range map[string]struct {
		offset int64
		data   []byte
		kind   anchorhold.Kind
	}{
		"a part too early":     {2 * dataset.UploadPart, data[2*dataset.UploadPart:], anchorhold.Conflict},
		"an odd place":         {3, part, anchorhold.Invalid},
		"a short part":         {dataset.UploadPart, part[:10], anchorhold.Invalid},
		"nothing":              {dataset.UploadPart, nil, anchorhold.Invalid},
		"beyond the end":       {2 * dataset.UploadPart, part, anchorhold.Invalid},
		"before the beginning": {-dataset.UploadPart, part, anchorhold.Invalid},
	} {
		if _, err := b.Append(ctx, p, u.ID, c.offset, c.data); anchorhold.KindOf(err) != c.kind {
			t.Errorf("%s: %v", what, err)
		}
	}
	add := func(who anchorhold.Principal, id string) error {
		_, err := b.Add(ctx, b.permit(who, policy.DatasetAdd), dataset.New{Name: "x", Assets: []dataset.NewAsset{{Name: "a", Upload: id}}})
		return err
	}
	if err := add(olga, u.ID); anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "has not arrived whole") {
		t.Errorf("%v", err)
	}
	otto := bookstest.User("otto", anchorhold.RoleOwner)
	for what, err := range map[string]error{
		"taking":   add(otto, u.ID),
		"dropping": b.Drop(ctx, b.permit(otto, policy.DatasetUpload), u.ID),
		"nothing":  b.Drop(ctx, p, "upl-0000000000000000"),
	} {
		if anchorhold.KindOf(err) != anchorhold.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := b.Drop(ctx, p, u.ID); err != nil {
		t.Fatal(err)
	}
	// Another file than the announced one is found out at the end.
	other := begin(dataset.NewUpload{Name: "a.csv", Size: 4, SHA256: digestOf([]byte("a\n2\n"))})
	if _, err := b.Append(ctx, p, other.ID, 0, []byte("a\n1\n")); err != nil {
		t.Fatal(err)
	}
	if err := add(olga, other.ID); anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "not the file that was announced") {
		t.Errorf("%v", err)
	}
	if left := b.uploads(); len(left) != 0 { // or it would be gone on with
		t.Errorf("%+v", left)
	}
	for _, n := range []dataset.NewUpload{
		{Name: "../a.csv", Size: 1, SHA256: digestOf(nil)},
		{Name: ".csv", Size: 1, SHA256: digestOf(nil)},
		{Name: "a.csv", Size: 1, SHA256: "x"},
		{Name: "a.csv", Size: dataset.MaxUpload + 1, SHA256: digestOf(nil)},
	} {
		if _, err := b.Begin(ctx, p, n); err == nil {
			t.Errorf("%+v is taken", n)
		}
	}
}

// TestUploadsGoOn: who announces the same file again goes on where it stopped, and
// nobody goes on with what another sends.
func TestUploadsGoOn(t *testing.T) {
	b := newBench(t)
	data := table(7)
	ctx, p := t.Context(), b.permit(olga, policy.DatasetUpload)
	n := dataset.NewUpload{Name: "a.csv", Size: int64(len(data)), SHA256: digestOf(data)}
	begin := func(p policy.Permit, n dataset.NewUpload) anchorhold.Upload {
		t.Helper()
		u, err := b.Begin(ctx, p, n)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	first := begin(p, n)
	if _, err := b.Append(ctx, p, first.ID, 0, data[:dataset.UploadPart]); err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(23 * time.Hour)
	if u := begin(p, n); u.ID != first.ID || u.Received != dataset.UploadPart {
		t.Errorf("%+v", u)
	}
	b.Clock.Move(23 * time.Hour) // it was touched
	renamed := n
	renamed.Name = "b.csv"
	otto := b.permit(bookstest.User("otto", anchorhold.RoleOwner), policy.DatasetUpload)
	for what, u := range map[string]anchorhold.Upload{"another name": begin(p, renamed), "another person": begin(otto, n)} {
		if u.ID == first.ID || u.Received != 0 {
			t.Errorf("%s: %+v", what, u)
		}
	}
	if id := b.send("a.csv", data); id != first.ID { // it repeats the first part, too
		t.Errorf("another upload %s", id)
	}
}

// TestForgottenUploads: a day later nothing is left, and the room is free again.
func TestForgottenUploads(t *testing.T) {
	b := newBench(t)
	p := b.permit(olga, policy.DatasetUpload)
	for _, other := range []string{"a", "b"} {
		if _, err := b.Begin(t.Context(), p, dataset.NewUpload{Name: "a.csv", Size: dataset.MaxUpload, SHA256: digestOf([]byte(other))}); err != nil {
			t.Fatal(err)
		}
	}
	one := dataset.NewUpload{Name: "b.csv", Size: 4, SHA256: digestOf([]byte("a\n1\n"))}
	if _, err := b.Begin(t.Context(), p, one); anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Errorf("%v", err)
	}
	b.Clock.Move(25 * time.Hour)
	if _, err := b.Begin(t.Context(), p, one); err != nil {
		t.Fatal(err)
	}
	if left := b.uploads(); len(left) != 1 || left[0].Name != "b.csv" {
		t.Errorf("%+v", left)
	}
}

// TestFolders: files in a folder are an asset, its mock is an archive, and a
// change of any file is noticed.
func TestFolders(t *testing.T) {
	b := newBench(t)
	private, mock := t.TempDir(), t.TempDir()
	write := func(dir, name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(private, "a/one.txt", "the patient came in on a Tuesday with a fever\n")
	write(private, "two.png", "\x89PNG\x00\x01")
	write(private, ".DS_Store", "left out")
	write(mock, "example.txt", "somebody else was seen here at some other time\n")
	write(mock, "example.png", "\x89PNG\x00\x02")
	n := dataset.New{Name: "heart", Assets: []dataset.NewAsset{{Name: "patients", Path: private, Mock: &dataset.NewMock{Path: mock}}}}
	b.refuses(anchorhold.Conflict, "unseen:patients", func() error { _, err := b.add(n); return err })
	n.Assets[0].Mock.Accept = []string{"unseen:patients"}
	v := b.mustAdd(n)
	if v.Kind != anchorhold.KindFiles || v.Private.Format != "folder" || v.Private.Rows != 2 || !v.Private.Opaque {
		t.Errorf("%+v, %+v", v, v.Private)
	}
	if v.Mock.Format != "tar" || v.Mock.Rows != 2 || len(v.Columns) != 2 || v.Columns[0].Name != "*.png" {
		t.Errorf("%+v, %+v", v.Mock, v.Columns)
	}
	// A mock with a private file, or with a private line, is not published.
	for name, content := range map[string]string{"two.png": "x", "example.png": "\x89PNG\x00\x01", "example.txt": "the patient came in on a Tuesday with a fever\n"} {
		bad := t.TempDir()
		write(bad, "example.txt", "nothing\n")
		write(bad, "example.png", "nothing")
		write(bad, name, content)
		_, err := b.version(dataset.NewAsset{Mock: &dataset.NewMock{Path: bad, Accept: []string{"unseen:patients"}}})
		if anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "may not be published") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(private, "three.txt")); err != nil {
		t.Fatal(err)
	}
	b.refuses(anchorhold.Invalid, "holds a link", func() error { _, err := b.version(dataset.NewAsset{}); return err })
	b.VerifyLog()
}

// Of an archive that is given as a mock only what was compared is published: the name
// of a file's owner could hold private text.
func TestMocksOfArchivesAreWrittenAnew(t *testing.T) {
	const secret = "the patient came in on a Tuesday with a fever"
	b := newBench(t)
	private := t.TempDir()
	if err := os.WriteFile(filepath.Join(private, "one.txt"), []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	text := "somebody else was seen here at some other time\n"
	err := w.WriteHeader(&tar.Header{Name: "example.txt", Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(text)), Uname: secret, Format: tar.FormatPAX})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write([]byte(text))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	mock := filepath.Join(t.TempDir(), "mock.tar")
	if err := os.WriteFile(mock, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	v := b.mustAdd(dataset.New{Name: "heart", Assets: []dataset.NewAsset{{Name: "patients", Path: private, Mock: &dataset.NewMock{Path: mock, Accept: []string{"unseen:patients"}}}}})
	published, err := b.Blobs.ReadAll(v.Mock.Blob, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(published, []byte("Tuesday")) || !bytes.Contains(published, []byte(text)) {
		t.Errorf("published: %q", published)
	}
	again, err := tar.NewReader(bytes.NewReader(published)).Next()
	if err != nil || again.Name != "example.txt" || int64(len(published)) != v.Mock.Size {
		t.Errorf("%+v, %v", again, err)
	}
}

// TestGeneratedMocksOfArraysAndFolders come from the card alone.
func TestGeneratedMocksOfArraysAndFolders(t *testing.T) {
	b := newBench(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.txt"), []byte("some words of a patient\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	array, err := filepath.Abs("../catalog/codec/testdata/stack.npy")
	if err != nil {
		t.Fatal(err)
	}
	generate := &dataset.NewMock{Generate: &dataset.Generate{Seed: 3, Rows: 7}}
	d, err := b.add(dataset.New{Name: "heart", Assets: []dataset.NewAsset{
		{Name: "images", Path: array, Mock: generate}, {Name: "patients", Path: folder, Mock: generate},
	}})
	if err != nil {
		t.Fatal(err)
	}
	images, _ := d.Asset("images")
	if v := images.Version; images.Kind != anchorhold.KindArray || v.Mock.Format != "npy" || v.Mock.Rows != 7 || v.Private.Rows != 2 {
		t.Errorf("%+v, %+v", v, v.Mock)
	}
	if v := b.patients(d); v.Mock.Format != "tar" || v.Mock.Rows != 5 || v.Private.Opaque {
		t.Errorf("%+v, %+v", v, v.Mock)
	}
}

// Lines that are too short to be told from others, or longer than what is
// indexed of one, are not in the index: nothing may pass as compared with them.
func TestFilesOfShortOrLongLinesAreOpaque(t *testing.T) {
	for name, content := range map[string]string{
		"table.csv": "id,label\n1,0\n2,1\n", "long.txt": strings.Repeat("many words in a line ", 20) + "\n",
	} {
		b := newBench(t)
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if v := b.mustAdd(dataset.New{Name: "heart", Assets: []dataset.NewAsset{{Name: "patients", Path: folder}}}); !v.Private.Opaque {
			t.Errorf("%s counts as compared with", name)
		}
	}
}

// A restored site takes nothing, parts of files included.
func TestFrozenSiteTakesNoParts(t *testing.T) {
	b := newBench(t)
	p := bookstest.Permit(t, owner, policy.DatasetUpload, policy.Site())
	u, err := b.Begin(t.Context(), p, dataset.NewUpload{Name: "a.csv", Size: 4, SHA256: "sha256:" + strings.Repeat("0", 64)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Store.Update(t.Context(), func(tx store.Tx) error { return books.Freeze(tx, books.Frozen{Backup: "b"}) }); err != nil {
		t.Fatal(err)
	}
	b.Service.Books = &books.Books{Store: b.Store, Log: b.Log, Now: b.Clock.Now} // as after a start
	if _, err := b.Append(t.Context(), p, u.ID, 0, []byte("a\n1\n")); !errors.Is(err, books.ErrFrozen) {
		t.Errorf("a part at a frozen site: %v", err)
	}
}

// A mock of arrays that its owner gives has the axes and the type of number of the
// private side, and no line of it.
// TestUploadVectors: docs/spec/upload.md.
func TestUploadVectors(t *testing.T) {
	data, err := os.ReadFile("../docs/spec/vectors/upload.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Files []struct {
			Name, Repeat string
			Size         int
			Announced    dataset.NewUpload
			Parts        []struct{ Offset, Size int64 }
		}
		Answers []struct {
			Name, Answer                   string
			Size, Received, Offset, Length int64
		}
	}
	if err := json.Unmarshal(data, &v); err != nil || len(v.Files) < 4 || len(v.Answers) < 7 {
		t.Fatalf("%d files, %d answers, %v", len(v.Files), len(v.Answers), err)
	}
	b, p, ctx := newBench(t), func(b *bench) policy.Permit { return b.permit(owner, policy.DatasetUpload) }, context.Background()
	for _, f := range v.Files {
		content := []byte(strings.Repeat(f.Repeat, f.Size/len(f.Repeat)+1)[:f.Size])
		if f.Announced.SHA256 != digestOf(content) {
			t.Errorf("%s: another digest", f.Name)
		}
		u, err := b.Begin(ctx, p(b), f.Announced)
		for _, part := range f.Parts {
			if err == nil {
				u, err = b.Append(ctx, p(b), u.ID, part.Offset, content[part.Offset:part.Offset+part.Size])
			}
		}
		if err != nil || u.Received != u.Size {
			t.Errorf("%s: %+v, %v", f.Name, u, err)
		}
	}
	for i, a := range v.Answers {
		u, err := b.Begin(ctx, p(b), dataset.NewUpload{Name: fmt.Sprint(i), Size: a.Size, SHA256: digestOf([]byte(a.Name))})
		for at := int64(0); at < a.Received && err == nil; at += dataset.UploadPart {
			u, err = b.Append(ctx, p(b), u.ID, at, make([]byte, dataset.UploadPart))
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Append(ctx, p(b), u.ID, a.Offset, make([]byte, a.Length))
		if got := map[string]anchorhold.Kind{"taken": "", "invalid": anchorhold.Invalid, "conflict": anchorhold.Conflict}[a.Answer]; err == nil && got != "" || err != nil && anchorhold.KindOf(err) != got {
			t.Errorf("%s: %v, want %s", a.Name, err, a.Answer)
		}
	}
}

func TestGivenMocksOfArrays(t *testing.T) {
	b := newBench(t)
	npy := func(name, descr, shape string, data []byte) string {
		t.Helper()
		head := "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n"
		path := filepath.Join(t.TempDir(), name+".npy")
		if err := os.WriteFile(path, append([]byte("\x93NUMPY\x01\x00"+string([]byte{byte(len(head)), 0})+head), data...), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	line := func(first byte) []byte { // three different numbers of two bytes
		return []byte{first, 1, first + 1, 2, first + 2, 3}
	}
	private := npy("a", "<i2", "(2, 3)", append(line(10), line(20)...))
	for name, c := range map[string]struct {
		mock   string
		accept []string
		want   string
	}{
		"another type":   {npy("m", "<u2", "(1, 3)", line(30)), nil, "type:patients.values"},
		"longer rows":    {npy("m", "<i2", "(1, 6)", append(line(30), line(40)...)), nil, "shape:patients.values"},
		"another axis":   {npy("m", "<i2", "(1, 1, 3)", line(30)), nil, "shape:patients.values"},
		"a private line": {npy("m", "<i2", "(2, 3)", append(line(30), line(20)...)), nil, "may not be published"},
		"it is accepted": {npy("m", "<i2", "(1, 1, 3)", line(30)), []string{"shape:patients.values"}, ""},
	} {
		_, err := b.add(dataset.New{Name: "d-" + strings.ReplaceAll(name, " ", "-"), Assets: []dataset.NewAsset{
			{Name: "patients", Path: private, Mock: &dataset.NewMock{Path: c.mock, Accept: c.accept}},
		}})
		if c.want == "" && err != nil || c.want != "" && (anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Zeros are nobody's, though a private line has no other.
	sparse := npy("s", "<i2", "(2, 3)", append(line(10), 0, 0, 0, 0, 0, 0))
	if _, err := b.add(dataset.New{Name: "sparse", Assets: []dataset.NewAsset{
		{Name: "patients", Path: sparse, Mock: &dataset.NewMock{Path: npy("m", "<i2", "(2, 3)", make([]byte, 12))}},
	}}); err != nil {
		t.Error(err)
	}
}
