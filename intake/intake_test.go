//go:build unix

package intake

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/sandboxtest"
)

// guest is a session whose program runs in this process.
type guest struct {
	conn *net.UnixConn
	once sync.Once
	over chan struct{}
}

func (g *guest) Conn() *net.UnixConn { return g.conn }
func (g *guest) Finish()             { g.Kill() }
func (g *guest) Kill()               { g.once.Do(func() { close(g.over); _ = g.conn.CloseRead() }) }

// pair is a connected pair of sockets.
func pair(t testing.TB) (*net.UnixConn, *net.UnixConn) {
	t.Helper()
	a, b, err := sandboxtest.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// here opens files as an Opener does, with a guest that play plays.
type here struct {
	t    testing.TB
	play func(*net.UnixConn)
}

func (h here) Open(ctx context.Context, format string, f *os.File, in codec.Input, o codec.Options) (codec.Reader, error) {
	ended := make(chan struct{})
	h.t.Cleanup(func() { <-ended }) // after pair has closed both ends
	host, other := pair(h.t)
	go func() {
		defer close(ended)
		h.play(other)
	}()
	g := &guest{conn: host, over: make(chan struct{})}
	r, err := begin(ctx, g, question{Format: format, Name: in.Name, Size: in.Size, Columns: o.Columns, Missing: o.Missing}, f)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func honest(t testing.TB) here {
	return here{t, func(c *net.UnixConn) {
		if err := Serve(c); err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the guest ended with %v", err)
		}
		_ = c.Close() // pair may have closed it
	}}
}

// given are the files of all formats that are in the repository.
func given(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob("../catalog/codec/testdata/*.*")
	if err != nil || len(all) < 15 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	return all
}

// readAll reads a table to its end: everything that there is to know of it.
func readAll(t testing.TB, path string, o catalog.ReadOptions) (string, error) {
	t.Helper()
	table, err := catalog.Open(path, o)
	if err != nil {
		return "", err
	}
	defer table.Close()
	var out strings.Builder
	for {
		rows, err := table.Next(t.Context())
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(&out, table.Columns(), table.Rows(), table.Format())
			return out.String(), nil
		}
		if err != nil {
			return "", err
		}
		for _, row := range rows {
			fmt.Fprintf(&out, "%#v\n", row)
		}
	}
}

// Every format is the same rows whether it is read here or by a guest, and is
// refused in the same words.
func TestGuestsReadAsWeDo(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "files.tar")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"a.txt", "b.bin"} {
		text := "some words of " + name + "\nwords\x00\n"
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), os.WriteFile(archive, b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(given(t), archive, "../demo/data/cleveland.csv") {
		want, wantErr := readAll(t, path, catalog.ReadOptions{})
		got, err := readAll(t, path, catalog.ReadOptions{Opener: honest(t)})
		if got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) || anchorhold.KindOf(err) != anchorhold.KindOf(wantErr) {
			t.Errorf("%s: %v, want %v\n%.2000s\n%.2000s", path, err, wantErr, got, want)
		}
		options := catalog.Options{Label: "d/a", Secret: bytes.Repeat([]byte{7}, catalog.SecretSize), Propose: true}
		one, wantErr := catalog.Register(t.Context(), path, options)
		options.Opener = honest(t)
		two, err := catalog.Register(t.Context(), path, options)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || show(one) != show(two) {
			t.Errorf("%s is registered otherwise: %v, %v\n%s\n%s", path, err, wantErr, show(one), show(two))
		}
	}
}

// show is a registration as it is kept: JSON.
func show(r catalog.Registration) string {
	text, err := json.Marshal(r)
	return fmt.Sprint(string(text), err)
}

// A row that is longer than a frame, and more rows than fit into one.
func TestLongAndManyRows(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "long.jsonl")
	row := func(n int) string { return `{"a":"` + strings.Repeat("x", n) + `","b":1}` + "\n" }
	text := row(5<<20) + row(1) + row(3<<20) + strings.Repeat(row(40), 30_000)
	if err := os.WriteFile(long, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := readAll(t, long, catalog.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, long, catalog.ReadOptions{Opener: honest(t)}); err != nil || got != want {
		t.Errorf("%v", err)
	}
}

// A guest that was taken over can say no and can waste time; it can neither fill
// the host's memory, nor choose letters that change what a terminal shows.
func TestGuestsThatLie(t *testing.T) {
	text := func(kind byte, v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return sandbox.Frame(kind, b)
	}
	column := []anchorhold.Column{{Name: "a", Type: anchorhold.TypeInt}}
	good := text(frameHeader, header{Columns: column, Width: 1})
	rows := func(values ...uint64) []byte {
		var b []byte
		for _, v := range values {
			b = binary.AppendUvarint(b, v)
		}
		return sandbox.Frame(frameRows, b)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, answer := range map[string][]byte{
		"nothing":                  nil,
		"half a frame":             good[:7],
		"an exabyte":               {frameHeader, 0xff, 0xff, 0xff, 0xff},
		"no header":                text(frameEnd, tail{}),
		"no columns":               text(frameHeader, header{Width: 1}),
		"no width":                 text(frameHeader, header{Columns: column}),
		"a width beyond all":       text(frameHeader, header{Columns: column, Width: 1 << 30}),
		"an identifier beyond all": text(frameHeader, header{Columns: column, Width: 1, Identifiers: []int{1}}),
		"a name that rings":        text(frameHeader, header{Columns: []anchorhold.Column{{Name: "a\a"}}, Width: 1}),
		"a value as a fact": text(frameHeader, header{Columns: []anchorhold.Column{{
			Name: "a", Facts: []anchorhold.Fact{{Name: anchorhold.FactMax, Value: 7.0, Provenance: anchorhold.Measured}},
		}}, Width: 1}),
		"values as a shape": text(frameHeader, header{Columns: []anchorhold.Column{{
			Name: "a", Facts: []anchorhold.Fact{{Name: anchorhold.FactShape, Value: []any{"n", "somebody"}, Provenance: anchorhold.Stated}},
		}}, Width: 1}),
		"values as a description": text(frameHeader, header{Columns: []anchorhold.Column{{Name: "a", Description: "somebody"}}, Width: 1}),
		"a value as a fact at the end": join(good, text(frameEnd, tail{Accepts: make([]codec.TypeSet, 1), Columns: []anchorhold.Column{{
			Name: "a", Unit: "somebody",
		}}})),
		"not JSON":                   sandbox.Frame(frameHeader, []byte("{")),
		"a refusal that rings":       text(frameRefused, refused{anchorhold.Invalid, "no\x1b[2J", ""}),
		"a refusal of another kind":  text(frameRefused, refused{anchorhold.Denied, "no", ""}),
		"an endless refusal":         text(frameRefused, refused{anchorhold.Invalid, strings.Repeat("no", 2000), ""}),
		"a wordless refusal":         text(frameRefused, refused{Kind: anchorhold.Invalid}),
		"rows beyond all":            join(good, rows(1<<40, 0, 0, 0)),
		"rows without cells":         join(good, rows(3, 0, 0, 0)),
		"cells without rows":         join(good, rows(0, 0, 0, 0, 1)),
		"a column beyond all":        join(good, rows(0, 2<<20, 0, 0)),
		"each of one":                join(text(frameHeader, header{Columns: append(column, column...), Width: 1}), rows(0, 1, 0, 0)),
		"parts of a plain type":      text(frameHeader, header{Columns: []anchorhold.Column{{Name: "a", Type: anchorhold.TypeInt, Fields: column}}, Width: 1}),
		"a part that is described":   text(frameHeader, header{Columns: []anchorhold.Column{{Name: "a", Type: anchorhold.TypeList, Fields: []anchorhold.Column{{Name: "item", Type: anchorhold.TypeInt, Unit: "somebody"}}}}, Width: 1}),
		"a kind of cell beyond all":  join(good, rows(1, 0, 0, 0, 15)),
		"a text beyond its frame":    join(good, rows(1, 0, 0, 0, 6|cellText, 1<<40)),
		"other columns at the end":   join(good, text(frameEnd, tail{Columns: []anchorhold.Column{{Name: "b"}}, Accepts: make([]codec.TypeSet, 1)})),
		"something else beside":      join(good, text(frameEnd, tail{Columns: column, Accepts: make([]codec.TypeSet, 1), Beside: "x\x1b[2J"})),
		"fewer types than columns":   join(good, text(frameEnd, tail{Columns: column})),
		"a header where rows belong": join(good, good),
	} {
		opener := here{t, func(c *net.UnixConn) {
			defer c.Close()
			if _, _, err := receive(c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			_, _ = c.Write(answer) // the host may have gone
		}}
		_, err := readAll(t, "../demo/data/cleveland.csv", catalog.ReadOptions{Opener: opener})
		var e *anchorhold.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, "could not be read within the limits") || e.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who stops waiting ends the session.
func TestCancelled(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	silent := here{t, func(c *net.UnixConn) {
		_, _, err := receive(c)
		if err != nil {
			t.Error(err)
		}
		stop()
	}}
	if _, err := catalog.Register(ctx, "../demo/data/cleveland.csv", catalog.Options{
		ReadOptions: catalog.ReadOptions{Opener: silent}, Label: "d/a",
	}); err == nil {
		t.Error("it is registered")
	}
}

func TestCellsComeBackAsTheyAre(t *testing.T) {
	cells := []codec.Cell{
		{},
		{Kind: codec.CellInt, Int: -1 << 63},
		{Kind: codec.CellInt, Int: 1<<63 - 1, Text: "9"},
		{Kind: codec.CellFloat, Float: -1.5},
		{Kind: codec.CellTimestamp, Int: 5, Nano: 999},
		{Kind: codec.CellText, Text: strings.Repeat("é", 300)},
		{Kind: codec.CellBool, Int: 1},
	}
	var b []byte
	for _, c := range cells {
		b = appendCell(b, c)
	}
	w := words{text: string(b)}
	var got []codec.Cell
	for range cells {
		got = append(got, w.cell())
	}
	if !reflect.DeepEqual(got, cells) || w.bad || w.at != len(b) {
		t.Errorf("%+v", got)
	}
}

func FuzzRows(f *testing.F) {
	f.Add(appendCell(nil, codec.Cell{Kind: codec.CellText, Text: "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reader{name: "f", head: header{Columns: make([]anchorhold.Column, 2), Width: 2}}
		if err := r.read(data); err == nil && len(r.batch) > len(data) {
			t.Errorf("%d rows of %d bytes", len(r.batch), len(data))
		}
	})
}
