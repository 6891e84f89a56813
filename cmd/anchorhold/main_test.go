//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
	"github.com/anchorhold/anchorhold/site"
)

// TestMain lets the test binary play the program in the scripts.
func TestMain(m *testing.M) {
	if code, ok := gvisor.Main(); ok {
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){"anchorhold": func() { os.Exit(start()) }})
}

// TestFake runs the scripts against sites that answer what a script says:
// hostile, failing and odd ones too.
func TestFake(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/fake", Setup: setup, Cmds: commands(), RequireUniqueNames: true})
}

// setup gives each script a person's machine without any settings.
func setup(e *testscript.Env) error {
	python := os.Getenv("ANCHORHOLD_PYTHON")
	if python == "" {
		python = "python3"
	}
	path, err := exec.LookPath(python)
	if err != nil {
		return fmt.Errorf("the tests need Python 3 (or ANCHORHOLD_PYTHON): %w", err)
	}
	if out, err := exec.Command(path, "-c", "import sys; print(sys.executable)").Output(); err == nil {
		path = strings.TrimSpace(string(out)) // a shim needs the home folder of its owner
	}
	e.Setenv("ANCHORHOLD_PYTHON", path)
	e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
	e.Setenv("TZ", "UTC")
	return nil
}

// commands are what the scripts use beside what testscript brings.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "fake": fake, "json": checkJSON, "mode": mode, "keep": keep, "await": await,
	}
}

// exits STATUS COMMAND... runs a command and expects its exit status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// mode BITS FILE expects a file's permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); neg || got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// json FILE PATH [WANT] expects a JSON document, and at a path of names and
// numbers between dots a value: any, or exactly WANT (text, or JSON).
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &v); err != nil {
		ts.Fatalf("%s is not JSON: %v", args[0], err)
	}
	if len(args) == 1 {
		return
	}
	got, found := at(v, strings.Split(args[1], "."))
	switch {
	case neg && found:
		ts.Fatalf("%s is there: %s", args[1], got)
	case !neg && !found:
		ts.Fatalf("%s is not there", args[1])
	case !neg && len(args) > 2 && got != args[2]:
		ts.Fatalf("%s is %s, want %s", args[1], got, args[2])
	}
}

// at finds the value at a path and writes it as text.
func at(v any, path []string) (string, bool) {
	for _, step := range path {
		if step == "" {
			continue
		}
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[step]
			if !ok {
				return "", false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return "", false
			}
			v = x[i]
		default:
			return "", false
		}
	}
	if s, ok := v.(string); ok {
		return s, true
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}

// keep NAME FILE PATH keeps a value of a JSON document in a variable.
func keep(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &v))
	got, ok := at(v, strings.Split(args[2], "."))
	if !ok {
		ts.Fatalf("%s has no %s", args[1], args[2])
	}
	ts.Setenv(args[0], got)
}

// await ID STATE DIR waits until a request is in a state, at the site in a folder.
func await(ts *testscript.TestScript, _ bool, args []string) {
	c := client.NewSocket(site.SocketPath(ts.MkAbs(args[2])), client.Options{})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	want := anchorhold.State(args[1])
	r, err := c.Wait(ctx, args[0], func(r anchorhold.Request) bool { return r.State == want || r.State.Ended() })
	if err != nil || r.State != want {
		why := ""
		for _, run := range r.Runs {
			why = run.Reason
		}
		ts.Fatalf("the request is %s (%v), not %s: %s", r.State, err, want, why)
	}
}

// fake ROUTES starts a site that answers as a file says, one operation a line:
//
//	METHOD PATH STATUS FILE
//
// PATH matches without its query. A FILE that ends in .bin is sent as bytes. It
// sets ANCHORHOLD_URL and ANCHORHOLD_TOKEN, and writes what it was asked, one
// line each, to asked.log.
func fake(ts *testscript.TestScript, _ bool, args []string) {
	routes := map[string][2]string{}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if f := strings.Fields(line); len(f) == 4 {
			routes[f[0]+" "+f[1]] = [2]string{f[2], f[3]}
		}
	}
	var mu sync.Mutex
	log := ts.MkAbs("asked.log")
	ts.Check(os.WriteFile(log, nil, 0o600))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		defer f.Close()
		fmt.Fprintf(f, "%s %s %s %s\n", r.Method, r.RequestURI, r.Header.Get("Authorization"), body)
		answer, ok := routes[r.Method+" "+r.URL.Path]
		if !ok {
			answer = [2]string{"404", ""}
		}
		sendFake(ts, w, answer)
	}))
	ts.Defer(s.Close)
	ts.Setenv("ANCHORHOLD_URL", s.URL)
	ts.Setenv("ANCHORHOLD_TOKEN", "fake-token")
}

func sendFake(ts *testscript.TestScript, w http.ResponseWriter, answer [2]string) {
	status, _ := strconv.Atoi(answer[0])
	kind := "application/json"
	switch {
	case status >= 400:
		kind = "application/problem+json"
	case strings.HasSuffix(answer[1], ".bin"):
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	if answer[1] == "" {
		fmt.Fprint(w, `{"title":"Not Found","detail":"there is no such thing here","kind":"not-found","remedy":"check the id"}`)
		return
	}
	data, err := os.ReadFile(ts.MkAbs(answer[1]))
	if err != nil {
		panic(err)
	}
	w.Write(data)
}
