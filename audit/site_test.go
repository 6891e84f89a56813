package audit_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/audit/audittest"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// site is a log under test with its keys.
type site struct {
	t     testing.TB
	keys  *keys.SiteKeys
	log   *audit.Log
	store *audittest.Memory
}

func newSite(t testing.TB, origin string, seed byte) *site {
	k, err := keys.FromSecrets(origin, bytes.Repeat([]byte{seed}, 32), bytes.Repeat([]byte{seed + 1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.New(k)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, keys: k, log: l, store: &audittest.Memory{}}
}

// append adds an event and seals.
func (s *site) append(e audit.Event) int64 {
	i := s.queue(e)
	s.seal()
	return i
}

func (s *site) queue(e audit.Event) int64 {
	i, err := s.log.Append(s.store, e)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

// seal signs the head and reads it back.
func (s *site) seal() audit.Checkpoint {
	if err := s.log.Seal(s.store); err != nil {
		s.t.Fatal(err)
	}
	c, err := audit.ParseCheckpoint(s.store.Signed, s.keys.VKey())
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// grow appends n events and seals.
func (s *site) grow(n int) audit.Checkpoint {
	for i := range n {
		s.queue(event(len(s.store.Leaves) + i))
	}
	return s.seal()
}

func event(i int) audit.Event {
	return audit.Event{
		Time: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC), Actor: "pri-0123456789abcdef", Action: "request.submit",
		Rule: "researchers submit", Subject: fmt.Sprintf("req-%016d", i), Details: map[string]string{"dataset": "heart"},
	}
}

// context is what an entry is bound to, written anew from the specification.
func entryContext(origin string, index int64) []byte {
	return binary.BigEndian.AppendUint64([]byte("anchorhold-audit-v1 entry\n"+origin+"\n"), uint64(index))
}

func (s *site) gcm(index int64) (cipher.AEAD, []byte) {
	key := s.log.EntryKey(index)
	block, err := aes.NewCipher(key)
	if err != nil {
		s.t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		s.t.Fatal(err)
	}
	return gcm, key
}

// plaintext opens an entry by the specification alone.
func (s *site) plaintext(index int64) string {
	gcm, _ := s.gcm(index)
	e := s.store.Leaves[index]
	text, err := gcm.Open(nil, e[33:45], e[45:], entryContext(s.keys.Origin(), index))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// forge encrypts any text as the site's entry at an index.
func (s *site) forge(index int64, text string) []byte {
	gcm, key := s.gcm(index)
	bound := sha256.Sum256(append([]byte("anchorhold-audit-v1 key\n"), key...))
	nonce := make([]byte, 12)
	entry := append([]byte{1}, bound[:]...)
	entry = append(entry, nonce...)
	return gcm.Seal(entry, nonce, []byte(text), entryContext(s.keys.Origin(), index))
}

type entryForgery struct {
	name  string
	index int64
	entry []byte
	key   []byte
}

// entryForgeries are entries that must not open, each wrong in one way.
func entryForgeries(t testing.TB, s *site) []entryForgery {
	const index = 2
	good := s.store.Leaves[index]
	_, key := s.gcm(index)
	_, otherKey := s.gcm(3)
	flip := func(at int) []byte {
		e := bytes.Clone(good)
		e[at] ^= 1
		return e
	}
	text := s.plaintext(index)
	trimmed := strings.TrimRight(text, " ")
	pad := func(s string) string { return s + strings.Repeat(" ", (256-len(s)%256)%256) }
	forged := func(name, text string) entryForgery { return entryForgery{name, index, s.forge(index, text), key} }
	return []entryForgery{
		{"empty", index, nil, key},
		{"cut", index, good[:len(good)-1], key},
		{"longer", index, append(bytes.Clone(good), 0), key},
		{"another version", index, flip(0), key},
		{"another commitment", index, flip(1), key},
		{"another nonce", index, flip(33), key},
		{"altered text", index, flip(45), key},
		{"altered tag", index, flip(len(good) - 1), key},
		{"another place", index + 1, good, key},
		{"negative place", -1, good, key},
		{"the key of another entry", index, good, otherKey},
		{"a short key", index, good, key[:31]},
		forged("unknown version of the event", strings.Replace(text, `"v":1}`, `"v":2}`, 1)),
		forged("not JSON", pad("release")),
		forged("not canonical", pad(strings.Replace(trimmed, `"v":1`, `"v": 1`, 1))),
		forged("padded twice", text+strings.Repeat(" ", 256)),
		forged("padded in front", strings.Repeat(" ", 256-len(trimmed)%256)+trimmed),
		forged("unknown member", pad(strings.Replace(trimmed, `"v":1`, `"v":1,"w":1`, 1))),
		forged("a member twice", pad(strings.Replace(trimmed, `"v":1`, `"v":1,"v":1`, 1))),
		forged("a member in upper case", pad(strings.Replace(trimmed, `"rule"`, `"Rule"`, 1))),
		forged("time with another zone", pad(strings.Replace(trimmed, `.250Z`, `.250+00:00`, 1))),
		forged("time without milliseconds", pad(strings.Replace(trimmed, `.250Z`, `Z`, 1))),
		forged("digest of another form", pad(strings.Replace(trimmed, `sha256:`, `sha512:`, 1))),
		forged("no action", pad(strings.Replace(trimmed, audit.ActionRelease, ``, 1))),
		forged("two events", text+text),
	}
}

type textForgery struct{ name, text string }

// checkpointForgeries are notes that must not be taken for the site's head.
func checkpointForgeries(t testing.TB, s *site) []textForgery {
	good := string(s.store.Signed)
	body, _, _ := strings.Cut(good, "\n\n")
	body += "\n"
	_, sig, _ := strings.Cut(good, "\n\n")
	other := newSite(t, s.keys.Origin(), 90)
	elsewhere := newSite(t, "hospital.example/other", 91)
	return []textForgery{
		{"empty", ""},
		{"no signature", body},
		{"no signature line", body + "\n"},
		{"cut", good[:len(good)-1]},
		{"another size", strings.Replace(good, "\n300\n", "\n301\n", 1)},
		{"another origin in the text", strings.Replace(good, "hospital.example/heart\n", "hospital.example/other\n", 1)},
		{"another name in the signature", body + "\n" + strings.Replace(sig, "heart", "other", 1)},
		{"signed by another key of the same name", signed(other, body)},
		{"signed by another site", signed(elsewhere, strings.Replace(body, "/heart", "/other", 1))},
		{"signed by the site: another log", signed(s, strings.Replace(body, "/heart", "/other", 1))},
		{"signed by the site: a fourth line", signed(s, body+"more\n")},
		{"signed by the site: two lines", signed(s, "hospital.example/heart\n300\n")},
		{"signed by the site: leading zero", signed(s, strings.Replace(body, "\n300\n", "\n0300\n", 1))},
		{"signed by the site: negative size", signed(s, strings.Replace(body, "\n300\n", "\n-1\n", 1))},
		{"signed by the site: plus sign", signed(s, strings.Replace(body, "\n300\n", "\n+300\n", 1))},
		{"signed by the site: size beyond 2^53", signed(s, strings.Replace(body, "\n300\n", "\n9007199254740992\n", 1))},
		{"signed by the site: short root", signed(s, "hospital.example/heart\n300\nAAAA\n")},
		{"signed by the site: root with stray bits", signed(s, body[:len(body)-3]+string(body[len(body)-3]+1)+"=\n")},
		{"carriage returns", strings.ReplaceAll(good, "\n", "\r\n")},
		{"signature with stray bits", good[:len(good)-3] + string(good[len(good)-3]+1) + "=\n"},
		{"a hyphen for the dash", strings.Replace(good, "—", "-", 1)},
		{"a broken line of a witness", good + "— witness\n"},
		{"too long", good + strings.Repeat("— witness.example AAAAAAAA\n", 1000)},
	}
}

// signed signs any text with a site's key as a note, by the specification.
func signed(s *site, text string) string {
	signer := s.keys.NoteSigner()
	sig, err := signer.Sign([]byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	raw := append(binary.BigEndian.AppendUint32(nil, signer.KeyHash()), sig...)
	return fmt.Sprintf("%s\n— %s %s\n", text, signer.Name(), base64.StdEncoding.EncodeToString(raw))
}
