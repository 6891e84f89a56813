package keys_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
)

func generate(t testing.TB) *keys.SiteKeys {
	k, err := keys.Generate("hospital.example/heart")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestVKeyIsC2SP(t *testing.T) {
	k := generate(t)
	text := k.VKey().String()
	v, err := keys.ParseVKey(text)
	if err != nil || v != k.VKey() || v.Origin() != "hospital.example/heart" || !strings.HasPrefix(text, v.ID()+"+") {
		t.Fatal(v, err)
	}
	theirs, err := note.NewVerifier(text) // the note package of Go's checksum database
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: "hello\n"}, k.NoteSigner())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, note.VerifierList(theirs)); err != nil {
		t.Error(err)
	}
	ours, err := v.NoteVerifier()
	if err != nil || ours.KeyHash() != theirs.KeyHash() || ours.Name() != theirs.Name() {
		t.Error(ours, err)
	}
	msg := []byte("message")
	if !v.Verify(msg, k.Sign(msg)) || v.Verify([]byte("messagf"), k.Sign(msg)) || v.Verify(msg, nil) {
		t.Error("signatures are not told apart")
	}
}

// TestZeroVKey: a key that nobody parsed verifies nothing.
func TestZeroVKey(t *testing.T) {
	var v keys.VKey
	if v.Verify(nil, make([]byte, 64)) || v.Public() != nil || v.ID() != "" {
		t.Error("the zero value is a key")
	}
	if _, err := v.NoteVerifier(); err == nil {
		t.Error("the zero value verifies notes")
	}
}

// vkeyOf writes a vkey by the specification, whatever the point.
func vkeyOf(origin string, point []byte) string {
	key := append([]byte{1}, point...)
	sum := sha256.Sum256(append([]byte(origin+"\n"), key...))
	return fmt.Sprintf("%s+%x+%s", origin, sum[:4], base64.StdEncoding.EncodeToString(key))
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSmallOrderKeys: under each of these keys one signature holds for very
// many messages (this shows it), and each is refused.
func TestSmallOrderKeys(t *testing.T) {
	universal := 0
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		for _, sign := range []byte{0, 0x80} {
			point := unhex(t, y)
			point[31] |= sign
			if v, err := keys.ParseVKey(vkeyOf("a.example", point)); anchorhold.KindOf(err) != anchorhold.Invalid || v.Public() != nil {
				t.Errorf("%x: %v, %v", point, v, err)
			}
			// R = the identity, S = 0: valid when the hash times the key is the identity.
			sig := make([]byte, 64)
			sig[0] = 1
			for i := range 64 {
				if ed25519.Verify(point, []byte{byte(i)}, sig) {
					universal++
				}
			}
		}
	}
	if universal < 64 {
		t.Error("the attack that this guards against does not work: look again")
	}
}

// TestUnsoundPoints: encodings that are not canonical, and no points at all.
func TestUnsoundPoints(t *testing.T) {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	encode := func(y *big.Int) []byte {
		b := y.FillBytes(make([]byte, 32))
		for i := range 16 {
			b[i], b[31-i] = b[31-i], b[i]
		}
		return b
	}
	sound := 0
	for y := int64(2); y < 20; y++ {
		_, err := keys.ParseVKey(vkeyOf("a.example", encode(big.NewInt(y))))
		if err == nil {
			sound++
		}
		if y < 19 { // the same y, written as y + p
			if _, err := keys.ParseVKey(vkeyOf("a.example", encode(new(big.Int).Add(p, big.NewInt(y))))); err == nil {
				t.Errorf("y = p + %d is accepted", y)
			}
		}
	}
	if sound == 0 || sound == 18 {
		t.Errorf("%d of 18 values of y are on the curve; about half should be", sound)
	}
	for range 50 {
		pub, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.ParseVKey(vkeyOf("a.example", pub)); err != nil {
			t.Error("an honest key is refused:", err)
		}
	}
}

func TestParseVKeyRefuses(t *testing.T) {
	good := generate(t).VKey().String()
	origin, rest, _ := strings.Cut(good, "+")
	hash, b64, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "origin only": origin, "no key": origin + "+" + hash, "cut": good[:len(good)-1], "longer": good + "A", "line feed": good + "\n",
		"space": " " + good, "another origin": "x" + good, "another hash": origin + "+00000000+" + b64, "upper case hash": origin + "+" + strings.ToUpper(hash) + "X+" + b64,
		"short hash": origin + "+" + hash[1:] + "+" + b64, "URL base64": origin + "+" + hash + "+" + base64.URLEncoding.EncodeToString(append([]byte{1}, bytes.Repeat([]byte{0xff}, 32)...)),
		"line feed in base64": origin + "+" + hash + "+" + b64[:8] + "\n" + b64[8:], "another algorithm": origin + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{2}, key[1:]...)),
		"short key": origin + "+" + hash + "+" + base64.StdEncoding.EncodeToString(key[:32]), "a private key": "PRIVATE+KEY+" + good, "huge": strings.Repeat("a", 1<<20),
	} {
		if v, err := keys.ParseVKey(text); anchorhold.KindOf(err) != anchorhold.Invalid || v != (keys.VKey{}) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func TestOrigins(t *testing.T) {
	for _, good := range []string{"a", "hospital.example", "hospital.example/heart-2", "127.0.0.1:7440", "A_b", strings.Repeat("a", keys.MaxOrigin)} {
		if err := keys.CheckOrigin(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", " ", "a b", "a+b", "a\nb", "größe", ".a", "a.", "-a", "/a", "a/", "a..b", "a//b", "a\u00a0b", "https://a", "a%2fb", strings.Repeat("a", keys.MaxOrigin+1),
	} {
		if keys.CheckOrigin(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
		if _, err := keys.Generate(bad); err == nil {
			t.Errorf("%q gets keys", bad)
		}
	}
}

// TestSecretsDiffer: no two uses share a secret, and the same secrets come back.
func TestSecretsDiffer(t *testing.T) {
	seed, master := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	k, err := keys.FromSecrets("a.example", seed, master)
	if err != nil {
		t.Fatal(err)
	}
	index := k.IndexKey()
	seen := map[string]bool{}
	for _, secret := range [][]byte{k.LogSecret(), k.BlobKey(), k.GroupKey(), index[:], seed, master} {
		if seen[string(secret[:16])] {
			t.Error("two secrets begin alike")
		}
		seen[string(secret[:16])] = true
	}
	const want = "a708537fa6c337ef2580e23058acab0991ae41fcb34f8bba722125b80e11540c" // by an HKDF in another language
	if got := hex.EncodeToString(k.LogSecret()); got != want {
		t.Error("the derivation changed, so no old entry would open:", got)
	}
	if _, err := keys.FromSecrets("a.example", seed[1:], master); err == nil {
		t.Error("a short seed is accepted")
	}
	if _, err := keys.FromSecrets("a.example", seed, nil); err == nil {
		t.Error("no master secret is accepted")
	}
}

// TestNothingPrintsASecret tries the ways in which secrets end up in logs.
func TestNothingPrintsASecret(t *testing.T) {
	seed, master := []byte("SEED-SEED-SEED-SEED-SEED-SEED-32"), []byte("MASTERMASTERMASTERMASTERMASTER32")
	k, err := keys.FromSecrets("a.example", seed, master)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "keys", k)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "keys", k)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		fmt.Fprintf(&log, verb, k)
	}
	if _, err := json.Marshal(struct{ K *keys.SiteKeys }{k}); err == nil {
		t.Error("secrets have a JSON form")
	}
	for _, secret := range [][]byte{seed, master, k.LogSecret(), k.BlobKey()} {
		for _, form := range []string{string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret), strings.Trim(fmt.Sprintf("%d", secret), "[]")} {
			if strings.Contains(strings.ToLower(log.String()), strings.ToLower(form)) {
				t.Errorf("a secret was printed: %s", log.String())
			}
		}
	}
	if !strings.Contains(log.String(), k.VKey().String()) {
		t.Error("not even the public key was printed")
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, keys.FileName)
	k := generate(t)
	if err := k.Save(path, keys.Lock{}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	back, err := keys.Load(path, keys.Unlock{})
	if err != nil || !reflect.DeepEqual(back, k) {
		t.Fatal(back, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := generate(t).Save(path, keys.Lock{}); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Error("saved over another key:", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("the file changed", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Error("files were left behind:", left, err)
	}
	if err := k.Save(filepath.Join(dir, "absent", "keys.json"), keys.Lock{}); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Error("into no folder:", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, keys.FileName)
	if err := generate(t).Save(path, keys.Lock{}); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, data []byte, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return p
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	other, err := json.Marshal(generate(t).VKey().String())
	if err != nil {
		t.Fatal(err)
	}
	vkey := func(b []byte) []byte {
		var f map[string]any
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		f["vkey"] = json.RawMessage(other)
		out, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		path string
		kind anchorhold.Kind
	}{
		"absent":            {filepath.Join(dir, "no"), anchorhold.NotFound},
		"a link":            {link, anchorhold.Unavailable},
		"a folder":          {dir, anchorhold.Invalid},
		"group may read":    {file("a", good, 0o640), anchorhold.Denied},
		"others may write":  {file("b", good, 0o602), anchorhold.Denied},
		"empty":             {file("c", nil, 0o600), anchorhold.Invalid},
		"cut":               {file("d", good[:len(good)/2], 0o600), anchorhold.Invalid},
		"huge":              {file("e", append(good, bytes.Repeat([]byte(" "), 20000)...), 0o600), anchorhold.Invalid},
		"another version":   {file("f", bytes.Replace(good, []byte(`"v": 1`), []byte(`"v": 2`), 1), 0o600), anchorhold.Invalid},
		"unknown member":    {file("g", bytes.Replace(good, []byte(`"v": 1`), []byte(`"w":1,"v": 1`), 1), 0o600), anchorhold.Invalid},
		"another's vkey":    {file("h", vkey(good), 0o600), anchorhold.Invalid},
		"a short seed":      {file("i", bytes.Replace(good, []byte(`"signing_seed": "`), []byte(`"signing_seed": "AAAA", "x": "`), 1), 0o600), anchorhold.Invalid},
		"a device's origin": {file("j", bytes.Replace(good, []byte(`"hospital.example/heart"`), []byte(`"../x"`), 1), 0o600), anchorhold.Invalid},
	} {
		if k, err := keys.Load(c.path, keys.Unlock{}); anchorhold.KindOf(err) != c.kind || k != nil {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
}

// FuzzParseVKey: what parses is written back the same, and others read it too.
func FuzzParseVKey(f *testing.F) {
	f.Add(generate(f).VKey().String())
	f.Add(vkeyOf("a.example", make([]byte, 32)))
	f.Add("a+00000000+AA==")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := keys.ParseVKey(text)
		if err != nil {
			return
		}
		if theirs, err := note.NewVerifier(text); v.String() != text || err != nil || theirs.Name() != v.Origin() {
			t.Fatalf("%q became %q, %v", text, v, err)
		}
	})
}
