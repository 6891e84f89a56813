package catalog

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
)

// registered makes a file with an identity whose stamp has settled.
func registered(t *testing.T, content string) (path string, f *os.File, id Identity) {
	t.Helper()
	path = writeFile(t, "private.csv", content)
	f, _, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	reg, err := Register(t.Context(), path, Options{Label: "d/a"})
	if err != nil {
		t.Fatal(err)
	}
	id = reg.Identity()
	if id.Stamp, err = StampOf(f); err != nil {
		t.Fatal(err)
	}
	return path, f, id
}

const small = "age,sex\n63,1\n67,1\n"

func TestIdentityOfAnUntouchedFileIsItsStamp(t *testing.T) {
	_, f, id := registered(t, small)
	id.Secret = nil // would be needed to read the file
	got, err := CheckIdentity(t.Context(), f, id)
	if err != nil || got != id.Stamp {
		t.Errorf("%v, %v", got, err)
	}
}

func TestIdentityOfATouchedFileIsItsContent(t *testing.T) {
	path, f, id := registered(t, small)
	if err := os.Chtimes(path, time.Now(), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(5, 0); err != nil {
		t.Fatal(err)
	}
	got, err := CheckIdentity(t.Context(), f, id)
	if err != nil || got == id.Stamp || got.Size != id.Stamp.Size {
		t.Errorf("%v, %v", got, err)
	}
	if at, _ := f.Seek(0, 1); at != 5 {
		t.Errorf("the descriptor's offset moved to %d", at)
	}
}

func TestIdentityOfACopyIsItsContent(t *testing.T) {
	_, _, id := registered(t, small)
	other, _, err := OpenFile(writeFile(t, "restored.csv", small))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := CheckIdentity(t.Context(), other, id); err != nil {
		t.Error(err)
	}
}

func TestChangedFileIsRefused(t *testing.T) {
	for what, content := range map[string]string{
		"appended": small + "70,0\n", "truncated": "age,sex\n63,1\n", "same size": "age,sex\n63,1\n67,0\n", "emptied": "",
	} {
		path, f, id := registered(t, small)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		// The stamp's clock may not have ticked between the two writes: what
		// registration remembers is then unsettled on purpose.
		reg := id
		reg.Stamp.CTime = 0
		_, err := CheckIdentity(t.Context(), f, reg)
		checkRefusal(t, err, "register it as a new version: anchorhold dataset")
		if anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Errorf("%s: kind %s", what, anchorhold.KindOf(err))
		}
	}
}

// TestRegistrationRightAfterAWriteIsUnsettled: within one tick of the clock a
// second write would leave the same stamp.
func TestRegistrationRightAfterAWriteIsUnsettled(t *testing.T) {
	path := writeFile(t, "new.csv", small)
	reg, err := Register(t.Context(), path, Options{Label: "d/a"})
	if err != nil {
		t.Fatal(err)
	}
	if reg.Stamp.CTime != 0 {
		t.Error("the stamp of a file that was written just now is trusted")
	}
	old := anchorhold.Stamp{Size: 1, MTime: 1, CTime: 2}
	if settle(old) != old {
		t.Error("an old stamp is not trusted")
	}
}

func TestIdentityOfAnEndedContext(t *testing.T) {
	_, f, id := registered(t, small)
	id.Stamp.CTime = 0
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := CheckIdentity(ctx, f, id); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
