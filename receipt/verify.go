package receipt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// Reason names the step of the verification that failed, as the specification
// and its vectors do.
type Reason string

// The reasons, in the order of the steps.
const (
	ReasonKey        Reason = "key"
	ReasonVersion    Reason = "version"
	ReasonFormat     Reason = "format"
	ReasonSignature  Reason = "signature"
	ReasonPayload    Reason = "payload"
	ReasonSite       Reason = "site"
	ReasonCheckpoint Reason = "checkpoint"
	ReasonInclusion  Reason = "inclusion"
	ReasonEntry      Reason = "entry"
	ReasonEvent      Reason = "event"
	ReasonOutput     Reason = "output"
)

// failure ties a refusal to its reason.
type failure struct {
	reason Reason
	cause  error
}

// Error names the reason.
func (f *failure) Error() string { return "receipt: " + string(f.reason) }

// Unwrap gives the cause.
func (f *failure) Unwrap() error { return f.cause }

// ReasonOf gives the step at which a receipt was refused; empty for any other
// error.
func ReasonOf(err error) Reason {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	return ""
}

// refuse says in a sentence why a receipt does not hold, and what to do.
func refuse(reason Reason, cause error) error {
	const again = "get the receipt anew from the site"
	texts := map[Reason][2]string{
		ReasonKey:        {"no site's public key was given", "give the key that the site prints, from a source you trust"},
		ReasonVersion:    {"the receipt is of an unknown version", "use a newer program"},
		ReasonFormat:     {"the file is not a receipt", again},
		ReasonSignature:  {"the receipt is not signed by this site's key, or was changed after signing", "check that the key is the site's; " + again},
		ReasonPayload:    {"the signed statement is not one of a receipt", "ask the site; it signed something else"},
		ReasonSite:       {"the receipt is of another site", "use the key of the site that it names"},
		ReasonCheckpoint: {"the log's checkpoint is not signed by this site's key", again},
		ReasonInclusion:  {"the proof does not show that the release is in the site's log", again + "; if it fails again, keep it: the site claims a release that it did not log"},
		ReasonEntry:      {"the log entry does not open with the key in the receipt", again},
		ReasonEvent:      {"the log entry is not about this statement", again + "; if it fails again, keep it: the site logged another release"},
		ReasonOutput:     {"the file is not the output that was released", "get the released file anew from the site"},
	}
	t := texts[reason]
	return anchorhold.Errorf(anchorhold.Invalid, t[1], "%s", t[0]).Because(&failure{reason, cause})
}

// Verify checks a receipt file with the site's public key, offline, and gives
// what it says. The steps and their order are those of docs/spec/receipt.md §5;
// ReasonOf tells from the error which one failed.
func Verify(data []byte, vkey keys.VKey) (Statement, error) {
	if vkey.Public() == nil {
		return Statement{}, refuse(ReasonKey, nil)
	}
	r, err := Parse(data)
	if err != nil {
		return Statement{}, err
	}
	payload, err := r.openEnvelope(vkey)
	if err != nil {
		return Statement{}, refuse(ReasonSignature, err)
	}
	s, err := parsePayload(payload)
	if err != nil {
		return Statement{}, refuse(ReasonPayload, err)
	}
	if s.site() != vkey.Origin() || r.Log.Origin != vkey.Origin() {
		return Statement{}, refuse(ReasonSite, nil)
	}
	event, err := r.openEntry(vkey)
	if err != nil {
		return Statement{}, err
	}
	if action, subject := s.event(); event.Action != action || event.Subject != subject || event.Digest != digest.SHA256(payload) {
		return Statement{}, refuse(ReasonEvent, nil)
	}
	return s, nil
}

// openEnvelope checks the site's signature and gives the payload. Exactly one
// signature may claim to be the site's; others are for other verifiers.
func (r Receipt) openEnvelope(vkey keys.VKey) ([]byte, error) {
	if r.Envelope.PayloadType != PayloadType {
		return nil, errors.New("the payload is of another type")
	}
	own := dsse.Envelope{PayloadType: r.Envelope.PayloadType, Payload: r.Envelope.Payload}
	for _, s := range r.Envelope.Signatures {
		if s.KeyID == vkey.ID() {
			own.Signatures = append(own.Signatures, s)
		}
	}
	if len(own.Signatures) != 1 {
		return nil, errors.New("not one signature names the site's key")
	}
	verifier, err := dsse.NewEnvelopeVerifier(dsseVerifier{vkey})
	if err != nil {
		return nil, err
	}
	_, payload, err := verifier.VerifyAndDecode(context.Background(), &own)
	return payload, err
}

// openEntry checks checkpoint and inclusion and reads the entry's event.
func (r Receipt) openEntry(vkey keys.VKey) (audit.Event, error) {
	c, err := audit.ParseCheckpoint(r.Log.Checkpoint, vkey)
	if err != nil {
		return audit.Event{}, refuse(ReasonCheckpoint, err)
	}
	if c.Size != r.Log.Size {
		return audit.Event{}, refuse(ReasonCheckpoint, errors.New("the checkpoint is of another size"))
	}
	if err := audit.CheckInclusion(c, r.Log.Index, r.Log.Entry, r.Log.Proof); err != nil {
		return audit.Event{}, refuse(ReasonInclusion, err)
	}
	event, err := audit.OpenEntry(r.Log.Origin, r.Log.Index, r.Log.Entry, r.Log.Key)
	if err != nil {
		return audit.Event{}, refuse(ReasonEntry, err)
	}
	return event, nil
}

// VerifyOutput reads a file to its end and says whether it is the output that a
// verified statement is about.
func VerifyOutput(s Statement, file io.Reader) error {
	h := sha256.New()
	n, err := io.Copy(h, file)
	if err != nil {
		return anchorhold.Errorf(anchorhold.Unavailable, "check that it can be read", "the output cannot be read").Because(err)
	}
	if len(s.Subject) != 1 || n != s.size() || hex.EncodeToString(h.Sum(nil)) != s.Subject[0].Digest.SHA256 {
		return refuse(ReasonOutput, nil)
	}
	return nil
}
