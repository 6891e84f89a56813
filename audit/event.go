package audit

import (
	"bytes"
	"encoding/json"
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

// ActionAnswer is that of an answer to a question in SQL (docs/spec/receipt.md §7).
const ActionAnswer = "query.answer"

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
	simple := j.simple()
	if err := j.check(simple); err != nil {
		return nil, err
	}
	text, err := j.canonical(simple)
	if err != nil {
		return nil, err
	}
	if len(text) > MaxEvent {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "shorten its texts", "an audit event is larger than %d bytes", MaxEvent)
	}
	full := (len(text) + padTo - 1) / padTo * padTo
	text = slices.Grow(text, full-len(text))
	for len(text) < full {
		text = append(text, ' ')
	}
	return text, nil
}

// canonical gives the event's JCS text. Where each text is its own JSON, as in
// nearly all events, it is written here, at a tenth of the cost; a test compares
// the two.
func (j eventJSON) canonical(simple bool) ([]byte, error) {
	if !simple {
		return digest.Marshal(j)
	}
	b := make([]byte, 0, 2*padTo)
	b = appendSimple(append(b, `{"action":`...), j.Action)
	b = appendSimple(append(b, `,"actor":`...), j.Actor)
	b = append(b, `,"details":{`...)
	var few [8]string
	keys := few[:0]
	for k := range j.Details {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendSimple(b, k), ':')
		b = appendSimple(b, j.Details[k])
	}
	b = appendSimple(append(b, `},"digest":`...), j.Digest)
	b = appendSimple(append(b, `,"rule":`...), j.Rule)
	b = appendSimple(append(b, `,"subject":`...), j.Subject)
	b = appendSimple(append(b, `,"time":`...), j.Time)
	b = append(b, `,"v":`...)
	return append(strconv.AppendInt(b, int64(j.V), 10), '}'), nil
}

// appendSimple writes a simple text as a JSON string.
func appendSimple(b []byte, s string) []byte {
	return append(append(append(b, '"'), s...), '"')
}

// simple says whether all texts are their own JSON.
func (j eventJSON) simple() bool {
	for k, v := range j.Details {
		if !simple(k) || !simple(v) {
			return false
		}
	}
	return simple(j.Actor) && simple(j.Action) && simple(j.Rule) && simple(j.Subject)
}

// simple says whether a text is of ASCII that JSON shows as it is (RFC 8785
// §3.2.2.2).
func simple(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// check refuses what could not be read back as it was meant. Texts that are
// simple can.
func (j eventJSON) check(simple bool) error {
	ok := j.Action != "" && (j.Digest == "" || digest.IsSHA256(j.Digest)) && len(j.Time) == len(timeFormat)
	if !ok || !simple && !j.plain() {
		return anchorhold.Errorf(anchorhold.Invalid, "", "the audit event is not well-formed")
	}
	return nil
}

// plain says whether all texts are.
func (j eventJSON) plain() bool {
	for k, v := range j.Details {
		if !plain(k) || !plain(v) {
			return false
		}
	}
	return plain(j.Actor) && plain(j.Action) && plain(j.Rule) && plain(j.Subject)
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
