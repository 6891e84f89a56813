package receipt_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/audit/audittest"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/receipt"
)

var writeVectors = flag.Bool("write-vectors", false, "write docs/spec/vectors/receipt.json and receipts anew")

const vectorDir = "../docs/spec/vectors"

var output = []byte("{\"0\":52.6,\"1\":55.9}\n")

// world is a site with a log in which one release stands among other acts.
type world struct {
	t      testing.TB
	keys   *keys.SiteKeys
	log    *audit.Log
	store  *audittest.Memory
	start  time.Time
	sealed receipt.Sealed
	index  int64
}

func newWorld(t testing.TB, origin string, seed byte) *world {
	k, err := keys.FromSecrets(origin, bytes.Repeat([]byte{seed}, 32), bytes.Repeat([]byte{seed + 1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.New(k)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, keys: k, log: l, store: &audittest.Memory{}, start: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)}
}

func (w *world) append(e audit.Event) int64 {
	e.Time = w.start.Add(time.Duration(len(w.store.Leaves)) * 1500 * time.Millisecond)
	i, err := w.log.Append(w.store, e)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) seal() {
	if err := w.log.Seal(w.store); err != nil {
		w.t.Fatal(err)
	}
}

// others appends n acts that are not the release.
func (w *world) others(n int) {
	for range n {
		w.append(audit.Event{Actor: "pri-0123456789abcdef", Action: "request.submit", Rule: "researchers submit", Subject: "req-0123456789abcdef"})
	}
}

// release signs a statement and logs its release.
func (w *world) release(s receipt.Statement) {
	var err error
	if w.sealed, err = receipt.Sign(s, w.keys); err != nil {
		w.t.Fatal(err)
	}
	w.index = w.append(audit.Event{
		Actor: "pri-zyxwvtsrqpnmkjhg", Action: audit.ActionRelease, Rule: "owners release",
		Subject: s.Predicate.Release.ID, Digest: w.sealed.Digest, Details: map[string]string{"output": s.Subject[0].Name},
	})
}

func (w *world) receipt() receipt.Receipt {
	o, err := w.log.OpeningOf(w.store, w.index)
	if err != nil {
		w.t.Fatal(err)
	}
	r := receipt.Build(w.sealed, o)
	r.Envelope.Signatures = slices.Clone(r.Envelope.Signatures) // forgeries change it
	return r
}

func marshal(t testing.TB, r receipt.Receipt) []byte {
	data, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func hash(b byte) string { return "sha256:" + strings.Repeat(hex.EncodeToString([]byte{b}), 32) }

func statement(origin string) receipt.Statement {
	sum := sha256.Sum256(output)
	at := time.Date(2026, 11, 21, 9, 12, 34, 567, time.UTC)
	return receipt.New("result", hex.EncodeToString(sum[:]), receipt.Predicate{
		Site: origin,
		Request: receipt.Request{
			ID: "req-0123456789abcdef", Digest: hash(1), CodeDigest: hash(2),
			Purpose: "Mean age by diagnosis:\nGröße, Alter & \"num\" 😀", Author: "ada@example.org", Study: "heart-2026",
		},
		Assets: []receipt.Asset{
			{Parameter: "right", Dataset: "heart-cleveland", Asset: "labs", Version: "ver-zyxwvtsrqpnmkjhg", Commitment: hash(4)},
			{Parameter: "left", Dataset: "heart-cleveland", Asset: "patients", Version: "ver-0123456789abcdef", Commitment: hash(3)},
		},
		Environment: receipt.Environment{Lock: hash(5), Built: hash(6), Python: "3.13.5"},
		Run:         receipt.Run{ID: "run-0123456789abcdef", Boundary: "gvisor; no network", Started: at, Finished: at.Add(90 * time.Second)},
		Decisions: []receipt.Decision{{
			Dataset: "heart-cleveland", Verdict: anchorhold.Approve, Decider: "owner@hospital.example", Rule: "owners decide", At: at,
		}},
		Checks: []receipt.Check{
			{Name: "declared kind", Result: anchorhold.CheckPassed}, {Name: "rows", Result: anchorhold.CheckInapplicable},
		},
		Exposure: []receipt.Exposure{{Class: anchorhold.ExposureUnbounded, Population: "heart-cleveland", Amount: "{}"}},
		Release:  receipt.Release{ID: "rel-0123456789abcdef", Decider: "owner@hospital.example", At: at.Add(20 * time.Minute)},
		Output:   receipt.Output{Kind: "json", Python: "dict", Media: "application/json", Size: int64(len(output))},
	})
}

// deposited is a statement of version 2: a result made elsewhere, of a kind that
// version 1 does not know.
func deposited(origin string) receipt.Statement {
	s := statement(origin)
	p := s.Predicate
	p.Environment = receipt.Environment{Lock: p.Environment.Lock}
	p.Run.Boundary = "none: not run here"
	p.Output = receipt.Output{Kind: "csv", Python: "str", Media: "text/csv; charset=utf-8", Size: p.Output.Size}
	p.Facts = []receipt.Fact{
		{Name: "deposited", Text: "the result was made elsewhere and handed in by owner@hospital.example"},
		{Name: "a", Text: "Größe"},
	}
	return receipt.New("result", s.Subject[0].Digest.SHA256, p)
}

// second is a world that released a statement of version 2.
func second(t testing.TB) *world {
	w := newWorld(t, "hospital.example/heart", 1)
	w.others(2)
	w.release(deposited(w.keys.Origin()))
	w.others(3)
	w.seal()
	return w
}

// good is a world whose release stands at index 300 of a log of 517 entries.
func good(t testing.TB) *world {
	w := newWorld(t, "hospital.example/heart", 1)
	w.others(300)
	w.release(statement(w.keys.Origin()))
	w.others(216)
	w.seal()
	return w
}

type fileVector struct {
	File   string         `json:"file"`
	VKey   string         `json:"vkey"`
	Reason receipt.Reason `json:"reason"`
	What   string         `json:"what"`
	data   []byte
}

type vectors struct {
	VKey      string          `json:"vkey"`
	OtherVKey string          `json:"other_vkey"`
	PAE       string          `json:"pae_base64"`
	Output    string          `json:"output_base64"`
	Statement json.RawMessage `json:"statement"`
	Files     []fileVector    `json:"files"`
}

// TestVectors verifies every published receipt; with -write-vectors it first
// writes them.
func TestVectors(t *testing.T) {
	if *writeVectors {
		write(t)
	}
	v, want := readVectors(t, "receipt.json", 20)
	checkParts(t, v, want)
}

// TestVectorsOfVersion2 does the same with statements of version 2.
func TestVectorsOfVersion2(t *testing.T) {
	readVectors(t, "receipt2.json", 8)
}

// readVectors verifies every file of a list.
func readVectors(t *testing.T, name string, least int) (v vectors, want receipt.Statement) {
	data, err := os.ReadFile(filepath.Join(vectorDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Files) < least {
		t.Fatal("the vector file is not complete")
	}
	if err := json.Unmarshal(v.Statement, &want); err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Files {
		data, err := os.ReadFile(filepath.Join(vectorDir, f.File))
		if err != nil {
			t.Fatal(err)
		}
		got, err := verifyText(data, f.VKey)
		if reason(err) != f.Reason {
			t.Errorf("%s (%s): %v, reason %q, want %q", f.File, f.What, err, reason(err), f.Reason)
		}
		if f.Reason == "" && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: says %+v, want %+v", f.File, got, want)
		}
	}
	return v, want
}

// checkParts checks the further members of the vector file.
func checkParts(t *testing.T, v vectors, want receipt.Statement) {
	out, err := base64.StdEncoding.DecodeString(v.Output)
	if err != nil || receipt.VerifyOutput(want, bytes.NewReader(out)) != nil {
		t.Error("the output is not that of the statement")
	}
	file, err := os.ReadFile(filepath.Join(vectorDir, "receipts/good.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := receipt.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := r.Envelope.DecodeB64Payload()
	if err != nil || base64.StdEncoding.EncodeToString(dsse.PAE(receipt.PayloadType, payload)) != v.PAE {
		t.Error("the PAE is another", err)
	}
}

// verifyText verifies with a key that is still text.
func verifyText(data []byte, vkey string) (receipt.Statement, error) {
	k, err := keys.ParseVKey(vkey)
	if err != nil {
		return receipt.Statement{}, errKey
	}
	return receipt.Verify(data, k)
}

var errKey = anchorhold.Errorf(anchorhold.Invalid, "", "bad key")

func reason(err error) receipt.Reason {
	if errors.Is(err, errKey) {
		return receipt.ReasonKey
	}
	if r := receipt.ReasonOf(err); r != "" || err == nil {
		return r
	}
	return "unknown"
}

func write(t *testing.T) {
	w, other := good(t), newWorld(t, "hospital.example/other", 7)
	writeList(t, "receipt.json", w, other, fileVectors(t, w, other))
	w = second(t)
	writeList(t, "receipt2.json", w, other, secondVectors(t, w))
	w = third(t)
	writeList(t, "answer.json", w, other, answerVectors(t, w))
}

func writeList(t *testing.T, name string, w, other *world, files []fileVector) {
	r := w.receipt()
	payload, _ := r.Envelope.DecodeB64Payload()
	v := vectors{
		VKey: w.keys.VKey().String(), OtherVKey: other.keys.VKey().String(), Statement: payload,
		PAE:    base64.StdEncoding.EncodeToString(dsse.PAE(receipt.PayloadType, payload)),
		Output: base64.StdEncoding.EncodeToString(output),
		Files:  files,
	}
	for _, f := range v.Files {
		if err := os.WriteFile(filepath.Join(vectorDir, f.File), f.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(vectorDir, name), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// resigned is the good receipt with another payload, signed by a world's key.
func resigned(t testing.TB, w *world, by *world, payload []byte) receipt.Receipt {
	r := w.receipt()
	r.Envelope.Payload = base64.StdEncoding.EncodeToString(payload)
	r.Envelope.Signatures = []dsse.Signature{{
		KeyID: by.keys.VKey().ID(),
		Sig:   base64.StdEncoding.EncodeToString(by.keys.Sign(dsse.PAE(r.Envelope.PayloadType, payload))),
	}}
	return r
}
