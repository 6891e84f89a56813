package pyenv

import (
	"os"
	"path/filepath"
	"testing"
)

// An environment in the shared directory is found and listed like one's own,
// and never written there.
func TestSharedDirectory(t *testing.T) {
	built, err := DefaultStore()
	if err != nil {
		t.Fatal(err)
	}
	e, ok := built.Find(Default().Digest())
	if !ok {
		t.Fatal("the tests need the default environment: `anchorhold env add` builds it")
	}
	own := filepath.Join(t.TempDir(), "own")
	s := &Store{Dir: own, Shared: filepath.Dir(e.Dir)}
	if found, ok := s.Find(Default().Digest()); !ok || found.Dir != e.Dir {
		t.Errorf("found %v, %s", ok, found.Dir)
	}
	if list := s.List(); len(list) == 0 {
		t.Error("nothing is listed")
	}
	if again, err := s.Build(t.Context(), Default(), func(string) {}); err != nil || again.Dir != e.Dir {
		t.Errorf("building what is there: %s, %v", again.Dir, err)
	}
	if _, err := os.Stat(own); err == nil {
		t.Error("the own directory was made for nothing")
	}
}
