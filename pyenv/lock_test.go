package pyenv

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
)

const someHash = "    --hash=sha256:0a10eec6e13ef16b627fabed9a5f2ba61a62b1c67f327305f4e7e412a70b4aec"

// The default environment has what its description promises, for every minor
// version of Python that is supported, and names no place on the network.
func TestDefaultLock(t *testing.T) {
	text := Default().String()
	for _, name := range []string{"numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "statsmodels", "polars", "matplotlib"} {
		if !regexp.MustCompile(`(?m)^` + name + `==`).MatchString(text) {
			t.Errorf("the default lock lacks %s", name)
		}
	}
	for _, place := range []string{"://", "http", "www.", ".org", ".com", "/"} {
		if strings.Contains(text, place) {
			t.Errorf("the default lock holds %q: it names a place", place)
		}
	}
	sum := sha256.Sum256([]byte(defaultLock))
	if got, want := Default().Digest(), "sha256:"+hex.EncodeToString(sum[:]); got != want {
		t.Errorf("Digest() = %s, want the SHA-256 of the file's bytes, %s", got, want)
	}
}

func TestParseLock(t *testing.T) {
	good := map[string]string{
		"one hash":    "tiny==1.0 \\\n" + someHash + "\n",
		"marker":      "tiny==1.0 ; python_full_version < '3.12' and sys_platform != 'win32' \\\n" + someHash + " \\\n" + someHash + "\n",
		"local, post": "tiny.a_b-c==1!1.0.post1+cpu \\\n" + someHash + "\n",
	}
	for name, text := range good {
		l, err := ParseLock([]byte(text))
		if err != nil || l.String() != text {
			t.Errorf("%s: ParseLock: %v, text kept: %v", name, err, l.String() == text)
		}
	}
	bad := map[string]struct{ text, says string }{
		"empty":               {"", "names no package"},
		"no hash":             {"tiny==1.0\n", "without a hash"},
		"promised hash":       {"tiny==1.0 \\\n", "in the middle"},
		"no newline":          {"tiny==1.0 \\\n" + someHash, "does not end"},
		"range":               {"tiny>=1.0 \\\n" + someHash + "\n", "form name==version"},
		"URL":                 {"tiny @ https://example.org/tiny.whl \\\n" + someHash + "\n", "address"},
		"URL in marker":       {"tiny==1.0 ; https://example.org \\\n" + someHash + "\n", "address"},
		"git":                 {"git+https://example.org/tiny\n", "address"},
		"index option":        {"--index-url example\n", "option"},
		"editable":            {"-e .\n", "option"},
		"nested file":         {"-r other.lock\n", "option"},
		"path":                {"./tiny-1.0.whl \\\n" + someHash + "\n", "form name==version"},
		"MD5":                 {"tiny==1.0 \\\n    --hash=md5:0a10eec6e13ef16b627fabed9a5f2ba6\n", "not a hash"},
		"short hash":          {"tiny==1.0 \\\n    --hash=sha256:0a10\n", "not a hash"},
		"option as a hash":    {"tiny==1.0 \\\n    --find-links=x\n", "not a hash"},
		"option after a hash": {"tiny==1.0 \\\n" + someHash + " --pre\n", "not a hash"},
		"comment":             {"# made by hand\ntiny==1.0 \\\n" + someHash + "\n", "comment"},
		"carriage returns":    {"tiny==1.0 \\\r\n" + someHash + "\r\n", "not"},
		"extras":              {"tiny[x]==1.0 \\\n" + someHash + "\n", "form name==version"},
		"control character":   {"ti\x00ny==1.0 \\\n" + someHash + "\n", "form name==version"},
		"long line":           {"t" + strings.Repeat("i", maxLockLine) + "==1 \\\n" + someHash + "\n", "too long"},
	}
	for name, c := range bad {
		_, err := ParseLock([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "uv pip compile") {
			t.Errorf("%s: ParseLock: %v, want %q and a remedy", name, err, c.says)
		}
	}
	_, err := ParseLock(make([]byte, maxLockBytes+1))
	if anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Errorf("an endless lock: %v", err)
	}
	many := strings.Repeat("tiny==1.0 \\\n"+someHash+"\n", maxLockPackages+1)
	if _, err := ParseLock([]byte(many)); err == nil {
		t.Error("a lock with too many packages was taken")
	}
}

// Whatever is accepted reaches an installer: it must hold names, versions,
// markers and hashes alone, and come back byte for byte.
func FuzzParseLock(f *testing.F) {
	f.Add([]byte(defaultLock))
	f.Add([]byte("tiny==1.0 ; python_version < '3.12' \\\n" + someHash + " \\\n" + someHash + "\n"))
	f.Add([]byte("tiny==1.0 \\\n    --hash=sha256:00\n"))
	f.Add([]byte("-e .\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLock(data)
		if err != nil {
			return
		}
		if l.String() != string(data) {
			t.Fatal("the accepted lock is not the one that was given")
		}
		for line := range strings.Lines(string(data)) {
			heading := strings.HasPrefix(line, "# python: ") || strings.HasPrefix(line, "# platform: ") || strings.HasPrefix(line, "# build: ")
			if strings.ContainsAny(line, "/@#[]:") && !heading && !strings.HasPrefix(line, "    --hash=sha256:") {
				t.Fatalf("accepted line %q", line)
			}
		}
	})
}

// Code that was submitted under version 0.1 names the default lock of then: its
// digest must stay the one that requests, grants and receipts hold.
func TestEarlierLocksKeepTheirDigests(t *testing.T) {
	old, ok := Named("default-0.1")
	if want := "sha256:4459190da713dcc6fc57fad6aac4756f8350877fc8ee0ae12d173c3b30566b12"; !ok || old.Digest() != want {
		t.Errorf("the default lock of 0.1 has the digest %s, want %s", old.Digest(), want)
	}
	seen := map[string]bool{}
	for _, name := range Names() {
		l, ok := Named(name)
		if !ok || seen[l.Digest()] {
			t.Errorf("%s: %v, %s", name, ok, l.Digest())
		}
		seen[l.Digest()] = true
	}
	if _, ok := Named("default-9"); ok {
		t.Error("a lock that does not exist has a name")
	}
}
