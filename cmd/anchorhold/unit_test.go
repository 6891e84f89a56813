//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The unit that we ship is one that systemd takes without a word, and calls the
// program with flags that it has.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile("../../packaging/systemd/anchorhold.service")
	if err != nil {
		t.Fatal(err)
	}
	const installed = "/usr/local/lib/anchorhold/anchorhold"
	var start []string
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			start = strings.Fields(command)
		}
	}
	if len(start) < 2 || start[0] != installed || start[1] != "serve" {
		t.Fatalf("the unit starts %q", start)
	}
	root := newRoot(&app{env: func(string) string { return "" }})
	c, rest, err := root.Find(start[1:])
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err != nil {
		t.Errorf("the unit calls the program in a way that it does not know: %v", err)
	}
	// systemd looks whether the program is there: any program does.
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	verifyUnit(t, strings.ReplaceAll(string(text), installed, program))
}

// The unit that serve prints is taken as well, starts this very program, and
// hands on what was given.
func TestPrintedUnit(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() + "/a $site of 100%"
	var out strings.Builder
	root := newRoot(&app{env: func(string) string { return "" }, out: &out, err: &out})
	root.SetArgs([]string{"serve", "--dir", dir, "--print-unit", "--listen", "0.0.0.0:7440", "--tls-cert", "site.pem", "--slots", "2"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	cert, err := filepath.Abs("site.pem")
	if err != nil {
		t.Fatal(err)
	}
	writable := `"` + strings.ReplaceAll(dir, "%", "%%") + `"`
	escaped := strings.ReplaceAll(writable, "$", "$$")
	want := "ExecStart=" + program + " serve --dir " + escaped + " --listen=0.0.0.0:7440 --slots=2 --tls-cert=" + cert + "\nReadWritePaths=" + writable + "\n"
	if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "/usr/local/lib") {
		t.Errorf("the unit is\n%s\nwithout %s", out.String(), want)
	}
	verifyUnit(t, out.String())
}

func verifyUnit(t *testing.T, text string) {
	t.Helper()
	unit := filepath.Join(t.TempDir(), "anchorhold.service")
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd says %s(%v; `.ci/machine test` installs systemd-analyze)", out, err)
	}
}
