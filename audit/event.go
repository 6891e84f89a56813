package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
)

// ActionRelease is the action of the entry to which a receipt points: an output
// was let out (docs/spec/receipt.md §4).
const ActionRelease = "release.approve"

// Event is what one entry of the log records. Whoever is given the entry's key
// reads all of it, so it must never hold a private value.
type Event struct {
	Time    time.Time         // kept to the millisecond, UTC
	Actor   string            // principal id, "local:UID", or the id of a grant
	Action  string            // what was done, such as ActionRelease; required
	Rule    string            // the rule of the policy that permitted it
	Subject string            // id of what it was done to
	Digest  string            // "sha256:..." of what the entry commits to, or empty
	Details map[string]string // small texts for people
}

// eventJSON is an event's encoding, version 1 (docs/spec/log.md §2). Its fields
// stand in the order of the canonical form, on which canonical relies.
type eventJSON struct {
	Action  string            `json:"action"`
	Actor   string            `json:"actor"`
	Details map[string]string `json:"details"`
	Digest  string            `json:"digest"`
	Rule    string            `json:"rule"`
	Subject string            `json:"subject"`
	Time    string            `json:"time"`
	V       int               `json:"v"`
}

const timeFormat = "2006-01-02T15:04:05.000Z"

// padTo is the block to which an event's text is filled, so that its length
// does not tell which act it records.
const padTo = 256

// MaxEvent is the largest event, in bytes of its padded text.
const MaxEvent = 64 * padTo

// encode gives the event's text: JCS, then spaces up to a multiple of padTo.
func (e Event) encode() ([]byte, error) {
	j := eventJSON{
		V: 1, Time: e.Time.UTC().Format(timeFormat), Actor: e.Actor, Action: e.Action,
		Rule: e.Rule, Subject: e.Subject, Digest: e.Digest, Details: e.Details,
	}
	if j.Details == nil {
		j.Details = map[string]string{}
	}
	if err := j.check(); err != nil {
		return nil, err
	}
	text, err := j.canonical()
	if err != nil {
		return nil, err
	}
	if len(text) > MaxEvent {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "shorten its texts", "an audit event is larger than %d bytes", MaxEvent)
	}
	for len(text)%padTo != 0 {
		text = append(text, ' ')
	}
	return text, nil
}

// canonical gives the event's JCS text. For ASCII, as nearly all events are, it
// is written here, at a tenth of the cost; a test compares the two.
func (j eventJSON) canonical() ([]byte, error) {
	if !j.ascii() {
		return digest.Marshal(j)
	}
	b := make([]byte, 0, 2*padTo)
	field := func(name, value string) {
		b = append(append(b, name...), ':')
		b = appendASCII(b, value)
		b = append(b, ',')
	}
	b = append(b, '{')
	field(`"action"`, j.Action)
	field(`"actor"`, j.Actor)
	b = append(b, `"details":{`...)
	for i, k := range slices.Sorted(maps.Keys(j.Details)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendASCII(b, k), ':')
		b = appendASCII(b, j.Details[k])
	}
	b = append(b, "},"...)
	field(`"digest"`, j.Digest)
	field(`"rule"`, j.Rule)
	field(`"subject"`, j.Subject)
	field(`"time"`, j.Time)
	b = append(b, `"v":`...)
	return append(strconv.AppendInt(b, int64(j.V), 10), '}'), nil
}

// appendASCII writes a text of ASCII as a JSON string (RFC 8785 §3.2.2.2).
func appendASCII(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		return append(append(b, s...), '"')
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\t':
			b = append(b, `\t`...)
		case '\n':
			b = append(b, `\n`...)
		case '\f':
			b = append(b, `\f`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			if c < ' ' {
				b = append(b, `\u00`...)
				b = append(b, hex[c>>4], hex[c&0xf])
			} else {
				b = append(b, c)
			}
		}
	}
	return append(b, '"')
}

// ascii says whether all texts are ASCII.
func (j eventJSON) ascii() bool {
	for k, v := range j.Details {
		if !ascii(k) || !ascii(v) {
			return false
		}
	}
	return ascii(j.Actor) && ascii(j.Action) && ascii(j.Rule) && ascii(j.Subject)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// check refuses what could not be read back as it was meant.
func (j eventJSON) check() error {
	ok := j.Action != "" && (j.Digest == "" || digest.IsSHA256(j.Digest)) && len(j.Time) == len(timeFormat)
	for _, s := range []string{j.Actor, j.Action, j.Rule, j.Subject} {
		ok = ok && plain(s)
	}
	for k, v := range j.Details {
		ok = ok && plain(k) && plain(v)
	}
	if !ok {
		return anchorhold.Errorf(anchorhold.Invalid, "", "the audit event is not well-formed")
	}
	return nil
}

// plain says whether s is UTF-8 without NUL.
func plain(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// decodeEvent is the strict inverse of encode: it accepts no text that encode
// would not have made, so that an entry has one reading only.
func decodeEvent(text []byte) (Event, error) {
	var j eventJSON
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil || j.V != 1 {
		return Event{}, anchorhold.Errorf(anchorhold.Invalid, "use the program's version that wrote it",
			"the audit entry holds no event of a known version").Because(err)
	}
	t, err := time.Parse(timeFormat, j.Time)
	if err != nil {
		return Event{}, notCanonical(err)
	}
	e := Event{
		Time: t.UTC(), Actor: j.Actor, Action: j.Action, Rule: j.Rule,
		Subject: j.Subject, Digest: j.Digest, Details: j.Details,
	}
	again, err := e.encode()
	if err != nil || !bytes.Equal(again, text) {
		return Event{}, notCanonical(err)
	}
	return e, nil
}

func notCanonical(err error) error {
	return anchorhold.Errorf(anchorhold.Invalid, "", "the audit entry's event is not in canonical form").Because(err)
}
