package audit_test

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/identity/keys"
)

func keysOf(t *testing.T, origin string) *keys.SiteKeys {
	t.Helper()
	k, err := keys.Generate(origin)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestContinuation(t *testing.T) {
	old, next := keysOf(t, "heart/one"), keysOf(t, "heart/two")
	c := audit.Continuation{Old: audit.Checkpoint{Origin: old.Origin(), Size: 7, Root: [32]byte{1, 2}}, Next: next.VKey()}
	signed, err := audit.SignContinuation(c, old)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := audit.ParseContinuation(signed, old.VKey()); err != nil || got != c {
		t.Error(got, err)
	}
	if _, err := audit.ParseCheckpoint(signed, old.VKey()); err == nil {
		t.Error("a continuation passes for a checkpoint")
	}
	for i := range signed {
		bad := bytes.Clone(signed)
		bad[i] ^= 1
		if got, err := audit.ParseContinuation(bad, old.VKey()); err == nil {
			t.Errorf("byte %d altered: %v", i, got)
		}
	}
	for name, k := range map[string]*keys.SiteKeys{"the next key": next, "another key of the origin": keysOf(t, "heart/one")} {
		if _, err := audit.ParseContinuation(signed, k.VKey()); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	sign := func(text string) []byte {
		b, err := note.Sign(&note.Note{Text: text}, old.NoteSigner())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	text, _, _ := strings.Cut(string(signed), "\n\n")
	text += "\n"
	for name, bad := range map[string]string{
		"a checkpoint":        strings.TrimPrefix(strings.Join(strings.SplitAfter(text, "\n")[1:4], ""), ""),
		"another version":     strings.Replace(text, "v1", "v2", 1),
		"a line more":         text + "x\n",
		"of another log":      strings.Replace(text, "heart/one", "heart/six", 1),
		"size with a zero":    strings.Replace(text, "\n7\n", "\n07\n", 1),
		"followed by itself":  strings.Replace(text, next.VKey().String(), old.VKey().String(), 1),
		"followed by nothing": strings.Replace(text, next.VKey().String(), "x", 1),
	} {
		if got, err := audit.ParseContinuation(sign(bad), old.VKey()); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := audit.SignContinuation(c, next); err == nil {
		t.Error("signed with the key of another log")
	}
}
