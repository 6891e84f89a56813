package keys

import (
	"bytes"
	"strings"
	"testing"
)

// Half of all keys have a plus sign in their base64: an id must not depend on it.
func TestIDNamesOriginAndHashOnly(t *testing.T) {
	plus := 0
	for i := range 64 {
		k, err := FromSecrets("clinic.example/1", bytes.Repeat([]byte{byte(i)}, 32), make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		v := k.VKey()
		_, rest, _ := strings.Cut(v.String(), "+")
		hash, key, _ := strings.Cut(rest, "+")
		if strings.Contains(key, "+") {
			plus++
		}
		if want := "clinic.example/1+" + hash; len(hash) != 8 || v.ID() != want {
			t.Errorf("the id of %s is %s, want %s", v, v.ID(), want)
		}
	}
	if plus == 0 {
		t.Error("no key with a plus sign was tried")
	}
}
