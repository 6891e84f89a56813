//go:build unix

package sandbox_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/sandboxtest"
)

func FuzzReadFrame(f *testing.F) {
	f.Add(sandbox.Frame('A', []byte("text")))
	f.Add([]byte{'A', 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{'A', 0, 0, 0, 9, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 64
		kind, content, err := sandbox.ReadFrame(bytes.NewReader(b), nil, most)
		if cap(content) > most {
			t.Fatalf("%d bytes of memory for a frame", cap(content))
		}
		if err == nil && !bytes.HasPrefix(b, sandbox.Frame(kind, content)) {
			t.Fatalf("%q was read as %q %q", b, kind, content)
		}
	})
}

// A guest takes a frame with the open files that came along, however the bytes
// were cut on their way, and no longer one than it said.
func TestReceiveFrame(t *testing.T) {
	host, guest, err := sandboxtest.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close(); guest.Close() })
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	one, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := sandbox.SendFiles(host, sandbox.Frame('O', []byte("two files")), one, two); err != nil {
		t.Fatal(err)
	}
	if err := sandbox.WriteFrame(host, 'R', []byte("no "), []byte("file")); err != nil {
		t.Fatal(err)
	}
	kind, content, files, err := sandbox.ReceiveFrame(guest, 100)
	if err != nil || kind != 'O' || string(content) != "two files" || len(files) != 2 {
		t.Fatal(string(kind), string(content), files, err)
	}
	for _, f := range files {
		if b, err := io.ReadAll(f); err != nil || string(b) != "content" {
			t.Fatal(string(b), err)
		}
		f.Close()
	}
	kind, content, files, err = sandbox.ReceiveFrame(guest, 100)
	if err != nil || kind != 'R' || string(content) != "no file" || len(files) != 0 {
		t.Fatal(string(kind), string(content), files, err)
	}
	if _, err := host.Write(sandbox.Frame('R', make([]byte, 101))); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := sandbox.ReceiveFrame(guest, 100); err == nil {
		t.Fatal("a frame longer than any was taken")
	}
	host.Close()
}
