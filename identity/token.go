// Package identity makes and recognises what proves a principal, today tokens,
// and what proves a site to its callers, the pinned keys of its TLS door.
//
// A token carries 256 random bits; the site keeps its SHA-256 only, which is
// enough for a secret of that strength, and shows the token itself once. The
// principal comes from the credential alone, never from a header or a field
// that the caller could choose.
package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// tokenPrefix lets people and secret scanners recognise a token.
const tokenPrefix = "aht_"

var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewToken draws a token and gives its hash.
func NewToken() (token string, hash []byte) {
	var secret [32]byte
	rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	token = tokenPrefix + tokenEncoding.EncodeToString(secret[:])
	return token, HashToken(token)
}

// HashToken gives the hash under which a token is kept: SHA-256 over a domain
// label and the token.
func HashToken(token string) []byte {
	sum := sha256.Sum256([]byte("anchorhold-token-v1\n" + token))
	return sum[:]
}

// LooksLikeToken says whether s has the form of a token, so that nonsense is
// refused before the database is asked.
func LooksLikeToken(s string) bool {
	rest, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(rest) != tokenEncoding.EncodedLen(32) {
		return false
	}
	secret, err := tokenEncoding.DecodeString(rest)
	return err == nil && tokenEncoding.EncodeToString(secret) == rest // the decoder passes over line breaks
}
