package audit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// MaxCheckpoint is the largest signed checkpoint that is read, in bytes. It
// leaves room for the lines of witnesses.
const MaxCheckpoint = 16 << 10

// maxSize is the largest tree, so that sizes stay exact in every JSON reader.
const maxSize = 1<<53 - 1

// Checkpoint is the head of a log: what its entries are, in 32 bytes.
type Checkpoint struct {
	Origin string
	Size   int64 // entries
	Root   [32]byte
}

func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

func signCheckpoint(c Checkpoint, signer note.Signer) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: c.text()}, signer)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the checkpoint could not be signed").Because(err)
	}
	return signed, nil
}

// ParseCheckpoint reads a signed checkpoint of the site with this public key.
// It refuses, as Invalid, one without the site's valid signature, of another
// origin, with further lines, or in any other encoding. Lines of witnesses may
// follow and are not checked.
func ParseCheckpoint(signed []byte, vkey keys.VKey) (Checkpoint, error) {
	verifier, err := vkey.NoteVerifier()
	if err != nil {
		return Checkpoint{}, err
	}
	if len(signed) > MaxCheckpoint {
		return Checkpoint{}, anchorhold.Errorf(anchorhold.TooLarge, "", "the checkpoint is larger than %d bytes", MaxCheckpoint)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, anchorhold.Errorf(anchorhold.Invalid, "get the checkpoint anew from the site, and its key from a source you trust",
			"the checkpoint is not signed by the site's key").Because(err)
	}
	c, ok := parseBody(n.Text)
	if !ok || !canonicalLines(signed[len(n.Text)+1:]) {
		return Checkpoint{}, anchorhold.Errorf(anchorhold.Invalid, "get the checkpoint anew from the site", "the checkpoint has the wrong form")
	}
	if c.Origin != vkey.Origin() {
		return Checkpoint{}, anchorhold.Errorf(anchorhold.Invalid, "use the key of that site", "the checkpoint is of another log")
	}
	return c, nil
}

// parseBody reads the three lines of a checkpoint and accepts only the text
// that they would be written as.
func parseBody(text string) (Checkpoint, bool) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return Checkpoint{}, false
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > maxSize {
		return Checkpoint{}, false
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != 32 {
		return Checkpoint{}, false
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: [32]byte(root)}
	return c, c.text() == text
}

// canonicalLines says whether every signature line is the one encoding of its
// signature. Base64 of 68 bytes has unused bits, which the note package ignores.
func canonicalLines(sigs []byte) bool {
	for line := range bytes.Lines(sigs) {
		b64 := string(bytes.TrimSuffix(line[bytes.LastIndexByte(line, ' ')+1:], []byte("\n")))
		raw, err := base64.StdEncoding.DecodeString(b64)
		if err != nil || base64.StdEncoding.EncodeToString(raw) != b64 {
			return false
		}
	}
	return true
}
