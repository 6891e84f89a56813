package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	pythonsdk "github.com/anchorhold/anchorhold/sdk/python"
)

// gathered is what the collector answers.
type gathered struct {
	Code  anchorhold.Code `json:"code"`
	Shown []struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
		File string `json:"file"`
		Line int    `json:"line"`
	} `json:"shown"`
	Error *struct {
		Message string `json:"message"`
		Remedy  string `json:"remedy"`
	} `json:"error"`
}

// print shows what was gathered, so that its author knows what leaves.
func (g gathered) print(p *show.Printer) {
	var rows [][]string
	for _, s := range g.Shown {
		rows = append(rows, []string{s.Kind, s.Name, fmt.Sprintf("%s:%d", s.File, s.Line)})
	}
	p.Printf("Gathered from the source:\n")
	p.Table("nothing", []string{"KIND", "NAME", "WHERE"}, rows)
}

// maxGathered bounds the collector's answer: one mebibyte of code, escaped.
const maxGathered = 16 << 20

// collect gathers a function with all that it needs, a script, or a folder. The
// collector is the one of the Python package, so that code has one digest
// however it is submitted; it is piped into the interpreter, and reads files
// without running any of them.
func (a *app) collect(ctx context.Context, file string, o codeOptions, assets []pair, env client.Environment) (gathered, error) {
	switch info, err := os.Stat(file); {
	case err != nil || !info.Mode().IsRegular() && !info.IsDir():
		return gathered{}, anchorhold.Errorf(anchorhold.NotFound, "name a Python file, or a folder of them", "%s is neither a file nor a folder", file)
	case info.IsDir() && o.entry == "":
		return gathered{}, usagef("use --entry MODULE:FUNCTION, such as main:run", "no entry point of the folder is named")
	}
	python, err := a.python()
	if err != nil {
		return gathered{}, err
	}
	// -I: neither the current folder nor the user's own packages are looked at.
	path, err := absolute(file) // so that it cannot be taken for an option
	if err != nil {
		return gathered{}, err
	}
	args := []string{"-I", "-", path, "--entry=" + o.entry, "--environment", env.Lock}
	for _, as := range assets {
		args = append(args, "--asset", as.name)
	}
	for _, p := range env.Packages {
		args = append(args, "--package="+p.Name)
	}
	for _, text := range o.outputs {
		args = append(args, "--output="+text)
	}
	var out, problems bytes.Buffer
	c := exec.CommandContext(ctx, python, args...)
	c.Stdin = strings.NewReader(pythonsdk.Collector())
	c.Stdout = &limited{to: &out, left: maxGathered}
	c.Stderr = &limited{to: &problems, left: 64 << 10}
	ran := c.Run()
	if ctx.Err() != nil {
		return gathered{}, ctx.Err()
	}
	var g gathered
	if err := json.Unmarshal(out.Bytes(), &g); err != nil {
		return g, anchorhold.Errorf(anchorhold.Invalid, "check that "+python+" is Python 3.9 or newer, or set ANCHORHOLD_PYTHON",
			"the code could not be gathered: %s", lastLine(problems.String(), ran)).Because(err)
	}
	if g.Error != nil {
		return g, &anchorhold.Error{Kind: anchorhold.Invalid, Message: g.Error.Message, Remedy: g.Error.Remedy}
	}
	return g, nil
}

// python finds the interpreter that reads the code.
func (a *app) python() (string, error) {
	if named := a.env("ANCHORHOLD_PYTHON"); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", anchorhold.Errorf(anchorhold.Invalid, "set ANCHORHOLD_PYTHON to a Python 3 program", "ANCHORHOLD_PYTHON names no program").Because(err)
		}
		return path, nil
	}
	names := []string{"python3"}
	if runtime.GOOS == "windows" {
		names = []string{"python3", "python", "py"}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", anchorhold.Errorf(anchorhold.Unavailable, "install Python 3, or set ANCHORHOLD_PYTHON to it", "there is no Python to read the code with")
}

// limited keeps the beginning of what a program writes.
type limited struct {
	to   io.Writer
	left int
}

// Write implements io.Writer; what is over the limit is dropped.
func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), l.left)
	l.left -= keep
	if _, err := l.to.Write(p[:keep]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// lastLine is the line of a traceback that says what was wrong.
func lastLine(text string, err error) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	if err != nil {
		return err.Error()
	}
	return "it answered nothing that can be read"
}
