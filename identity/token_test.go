package identity_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/identity"
)

// encoding is the form of tokens as documented, built here a second time.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func TestTokenCarries256FreshBits(t *testing.T) {
	seen := map[string]bool{}
	var some, all [32]byte // bits that were ever set, bits that were always set
	for i := range all {
		all[i] = 0xff
	}
	for range 200 {
		token, hash := identity.NewToken()
		rest, ok := strings.CutPrefix(token, "aht_")
		secret, err := encoding.DecodeString(rest)
		if !ok || err != nil || len(secret) != 32 {
			t.Fatalf("the token %q is not aht_ and 32 bytes: %v", token, err)
		}
		if seen[token] {
			t.Fatal("a token was drawn twice")
		}
		seen[token] = true
		for i, b := range secret {
			some[i] |= b
			all[i] &= b
		}
		if !identity.LooksLikeToken(token) {
			t.Errorf("%q does not look like a token", token)
		}
		if !bytes.Equal(hash, identity.HashToken(token)) {
			t.Error("the hash that came with the token is not the token's")
		}
	}
	for i := range some {
		if some[i] != 0xff || all[i] != 0 { // by chance once in 2^191
			t.Errorf("byte %d has bits that never change", i)
		}
	}
}

func TestHashIsDomainSeparated(t *testing.T) {
	token, hash := identity.NewToken()
	want := sha256.Sum256([]byte("anchorhold-token-v1\n" + token))
	if !bytes.Equal(hash, want[:]) {
		t.Error("the hash is not the documented one: tokens that were issued would stop to hold")
	}
	plain := sha256.Sum256([]byte(token))
	if bytes.Equal(hash, plain[:]) || bytes.Contains(hash, []byte(token)) {
		t.Error("the hash is a plain one")
	}
	other, otherHash := identity.NewToken()
	if bytes.Equal(hash, otherHash) || bytes.Equal(identity.HashToken(strings.ToUpper(other)), otherHash) {
		t.Error("different texts have one hash")
	}
}

func TestNonsenseDoesNotLookLikeAToken(t *testing.T) {
	token, _ := identity.NewToken()
	for name, s := range map[string]string{
		"empty":           "",
		"prefix only":     "aht_",
		"word":            "aht_nonsense",
		"no prefix":       strings.TrimPrefix(token, "aht_"),
		"other prefix":    "ghp_" + strings.TrimPrefix(token, "aht_"),
		"upper case":      strings.ToUpper(token),
		"upper prefix":    "AHT_" + strings.TrimPrefix(token, "aht_"),
		"one short":       token[:len(token)-1],
		"one long":        token + "a",
		"twice":           token + token,
		"blank before":    " " + token,
		"blank after":     token + " ",
		"digit one":       token[:10] + "1" + token[11:],
		"padding":         token[:len(token)-1] + "=",
		"bearer":          "Bearer " + token,
		"quotation marks": token[:10] + "'" + token[11:],
		"wide letter":     token[:10] + "é" + token[12:],
		"NUL":             token[:10] + "\x00" + token[11:],
		"line break":      token[:10] + "\n" + token[11:],
		"huge":            "aht_" + strings.Repeat("a", 1<<20),
	} {
		if identity.LooksLikeToken(s) {
			t.Errorf("%s looks like a token", name)
		}
	}
}

// FuzzLooksLikeToken holds the form against the documented one.
func FuzzLooksLikeToken(f *testing.F) {
	token, _ := identity.NewToken()
	for _, seed := range []string{"", "aht_", token, token[:55], strings.ToUpper(token), token + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rest, ok := strings.CutPrefix(s, "aht_")
		want := ok && len(rest) == 52 && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") == ""
		if got := identity.LooksLikeToken(s); got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	})
}
