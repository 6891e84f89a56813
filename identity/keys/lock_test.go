package keys_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
)

const phrase = "correct horse battery staple"

// cheap is a lock of a passphrase that does not take a second to open.
func cheap(secret string) keys.Lock {
	return keys.Lock{Protection: keys.Protection{Kind: keys.ProtectPassphrase}, Secret: secret, WorkFactor: 8}
}

// locks gives one lock of each kind, and what opens it.
func locks(t *testing.T) map[string]struct {
	lock keys.Lock
	open keys.Unlock
} {
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "site.key")
	identity, err := keys.NewKeyFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	given := filepath.Join(dir, "credentials")
	phraseFile := filepath.Join(dir, "phrase")
	if err := errors.Join(os.Mkdir(given, 0o700), os.WriteFile(filepath.Join(given, "heart"), []byte(identity), 0o400),
		os.WriteFile(phraseFile, []byte(phrase+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	env := func(name, value string) keys.Unlock {
		return keys.Unlock{Env: func(n string) string {
			if n == name {
				return value
			}
			return ""
		}}
	}
	return map[string]struct {
		lock keys.Lock
		open keys.Unlock
	}{
		"none":             {keys.Lock{}, keys.Unlock{}},
		"typed passphrase": {cheap(phrase), keys.Unlock{Ask: func(string) (string, error) { return phrase, nil }}},
		"given passphrase": {cheap(phrase), env(keys.PassphraseFile, phraseFile)},
		"key file":         {keys.Lock{Protection: keys.Protection{Kind: keys.ProtectKeyFile, Path: keyFile}, Secret: identity}, keys.Unlock{}},
		"credential":       {keys.Lock{Protection: keys.Protection{Kind: keys.ProtectCredential, Name: "heart"}, Secret: identity}, env("CREDENTIALS_DIRECTORY", given)},
	}
}

func same(a, b *keys.SiteKeys) bool {
	return a != nil && b != nil && a.VKey() == b.VKey() && bytes.Equal(a.LogSecret(), b.LogSecret()) && bytes.Equal(a.Sign([]byte("x")), b.Sign([]byte("x")))
}

func TestLocks(t *testing.T) {
	for name, l := range locks(t) {
		t.Run(name, func(t *testing.T) {
			k := generate(t)
			path := filepath.Join(t.TempDir(), "keys.json")
			if err := k.Save(path, l.lock); err != nil {
				t.Fatal(err)
			}
			back, err := keys.Load(path, l.open)
			if err != nil || !same(k, back) {
				t.Fatal("not the same keys:", err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if sealed := !bytes.Contains(data, []byte("signing_seed")); sealed != (name != "none") {
				t.Errorf("what lies on the disk: %s", data)
			}
			p, vkey, err := keys.ReadProtection(path)
			if err != nil || vkey != k.VKey().String() || p.Kind != l.lock.Kind && name != "none" {
				t.Error(p, vkey, err)
			}
			if name == "none" {
				return
			}
			if back, err := keys.Load(path, keys.Unlock{}); name != "key file" && (anchorhold.KindOf(err) != anchorhold.Denied || back != nil) {
				t.Error("without the secret:", err)
			}
		})
	}
}

// TestReplace changes the lock of the same keys, back and forth.
func TestReplace(t *testing.T) {
	k := generate(t)
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := k.Save(path, keys.Lock{}); err != nil {
		t.Fatal(err)
	}
	for name, l := range locks(t) {
		if err := k.Replace(path, l.lock); err != nil {
			t.Fatal(name, err)
		}
		if back, err := keys.Load(path, l.open); err != nil || !same(k, back) {
			t.Error(name, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(name, info, err)
		}
	}
	if err := generate(t).Replace(path, keys.Lock{}); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Error("another site's keys:", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
}

// TestWrongSecrets: each says what is wrong, none says the secret.
func TestWrongSecrets(t *testing.T) {
	dir := t.TempDir()
	k := generate(t)
	path := filepath.Join(dir, "keys.json")
	if err := k.Save(path, cheap(phrase)); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func(string) (string, error){
		"another": func(string) (string, error) { return phrase + "r", nil },
		"empty":   func(string) (string, error) { return "", nil },
	} {
		if got, err := keys.Load(path, keys.Unlock{Ask: ask}); err == nil || got != nil || strings.Contains(err.Error(), phrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, l := range []keys.Lock{
		cheap("short"),
		{Protection: keys.Protection{Kind: "rot13"}, Secret: phrase},
		{Protection: keys.Protection{Kind: keys.ProtectKeyFile, Path: "x"}, Secret: "AGE-SECRET-KEY-1NOT"},
		{Protection: keys.Protection{Kind: keys.ProtectKeyFile, Path: "x"}, Secret: ""},
	} {
		if err := k.Replace(path, l); anchorhold.KindOf(err) != anchorhold.Invalid || strings.Contains(err.Error(), "1NOT") {
			t.Errorf("%s: %v", l.Kind, err)
		}
	}
	if back, err := keys.Load(path, keys.Unlock{Ask: func(string) (string, error) { return phrase, nil }}); err != nil || !same(k, back) {
		t.Error("a lock that could not be made has changed the file:", err)
	}
}

// TestSealedFilesThatLie: another's sealed keys under this site's name, and
// members that do not belong together.
func TestSealedFilesThatLie(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	if err := errors.Join(generate(t).Save(one, cheap(phrase)), generate(t).Save(two, cheap(phrase))); err != nil {
		t.Fatal(err)
	}
	a, errA := os.ReadFile(one)
	b, errB := os.ReadFile(two)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	cut := func(data []byte) (head, sealed string) {
		head, sealed, _ = strings.Cut(string(data), `"sealed"`)
		return head, `"sealed"` + sealed
	}
	headA, _ := cut(a)
	_, sealedB := cut(b)
	ask := keys.Unlock{Ask: func(string) (string, error) { return phrase, nil }}
	for name, text := range map[string]string{
		"another's sealed keys": headA + sealedB,
		"version 1 and sealed":  strings.Replace(string(a), `"v": 2`, `"v": 1`, 1),
		"no protection":         strings.Replace(string(a), `"protection"`, `"protectiom"`, 1),
		"torn":                  string(a[:len(a)/2]),
	} {
		path := filepath.Join(dir, "bad")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := keys.Load(path, ask); anchorhold.KindOf(err) != anchorhold.Invalid || k != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOpenSecrets: a secret that everybody can read is no secret.
func TestOpenSecrets(t *testing.T) {
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "site.key")
	identity, err := keys.NewKeyFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := keys.NewKeyFile(keyFile); err != nil || again != identity {
		t.Error("a key file that is there is not used:", err)
	}
	path := filepath.Join(dir, "keys.json")
	if err := generate(t).Save(path, keys.Lock{Protection: keys.Protection{Kind: keys.ProtectKeyFile, Path: keyFile}, Secret: identity}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Load(path, keys.Unlock{}); anchorhold.KindOf(err) != anchorhold.Denied || !strings.Contains(err.Error(), "chmod 600") {
		t.Error(err)
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Load(path, keys.Unlock{}); anchorhold.KindOf(err) != anchorhold.Denied || !strings.Contains(err.Error(), "not there") {
		t.Error(err)
	}
}
