package audit_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/audit/audittest"
)

func TestReadBack(t *testing.T) {
	s := newSite(t, "a.example", 1)
	s.grow(5)
	full := audit.Event{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("", 3600)), Actor: "local:0", Action: "x",
		Rule: "r", Subject: "s", Digest: "sha256:" + strings.Repeat("0", 64), Details: map[string]string{"ü\u2028": "<\n\t>"},
	}
	i := s.append(full)
	got, err := s.log.Open(i, s.store.Leaves[i])
	full.Time = time.Date(2026, 1, 2, 2, 4, 5, 678e6, time.UTC)
	if err != nil || !reflect.DeepEqual(got, full) {
		t.Errorf("%+v, %v; want %+v", got, err, full)
	}
	if got, err := s.log.Open(0, s.store.Leaves[0]); err != nil || got.Subject != event(0).Subject {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	s := newSite(t, "a.example", 1)
	for name, change := range map[string]func(*audit.Event){
		"no action":      func(e *audit.Event) { e.Action = "" },
		"not UTF-8":      func(e *audit.Event) { e.Actor = "\xff" },
		"NUL":            func(e *audit.Event) { e.Details = map[string]string{"a": "\x00"} },
		"digest":         func(e *audit.Event) { e.Digest = "sha256:x" },
		"far future":     func(e *audit.Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"too large":      func(e *audit.Event) { e.Details = map[string]string{"a": strings.Repeat("x", audit.MaxEvent)} },
		"key not UTF-8":  func(e *audit.Event) { e.Details = map[string]string{"\xff": ""} },
		"year before 0":  func(e *audit.Event) { e.Time = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) },
		"rule with NUL":  func(e *audit.Event) { e.Rule = "a\x00" },
		"subject broken": func(e *audit.Event) { e.Subject = "\xc0\xaf" },
	} {
		e := event(0)
		change(&e)
		if _, err := s.log.Append(s.store, e); err == nil || len(s.store.Waiting) != 0 || len(s.store.Leaves) != 0 {
			t.Errorf("%s: %v, %d entries", name, err, len(s.store.Leaves))
		}
	}
	big := event(0)
	big.Details = map[string]string{"a": strings.Repeat("x", audit.MaxEvent-500)}
	if _, err := s.log.Append(s.store, big); err != nil {
		t.Error("an event below the limit:", err)
	}
}

// failing is a store of which one call fails.
type failing struct {
	*audittest.Memory
	fail string
}

var errStore = errors.New("disk full")

func (f failing) Size() (int64, error) {
	if f.fail == "Size" {
		return 0, errStore
	}
	return f.Memory.Size()
}

func (f failing) Queue(text []byte, at time.Time) (int64, error) {
	if f.fail == "Queue" {
		return 0, errStore
	}
	return f.Memory.Queue(text, at)
}

func (f failing) Take() ([]audit.Queued, error) {
	if f.fail == "Take" {
		return nil, errStore
	}
	return f.Memory.Take()
}

func (f failing) AppendEntry(i int64, e []byte, h [][32]byte, at time.Time) error {
	if f.fail == "AppendEntry" {
		return errStore
	}
	return f.Memory.AppendEntry(i, e, h, at)
}

func (f failing) Hashes(x []int64) ([][32]byte, error) {
	switch f.fail {
	case "Hashes":
		return nil, errStore
	case "short":
		return nil, nil
	}
	return f.Memory.Hashes(x)
}

func (f failing) SetCheckpoint(n int64, c []byte) error {
	if f.fail == "SetCheckpoint" {
		return errStore
	}
	return f.Memory.SetCheckpoint(n, c)
}

// TestStoreFailures: whatever call of the store fails, the act fails.
func TestStoreFailures(t *testing.T) {
	for _, fail := range []string{"Size", "Queue", "Take", "AppendEntry", "Hashes", "short", "SetCheckpoint"} {
		s := newSite(t, "a.example", 1)
		s.grow(1) // so that the next append reads a hash
		tx := failing{s.store, fail}
		_, err := s.log.Append(tx, event(1))
		if err == nil {
			err = s.log.Seal(tx)
		}
		if err == nil {
			t.Errorf("%s failed and nobody noticed", fail)
		}
	}
}

// TestTogether: what is sealed together is what is sealed one by one, however
// many processors share the work.
func TestTogether(t *testing.T) {
	for _, n := range []int{1, 7, 8, 9, 64, 1000} {
		one, all := newSite(t, "a.example", 1), newSite(t, "a.example", 1)
		for i := range n {
			one.append(event(i))
		}
		if got, want := all.grow(n), one.seal(); got != want {
			t.Errorf("%d together have the head %+v, one by one %+v", n, got, want)
		}
		if !slices.EqualFunc(one.store.Leaves, all.store.Leaves, bytes.Equal) {
			t.Errorf("%d together are other entries", n)
		}
	}
}

// TestRolledBackIndex: the same index is sealed twice with different texts
// when a transaction was rolled back; nothing of the two may cancel out.
func TestRolledBackIndex(t *testing.T) {
	s := newSite(t, "a.example", 1)
	s.grow(3)
	before := s.store.Clone()
	a, b := event(3), event(3)
	b.Actor = "pri-zyxwvtsrqpnmkjhg"
	s.append(a)
	first := s.store.Leaves[3]
	s.store = before
	s.append(b)
	second := s.store.Leaves[3]
	if bytes.Equal(first[33:45], second[33:45]) {
		t.Error("two texts were encrypted under one key with one nonce")
	}
	s.store = before.Clone()
	s.store.Leaves, s.store.Tree = s.store.Leaves[:3], s.store.Tree[:tlog.StoredHashCount(3)]
	s.append(a)
	if !bytes.Equal(first, s.store.Leaves[3]) {
		t.Error("the same act at the same place gives another entry: a retry would fork the log")
	}
}

// TestOneKeyOneEntry: an entry's key opens no other entry, of this log or another.
func TestOneKeyOneEntry(t *testing.T) {
	s, other := newSite(t, "a.example", 1), newSite(t, "b.example", 1) // the same secret, another origin
	s.grow(4)
	other.grow(4)
	key := s.log.EntryKey(1)
	for i := range int64(4) {
		_, err := audit.OpenEntry("a.example", i, s.store.Leaves[i], key)
		if (err == nil) != (i == 1) {
			t.Errorf("entry %d: %v", i, err)
		}
		if _, err := audit.OpenEntry("b.example", i, other.store.Leaves[i], key); err == nil {
			t.Errorf("entry %d of another log opens", i)
		}
	}
}

func TestEntryForgeries(t *testing.T) {
	s := newSite(t, "a.example", 1)
	for i := range int64(5) {
		s.append(vectorEvent(i))
	}
	for _, f := range entryForgeries(t, s) {
		if e, err := audit.OpenEntry("a.example", f.index, f.entry, f.key); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %+v, %v", f.name, e, err)
		}
	}
	if _, err := audit.OpenEntry("a.example", 2, s.forge(2, s.plaintext(2)), mustKey(t, s, 2)); err != nil {
		t.Error("what the forgeries change opens when not changed:", err)
	}
}

func mustKey(t *testing.T, s *site, i int64) []byte {
	key := s.log.EntryKey(i)
	return key
}

// TestPaddingHides: acts of different length have entries of the same length.
func TestPaddingHides(t *testing.T) {
	s := newSite(t, "a.example", 1)
	for i := range 40 {
		e := event(i)
		e.Actor = strings.Repeat("a", i)
		s.append(e)
	}
	for _, l := range s.store.Leaves {
		if len(l) != 61+256 {
			t.Fatalf("an entry has %d bytes", len(l))
		}
	}
}

func TestCheckpointForgeries(t *testing.T) {
	s := newSite(t, "hospital.example/heart", 1)
	s.grow(300)
	for _, f := range checkpointForgeries(t, s) {
		if c, err := audit.ParseCheckpoint([]byte(f.text), s.keys.VKey()); err == nil {
			t.Errorf("%s: accepted as %+v", f.name, c)
		}
	}
	witnessed := append(bytes.Clone(s.store.Signed), "— witness.example AAAAAAAA\n"...)
	if c, err := audit.ParseCheckpoint(witnessed, s.keys.VKey()); err != nil || c.Size != 300 {
		t.Errorf("with a witness's line: %+v, %v", c, err)
	}
}

// adversary changes an exported log on disk.
type adversary struct {
	name   string
	change func(t *testing.T, dir string)
	want   string // in the message
}

// TestVerifyFindsTheFirstBadEntry plays everything that the owner of the disk
// can do without the signing key.
func TestVerifyFindsTheFirstBadEntry(t *testing.T) {
	s := newSite(t, "a.example", 1)
	s.grow(700)
	bundle := func(n int) string {
		return map[int]string{0: "tile/entries/000", 1: "tile/entries/001", 2: "tile/entries/002.p/188"}[n]
	}
	size := len(s.store.Leaves[0]) + 2
	for _, a := range []adversary{
		{"nothing", func(*testing.T, string) {}, ""},
		{"an altered entry", edit(bundle(1), func(b []byte) []byte { b[44*size+100] ^= 1; return b }), "entry 300 "},
		{"two altered entries", edit(bundle(0), func(b []byte) []byte { b[200*size+9] ^= 1; b[7*size+9] ^= 1; return b }), "entry 7 "},
		{"swapped entries", edit(bundle(0), func(b []byte) []byte {
			return bytes.Join([][]byte{b[:size], b[2*size : 3*size], b[size : 2*size], b[3*size:]}, nil)
		}), "entry 1 "},
		{"a removed entry", edit(bundle(0), func(b []byte) []byte { return append(b[:5*size:5*size], b[6*size:]...) }), "tile/entries/000"},
		{"an added entry", edit(bundle(2), func(b []byte) []byte { return append(b, b[:size]...) }), "tile/entries/002.p/188"},
		{"a cut entry", edit(bundle(2), func(b []byte) []byte { return b[:len(b)-1] }), "tile/entries/002.p/188"},
		{"a length beyond the file", edit(bundle(0), func(b []byte) []byte { binary.BigEndian.PutUint16(b, 65535); return b }), ""},
		{"a removed file", remove(bundle(1)), bundle(1)},
		{"a removed tile", remove("tile/0/001"), "tile/0/001"},
		{"a removed upper tile", remove("tile/1/000.p/2"), "tile/1/000.p/2"},
		{"an altered tile", edit("tile/0/001", func(b []byte) []byte { b[32*44] ^= 1; return b }), "entry 300 "},
		{"a cut tile", edit("tile/0/000", func(b []byte) []byte { return b[:len(b)-1] }), "tile/0/000"},
		{"an altered upper tile", edit("tile/1/000.p/2", func(b []byte) []byte { b[40] ^= 1; return b }), "entries from 256 on"},
		{"no checkpoint", remove("checkpoint"), "checkpoint"},
		{"an altered checkpoint", edit("checkpoint", func(b []byte) []byte { b[10]++; return b }), "checkpoint"},
		{"a huge checkpoint", edit("checkpoint", func(b []byte) []byte { return append(b, make([]byte, audit.MaxCheckpoint)...) }), "checkpoint"},
		{"a folder for a file", func(t *testing.T, dir string) {
			remove(bundle(0))(t, dir)
			check(t, os.Mkdir(filepath.Join(dir, bundle(0)), 0o755))
		}, bundle(0)},
	} {
		t.Run(a.name, func(t *testing.T) {
			dir := t.TempDir()
			check(t, audit.Export(s.store, dir))
			a.change(t, dir)
			c, err := audit.Verify(audit.Dir(dir), s.keys.VKey(), nil)
			if a.name == "nothing" {
				if err != nil || c.Size != 700 {
					t.Fatal(c, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), a.want) {
				t.Errorf("%v; want a word of %q", err, a.want)
			}
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func edit(path string, change func([]byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		full := filepath.Join(dir, path)
		data, err := os.ReadFile(full)
		check(t, err)
		check(t, os.WriteFile(full, change(data), 0o644))
	}
}

func remove(path string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, path))) }
}

// TestVerifyRewrittenLog: who owns the store rewrites an entry with every hash
// above it, and cuts the log; only the signature is out of reach.
func TestVerifyRewrittenLog(t *testing.T) {
	s := newSite(t, "a.example", 1)
	honest := s.grow(300)
	forger := newSite(t, "a.example", 1)
	for i := range 300 {
		e := event(i)
		if i == 17 {
			e.Actor = "somebody else"
		}
		forger.append(e)
	}
	forger.store.Signed = s.store.Signed
	if _, err := audit.Verify(audit.Stored(forger.store), s.keys.VKey(), nil); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Error("a rewritten log:", err)
	}
	short := newSite(t, "a.example", 1)
	old := short.grow(299)
	short.store.Signed = s.store.Signed
	if _, err := audit.Verify(audit.Stored(short.store), s.keys.VKey(), nil); err == nil {
		t.Error("a cut log under the newer checkpoint verifies")
	}
	// Cut together with its checkpoint, the log is a true older state; who kept
	// the newer checkpoint notices.
	if err := audit.CheckConsistency(honest, old, nil); err == nil {
		t.Error("a rolled-back log counts as newer")
	}
}

func TestVerifyEverySize(t *testing.T) {
	s := newSite(t, "a.example", 1)
	for _, n := range []int{0, 1, 1, 1, 2, 3, 247, 1, 1, 255, 1, 300} {
		c := s.grow(n)
		var seen int64
		got, err := audit.Verify(audit.Stored(s.store), s.keys.VKey(), func(i int64, entry []byte) error {
			e, err := s.log.Open(i, entry)
			if err == nil && (i != seen || e.Subject != event(int(i)).Subject) {
				err = fmt.Errorf("entry %d is %+v", i, e)
			}
			seen++
			return err
		})
		if err != nil || got != c || seen != c.Size {
			t.Fatalf("log of %d: %+v, %v, %d entries seen", c.Size, got, err, seen)
		}
	}
	stop := errors.New("enough")
	if _, err := audit.Verify(audit.Stored(s.store), s.keys.VKey(), func(int64, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestVerifyThreeLevels: more than 65,536 entries need a third level of tiles.
func TestVerifyThreeLevels(t *testing.T) {
	s := newSite(t, "a.example", 1)
	fill(t, s, 66000)
	c := s.seal()
	if got, err := audit.Verify(audit.Stored(s.store), s.keys.VKey(), nil); err != nil || got != c {
		t.Fatal(got, err)
	}
	s.store.Tree[tlog.StoredHashIndex(16, 0)][0] ^= 1 // the one hash of level 2
	if _, err := audit.Verify(audit.Stored(s.store), s.keys.VKey(), nil); err == nil || !strings.Contains(err.Error(), "entries from 0 on") {
		t.Error(err)
	}
}

// fill stores n entries of random bytes with their hashes, faster than Append.
func fill(t testing.TB, s *site, n int) {
	rng := rand.NewChaCha8([32]byte{})
	reader := tlog.HashReaderFunc(func(x []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range x {
			out = append(out, s.store.Tree[i])
		}
		return out, nil
	})
	for i := range int64(n) {
		entry := make([]byte, 61+256)
		rng.Read(entry)
		hashes, err := tlog.StoredHashes(i, entry, reader)
		check(t, err)
		for _, h := range hashes {
			s.store.Tree = append(s.store.Tree, h)
		}
		s.store.Leaves = append(s.store.Leaves, entry)
	}
}

func TestTilePaths(t *testing.T) {
	s := newSite(t, "a.example", 1)
	s.grow(300)
	for _, path := range []string{
		"", "/", "tile", "tile/", "tile/0", "tile/0/", "tile/0/0", "tile/0/0000", "tile/0/1", "tile/00/000", "tile/+0/000", "tile/-1/000", "tile/7/000", "tile/64/000",
		"tile/0/x000", "tile/0/x000/000", "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/001", "tile/0/001.p/45",
		"tile/0/002", "tile/1/000", "tile/1/000.p/2", "tile/2/000.p/1", "tile/entries/001", "tile/entries/002", "tile/entries", "tile/data/000", "tile/8/0/000",
		"tile/entries/x999/x999/x999/x999/x999/x999/999", "tile/0/../000", "tile/0/000/", "Tile/0/000", "checkpoint/", "tile/0/000\n", "tile/-1/000.p/1",
	} {
		if data, err := audit.Tile(s.store, path); anchorhold.KindOf(err) != anchorhold.NotFound || data != nil {
			t.Errorf("%q: %d bytes, %v", path, len(data), err)
		}
	}
	for path, size := range map[string]int{
		"tile/0/000": 256 * 32, "tile/0/000.p/1": 32, "tile/0/001.p/44": 44 * 32, "tile/0/001.p/3": 96, "tile/1/000.p/1": 32,
		"tile/entries/000": 256 * (2 + 61 + 256), "tile/entries/001.p/44": 44 * (2 + 61 + 256),
	} {
		if data, err := audit.Tile(s.store, path); err != nil || len(data) != size {
			t.Errorf("%s: %d bytes, %v", path, len(data), err)
		}
	}
}

// TestUncommittedIsHidden: entries that no checkpoint covers are served to nobody.
func TestUncommittedIsHidden(t *testing.T) {
	s := newSite(t, "a.example", 1)
	if _, err := audit.Tile(s.store, "checkpoint"); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Error("before the first checkpoint:", err)
	}
	s.grow(2)
	signed := s.store.Signed
	s.append(event(2))
	s.store.Signed = signed
	for _, path := range []string{"tile/0/000.p/3", "tile/entries/000.p/3"} {
		if _, err := audit.Tile(s.store, path); anchorhold.KindOf(err) != anchorhold.NotFound {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := audit.Export(s.store, t.TempDir()); err != nil {
		t.Error(err)
	}
}

func TestExportAgain(t *testing.T) {
	s := newSite(t, "a.example", 1)
	dir := t.TempDir()
	for _, n := range []int{10, 300, 0, 2} {
		s.grow(n)
		check(t, audit.Export(s.store, dir))
		if c, err := audit.Verify(audit.Dir(dir), s.keys.VKey(), nil); err != nil || c.Size != int64(len(s.store.Leaves)) {
			t.Fatal(c, err)
		}
	}
	if err := audit.Export(s.store, filepath.Join(dir, "checkpoint", "x")); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Error("into a file:", err)
	}
}

// lossy is a store that gives fewer entries than it was asked for.
type lossy struct{ *audittest.Memory }

func (l lossy) Entries(first int64, n int) ([][]byte, error) {
	e, err := l.Memory.Entries(first, n)
	return e[:n-1], err
}

// TestDamagedStore: a store that lost something is our fault and said so, never
// served as if it were whole.
func TestDamagedStore(t *testing.T) {
	s := newSite(t, "a.example", 1)
	s.grow(3)
	if _, err := audit.Tile(lossy{s.store}, "tile/entries/000.p/3"); anchorhold.KindOf(err) != anchorhold.Internal {
		t.Error("an entry is missing:", err)
	}
	if _, err := s.log.OpeningOf(lossy{s.store}, 1); anchorhold.KindOf(err) != anchorhold.Internal {
		t.Error("an entry is missing:", err)
	}
	s.store.Leaves[1] = make([]byte, audit.MaxEntry+1)
	if err := audit.Export(s.store, t.TempDir()); anchorhold.KindOf(err) != anchorhold.Internal {
		t.Error("an entry is too large:", err)
	}
	s.store.Signed = []byte("3\n\n")
	for _, path := range []string{"checkpoint", "tile/0/000.p/3"} {
		if _, err := audit.Tile(s.store, path); anchorhold.KindOf(err) != anchorhold.Internal {
			t.Errorf("%s with a broken checkpoint: %v", path, err)
		}
	}
	if err := audit.Export(s.store, t.TempDir()); err == nil {
		t.Error("a broken checkpoint was exported")
	}
}

// FuzzTile: any path gives the content that it names or NotFound.
func FuzzTile(f *testing.F) {
	s := newSite(f, "a.example", 1)
	s.grow(300)
	for _, p := range []string{"checkpoint", "tile/0/000", "tile/entries/001.p/44", "tile/1/000.p/1", "tile/0/x001/000", "tile/data/000"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		data, err := audit.Tile(s.store, path)
		if err != nil && anchorhold.KindOf(err) != anchorhold.NotFound {
			t.Fatalf("%q: %v", path, err)
		}
		if err == nil && len(data) == 0 {
			t.Fatalf("%q: nothing", path)
		}
	})
}

// FuzzCheckpoint: only what the site signed parses, and it parses to what was signed.
func FuzzCheckpoint(f *testing.F) {
	s := newSite(f, "hospital.example/heart", 1)
	want := s.grow(300)
	f.Add(s.store.Signed)
	for _, c := range checkpointForgeries(f, s) {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := audit.ParseCheckpoint(data, s.keys.VKey())
		if err == nil && (c.Origin != want.Origin || !bytes.HasPrefix(data, fmt.Appendf(nil, "%s\n%d\n", c.Origin, c.Size))) {
			t.Fatalf("%q became %+v", data, c)
		}
	})
}

// FuzzEntry: no bytes but the site's open.
func FuzzEntry(f *testing.F) {
	s := newSite(f, "a.example", 1)
	for i := range int64(5) {
		s.append(vectorEvent(i))
	}
	for _, e := range entryForgeries(f, s) {
		f.Add(e.index, e.entry, e.key)
	}
	f.Add(int64(2), s.store.Leaves[2], []byte{})
	f.Fuzz(func(t *testing.T, index int64, entry, key []byte) {
		if e, err := s.log.Open(index, entry); err == nil && (index < 0 || index > 4 || !bytes.Equal(entry, s.store.Leaves[index]) && e.Time.IsZero()) {
			t.Fatalf("entry %d opens as %+v", index, e)
		}
		if _, err := audit.OpenEntry("a.example", index, entry, key); err != nil && anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Fatal(err)
		}
	})
}

func BenchmarkAppendSeal(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch%d", batch), func(b *testing.B) {
			s := newSite(b, "a.example", 1)
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					s.append(event(i))
				}
				check(b, s.log.Seal(s.store))
			}
			b.ReportMetric(float64(len(s.store.Leaves))/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	s := newSite(b, "a.example", 1)
	fill(b, s, 50000)
	s.seal()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := audit.Verify(audit.Stored(s.store), s.keys.VKey(), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(50000*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
