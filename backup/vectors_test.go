package backup_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/backup"
)

var writeVectors = flag.Bool("write-vectors", false, "write docs/spec/vectors/backup.json anew")

const vectorFile = "../docs/spec/vectors/backup.json"

type partVector struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

type refusedVector struct {
	Name string `json:"name"`
	File string `json:"file_base64"`
}

type backupVectors struct {
	Passphrase string          `json:"passphrase"`
	Key        string          `json:"key"`
	Parts      []partVector    `json:"parts"`
	File       string          `json:"file_base64"`
	Refused    []refusedVector `json:"refused"`
}

func makeVectors(t *testing.T) backupVectors {
	k := siteKeys(t)
	v := backupVectors{Passphrase: phrase, Key: k.VKey().String()}
	m := manifest(k)
	m.V = 1
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{backup.ManifestPart, backup.SitePart, backup.KeysPart, backup.DatabasePart, blobName('a')}
	contents := []string{string(text), `{"v":1}`, "secrets", "database", "stored file"}
	var heads []*tar.Header
	for i, n := range names {
		heads = append(heads, &tar.Header{Name: n, Mode: 0o600, Format: tar.FormatPAX})
		v.Parts = append(v.Parts, partVector{n, sum(contents[i]), int64(len(contents[i]))})
	}
	end := &tar.Header{Name: "end.json", Mode: 0o600, Format: tar.FormatPAX}
	good := forge(t, append(heads[:5:5], end), append(contents[:5:5], ended(t, k, names, contents)))
	v.File = base64.StdEncoding.EncodeToString(good)
	refuse := func(name string, data []byte) {
		v.Refused = append(v.Refused, refusedVector{name, base64.StdEncoding.EncodeToString(data)})
	}
	refuse("cut by a byte", good[:len(good)-1])
	refuse("without its end", forge(t, heads[:5:5], contents[:5:5]))
	refuse("signed by another key", forge(t, append(heads[:5:5], end), append(contents[:5:5], ended(t, siteKeys(t), names, contents))))
	refuse("a part is missing", forge(t, append(heads[:4:4], end), append(contents[:4:4], ended(t, k, names, contents))))
	other := append([]string{}, contents...)
	other[3] = "Database"
	refuse("a part is altered", forge(t, append(heads[:5:5], end), append(other, ended(t, k, names, contents))))
	return v
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func TestVectors(t *testing.T) {
	if *writeVectors {
		data, err := json.MarshalIndent(makeVectors(t), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v backupVectors
	if err := json.Unmarshal(data, &v); err != nil || len(v.Refused) == 0 {
		t.Fatal("the vectors are not whole", err)
	}
	open := backup.Opener{Passphrase: func() (string, error) { return v.Passphrase, nil }}
	file, err := base64.StdEncoding.DecodeString(v.File)
	if err != nil {
		t.Fatal(err)
	}
	got, r, err := readAll(file, open)
	if err != nil || r.Manifest.Key != v.Key {
		t.Fatal(err)
	}
	for _, p := range v.Parts {
		content, ok := got[p.Name]
		if p.Name == backup.ManifestPart { // Open reads it
			continue
		}
		if !ok || sum(content) != p.SHA256 || int64(len(content)) != p.Size {
			t.Errorf("%s: %d bytes, %v", p.Name, len(content), ok)
		}
	}
	for _, bad := range v.Refused {
		file, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, strings.NewReader(bad.File)))
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := readAll(bytes.Clone(file), open); anchorhold.KindOf(err) != anchorhold.Invalid || got != nil {
			t.Errorf("%s: %v", bad.Name, err)
		}
	}
}
