package receipt_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/receipt"
)

// TestEveryByteFlipped: a receipt with any byte changed is refused or says the
// same, and never makes the verifier fail in another way.
func TestEveryByteFlipped(t *testing.T) {
	w := good(t)
	file := marshal(t, w.receipt())
	want, err := receipt.Verify(file, w.keys.VKey())
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range file {
		for _, mask := range []byte{0x01, 0x20, 0x80} {
			if mask != 0x01 && i%31 != 0 { // one mask everywhere, the others here and there: time
				continue
			}
			changed := bytes.Clone(file)
			changed[i] ^= mask
			got, err := receipt.Verify(changed, w.keys.VKey())
			switch {
			case err == nil && !reflect.DeepEqual(got, want):
				t.Fatalf("byte %d with mask %#x changes what the receipt says", i, mask)
			case err != nil && receipt.ReasonOf(err) == "":
				t.Fatalf("byte %d with mask %#x: %v is no refusal", i, mask, err)
			case err != nil:
				refused++
			}
		}
	}
	if refused < len(file) {
		t.Errorf("only %d changes of %d bytes were refused", refused, len(file))
	}
}

// TestEveryCut: no prefix of a receipt is a receipt.
func TestEveryCut(t *testing.T) {
	w := good(t)
	file := marshal(t, w.receipt())
	for n := range file {
		if _, err := receipt.Verify(file[:n], w.keys.VKey()); receipt.ReasonOf(err) != receipt.ReasonFormat {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
}

// TestAnyLaterCheckpoint: a receipt can be made against the release's own
// checkpoint and against any later one, from the first entry to a full tile.
func TestAnyLaterCheckpoint(t *testing.T) {
	for _, before := range []int{0, 1, 255, 256} {
		w := newWorld(t, "a.example", 3)
		w.others(before)
		w.release(statement("a.example"))
		for range 4 {
			w.seal()
			s, err := receipt.Verify(marshal(t, w.receipt()), w.keys.VKey())
			if err != nil || s.Predicate.Release.ID != "rel-0123456789abcdef" {
				t.Errorf("release at %d in a log of %d: %v", before, len(w.store.Leaves), err)
			}
			w.others(37)
		}
	}
}

// TestNotYetLogged: without a checkpoint that covers the entry there is no receipt.
func TestNotYetLogged(t *testing.T) {
	w := newWorld(t, "a.example", 3)
	w.others(2)
	w.seal()
	w.release(statement("a.example"))
	if _, err := w.log.OpeningOf(w.store, w.index); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Error("an opening of an entry that no checkpoint covers:", err)
	}
}

func TestSignRefuses(t *testing.T) {
	w := newWorld(t, "a.example", 3)
	for name, change := range map[string]func(*receipt.Statement){
		"another site":      func(s *receipt.Statement) { s.Predicate.Site = "b.example" },
		"no subject":        func(s *receipt.Statement) { s.Subject = nil },
		"two subjects":      func(s *receipt.Statement) { s.Subject = append(s.Subject, s.Subject[0]) },
		"no output digest":  func(s *receipt.Statement) { s.Subject[0].Digest.SHA256 = "" },
		"no output name":    func(s *receipt.Statement) { s.Subject[0].Name = "" },
		"no request":        func(s *receipt.Statement) { s.Predicate.Request = receipt.Request{} },
		"not UTF-8":         func(s *receipt.Statement) { s.Predicate.Request.Purpose = "\xff" },
		"escape sequence":   func(s *receipt.Statement) { s.Predicate.Request.Author = "\x1b[2J" },
		"long purpose":      func(s *receipt.Statement) { s.Predicate.Request.Purpose = strings.Repeat("a", 4097) },
		"no decision":       func(s *receipt.Statement) { s.Predicate.Decisions = nil },
		"no rule":           func(s *receipt.Statement) { s.Predicate.Decisions[0].Rule = "" },
		"unknown check":     func(s *receipt.Statement) { s.Predicate.Checks[0].Result = "maybe" },
		"unknown class":     func(s *receipt.Statement) { s.Predicate.Exposure[0].Class = "small" },
		"amount not JSON":   func(s *receipt.Statement) { s.Predicate.Exposure[0].Amount = "ε=1" },
		"amount not JCS":    func(s *receipt.Statement) { s.Predicate.Exposure[0].Amount = "{ }" },
		"unsorted assets":   func(s *receipt.Statement) { a := s.Predicate.Assets; a[0], a[1] = a[1], a[0] },
		"a file's hash":     func(s *receipt.Statement) { s.Predicate.Assets[0].Commitment = "abc" },
		"a row number":      func(s *receipt.Statement) { s.Predicate.Assets[0].Version = "17" },
		"too many checks":   func(s *receipt.Statement) { s.Predicate.Checks = make([]receipt.Check, 65) },
		"no environment":    func(s *receipt.Statement) { s.Predicate.Environment.Built = "" },
		"fine clock":        func(s *receipt.Statement) { s.Predicate.Run.Finished = s.Predicate.Run.Finished.Add(time.Second) },
		"no boundary":       func(s *receipt.Statement) { s.Predicate.Run.Boundary = "" },
		"parts of a second": func(s *receipt.Statement) { s.Predicate.Release.At = s.Predicate.Release.At.Add(1) },
		"output of any":     func(s *receipt.Statement) { s.Predicate.Output.Kind = "any" },
		"negative size":     func(s *receipt.Statement) { s.Predicate.Output.Size = -1 },
	} {
		s := statement("a.example")
		change(&s)
		if sealed, err := receipt.Sign(s, w.keys); err == nil || sealed.Digest != "" {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := receipt.Sign(receipt.New("r", strings.Repeat("0", 64), statement("a.example").Predicate), w.keys); err != nil {
		t.Error("a sound statement:", err)
	}
}

// TestNewNormalises: what callers have at hand becomes what the format wants,
// without touching what they passed.
func TestNewNormalises(t *testing.T) {
	p := statement("a.example").Predicate
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("", 3600))
	p.Run.Started, p.Release.At, p.Decisions[0].At = at, at, at
	p.Checks, p.Exposure = nil, nil
	p.Assets[0], p.Assets[1] = p.Assets[1], p.Assets[0]
	first := p.Assets[0].Parameter
	s := receipt.New("r", strings.Repeat("0", 64), p)
	if p.Assets[0].Parameter != first || !p.Decisions[0].At.Equal(at) {
		t.Error("the caller's lists were changed")
	}
	if s.Predicate.Checks == nil || s.Predicate.Exposure == nil || s.Predicate.Assets[0].Parameter != "left" {
		t.Errorf("%+v", s.Predicate)
	}
	if got := s.Predicate.Run.Started.Format(time.RFC3339Nano) + s.Predicate.Release.At.Format(time.RFC3339Nano); got != "2026-01-02T02:04:00Z2026-01-02T02:04:05Z" {
		t.Error(got)
	}
}

func TestVerifyOutput(t *testing.T) {
	s := statement("a.example")
	if err := receipt.VerifyOutput(s, bytes.NewReader(output)); err != nil {
		t.Error(err)
	}
	for name, file := range map[string]io.Reader{
		"empty": strings.NewReader(""), "longer": io.MultiReader(bytes.NewReader(output), strings.NewReader(" ")),
		"shorter": bytes.NewReader(output[1:]), "changed": bytes.NewReader(bytes.Replace(output, []byte("5"), []byte("6"), 1)),
	} {
		if err := receipt.VerifyOutput(s, file); receipt.ReasonOf(err) != receipt.ReasonOutput {
			t.Error(name, err)
		}
	}
	if err := receipt.VerifyOutput(s, iotest.ErrReader(errors.New("gone"))); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Error(err)
	}
	if err := receipt.VerifyOutput(receipt.Statement{}, strings.NewReader("")); receipt.ReasonOf(err) != receipt.ReasonOutput {
		t.Error("an empty statement:", err)
	}
}

// TestErrorsSayWhatToDo: each reason has a sentence of its own and a remedy.
func TestErrorsSayWhatToDo(t *testing.T) {
	w, other := good(t), newWorld(t, "hospital.example/other", 7)
	seen := map[string]receipt.Reason{}
	for _, f := range fileVectors(t, w, other) {
		_, err := verifyText(f.data, f.VKey)
		if f.Reason == "" || f.Reason == receipt.ReasonKey {
			continue
		}
		var e *anchorhold.Error
		if !errors.As(err, &e) || e.Remedy == "" || e.Kind != anchorhold.Invalid {
			t.Fatalf("%s: %v", f.File, err)
		}
		if r, ok := seen[e.Message]; ok && r != f.Reason {
			t.Errorf("%s and %s have the same message", r, f.Reason)
		}
		seen[e.Message] = f.Reason
	}
	if len(seen) < 9 {
		t.Errorf("only %d different refusals", len(seen))
	}
	if _, err := receipt.Verify(marshal(t, w.receipt()), keys.VKey{}); receipt.ReasonOf(err) != receipt.ReasonKey {
		t.Error("without a key:", err)
	}
	if _, err := receipt.Parse(bytes.Repeat([]byte(" "), receipt.MaxFile+1)); receipt.ReasonOf(err) != receipt.ReasonFormat {
		t.Error("a huge file:", err)
	}
	if receipt.ReasonOf(io.EOF) != "" {
		t.Error("another error has a reason")
	}
}

// FuzzVerify: nothing but what the site made verifies, whatever is read.
func FuzzVerify(f *testing.F) {
	w, other := good(f), newWorld(f, "hospital.example/other", 7)
	for _, v := range fileVectors(f, w, other) {
		f.Add(v.data)
	}
	want := statement(w.keys.Origin())
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := receipt.Verify(data, w.keys.VKey())
		if err != nil {
			if receipt.ReasonOf(err) == "" {
				t.Fatal(err)
			}
			return
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q says %+v", data, got)
		}
		r, err := receipt.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := receipt.Verify(marshal(t, r), w.keys.VKey()); err != nil {
			t.Fatal("written again:", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	w := good(b)
	file := marshal(b, w.receipt())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := receipt.Verify(file, w.keys.VKey()); err != nil {
			b.Fatal(err)
		}
	}
}
