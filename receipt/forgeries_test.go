package receipt_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/receipt"
)

// fileVectors makes receipts that hold and, one change each, receipts that do
// not: every step of the verification has at least one that only it catches.
func fileVectors(t testing.TB, w, other *world) []fileVector {
	vkey := w.keys.VKey().String()
	text := marshal(t, w.receipt())
	var files []fileVector
	add := func(name string, reason receipt.Reason, key string, data []byte, what string) {
		files = append(files, fileVector{File: "receipts/" + name + ".json", VKey: key, Reason: reason, What: what, data: data})
	}
	edit := func(name string, reason receipt.Reason, what string, change func(*receipt.Receipt)) {
		r := w.receipt()
		change(&r)
		add(name, reason, vkey, marshal(t, r), what)
	}
	swap := func(name string, reason receipt.Reason, what, old, with string) {
		if strings.Count(string(text), old) != 1 {
			t.Fatalf("%s: %q is there %d times", name, old, strings.Count(string(text), old))
		}
		add(name, reason, vkey, []byte(strings.Replace(string(text), old, with, 1)), what)
	}

	add("good", "", vkey, text, "as the site made it")
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	add("pretty", "", vkey, append(pretty.Bytes(), '\n'), "the same with white space")
	edit("two-signatures", "", "a further signature of an unknown algorithm", func(r *receipt.Receipt) {
		r.Envelope.Signatures = append([]dsse.Signature{{KeyID: "other", Sig: "AAAA"}}, r.Envelope.Signatures...)
	})
	edit("witnessed", "", "a witness's line under the checkpoint", func(r *receipt.Receipt) {
		r.Log.Checkpoint = append(r.Log.Checkpoint, "— witness.example AAAAAAAA\n"...)
	})

	addKeyCases(add, w, other, text)
	addFormCases(swap)
	addSignatureCases(t, edit, w, other)
	addPayloadCases(t, add, w)
	addLogCases(t, edit, w, other)
	addEventCases(t, add, w)
	return files
}

// secondVectors are those of version 2: what it may say beyond version 1, and
// what it may not.
func secondVectors(t testing.TB, w *world) []fileVector {
	vkey := w.keys.VKey().String()
	r := w.receipt()
	p, _ := r.Envelope.DecodeB64Payload()
	files := []fileVector{{File: "receipts/second.json", VKey: vkey, What: "as the site made it", data: marshal(t, r)}}
	_, facts, _ := strings.Cut(string(p), `"facts":`)
	facts = `"facts":` + facts[:strings.Index(facts, "]")+1]
	lock := `{"lock":"` + hash(5) + `"}`
	for _, c := range []struct{ name, what, old, with string }{
		{"first", "said to be of version 1", "receipt/v2", "receipt/v1"},
		{"no-facts", "no list of facts", facts + ",", ""},
		{"null-facts", "null for the list of facts", facts, `"facts":null`},
		{"order", "facts that are not sorted", `"name":"a"`, `"name":"z"`},
		{"twice", "two facts of one name", `"name":"a"`, `"name":"deposited"`},
		{"control", "a fact with an escape sequence", `"text":"Größe"`, `"text":"\u001b[2J"`},
		{"member", "a fact with a member that is not specified", `"name":"a"`, `"at":1,"name":"a"`},
		{"half-environment", "a version of Python without a built environment", lock, lock[:len(lock)-1] + `,"python":"3.13.5"}`},
		{"empty-kind", "an output of no kind", `"kind":"csv"`, `"kind":""`},
	} {
		if strings.Count(string(p), c.old) != 1 {
			t.Fatalf("%s: %q is there %d times", c.name, c.old, strings.Count(string(p), c.old))
		}
		changed := []byte(strings.Replace(string(p), c.old, c.with, 1))
		files = append(files, fileVector{
			File: "receipts/second-" + c.name + ".json", VKey: vkey, Reason: receipt.ReasonPayload, What: "signed by the site: " + c.what,
			data: marshal(t, resigned(t, w, w, changed)),
		})
	}
	return files
}

type adder func(name string, reason receipt.Reason, key string, data []byte, what string)

type editor func(name string, reason receipt.Reason, what string, change func(*receipt.Receipt))

func addKeyCases(add adder, w, other *world, text []byte) {
	vkey := w.keys.VKey().String()
	add("other-key", receipt.ReasonSignature, other.keys.VKey().String(), text, "verified with another site's key")
	add("small-order-key", receipt.ReasonKey, "hospital.example/heart+dea703da+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", text, "a key under which anything verifies")
	add("damaged-key", receipt.ReasonKey, vkey[:len(vkey)-2]+"A=", text, "a key that was mistyped")
}

func addFormCases(swap func(name string, reason receipt.Reason, what, old, with string)) {
	swap("version", receipt.ReasonVersion, "version 2", `"v":1}`, `"v":2}`)
	swap("unknown-member", receipt.ReasonFormat, "a member that is not specified", `"v":1}`, `"v":1,"x":1}`)
	swap("twice", receipt.ReasonFormat, "the same name twice", `"v":1}`, `"v":1,"v":1}`)
	swap("case", receipt.ReasonFormat, "a member in upper case", `"index":`, `"Index":`)
	swap("fraction", receipt.ReasonFormat, "an index that is not written as an integer", `"index":300`, `"index":300.0`)
	swap("missing", receipt.ReasonFormat, "a member is missing", `"index":300,`, ``)
	swap("null", receipt.ReasonFormat, "null for a list", `"signatures":[`, `"signatures":null,"was":[`)
	swap("cut", receipt.ReasonFormat, "the end is missing", `,"v":1}`, ``)
	swap("index-out-of-tree", receipt.ReasonFormat, "an index beyond the size", `"index":300`, `"index":517`)
	swap("negative-index", receipt.ReasonFormat, "a negative index", `"index":300`, `"index":-1`)
	swap("base64-newline", receipt.ReasonFormat, "base64 with a line feed", `"payload":"`, `"payload":"\n`)
	swap("payload-type", receipt.ReasonSignature, "another payload type", `application/vnd.in-toto+json`, `application/json`)
}

func addSignatureCases(t testing.TB, edit editor, w, other *world) {
	edit("changed-payload", receipt.ReasonSignature, "the purpose was changed after signing", func(r *receipt.Receipt) {
		p, _ := r.Envelope.DecodeB64Payload()
		r.Envelope.Payload = base64.StdEncoding.EncodeToString(bytes.Replace(p, []byte("Mean age"), []byte("Mean AGE"), 1))
	})
	edit("no-signature", receipt.ReasonFormat, "no signature", func(r *receipt.Receipt) { r.Envelope.Signatures = []dsse.Signature{} })
	edit("forged-signature", receipt.ReasonSignature, "signed by another key under this key's id", func(r *receipt.Receipt) {
		p, _ := r.Envelope.DecodeB64Payload()
		r.Envelope.Signatures[0].Sig = base64.StdEncoding.EncodeToString(other.keys.Sign(dsse.PAE(r.Envelope.PayloadType, p)))
	})
	edit("foreign-signature", receipt.ReasonSignature, "signed by another key under its own id", func(r *receipt.Receipt) {
		p, _ := r.Envelope.DecodeB64Payload()
		*r = resigned(t, w, other, p)
	})
	edit("signature-twice", receipt.ReasonSignature, "two signatures name the site's key", func(r *receipt.Receipt) {
		r.Envelope.Signatures = append(r.Envelope.Signatures, r.Envelope.Signatures[0])
	})
	edit("signature-of-payload", receipt.ReasonSignature, "the payload itself is signed, not its PAE", func(r *receipt.Receipt) {
		p, _ := r.Envelope.DecodeB64Payload()
		r.Envelope.Signatures[0].Sig = base64.StdEncoding.EncodeToString(w.keys.Sign(p))
	})
	edit("base64-bits", receipt.ReasonFormat, "a signature with unused base64 bits set", func(r *receipt.Receipt) {
		s := &r.Envelope.Signatures[0].Sig // 64 bytes end in one character and two "="
		*s = (*s)[:len(*s)-3] + string((*s)[len(*s)-3]+1) + "=="
	})
}

func addPayloadCases(t testing.TB, add adder, w *world) {
	vkey := w.keys.VKey().String()
	r := w.receipt()
	p, _ := r.Envelope.DecodeB64Payload()
	signed := func(name string, reason receipt.Reason, what, old, with string) {
		if strings.Count(string(p), old) != 1 {
			t.Fatalf("%s: %q is there %d times", name, old, strings.Count(string(p), old))
		}
		changed := []byte(strings.Replace(string(p), old, with, 1))
		add(name, reason, vkey, marshal(t, resigned(t, w, w, changed)), "signed by the site: "+what)
	}
	signed("payload-space", receipt.ReasonPayload, "not canonical", `"run":`, `"run": `)
	signed("payload-unknown", receipt.ReasonPayload, "a member that is not specified", `"site":`, `"extra":1,"site":`)
	signed("payload-missing", receipt.ReasonPayload, "a member is missing", `,"python":"3.13.5"`, ``)
	signed("payload-type-of-statement", receipt.ReasonPayload, "another predicate", `https://anchorhold.org/receipt/v1`, `https://anchorhold.org/receipt/v2`)
	signed("payload-denied", receipt.ReasonPayload, "a denial", `"verdict":"approve"`, `"verdict":"deny"`)
	signed("payload-fine-clock", receipt.ReasonPayload, "a run's time with seconds", `"started":"2026-11-21T09:12:00Z"`, `"started":"2026-11-21T09:12:01Z"`)
	signed("payload-zone", receipt.ReasonPayload, "a time with another zone", `"started":"2026-11-21T09:12:00Z"`, `"started":"2026-11-21T10:12:00+01:00"`)
	signed("payload-digest", receipt.ReasonPayload, "a digest in upper case", hash(2), strings.ToUpper(hash(2)))
	signed("payload-control", receipt.ReasonPayload, "an escape sequence in a text", `ada@example.org`, `ada\u001b[2J`)
	signed("payload-site", receipt.ReasonSite, "another site's name", `"site":"hospital.example/heart"`, `"site":"hospital.example/other"`)
	signed("payload-other", receipt.ReasonEvent, "another purpose than was logged", `Mean age`, `Mean AGE`)
}

func addLogCases(t testing.TB, edit editor, w, other *world) {
	foreign := newWorld(t, "hospital.example/heart", 11) // another key under the same origin
	foreign.others(517)
	foreign.seal()
	other.others(517)
	other.seal()
	edit("log-origin", receipt.ReasonSite, "the log part names another site", func(r *receipt.Receipt) { r.Log.Origin = "hospital.example/other" })
	edit("checkpoint-foreign-key", receipt.ReasonCheckpoint, "a checkpoint signed by another key under this origin", func(r *receipt.Receipt) { r.Log.Checkpoint = foreign.store.Signed })
	edit("checkpoint-other-site", receipt.ReasonCheckpoint, "another site's checkpoint", func(r *receipt.Receipt) { r.Log.Checkpoint = other.store.Signed })
	edit("checkpoint-size", receipt.ReasonCheckpoint, "the size in the checkpoint was changed", func(r *receipt.Receipt) {
		r.Log.Checkpoint = bytes.Replace(r.Log.Checkpoint, []byte("\n517\n"), []byte("\n518\n"), 1)
	})
	edit("size", receipt.ReasonCheckpoint, "the size beside the checkpoint is another", func(r *receipt.Receipt) { r.Log.Size = 518 })
	edit("checkpoint-extension", receipt.ReasonCheckpoint, "signed by the site: a checkpoint with a fourth line", func(r *receipt.Receipt) {
		r.Log.Checkpoint = signNote(t, w, strings.SplitAfter(string(w.store.Signed), "\n\n")[0][:len(strings.SplitAfter(string(w.store.Signed), "\n\n")[0])-1]+"more\n")
	})
	edit("index", receipt.ReasonInclusion, "another index", func(r *receipt.Receipt) { r.Log.Index = 301 })
	edit("proof-short", receipt.ReasonInclusion, "the proof lacks its last hash", func(r *receipt.Receipt) { r.Log.Proof = r.Log.Proof[:len(r.Log.Proof)-1] })
	edit("proof-long", receipt.ReasonInclusion, "the proof has one hash too many", func(r *receipt.Receipt) { r.Log.Proof = append(r.Log.Proof, [32]byte{}) })
	edit("proof-order", receipt.ReasonInclusion, "two hashes of the proof are swapped", func(r *receipt.Receipt) {
		r.Log.Proof[0], r.Log.Proof[1] = r.Log.Proof[1], r.Log.Proof[0]
	})
	edit("proof-changed", receipt.ReasonInclusion, "a bit of the proof", func(r *receipt.Receipt) { r.Log.Proof[3][7] ^= 1 })
	edit("entry-changed", receipt.ReasonInclusion, "a bit of the entry", func(r *receipt.Receipt) {
		r.Log.Entry = bytes.Clone(r.Log.Entry)
		r.Log.Entry[99] ^= 1
	})
	edit("entry-other", receipt.ReasonInclusion, "another entry of the log", func(r *receipt.Receipt) { r.Log.Entry = w.store.Leaves[299] })
	edit("key-changed", receipt.ReasonEntry, "a bit of the entry's key", func(r *receipt.Receipt) {
		r.Log.Key = bytes.Clone(r.Log.Key)
		r.Log.Key[0] ^= 1
	})
	edit("key-other", receipt.ReasonEntry, "the key of another entry", func(r *receipt.Receipt) {
		key := w.log.EntryKey(299)
		r.Log.Key = key
	})
}

// signNote signs any text as the site would a checkpoint.
func signNote(t testing.TB, w *world, text string) []byte {
	s := w.keys.NoteSigner()
	sig, err := s.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	h := s.KeyHash()
	raw := append([]byte{byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}, sig...)
	return fmt.Appendf(nil, "%s\n— %s %s\n", text, s.Name(), base64.StdEncoding.EncodeToString(raw))
}

// addEventCases adds receipts in which all is signed and logged by the site but
// the entry speaks of something else.
func addEventCases(t testing.TB, add adder, w *world) {
	for _, c := range []struct {
		name, what string
		change     func(*audit.Event)
	}{
		{"event-action", "the entry is not of a release", func(e *audit.Event) { e.Action = "release.deny" }},
		{"event-subject", "the entry is of another release", func(e *audit.Event) { e.Subject = "rel-zyxwvtsrqpnmkjhg" }},
		{"event-digest", "the entry commits to something else", func(e *audit.Event) { e.Digest = hash(9) }},
		{"event-no-digest", "the entry commits to nothing", func(e *audit.Event) { e.Digest = "" }},
	} {
		v := newWorld(t, w.keys.Origin(), 1)
		v.sealed = w.sealed
		e := audit.Event{Actor: "a", Action: audit.ActionRelease, Rule: "r", Subject: "rel-0123456789abcdef", Digest: w.sealed.Digest}
		c.change(&e)
		v.others(2)
		v.index = v.append(e)
		v.seal()
		add(c.name, receipt.ReasonEvent, w.keys.VKey().String(), marshal(t, v.receipt()), "signed and logged by the site: "+c.what)
	}
}
