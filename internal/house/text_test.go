package house

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// longest is how many lines a file of code may have.
const longest = 600

// rule is a pattern that must not stand in files of some kinds.
type rule struct {
	pattern *regexp.Regexp
	files   func(name string) bool
	instead string
}

// textRules hold of every file that git tracks or would track.
var textRules = []rule{
	{
		regexp.MustCompile(`(^|[^\w./~-])/(root|work|Users/\w+|home/\w+)(/|\b)`), anyFile,
		"a path of somebody's machine: make it relative, temporary, or a setting",
	},
	{
		regexp.MustCompile(`\b(pypi\.org|pythonhosted\.org|proxy\.golang\.org|sum\.golang\.org|npmjs\.(org|com)|crates\.io|deb\.debian\.org|docker\.io|anaconda\.org|repo\.maven)\b`),
		anyFile, "the host of a package registry: which one is used is a setting of the machine",
	},
	{
		regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`), codeFile,
		"finish it, or say in the documents that it is not there",
	},
	{
		regexp.MustCompile(`\bt\.Skip(f|Now)?\(|pytest\.(mark\.)?skip`), testFile,
		"a test that does not run promises what nobody checked: make it run everywhere, or fail saying what is missing",
	},
	{
		regexp.MustCompile(`\btime\.Sleep\(`), testFile,
		"a sleep is slow on a quick machine and wrong on a slow one: wait for what you wait for, with a deadline",
	},
	{
		// A program in a Go test may well sleep: it is there to be ended.
		regexp.MustCompile(`\btime\.sleep\(`), pythonTest,
		"a sleep is slow on a quick machine and wrong on a slow one: wait for what you wait for, with a deadline",
	},
	{
		regexp.MustCompile(`"math/rand(/v2)?"`), noiseFile,
		"weak randomness where noise is made or a unit's groups are chosen: take crypto/rand, through package dp",
	},
	{
		regexp.MustCompile(`[\x{202A}-\x{202E}\x{2066}-\x{2069}\x{200B}-\x{200F}\x{FEFF}]`), codeFile,
		"an invisible or direction-changing character: write it as an escape",
	},
}

func anyFile(string) bool { return true }

func codeFile(name string) bool {
	switch path.Ext(name) {
	case ".go", ".py", ".sh":
		return true
	}
	return path.Base(name) == "Makefile"
}

// noiseFile is a file of the rooms through which noise goes.
func noiseFile(name string) bool {
	room, _, _ := strings.Cut(name, "/")
	return path.Ext(name) == ".go" && !testFile(name) && (room == "dp" || room == "question" || room == "exposure" || room == "engine")
}

func testFile(name string) bool { return strings.HasSuffix(name, "_test.go") || pythonTest(name) }

func pythonTest(name string) bool {
	return path.Ext(name) == ".py" && strings.HasPrefix(path.Base(name), "test_")
}

// mayHold lists lines that break a rule for a reason: file, text of the line.
var mayHold = []struct{ file, text, why string }{
	{"internal/house/text_test.go", "", "the rules themselves"},
	{"sandbox/gvisor/probe.go", "/root", "the probe looks for folders of the host that must not be there"},
	{"pyenv/store_test.go", "/home/someone/", "a path that must not be taken over"},
	{"sandbox/gvisor/testdata/abuse/host_files.py", "/root", "the same"},
	{"internal/house/rules_test.go", "", "trees that break the rules, to see that they are found"},
}

func TestFilesHoldNothingOfAMachine(t *testing.T) { report(t, checkText(ours(t))) }

func TestFilesAreShort(t *testing.T) { report(t, checkLengths(ours(t))) }

// checkText applies the rules to every text file.
func checkText(house *tree) []string {
	var findings []string
	for _, p := range house.paths {
		text := house.text[p]
		if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
			continue // not text
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, r := range textRules {
				if r.files(p) && r.pattern.MatchString(line) && !permitted(p, line) {
					findings = append(findings, fmt.Sprintf("%s:%d: %q: %s", p, i+1, r.pattern.FindString(line), r.instead))
				}
			}
		}
	}
	return findings
}

func permitted(file, line string) bool {
	for _, m := range mayHold {
		if m.file == file && strings.Contains(line, m.text) {
			return true
		}
	}
	return false
}

// checkLengths finds files of code that are too long to be read in one go.
func checkLengths(house *tree) []string {
	var findings []string
	for _, p := range house.paths {
		if n := bytes.Count(house.text[p], []byte("\n")); codeFile(p) && !strings.Contains(p, "testdata/") && n > longest {
			findings = append(findings, fmt.Sprintf("%s has %d lines, more than %d: divide it by subject", p, n, longest))
		}
	}
	return findings
}
