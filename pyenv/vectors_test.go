package pyenv

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var writeVectors = flag.Bool("write-vectors", false, "write docs/spec/vectors/lock.json anew")

const vectorFile = "../docs/spec/vectors/lock.json"

type lockVector struct {
	Name     string   `json:"name"`
	Text     string   `json:"text"`
	Digest   string   `json:"digest,omitempty"`
	Python   string   `json:"python,omitempty"`
	Platform string   `json:"platform,omitempty"`
	Builds   []string `json:"builds,omitempty"`
	Packages []string `json:"packages,omitempty"`
}

type lockVectors struct {
	Locks   []lockVector `json:"locks"`
	Refused []lockVector `json:"refused"`
}

// TestVectors checks every published vector; with -write-vectors it first writes
// them from the inputs below.
func TestVectors(t *testing.T) {
	if *writeVectors {
		writeLockVectors(t)
	}
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v lockVectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Locks) < 5 || len(v.Refused) < 20 {
		t.Fatal("the vector file is not complete")
	}
	for _, c := range v.Locks {
		l, err := ParseLock([]byte(c.Text))
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if l.Digest() != c.Digest || l.Python() != c.Python || l.Platform() != c.Platform ||
			!slices.Equal(l.Builds(), c.Builds) || !slices.Equal(l.Packages(), c.Packages) || l.String() != c.Text {
			t.Errorf("%s: %s, Python %q, platform %q, builds %v, %v", c.Name, l.Digest(), l.Python(), l.Platform(), l.Builds(), l.Packages())
		}
	}
	for _, c := range v.Refused {
		if _, err := ParseLock([]byte(c.Text)); err == nil {
			t.Errorf("%s: taken for a lock", c.Name)
		}
	}
}

func writeLockVectors(t *testing.T) {
	v := lockVectors{Locks: lockInputs(), Refused: lockRefused()}
	for i, c := range v.Locks {
		l, err := ParseLock([]byte(c.Text))
		if err != nil {
			t.Fatal(c.Name, err)
		}
		v.Locks[i] = lockVector{c.Name, c.Text, l.Digest(), l.Python(), l.Platform(), l.Builds(), l.Packages()}
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	otherHash = "    --hash=sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	tiny      = "tiny==1.0 \\\n" + someHash + "\n"
)

func lockInputs() []lockVector {
	return []lockVector{
		{Name: "one package", Text: tiny},
		{Name: "two hashes", Text: "tiny==1.0 \\\n" + someHash + " \\\n" + otherHash + "\n"},
		{Name: "the same hashes in another order", Text: "tiny==1.0 \\\n" + otherHash + " \\\n" + someHash + "\n"},
		{Name: "a package for some interpreters", Text: "tiny==1.0 ; python_full_version < '3.12' \\\n" + someHash + "\ntiny==2.0 ; python_full_version >= '3.12' \\\n" + otherHash + "\n"},
		{Name: "every kind of version", Text: "Tiny.a_b-c==1!1.0.post1+cpu \\\n" + someHash + "\n"},
		{Name: "for one interpreter", Text: "# python: 3.12\n" + tiny},
		{Name: "for one interpreter and platform", Text: "# python: 3.12\n# platform: linux-aarch64\n" + tiny},
		{Name: "built from sources", Text: "# platform: linux-x86_64\n# build: tiny-tool\n# build: tiny\n" + tiny + "Tiny_Tool==0.1 \\\n" + otherHash + "\n"},
	}
}

func lockRefused() []lockVector {
	return []lockVector{
		{Name: "nothing", Text: ""},
		{Name: "no package", Text: "# python: 3.12\n"},
		{Name: "no hash", Text: "tiny==1.0\n"},
		{Name: "a promised hash is missing", Text: "tiny==1.0 \\\n"},
		{Name: "the last hash promises another", Text: "tiny==1.0 \\\n" + someHash + " \\\n"},
		{Name: "no line feed at the end", Text: strings.TrimSuffix(tiny, "\n")},
		{Name: "an empty line", Text: tiny + "\n"},
		{Name: "carriage returns", Text: strings.ReplaceAll(tiny, "\n", "\r\n")},
		{Name: "a range of versions", Text: strings.Replace(tiny, "==", ">=", 1)},
		{Name: "an extra", Text: strings.Replace(tiny, "tiny", "tiny[x]", 1)},
		{Name: "an address", Text: "tiny @ https://example.org/tiny.whl \\\n" + someHash + "\n"},
		{Name: "an address in a marker", Text: strings.Replace(tiny, "1.0 ", "1.0 ; https://example.org ", 1)},
		{Name: "an option", Text: "--index-url example\n" + tiny},
		{Name: "an option in the place of a hash", Text: "tiny==1.0 \\\n    --find-links=x\n"},
		{Name: "an option after a hash", Text: "tiny==1.0 \\\n" + someHash + " --pre\n"},
		{Name: "another file", Text: "-r other.lock\n" + tiny},
		{Name: "a path", Text: "./tiny-1.0.whl \\\n" + someHash + "\n"},
		{Name: "another kind of hash", Text: "tiny==1.0 \\\n    --hash=md5:0a10eec6e13ef16b627fabed9a5f2ba6\n"},
		{Name: "a hash in upper case", Text: "tiny==1.0 \\\n" + strings.Replace(someHash, "eec", "EEC", 1) + "\n"},
		{Name: "a short hash", Text: "tiny==1.0 \\\n    --hash=sha256:0a10\n"},
		{Name: "another comment", Text: "# made by hand\n" + tiny},
		{Name: "a comment after a package", Text: tiny + "# python: 3.12\n" + tiny},
		{Name: "the platform before the interpreter", Text: "# platform: linux-x86_64\n# python: 3.12\n" + tiny},
		{Name: "two interpreters", Text: "# python: 3.12\n# python: 3.13\n" + tiny},
		{Name: "Python 2", Text: "# python: 2.7\n" + tiny},
		{Name: "what is built is not named", Text: "# build: other\n" + tiny},
		{Name: "what is built is named twice", Text: "# build: tiny\n" + tiny + tiny},
		{Name: "built twice", Text: "# build: tiny\n# build: tiny\n" + tiny},
		{Name: "a letter beyond ASCII", Text: strings.Replace(tiny, "tiny", "tinÿ", 1)},
	}
}
