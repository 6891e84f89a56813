package audit

import (
	"encoding/base64"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// ActionBegin is the action of the first entry of a log that follows another:
// its digest is that of the continuation.
const ActionBegin = "log.begin"

// continuationLine begins a continuation. An origin holds no space, so that it
// cannot be taken for a checkpoint, which the same key signs.
const continuationLine = "anchorhold continuation v1"

// Continuation says which log follows one that has ended. It is signed by the
// key of the log that ended, so who trusts that key learns the next.
type Continuation struct {
	Old  Checkpoint // where the old log ended, as its site knew it
	Next keys.VKey
}

func (c Continuation) text() string {
	return continuationLine + "\n" + c.Old.text() + c.Next.String() + "\n"
}

// SignContinuation signs it with the key of the log that ended.
func SignContinuation(c Continuation, old *keys.SiteKeys) ([]byte, error) {
	if old.Origin() != c.Old.Origin || c.Next.Origin() == c.Old.Origin {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "a log is continued under another origin, by its own key")
	}
	signed, err := note.Sign(&note.Note{Text: c.text()}, old.NoteSigner())
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the continuation could not be signed").Because(err)
	}
	return signed, nil
}

// ParseContinuation reads a continuation of the log with this key.
func ParseContinuation(signed []byte, old keys.VKey) (Continuation, error) {
	refused := anchorhold.Errorf(anchorhold.Invalid, "get it anew from the site, and its former key from a source you trust",
		"this is no continuation that the former key signed")
	verifier, err := old.NoteVerifier()
	if err != nil {
		return Continuation{}, err
	}
	if len(signed) > MaxCheckpoint {
		return Continuation{}, refused
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Continuation{}, refused.Because(err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 6 || lines[0] != continuationLine || !canonicalLines(signed[len(n.Text)+1:]) {
		return Continuation{}, refused
	}
	head, ok := parseBody(strings.Join(lines[1:4], "\n") + "\n")
	next, err := keys.ParseVKey(lines[4])
	if err != nil || !ok || head.Origin != old.Origin() || next.Origin() == head.Origin {
		return Continuation{}, refused.Because(err)
	}
	c := Continuation{Old: head, Next: next}
	if c.text() != n.Text {
		return Continuation{}, refused
	}
	return c, nil
}

// Details are what the first entry of the log that follows says of the old one.
func (c Continuation) Details() map[string]string {
	return map[string]string{
		"origin": c.Old.Origin, "size": strconv.FormatInt(c.Old.Size, 10), "root": base64.StdEncoding.EncodeToString(c.Old.Root[:]),
	}
}
