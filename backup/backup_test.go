package backup_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/backup"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/internal/plaintar/plaintartest"
)

const phrase = "correct horse battery staple"

var made = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func siteKeys(t testing.TB) *keys.SiteKeys {
	t.Helper()
	k, err := keys.Generate("clinic.example/heart")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func manifest(k *keys.SiteKeys) backup.Manifest {
	return backup.Manifest{ID: "bak-1", Site: "clinic", Key: k.VKey().String(), Created: made, Program: "0.2.0"}
}

func blobName(c byte) string { return backup.BlobPrefix + strings.Repeat(string(c), 64) }

// parts are those of a small backup, in order.
func parts() []struct{ name, content string } {
	return []struct{ name, content string }{
		{backup.SitePart, `{"v":1}`},
		{backup.KeysPart, "secret"},
		{backup.DatabasePart, strings.Repeat("page", 50000)},
		{blobName('a'), ""},
		{blobName('b'), strings.Repeat("blob", 20000)},
	}
}

func write(t testing.TB, k *keys.SiteKeys, s backup.Seal) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := backup.NewWriter(&b, s, manifest(k))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts() {
		if err := w.Add(p.name, int64(len(p.content)), strings.NewReader(p.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(k); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func byPhrase() backup.Seal { return backup.Seal{Passphrase: phrase, WorkFactor: 6} }

func withPhrase() backup.Opener {
	return backup.Opener{Passphrase: func() (string, error) { return phrase, nil }}
}

// readAll reads a backup to its end.
func readAll(data []byte, o backup.Opener) (map[string]string, *backup.Reader, error) {
	r, err := backup.Open(bytes.NewReader(data), o)
	if err != nil {
		return nil, nil, err
	}
	got := map[string]string{}
	for {
		name, size, part, err := r.Next()
		if errors.Is(err, io.EOF) {
			return got, r, nil
		}
		if err != nil {
			return nil, r, err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, r, err
		}
		if int64(len(content)) != size {
			return nil, r, fmt.Errorf("%s has %d bytes, not %d", name, len(content), size)
		}
		got[name] = string(content)
	}
}

func pair(t testing.TB) (recipient, identity string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id.Recipient().String(), id.String()
}

func TestWriteAndRead(t *testing.T) {
	k := siteKeys(t)
	r1, i1 := pair(t)
	r2, i2 := pair(t)
	_, i3 := pair(t)
	to := backup.Seal{Recipients: []string{r1, r2}}
	for name, c := range map[string]struct {
		seal      backup.Seal
		open      backup.Opener
		authentic bool
	}{
		"passphrase":       {byPhrase(), withPhrase(), true},
		"first recipient":  {to, backup.Opener{Identities: i1}, false},
		"second recipient": {to, backup.Opener{Identities: "# mine\n" + i3 + "\n" + i2 + "\n"}, false},
	} {
		got, r, err := readAll(write(t, k, c.seal), c.open)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, p := range parts() {
			if have, ok := got[p.name]; !ok || have != p.content {
				t.Errorf("%s: %s: %d bytes, %v", name, p.name, len(have), ok)
			}
		}
		if r.Manifest.Site != "clinic" || r.Manifest.Key != k.VKey().String() || r.Authentic != c.authentic || len(got) != len(parts()) {
			t.Errorf("%s: %+v, %v, %d parts", name, r.Manifest, r.Authentic, len(got))
		}
	}
}

// TestPartsThatNobodyReads: skipping parts does not skip what signs them.
func TestPartsThatNobodyReads(t *testing.T) {
	r, err := backup.Open(bytes.NewReader(write(t, siteKeys(t), byPhrase())), withPhrase())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil; n++ {
		_, _, _, err = r.Next()
	}
	if !errors.Is(err, io.EOF) || n != len(parts())+1 {
		t.Error(n, err)
	}
	if _, _, _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Error("after the end:", err)
	}
}

func TestWrongSecrets(t *testing.T) {
	k := siteKeys(t)
	r1, i1 := pair(t)
	_, other := pair(t)
	sealed, open := write(t, k, backup.Seal{Recipients: []string{r1}}), write(t, k, byPhrase())
	for name, c := range map[string]struct {
		data []byte
		open backup.Opener
		kind anchorhold.Kind
	}{
		"another identity":              {sealed, backup.Opener{Identities: other}, anchorhold.Denied},
		"a passphrase for an identity":  {sealed, withPhrase(), anchorhold.Denied},
		"an identity for a passphrase":  {open, backup.Opener{Identities: i1}, anchorhold.Denied},
		"another passphrase":            {open, backup.Opener{Passphrase: func() (string, error) { return phrase + "r", nil }}, anchorhold.Denied},
		"nobody to ask":                 {open, backup.Opener{}, anchorhold.Denied},
		"no identity in the file":       {sealed, backup.Opener{Identities: "AGE-SECRET-KEY-1SECRET"}, anchorhold.Invalid},
		"an age file that is no backup": {[]byte("age-encryption.org/v1\n"), withPhrase(), anchorhold.Invalid},
		"nothing":                       {nil, withPhrase(), anchorhold.Invalid},
	} {
		got, _, err := readAll(c.data, c.open)
		if anchorhold.KindOf(err) != c.kind || got != nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []backup.Seal{{}, {Recipients: []string{r1}, Passphrase: phrase}, {Passphrase: "short"}, {Recipients: []string{"age1"}}, {Recipients: []string{i1}}} {
		if err := s.Check(); anchorhold.KindOf(err) != anchorhold.Invalid || strings.Contains(err.Error(), i1) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// TestEveryCut: a backup that ends anywhere but at its end is none.
func TestEveryCut(t *testing.T) {
	data := write(t, siteKeys(t), byPhrase())
	cuts := []int{0, 1, 100, 200, len(data) - 1, len(data) - 17, len(data) - 1000}
	for i := 300; i < len(data); i += 9001 {
		cuts = append(cuts, i)
	}
	for _, n := range cuts {
		if got, _, err := readAll(data[:n], withPhrase()); err == nil || got != nil {
			t.Errorf("cut after %d of %d bytes: accepted", n, len(data))
		}
	}
	for i := 0; i < len(data); i += 4999 {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		if got, _, err := readAll(bad, withPhrase()); err == nil || got != nil {
			t.Errorf("byte %d altered: accepted", i)
		}
	}
	if _, _, err := readAll(append(bytes.Clone(data), 0), withPhrase()); err == nil {
		t.Error("a byte more: accepted")
	}
}

// TestNothingInTheClear: also not the names of parts.
func TestNothingInTheClear(t *testing.T) {
	data := write(t, siteKeys(t), byPhrase())
	for _, text := range []string{"secret", "page", "keys.json", "clinic"} {
		if bytes.Contains(data, []byte(text)) {
			t.Errorf("the file holds %q", text)
		}
	}
}

// forge writes a backup by hand, as somebody who knows the passphrase could.
func forge(t *testing.T, entries []*tar.Header, contents []string) []byte {
	t.Helper()
	return forgeWith(t, entries, contents, nil)
}

// forgeWith puts further bytes before the last entry.
func forgeWith(t *testing.T, entries []*tar.Header, contents []string, more []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	r, err := age.NewScryptRecipient(phrase)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(6)
	sealed, err := age.Encrypt(&b, r)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(sealed)
	for i, h := range entries {
		if i == len(entries)-1 && more != nil {
			if _, err := sealed.Write(more); err != nil {
				t.Fatal(err)
			}
		}
		h.Size = int64(len(contents[i]))
		if h.Typeflag == tar.TypeSymlink {
			h.Size = 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, contents[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), sealed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ended gives the end part over parts, signed by a key.
func ended(t *testing.T, k *keys.SiteKeys, names, contents []string) string {
	t.Helper()
	h := sha256.New()
	for i := range names {
		fmt.Fprintf(h, "%s\n%d\n%x\n", names[i], len(contents[i]), sha256.Sum256([]byte(contents[i])))
	}
	digest := "sha256:" + hex.EncodeToString(h.Sum(nil))
	text, err := json.Marshal(map[string]any{
		"v": 1, "parts": len(names), "digest": digest,
		"signature": k.Sign([]byte("anchorhold-backup v1\n" + k.Origin() + "\n" + digest + "\n")),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestOddParts: only plain files are parts, each once and in its place. A sparse
// one would fill the disk of who restores, at no cost to who made it.
func TestOddParts(t *testing.T) {
	k := siteKeys(t)
	m := manifest(k)
	m.V = 1
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	head := func(name string) *tar.Header { return &tar.Header{Name: name, Mode: 0o600, Format: tar.FormatPAX} }
	of := func(names ...string) []byte {
		names = append([]string{backup.ManifestPart}, names...)
		contents := []string{string(text)}
		var heads []*tar.Header
		for i, n := range names {
			heads = append(heads, head(n))
			if i > 0 {
				contents = append(contents, "x")
			}
		}
		return forge(t, append(heads, head("end.json")), append(contents, ended(t, k, names, contents)))
	}
	all := []string{backup.SitePart, backup.KeysPart, backup.DatabasePart, blobName('a'), blobName('b')}
	if _, _, err := readAll(of(all...), withPhrase()); err != nil {
		t.Fatal("the hand-made backup is not read:", err)
	}
	bad := map[string][]byte{
		"a second manifest": of(backup.ManifestPart, backup.SitePart), "keys twice": of(backup.SitePart, backup.KeysPart, backup.KeysPart),
		"keys once more, later": of(append(all, backup.KeysPart)...), "a database after files": of(blobName('a'), backup.DatabasePart),
		"a file twice": of(append(all, blobName('b'))...), "files in disorder": of(blobName('b'), blobName('a')),
	}
	for name, h := range map[string]tar.Header{
		"a folder": {Typeflag: tar.TypeDir}, "a hard link": {Typeflag: tar.TypeLink, Linkname: "keys.json"}, "a device": {Typeflag: tar.TypeBlock, Devmajor: 8},
		"a pipe": {Typeflag: tar.TypeFifo}, "in GNU's format": {Format: tar.FormatGNU}, "with attributes": {PAXRecords: map[string]string{"SCHILY.xattr.user.x": "y"}},
	} {
		h.Name, h.Mode = backup.SitePart, 0o600
		bad[name] = forge(t, []*tar.Header{head(backup.ManifestPart), &h, head("end.json")}, []string{string(text), "", "x"})
	}
	for name, part := range plaintartest.Sparse(backup.DatabasePart, 1<<32-1) {
		bad["sparse, "+name] = forgeWith(t, []*tar.Header{head(backup.ManifestPart), head("end.json")}, []string{string(text), "x"}, part)
	}
	for name, data := range bad {
		r, err := backup.Open(bytes.NewReader(data), withPhrase())
		if err != nil {
			t.Errorf("%s: the manifest is sound: %v", name, err)
			continue
		}
		for err == nil {
			var size int64
			_, size, _, err = r.Next()
			if size > 1<<20 {
				t.Errorf("%s: a part of %d bytes is given", name, size)
			}
		}
		if anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForged: names that climb, links, parts that are signed by nobody or by
// another, parts in another order than was signed.
func TestForged(t *testing.T) {
	k, other := siteKeys(t), siteKeys(t)
	m := manifest(k)
	m.V = 1
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	head := func(name string) *tar.Header { return &tar.Header{Name: name, Mode: 0o600, Format: tar.FormatPAX} }
	names, contents := []string{backup.ManifestPart, backup.SitePart}, []string{string(text), "x"}
	end := ended(t, k, names, contents)
	good := forge(t, []*tar.Header{head(names[0]), head(names[1]), head("end.json")}, append(contents, end))
	if _, _, err := readAll(good, withPhrase()); err != nil {
		t.Fatal("the hand-made backup is not read:", err)
	}
	link := head(backup.SitePart)
	link.Typeflag, link.Linkname = tar.TypeSymlink, "/etc/passwd"
	for name, data := range map[string][]byte{
		"a name that climbs":     forge(t, []*tar.Header{head(names[0]), head("../x"), head("end.json")}, append(contents, end)),
		"a name below blobs":     forge(t, []*tar.Header{head(names[0]), head("blobs/../x"), head("end.json")}, append(contents, end)),
		"a link":                 forge(t, []*tar.Header{head(names[0]), link, head("end.json")}, append(contents, end)),
		"no manifest":            forge(t, []*tar.Header{head(names[1])}, []string{"x"}),
		"no end":                 forge(t, []*tar.Header{head(names[0]), head(names[1])}, contents),
		"signed by another":      forge(t, []*tar.Header{head(names[0]), head(names[1]), head("end.json")}, append(contents, ended(t, other, names, contents))),
		"another content":        forge(t, []*tar.Header{head(names[0]), head(names[1]), head("end.json")}, []string{contents[0], "y", end}),
		"a part less":            forge(t, []*tar.Header{head(names[0]), head("end.json")}, []string{contents[0], end}),
		"a part after the end":   forge(t, []*tar.Header{head(names[0]), head(names[1]), head("end.json"), head(backup.KeysPart)}, append(contents, end, "k")),
		"an end that is no JSON": forge(t, []*tar.Header{head(names[0]), head(names[1]), head("end.json")}, append(contents, "x")),
		"of another version":     forge(t, []*tar.Header{head(names[0])}, []string{strings.Replace(string(text), `"v":1`, `"v":2`, 1)}),
	} {
		if got, _, err := readAll(data, withPhrase()); err == nil || got != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
