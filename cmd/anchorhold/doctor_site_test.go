//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/site"
)

// disks is a machine whose kernel tells of the given files.
func disks(t *testing.T, files map[string]string) machine {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if text == "/" {
			err := os.MkdirAll(path, 0o755)
			if err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return machine{root}
}

func TestSecrecyOfVolumes(t *testing.T) {
	m := disks(t, map[string]string{
		"sys/dev/block/8:1/size":      "1",
		"sys/dev/block/253:0/dm/uuid": "CRYPT-LUKS2-0123-luks",
		// A logical volume over an encrypted disk, one over a plain one, and a
		// mirror of which one half is plain.
		"sys/dev/block/253:1/dm/uuid":      "LVM-abc",
		"sys/dev/block/253:1/slaves/dm-0":  "/",
		"sys/class/block/dm-0/dm/uuid":     "CRYPT-LUKS2-0123-luks",
		"sys/dev/block/253:2/dm/uuid":      "LVM-def",
		"sys/dev/block/253:2/slaves/sda1":  "/",
		"sys/class/block/sda1/size":        "1",
		"sys/dev/block/9:0/slaves/dm-0":    "/",
		"sys/dev/block/9:0/slaves/sda1":    "/",
		"sys/dev/block/253:3/slaves/loop":  "/",
		"sys/class/block/loop/slaves/loop": "/", // made of itself
		"proc/self/mountinfo":              "22 1 0:45 / / rw - overlay none rw\n23 1 0:46 / /data rw shared:1 - zfs pool/data rw\n",
	})
	for device, want := range map[string]secrecy{
		"8:1": plain, "253:0": encrypted, "253:1": encrypted, "253:2": plain, "9:0": plain, "253:3": plain,
		"0:45": unknown, "0:46": unknown, "0:99": unknown, "8:77": unknown, "": unknown,
	} {
		if got := m.secrecyOf(device); got != want {
			t.Errorf("device %q is %s, want %s", device, got, want)
		}
	}
}

// safeDisk is a machine on which the device of a path is encrypted, also where
// it is one of several disks, which the list of mounts names.
func safeDisk(t *testing.T, path string) machine {
	t.Helper()
	device, err := deviceOf(path)
	if err != nil {
		t.Fatal(err)
	}
	return disks(t, map[string]string{
		"sys/dev/block/" + device + "/dm/uuid": "CRYPT-LUKS2-x",
		"proc/self/mountinfo":                  "22 1 " + device + " / / rw - btrfs /dev/mapper/safe rw\n",
		"dev/mapper/safe":                      "", // no device, which is numbered 0:0
		"sys/dev/block/0:0/dm/uuid":            "CRYPT-LUKS2-x",
	})
}

// Keys in the clear beside the data, or under a key beside it, are warned of,
// unless the disk is encrypted.
func TestExamineKeys(t *testing.T) {
	t.Setenv("ANCHORHOLD_ENVS", t.TempDir())
	dir := filepath.Join(t.TempDir(), "site")
	if _, err := site.Init(context.Background(), dir, site.InitOptions{Name: "clinic"}); err != nil {
		t.Fatal(err)
	}
	if f := examineKeys(disks(t, nil), dir); !f.OK || !f.Warning || f.Remedy == "" {
		t.Errorf("in the clear: %+v", f)
	}
	if f := examineKeys(safeDisk(t, dir), dir); !f.OK || f.Warning {
		t.Errorf("on an encrypted disk: %+v", f)
	}
	key := filepath.Join(t.TempDir(), "heart.key")
	root := newRoot(&app{env: os.Getenv, out: io.Discard, err: io.Discard})
	root.SetArgs([]string{"key", "protect", "key-file", "--key-file", key, "--dir", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if f := examineKeys(disks(t, nil), dir); !f.OK || !f.Warning || !strings.Contains(f.Detail, key) {
		t.Errorf("under a key on the same disk: %+v", f)
	}
	// Under a key that lies elsewhere: what is meant is the path.
	file := filepath.Join(dir, "keys.json")
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, bytes.ReplaceAll(text, []byte(key), []byte(os.DevNull)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if f := examineKeys(disks(t, nil), dir); !f.OK || f.Warning || !strings.Contains(f.Detail, os.DevNull) {
		t.Errorf("under a key on another disk: %+v", f)
	}
	if f := examineKeys(disks(t, nil), t.TempDir()); f.OK {
		t.Errorf("no keys: %+v", f)
	}
}

// What is warned of a file that is referenced where it lies: that others can use
// it, or that its volume is not encrypted. Of a copy nothing is, which the site
// encrypts.
func TestExaminePrivate(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "patients.csv")
	if err := os.WriteFile(file, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(m machine, path string) finding {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/datasets" {
				fmt.Fprint(w, `{"items":[{"name":"heart"}]}`)
				return
			}
			fmt.Fprintf(w, `{"name":"heart","assets":[{"name":"patients","version":{"private":{"path":%q}}},{"name":"mock"}]}`, path)
		}))
		defer s.Close()
		c, err := client.New(s.URL, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return examinePrivate(context.Background(), m, c)
	}
	open := func(of string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(of, mode); err != nil {
			t.Fatal(err)
		}
	}
	open(filepath.Dir(dir), 0o755) // which is the test's own
	safe, plainly := safeDisk(t, file), safeDisk(t, file)
	uuids, err := filepath.Glob(filepath.Join(plainly.root, "sys/dev/block/*/dm/uuid"))
	if err != nil || len(uuids) != 2 {
		t.Fatal(uuids, err)
	}
	for _, uuid := range uuids {
		if err := os.Remove(uuid); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		prepare func()
		m       machine
		path    string
		want    string // of the warning; empty: none
	}{
		{"on an encrypted volume", func() {}, safe, file, ""},
		{"on a plain one", func() {}, plainly, file, "heart/patients lies on a volume that is not encrypted"},
		{"on one that says nothing", func() {}, disks(t, nil), file, "heart/patients lies on a volume that is of a kind that does not say"},
		{"open to others", func() { open(file, 0o604) }, safe, file, "heart/patients may be used by every account"},
		{"in a folder closed to them", func() { open(filepath.Dir(dir), 0o700) }, safe, file, ""},
		{"not there", func() {}, safe, file + ".gone", "heart/patients cannot be looked at"},
		{"copied in", func() {}, disks(t, nil), "patients.csv", ""},
	} {
		c.prepare()
		f := look(c.m, c.path)
		if f.Name != "private files" || !f.OK || f.Warning != (c.want != "") || !strings.Contains(f.Detail, c.want) || f.Warning && f.Remedy == "" {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

func TestExamineProduction(t *testing.T) {
	now := time.Now().UTC()
	for name, c := range map[string]struct {
		routes map[string]string
		want   map[string]bool
	}{
		"a fresh site": {map[string]string{
			"/v1/users":   `{"items":[{"id":"pri-1","bindings":[{"role":"owner","scope":"site"}]},{"id":"pri-2","bindings":[{"role":"researcher","scope":"site"}]}]}`,
			"/v1/grants":  `{"items":[{"id":"gra-1","state":"active","auto_release":true,"expires":null}]}`,
			"/v1/backups": fmt.Sprintf(`{"items":[{"id":"bak-1","began":%q}]}`, now.Format(time.RFC3339)), // broken off
		}, map[string]bool{"deciders": false, "automatic releases": false, "backup": false}},
		"one that is looked after": {map[string]string{
			"/v1/users":   `{"items":[{"id":"pri-1","bindings":[{"role":"owner","scope":"site"}]},{"id":"pri-2","bindings":[{"role":"reviewer","scope":"dataset:x"}]}]}`,
			"/v1/grants":  `{"items":[{"id":"gra-1","state":"active","auto_release":true,"expires":"2099-01-01T00:00:00Z"},{"id":"gra-2","state":"revoked","auto_release":true}]}`,
			"/v1/backups": fmt.Sprintf(`{"items":[{"id":"bak-1","began":%[1]q,"whole":%[1]q}]}`, now.Add(-time.Hour).Format(time.RFC3339)),
		}, map[string]bool{"deciders": true, "automatic releases": true, "backup": true}},
		"one that was looked after": {map[string]string{
			"/v1/users":   `{"items":[{"id":"pri-1","bindings":[{"role":"owner","scope":"site"}]},{"id":"pri-2","disabled":true,"bindings":[{"role":"owner","scope":"site"}]}]}`,
			"/v1/grants":  `{"items":[]}`,
			"/v1/backups": fmt.Sprintf(`{"items":[{"id":"bak-1","began":%[1]q,"whole":%[1]q}]}`, now.Add(-30*24*time.Hour).Format(time.RFC3339)),
		}, map[string]bool{"deciders": false, "automatic releases": true, "backup": false}},
	} {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, c.routes[r.URL.Path]) })
		s := httptest.NewServer(h)
		at, err := client.New(s.URL, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		for _, f := range []finding{examineDeciders(ctx, at), examineAutomatic(ctx, at), examineBackup(ctx, at, now)} {
			if f.OK != c.want[f.Name] || !f.OK && f.Remedy == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		at.Close()
		s.Close()
	}
	for _, c := range []struct {
		f  finding
		ok bool
	}{
		{examineDoor(client.Site{}), false},
		{examineDoor(client.Site{Connect: "http://127.0.0.1:7440"}), false},
		{examineDoor(client.Site{Connect: "https://a.example#sha256=x"}), true},
		{examineAccounts(nil), false},
		{examineAccounts(&sandbox.Boundary{Mode: sandbox.ModeUser}), false},
		{examineAccounts(&sandbox.Boundary{Mode: sandbox.ModeInstalled}), true},
		{examineAdminToken(t.TempDir()), true},
	} {
		if c.f.OK != c.ok || !c.f.OK && c.f.Remedy == "" {
			t.Errorf("%+v, want ok %v", c.f, c.ok)
		}
	}
}

func TestJudge(t *testing.T) {
	findings := func() []finding {
		return []finding{{Name: "good", OK: true}, {Name: "warned", OK: true, Warning: true, Detail: "d"}}
	}
	e := examined{Findings: findings()}
	if err := e.judge(doctorOptions{}); err != nil || !e.OK {
		t.Errorf("a warning is a fault: %+v, %v", e, err)
	}
	e = examined{Findings: findings()}
	if err := e.judge(doctorOptions{production: true}); err != nil || e.OK {
		t.Errorf("in production a warning is no fault: %+v, %v", e, err)
	}
	e = examined{Findings: findings()}
	if err := e.judge(doctorOptions{production: true, accept: []string{"warned"}}); err != nil || !e.OK || e.Findings[1].Detail != "accepted: d" {
		t.Errorf("what was accepted is a fault: %+v, %v", e, err)
	}
	e = examined{Findings: findings()}
	if err := e.judge(doctorOptions{production: true, accept: []string{"good"}}); err == nil {
		t.Error("what is no fault can be accepted")
	}
}
