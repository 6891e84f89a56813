package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
)

// The domain tags (docs/spec/digests.md). Version 2 is for what version 1 cannot
// say, and used for nothing else.
const (
	codeTag     = "anchorhold-code-v1\n"
	codeTag2    = "anchorhold-code-v2\n"
	requestTag  = "anchorhold-request-v1\n"
	requestTag2 = "anchorhold-request-v2\n"
)

type fileLine struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Size   int    `json:"size"`
}

type codeManifest struct {
	V           int                     `json:"v"`
	Files       []fileLine              `json:"files"`
	Entry       string                  `json:"entry"`
	Parameters  []anchorhold.Parameter  `json:"parameters"`
	Outputs     []anchorhold.OutputDecl `json:"outputs"`
	Environment string                  `json:"environment"`
}

// Code gives the code digest: "sha256:" and the hash of the code manifest. The
// order of files does not matter, that of parameters and outputs does. Code
// that ValidateCode refuses has no digest.
func Code(code anchorhold.Code) (string, error) {
	m, err := CodeManifest(code)
	if err != nil {
		return "", err
	}
	if codeVersion(code) == 2 {
		return tagged(codeTag2, m), nil
	}
	return tagged(codeTag, m), nil
}

// codeVersion is 2 where an output declares its sensitivity.
func codeVersion(code anchorhold.Code) int {
	for _, o := range code.Outputs {
		if o.Sensitivity != "" {
			return 2
		}
	}
	return 1
}

// CodeManifest gives the JCS text that the code digest hashes.
func CodeManifest(code anchorhold.Code) ([]byte, error) {
	if err := ValidateCode(code); err != nil {
		return nil, err
	}
	m := codeManifest{
		V: codeVersion(code), Files: make([]fileLine, len(code.Files)), Entry: code.Entry,
		Parameters: append([]anchorhold.Parameter{}, code.Parameters...),
		Outputs:    code.Outputs, Environment: code.Environment,
	}
	for i, f := range code.Files {
		sum := sha256.Sum256([]byte(f.Text))
		m.Files[i] = fileLine{Path: f.Path, SHA256: hex.EncodeToString(sum[:]), Size: len(f.Text)}
	}
	sort.Slice(m.Files, func(i, j int) bool { return m.Files[i].Path < m.Files[j].Path })
	return Marshal(m)
}

type requestManifest struct {
	V       int                        `json:"v"`
	Code    string                     `json:"code"`
	Values  map[string]json.RawMessage `json:"values"`
	Assets  map[string]string          `json:"assets"`
	Purpose string                     `json:"purpose"`
	Author  string                     `json:"author"`
	Study   string                     `json:"study,omitempty"`
	Expect  *anchorhold.Resources      `json:"expect,omitempty"`
}

// Asked is everything of a request that its digest names. Values are those that
// CheckValues returned, complete with defaults; of assets only the version ids
// count, because names are a site's own and versions are portable.
type Asked struct {
	Code                   string // the code digest
	Values                 map[string]json.RawMessage
	Assets                 map[string]anchorhold.AssetRef
	Purpose, Author, Study string
	Expect                 *anchorhold.Resources
}

// Request gives the request digest.
func Request(r Asked) (string, error) {
	m, err := RequestManifest(r)
	if err != nil {
		return "", err
	}
	if r.Expect != nil {
		return tagged(requestTag2, m), nil
	}
	return tagged(requestTag, m), nil
}

// RequestManifest gives the JCS text that the request digest hashes.
func RequestManifest(r Asked) ([]byte, error) {
	if !IsSHA256(r.Code) {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give the digest as sha256: and 64 hexadecimal digits", "the code digest has the wrong form")
	}
	m := requestManifest{
		V: 1, Code: r.Code, Values: map[string]json.RawMessage{}, Assets: map[string]string{},
		Purpose: r.Purpose, Author: r.Author, Study: r.Study, Expect: r.Expect,
	}
	if r.Expect != nil {
		m.V = 2
		if err := ValidateResources(*r.Expect); err != nil {
			return nil, err
		}
	}
	for name, v := range r.Values {
		c, err := Canonical(v)
		if err != nil {
			return nil, err
		}
		if !isIdentifier(name) {
			return nil, badName("parameter")
		}
		m.Values[name] = c
	}
	for name, ref := range r.Assets {
		if !isIdentifier(name) {
			return nil, badName("parameter")
		}
		if !anchorhold.IsID(anchorhold.PrefixVersion, ref.Version) {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "resolve the asset to a version first", "the asset for %s has no version id", name)
		}
		m.Assets[name] = ref.Version
	}
	if err := checkTexts(r.Purpose, r.Author, r.Study); err != nil {
		return nil, err
	}
	return Marshal(m)
}

// checkTexts checks the texts of a request.
func checkTexts(purpose, author, study string) error {
	for _, t := range []struct {
		what, text string
		max        int
		required   bool
		allowed    string // control characters that it may hold
	}{
		{"purpose", purpose, MaxPurpose, true, "\n\t"},
		{"author", author, MaxName, true, ""},
		{"study", study, MaxName, false, ""},
	} {
		if t.required && t.text == "" {
			return anchorhold.Errorf(anchorhold.Invalid, "say it in a sentence", "the request has no %s", t.what)
		}
		if len(t.text) > t.max {
			return anchorhold.Errorf(anchorhold.TooLarge, "shorten it", "the %s is longer than %d bytes", t.what, t.max)
		}
		control := func(r rune) bool { return (r < 0x20 || r == 0x7f) && !strings.ContainsRune(t.allowed, r) }
		if !utf8.ValidString(t.text) || strings.ContainsFunc(t.text, control) {
			return anchorhold.Errorf(anchorhold.Invalid, "send text in UTF-8 without control characters (lines end in a line feed)",
				"the %s is not plain text", t.what)
		}
	}
	return nil
}
