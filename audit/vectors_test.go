package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/identity/keys"
)

var writeVectors = flag.Bool("write-vectors", false, "write docs/spec/vectors/log.json anew")

const vectorFile = "../docs/spec/vectors/log.json"

type eventText struct {
	V       int               `json:"v"`
	Time    string            `json:"time"`
	Actor   string            `json:"actor"`
	Action  string            `json:"action"`
	Rule    string            `json:"rule"`
	Subject string            `json:"subject"`
	Digest  string            `json:"digest"`
	Details map[string]string `json:"details"`
}

type entryVector struct {
	Name       string    `json:"name,omitempty"`
	Index      int64     `json:"index"`
	Event      eventText `json:"event"`
	Plaintext  string    `json:"plaintext"`
	Key        string    `json:"key_hex"`
	Nonce      string    `json:"nonce_hex"`
	Commitment string    `json:"commitment_hex"`
	Entry      string    `json:"entry_base64"`
	LeafHash   string    `json:"leaf_hash_hex"`
}

type refusedEntry struct {
	Name  string `json:"name"`
	Index int64  `json:"index"`
	Entry string `json:"entry_base64"`
	Key   string `json:"key_hex"`
}

type checkpointVector struct {
	Size int64  `json:"size"`
	Root string `json:"root_hex"`
	Note string `json:"note"`
}

type inclusionVector struct {
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Proof []string `json:"proof"`
}

type consistencyVector struct {
	Old   int64    `json:"old"`
	New   int64    `json:"new"`
	Proof []string `json:"proof"`
}

type tileVector struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

type named struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

type vectors struct {
	Origin             string              `json:"origin"`
	VKey               string              `json:"vkey"`
	Seed               string              `json:"seed_hex"`
	Secret             string              `json:"secret_hex"`
	Entries            []entryVector       `json:"entries"`
	EntriesRefused     []refusedEntry      `json:"entries_refused"`
	Checkpoints        []checkpointVector  `json:"checkpoints"`
	CheckpointsRefused []named             `json:"checkpoints_refused"`
	VKeysRefused       []named             `json:"vkeys_refused"`
	Inclusion          []inclusionVector   `json:"inclusion"`
	Consistency        []consistencyVector `json:"consistency"`
	Tiles              []tileVector        `json:"tiles"`
}

// vectorSizes are the trees whose checkpoints and proofs are published.
func vectorSizes() []int64 { return []int64{0, 1, 2, 3, 7, 8, 255, 256, 257, 300} }

// TestVectors checks every published vector; with -write-vectors it first
// writes them.
func TestVectors(t *testing.T) {
	w := newSite(t, "hospital.example/heart", 1)
	if *writeVectors {
		write(t, w)
	}
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if want := makeVectors(t, newSite(t, "hospital.example/heart", 1)); !reflect.DeepEqual(v, want) {
		t.Error("the program no longer makes the published vectors")
	}
	vkey, err := keys.ParseVKey(v.VKey)
	if err != nil {
		t.Fatal(err)
	}
	checkRefused(t, v, vkey)
	checkEntries(t, v)
	checkProofs(t, v, vkey)
}

func checkRefused(t *testing.T, v vectors, vkey keys.VKey) {
	for _, n := range v.VKeysRefused {
		if _, err := keys.ParseVKey(n.Text); err == nil {
			t.Error("vkey accepted:", n.Name)
		}
	}
	for _, n := range v.CheckpointsRefused {
		if _, err := audit.ParseCheckpoint([]byte(n.Text), vkey); err == nil {
			t.Error("checkpoint accepted:", n.Name)
		}
	}
	for _, e := range v.EntriesRefused {
		if _, err := audit.OpenEntry(v.Origin, e.Index, unbase64(t, e.Entry), unhex(t, e.Key)); err == nil {
			t.Error("entry accepted:", e.Name)
		}
	}
}

func checkEntries(t *testing.T, v vectors) {
	for _, e := range v.Entries {
		got, err := audit.OpenEntry(v.Origin, e.Index, unbase64(t, e.Entry), unhex(t, e.Key))
		if err != nil || got.Action != e.Event.Action || got.Time.Format("2006-01-02T15:04:05.000Z") != e.Event.Time {
			t.Errorf("entry %d: %+v, %v", e.Index, got, err)
		}
	}
}

func checkProofs(t *testing.T, v vectors, vkey keys.VKey) {
	heads := map[int64]audit.Checkpoint{}
	for _, c := range v.Checkpoints {
		got, err := audit.ParseCheckpoint([]byte(c.Note), vkey)
		if err != nil || got.Size != c.Size || hex.EncodeToString(got.Root[:]) != c.Root {
			t.Errorf("checkpoint of %d: %+v, %v", c.Size, got, err)
		}
		heads[c.Size] = got
	}
	entries := map[int64][]byte{}
	for _, e := range v.Entries {
		entries[e.Index] = unbase64(t, e.Entry)
	}
	for _, p := range v.Inclusion {
		if err := audit.CheckInclusion(heads[p.Size], p.Index, entries[p.Index], unproof(t, p.Proof)); err != nil {
			t.Errorf("inclusion of %d in %d: %v", p.Index, p.Size, err)
		}
	}
	for _, p := range v.Consistency {
		if err := audit.CheckConsistency(heads[p.Old], heads[p.New], unproof(t, p.Proof)); err != nil {
			t.Errorf("consistency of %d with %d: %v", p.Old, p.New, err)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unbase64(t testing.TB, s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unproof(t testing.TB, in []string) [][32]byte {
	var out [][32]byte
	for _, s := range in {
		out = append(out, [32]byte(unbase64(t, s)))
	}
	return out
}

func proofText(in [][32]byte) []string {
	out := []string{}
	for _, h := range in {
		out = append(out, base64.StdEncoding.EncodeToString(h[:]))
	}
	return out
}

func write(t *testing.T, w *site) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(makeVectors(t, w)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(vectorFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// vectorEvent is the i-th event of the published log.
func vectorEvent(i int64) audit.Event {
	e := audit.Event{
		Time:  time.Date(2026, 11, 21, 9, 30, 0, 250e6, time.UTC).Add(time.Duration(i) * time.Second),
		Actor: "pri-0123456789abcdef", Action: "request.submit", Rule: "researchers submit", Subject: fmt.Sprintf("req-%016d", i),
	}
	switch i {
	case 0:
		return audit.Event{Time: e.Time, Action: "site.init"} // the least that an event can be
	case 1:
		e.Details = map[string]string{"purpose": strings.Repeat("Größe 😀 \u2028 <b>\n", 20), "": ""}
	case 2:
		e.Action, e.Subject, e.Digest = audit.ActionRelease, "rel-0123456789abcdef", "sha256:"+strings.Repeat("ab", 32)
	case 3:
		e.Details = map[string]string{"fill": strings.Repeat("x", 319)} // exactly a multiple of the padding
	}
	return e
}

func makeVectors(t *testing.T, w *site) vectors {
	v := vectors{
		Origin: w.keys.Origin(), VKey: w.keys.VKey().String(), Seed: strings.Repeat("01", 32),
		Secret: hex.EncodeToString(w.keys.LogSecret()),
	}
	for _, size := range vectorSizes() {
		for i := int64(len(w.store.Leaves)); i < size; i++ {
			w.append(vectorEvent(i))
		}
		c := w.seal()
		v.Checkpoints = append(v.Checkpoints, checkpointVector{size, hex.EncodeToString(c.Root[:]), string(w.store.Signed)})
		for _, index := range []int64{0, 1, 3, 254, 255, 256, 299} {
			if p, err := audit.Inclusion(w.store, index, size); err == nil {
				v.Inclusion = append(v.Inclusion, inclusionVector{index, size, proofText(p)})
			}
		}
		for _, old := range vectorSizes() {
			if p, err := audit.Consistency(w.store, old, size); err == nil {
				v.Consistency = append(v.Consistency, consistencyVector{old, size, proofText(p)})
			}
		}
	}
	for _, index := range []int64{0, 1, 2, 3, 254, 255, 256, 299} {
		v.Entries = append(v.Entries, makeEntry(t, w, index))
	}
	v.EntriesRefused = makeRefusedEntries(t, w)
	v.CheckpointsRefused = makeRefusedCheckpoints(t, w)
	v.VKeysRefused = makeRefusedKeys(v.VKey)
	for _, path := range []string{"checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/0/000.p/1", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"} {
		data, err := audit.Tile(w.store, path)
		if err != nil {
			t.Fatal(path, err)
		}
		v.Tiles = append(v.Tiles, tileVector{path, fmt.Sprintf("%x", sha256.Sum256(data))})
	}
	return v
}

func makeEntry(t *testing.T, w *site, index int64) entryVector {
	entry := w.store.Leaves[index]
	key := w.log.EntryKey(index)
	plain := w.plaintext(index)
	text := strings.TrimRight(plain, " ")
	var e eventText
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	leaf := tlog.RecordHash(entry)
	return entryVector{
		Index: index, Event: e, Plaintext: text, Key: hex.EncodeToString(key),
		Commitment: hex.EncodeToString(entry[1:33]), Nonce: hex.EncodeToString(entry[33:45]),
		Entry: base64.StdEncoding.EncodeToString(entry), LeafHash: hex.EncodeToString(leaf[:]),
	}
}

func makeRefusedEntries(t *testing.T, w *site) []refusedEntry {
	var out []refusedEntry
	for _, f := range entryForgeries(t, w) {
		out = append(out, refusedEntry{f.name, f.index, base64.StdEncoding.EncodeToString(f.entry), hex.EncodeToString(f.key)})
	}
	return out
}

func makeRefusedCheckpoints(t *testing.T, w *site) []named {
	var out []named
	for _, f := range checkpointForgeries(t, w) {
		out = append(out, named{f.name, f.text})
	}
	return out
}

func makeRefusedKeys(vkey string) []named {
	const name = "hospital.example/heart+"
	rest := strings.TrimPrefix(vkey, name)
	out := []named{
		{"empty", ""},
		{"cut", vkey[:len(vkey)-4]},
		{"another hash", strings.Replace(vkey, "+", "+0", 1)},
		{"upper case hash", name + strings.ToUpper(rest[:8]) + rest[8:]},
		{"line feed", vkey + "\n"},
		{"another origin", strings.Replace(vkey, "heart", "other", 1)},
	}
	for _, point := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p, that is 0
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p + 1
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p + 3, on the curve as 3
		"0200000000000000000000000000000000000000000000000000000000000000", // not on the curve
	} {
		out = append(out, named{"point " + point, vkeyOf("hospital.example/heart", point)})
	}
	return out
}

// vkeyOf writes a vkey by the specification, whatever the point.
func vkeyOf(origin, pointHex string) string {
	point, _ := hex.DecodeString(pointHex)
	key := append([]byte{1}, point...)
	sum := sha256.Sum256(append([]byte(origin+"\n"), key...))
	return fmt.Sprintf("%s+%x+%s", origin, sum[:4], base64.StdEncoding.EncodeToString(key))
}
