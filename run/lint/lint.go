// Package lint reads submitted code, without running it, for what a reviewer
// should look at.
//
// What it says is advice and never a verdict: code that wants to hide something
// can, and most of what is found is harmless. It promises that the code is only
// parsed, never imported or executed, that this happens in a sandbox of its own,
// where the code's author cannot say anything, and that what comes out holds
// known categories and true places in the code, or nothing. The reader (lint.py)
// is an ordinary job whose values are the sources; the tests give it code of
// every kind, and hostile answers to the host.
package lint

import (
	_ "embed"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/anchorhold/anchorhold"
)

//go:embed lint.py
var reader string

// Version is the reader's: findings of an earlier one are made anew.
const Version = 3

// Limits of what a reader may answer.
const (
	maxFindings = 300
	maxWhat     = 80 // runes
)

// Why says for each category why it matters to somebody who decides.
func Why(category string) string {
	switch category {
	case "files":
		return "Code needs no files but its inputs; in the sandbox it finds none, and what it writes is lost."
	case "network":
		return "There is no network in the sandbox, so honest code has no use for it."
	case "subprocess":
		return "Other programs and processes hide what is computed from whoever reads the code."
	case "dynamic code":
		return "What is made into code while it runs cannot be read before."
	case "reflection":
		return "Names that are computed, and the insides of Python, can reach what the text does not name."
	case "surroundings":
		return "A result should depend on the data alone, not on the machine or its settings."
	case "time":
		return "How long code takes is seen from outside, to the minute: it must not depend on the data."
	case "row level":
		return "What is returned seems to hold rows, or the value of a single row, rather than figures about many."
	case "randomness":
		return "Without a fixed seed a run cannot be repeated, and chance can carry a value out."
	case "long literal":
		return "A long constant may be data or code in disguise."
	case "obfuscation":
		return "It is harder to read than its purpose asks."
	case "unreadable":
		return "It is not Python that this site can parse, so nothing else was looked for in this file."
	}
	return ""
}

// script says of code that runs from top to bottom which variables hold tables
// when it begins, and which its answer when it ends.
type script struct {
	Path    string   `json:"path"`
	Tables  []string `json:"tables"`
	Outputs []string `json:"outputs"`
}

// Job is the reader as code with its values: a function of the sources, and of
// what a script is given.
func Job(of anchorhold.Code) (code []anchorhold.File, entry string, values map[string]json.RawMessage, err error) {
	sources := make([][2]string, len(of.Files))
	for i, f := range of.Files {
		sources[i] = [2]string{f.Path, f.Text}
	}
	s := script{Tables: []string{}, Outputs: []string{}}
	if path, isScript := strings.CutSuffix(of.Entry, ":"+anchorhold.ScriptEntry); isScript {
		s.Path = path
	}
	for _, p := range of.Parameters {
		if p.Kind == "asset" {
			s.Tables = append(s.Tables, p.Name)
		}
	}
	for _, o := range of.Outputs {
		s.Outputs = append(s.Outputs, o.Name)
	}
	values = map[string]json.RawMessage{}
	for name, v := range map[string]any{"sources": sources, "script": s} {
		if values[name], err = json.Marshal(v); err != nil {
			return nil, "", nil, err
		}
	}
	return []anchorhold.File{{Path: "anchorhold_lint.py", Text: reader}}, "anchorhold_lint.py:lint", values, nil
}

// Parse reads a reader's answer to files. The answer is foreign: what is not a
// known category at a place that there is makes the whole useless.
func Parse(answer []byte, files []anchorhold.File) (anchorhold.Lint, error) {
	var a struct {
		Findings []struct {
			File, Category, What string
			Line                 int
		}
		More int
	}
	if err := json.Unmarshal(answer, &a); err != nil || len(a.Findings) > maxFindings || a.More < 0 {
		return anchorhold.Lint{}, useless()
	}
	lines := map[string]int{}
	for _, f := range files {
		lines[f.Path] = strings.Count(f.Text, "\n") + 1
	}
	out := anchorhold.Lint{Version: Version, More: a.More, Findings: []anchorhold.Finding{}}
	for _, f := range a.Findings {
		why := Why(f.Category)
		if why == "" || f.Line < 1 || f.Line > lines[f.File] {
			return anchorhold.Lint{}, useless()
		}
		out.Findings = append(out.Findings, anchorhold.Finding{File: f.File, Line: f.Line, Category: f.Category, What: plain(f.What), Why: why})
	}
	return out, nil
}

// Unreadable is what is said of code that made its reader fail.
func Unreadable(files []anchorhold.File) anchorhold.Lint {
	l := anchorhold.Lint{Version: Version, Findings: []anchorhold.Finding{}}
	for _, f := range files {
		l.Findings = append(l.Findings, anchorhold.Finding{File: f.Path, Line: 1, Category: "unreadable", Why: Why("unreadable")})
	}
	return l
}

func useless() error {
	return anchorhold.Errorf(anchorhold.Invalid, "read the code with more care than usual", "the code made its reader fail")
}

// plain is a short text that prints.
func plain(s string) string {
	out := []rune{}
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if !unicode.IsPrint(r) {
			r = '\uFFFD'
		}
		if out = append(out, r); len(out) == maxWhat {
			break
		}
	}
	return string(out)
}
