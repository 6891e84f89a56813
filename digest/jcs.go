// Package digest names things by their content: it makes the one canonical
// form of a JSON text (JCS, RFC 8785) and the digests of code and of requests.
//
// It promises that the same code has the same digest at every site and in
// every language, and that no two different codes share a manifest: whatever
// JSON readers may understand differently (duplicate names, broken UTF-8,
// integers beyond a double) is refused and never repaired. It must never guess.
// docs/spec/digests.md specifies the formats; docs/spec/vectors/digest.json is
// checked here and by the Python package, and the canonical form is fuzzed.
package digest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gowebpki/jcs"

	"github.com/anchorhold/anchorhold"
)

// Limits of the JSON that has a canonical form here. They bound what hostile
// text can cost: the library below recurses per level and sorts by insertion.
const (
	MaxDepth   = 64   // nested arrays and objects
	MaxMembers = 4096 // members of one object
)

// maxSafe is the largest integer that every reader of JSON keeps exactly
// (RFC 7493 §2.2, RFC 8785 appendix B).
const maxSafe = 1<<53 - 1

const remedyJSON = "send plain JSON in UTF-8, each name once per object"

// Canonical gives the JCS form of one JSON text. It refuses, as Invalid, what
// is not JSON, what is not UTF-8, unpaired surrogates, duplicate names, numbers
// outside of a double, integers that a double would change, and text beyond
// MaxDepth or MaxMembers. Canonical(Canonical(x)) is Canonical(x).
func Canonical(data []byte) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, anchorhold.Errorf(anchorhold.Invalid, remedyJSON, "the JSON text is not valid UTF-8")
	}
	if !json.Valid(data) {
		return nil, anchorhold.Errorf(anchorhold.Invalid, remedyJSON, "the text is not valid JSON")
	}
	if !surrogatesPaired(data) {
		return nil, anchorhold.Errorf(anchorhold.Invalid, remedyJSON, "the JSON text holds an unpaired surrogate escape")
	}
	if err := checkTokens(data); err != nil {
		return nil, err
	}
	out, err := jcs.Transform(bytes.Trim(data, " \t\r\n"))
	if err != nil { // everything that it may refuse was refused above
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the canonical form could not be made").Because(err)
	}
	return out, nil
}

// surrogatesPaired says whether every \uD800–\uDFFF escape of a valid JSON text
// is one half of a pair. Readers turn a lone one into U+FFFD, so two different
// texts would become one.
func surrogatesPaired(data []byte) bool {
	for i := 0; i+1 < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++ // the escaped character; backslashes occur in strings only
		if data[i] != 'u' {
			continue
		}
		unit := hex4(data[i+1:])
		i += 4
		switch {
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return false
		case unit >= 0xD800 && unit <= 0xDBFF:
			rest := data[i+1:]
			if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
				return false
			}
			if low := hex4(rest[2:]); low < 0xDC00 || low > 0xDFFF {
				return false
			}
			i += 6
		}
	}
	return true
}

// hex4 reads the four hexadecimal digits of an escape that json.Valid has seen.
func hex4(b []byte) uint64 {
	n, _ := strconv.ParseUint(string(b[:4]), 16, 32)
	return n
}

// level is one open array or object.
type level struct {
	names map[string]bool // nil in an array
	name  bool            // the next token of an object is a name
}

// checkTokens walks a valid JSON text and refuses duplicate names, numbers that
// would change, and what is beyond the limits.
func checkTokens(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var open []level
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return anchorhold.Errorf(anchorhold.Invalid, remedyJSON, "the text is not valid JSON").Because(err)
		}
		if d, ok := tok.(json.Delim); ok {
			if open, err = step(open, d); err != nil {
				return err
			}
			continue
		}
		if n := len(open); n > 0 && open[n-1].name {
			name, _ := tok.(string) // the decoder gives nothing else here
			if err := takeName(&open[n-1], name); err != nil {
				return err
			}
			continue
		}
		if num, ok := tok.(json.Number); ok {
			if err := checkNumber(num.String()); err != nil {
				return err
			}
		}
		valueDone(open)
	}
}

// step opens or closes a level.
func step(open []level, d json.Delim) ([]level, error) {
	if d == '}' || d == ']' {
		open = open[:len(open)-1]
		valueDone(open)
		return open, nil
	}
	if len(open) == MaxDepth {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "flatten it", "the JSON text is nested deeper than %d levels", MaxDepth)
	}
	if d == '{' {
		return append(open, level{names: map[string]bool{}, name: true}), nil
	}
	return append(open, level{}), nil
}

// valueDone turns the innermost object to its next name.
func valueDone(open []level) {
	if n := len(open); n > 0 && open[n-1].names != nil {
		open[n-1].name = true
	}
}

// takeName records a member's name.
func takeName(l *level, name string) error {
	if l.names[name] {
		return anchorhold.Errorf(anchorhold.Invalid, remedyJSON, "a JSON object holds the same name twice")
	}
	if len(l.names) == MaxMembers {
		return anchorhold.Errorf(anchorhold.TooLarge, "split it", "a JSON object has more than %d members", MaxMembers)
	}
	l.names[name] = true
	l.name = false
	return nil
}

// checkNumber refuses a number literal whose value JSON readers disagree about.
// An integer literal must be safe or already canonical: 1e20 is written
// "100000000000000000000", which must stay readable, while 2^53+1 must not
// silently become 2^53.
func checkNumber(s string) error {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return anchorhold.Errorf(anchorhold.Invalid, "send it as text", "a number is outside of what a 64-bit float holds")
	}
	if strings.ContainsAny(s, ".eE") || (f >= -maxSafe && f <= maxSafe) {
		return nil
	}
	if canonical, err := jcs.NumberToJSON(f); err != nil || canonical != s {
		return anchorhold.Errorf(anchorhold.Invalid, "send it as text",
			"an integer is beyond ±%d and would lose digits", int64(maxSafe))
	}
	return nil
}

// Marshal gives the JCS form of a Go value by way of encoding/json. Strings
// that are not UTF-8 are repaired by encoding/json: check them before.
func Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "a value has no JSON form").Because(err)
	}
	return Canonical(data)
}

// SHA256 is the text form of a digest of plain bytes: "sha256:" and 64 lower
// case hexadecimal digits.
func SHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// IsSHA256 says whether s has the form that SHA256 gives.
func IsSHA256(s string) bool {
	rest, ok := strings.CutPrefix(s, "sha256:")
	return ok && IsHex256(rest)
}

// IsHex256 says whether s is 64 lower case hexadecimal digits.
func IsHex256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// tagged hashes a manifest under a domain tag, so that a code can never be
// passed off as a request and a later format never collides with this one.
func tagged(tag string, manifest []byte) string {
	return SHA256(append([]byte(tag), manifest...))
}
