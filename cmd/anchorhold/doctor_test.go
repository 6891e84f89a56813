//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
)

func TestExamineFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	if f := examineFolder(dir); f.OK || !strings.Contains(f.Remedy, "init") {
		t.Errorf("absent: %+v", f)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "keys.json")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f := examineFolder(dir); !f.OK {
		t.Errorf("good: %+v", f)
	}
	os.Chmod(secret, 0o640)
	if f := examineFolder(dir); f.OK || !strings.Contains(f.Remedy, "chmod 600 "+secret) {
		t.Errorf("open file: %+v", f)
	}
	os.Chmod(dir, 0o755)
	if f := examineFolder(dir); f.OK || !strings.Contains(f.Remedy, "chmod 700 "+dir) {
		t.Errorf("open folder: %+v", f)
	}
}

func TestExamineClock(t *testing.T) {
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	for last, good := range map[time.Time]bool{{}: true, now: true, now.Add(-time.Hour): true, now.Add(30 * time.Second): true, now.Add(time.Hour): false} {
		if f := examineClock(now, last); f.OK != good {
			t.Errorf("newest entry %v: %+v", last, f)
		}
	}
}

func TestExamineDisk(t *testing.T) {
	if f := examineDisk(t.TempDir()); f.Detail == "" {
		t.Errorf("%+v", f)
	}
	if f := examineDisk(filepath.Join(t.TempDir(), "absent")); f.OK || f.Remedy == "" {
		t.Errorf("absent: %+v", f)
	}
}

func TestFound(t *testing.T) {
	if f := found("n", "d", nil); !f.OK || f.Detail != "d" {
		t.Errorf("%+v", f)
	}
	if f := found("n", "d", anchorhold.Errorf(anchorhold.Invalid, "mend it", "broken")); f.OK || f.Detail != "broken" || f.Remedy != "mend it" {
		t.Errorf("%+v", f)
	}
	if f := found("n", "d", errors.New("odd")); f.OK || f.Detail != "odd" {
		t.Errorf("%+v", f)
	}
}

func TestFreeAccount(t *testing.T) {
	first, err := freeAccount(0)
	if err != nil || first < firstDynamic || first > lastDynamic {
		t.Fatal(first, err)
	}
	if again, err := freeAccount(0); err != nil || again != first {
		t.Errorf("%d, then %d (%v)", first, again, err)
	}
	if last, err := freeAccount(lastDynamic - firstDynamic); err != nil || last < firstDynamic || last > lastDynamic {
		t.Error(last, err)
	}
}

func TestAccount(t *testing.T) {
	if uid, _, err := account("root"); err != nil || uid != 0 {
		t.Error(uid, err)
	}
	if uid, _, err := account("0"); err != nil || uid != 0 {
		t.Error(uid, err)
	}
	if _, _, err := account("no-such-account"); err == nil || !strings.Contains(err.Error(), "useradd") {
		t.Error(err)
	}
}
