package readme

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Marks stand alone on the last line that is not empty before a block:
//
//	<!-- run -->                 run it, and wait for its end
//	<!-- run in background -->   start it, and go on
//	<!-- prints -->              the last Python block printed this
//	<!-- not run: reason -->     leave it out
//
// Every block of sh, python and text has one.
const (
	markRun        = "run"
	markBackground = "run in background"
	markPrints     = "prints"
	markNot        = "not run: "
)

// block is one fenced block.
type block struct {
	line int // of the opening fence
	lang string
	mark string
	text string
}

var (
	fence = regexp.MustCompile("^```([a-z]*)$")
	mark  = regexp.MustCompile(`^<!-- (.*) -->$`)
)

// parse finds the blocks of a document with their marks.
func parse(document string) ([]block, error) {
	var blocks []block
	var open *block
	said := ""
	for i, line := range strings.Split(document, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open != nil && m != nil && m[1] == "":
			blocks, open, said = append(blocks, *open), nil, ""
		case open != nil:
			open.text += line + "\n"
		case m != nil:
			open = &block{line: i + 1, lang: m[1], mark: said}
		case mark.MatchString(line):
			said = mark.FindStringSubmatch(line)[1]
		case strings.TrimSpace(line) != "":
			said = ""
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block is not closed", open.line)
	}
	for _, b := range blocks {
		if err := b.check(); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

// check refuses a block whose mark and language do not go together.
func (b block) check() error {
	runs := b.mark == markRun || b.mark == markBackground
	switch {
	case strings.HasPrefix(b.mark, markNot) && len(b.mark) > len(markNot):
	case runs && (b.lang == "sh" || b.lang == "python"):
	case b.mark == markPrints && b.lang == "text":
	case b.mark == "" && b.lang == "": // a drawing
	default:
		return fmt.Errorf("line %d: a block of %q with the mark %q: mark it to be run, or say why it is not", b.line, b.lang, b.mark)
	}
	return nil
}

func TestParse(t *testing.T) {
	blocks, err := parse("words\n<!-- run -->\n\n```sh\na\nb\n```\n```\ndrawing\n```\n<!-- not run: needs a printer -->\n```python\nc\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []block{{4, "sh", "run", "a\nb\n"}, {8, "", "", "drawing\n"}, {12, "python", "not run: needs a printer", "c\n"}}
	if fmt.Sprint(blocks) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", blocks, want)
	}
	for _, wrong := range []string{
		"```sh\na\n```\n",                            // no mark
		"<!-- run -->\nwords\n```sh\na\n```\n",       // the mark is not beside it
		"<!-- run -->\n```text\na\n```\n",            // cannot be run
		"<!-- not run:  -->\n```sh\na\n```\n",        // no reason
		"<!-- walk -->\n```sh\na\n```\n",             // unknown
		"<!-- run -->\n```sh\na\n```\n```sh\na\n```", // a mark serves one block
		"<!-- run -->\n```sh\na\n",                   // not closed
	} {
		if _, err := parse(wrong); err == nil {
			t.Errorf("no complaint about %q", wrong)
		}
	}
}
