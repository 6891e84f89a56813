package audit

import (
	"bytes"
	"testing"

	"github.com/anchorhold/anchorhold/digest"
)

// FuzzEventCanonical: the short way of writing an event is the canonical one.
func FuzzEventCanonical(f *testing.F) {
	f.Add("pri-1", "b", "a", "release.approve")
	f.Add("\x7f ~!#[]", "", "</>", "&'")
	f.Add("<&>\x00\x01\b\f\n\r\t\x1f\x7f\"\\/", "k", "K", "x")
	f.Add("ü", "\u2028", "\U00010000", "\ue000")
	f.Fuzz(func(t *testing.T, actor, k1, k2, action string) {
		for _, s := range []string{actor, k1, k2, action} {
			if !plain(s) {
				return // refused by check, before it is written
			}
		}
		j := eventJSON{V: 1, Actor: actor, Action: action, Details: map[string]string{k1: actor, k2: action}}
		short, err := j.canonical(j.simple())
		if err != nil {
			t.Fatal(err)
		}
		long, err := digest.Marshal(j)
		if err != nil || !bytes.Equal(short, long) {
			t.Fatalf("%s, but canonical is %s (%v)", short, long, err)
		}
	})
}
