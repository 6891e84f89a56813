package run

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/store"
)

// trialTime bounds a trial: a mock is small, and others wait.
const trialTime = 2 * time.Minute

// trial says whether the run is on the mocks.
func (t *task) trial() bool { return t.run.Side == anchorhold.SideMock }

// limits are what the run may use: a trial as much as a run on private data,
// since it is to show how that would go, but not as long; any run no more than
// its author expects.
func (t *task) limits(l sandbox.Limits) sandbox.Limits {
	if t.trial() {
		l.Wall, l.CPUTime = min(l.Wall, trialTime), min(l.CPUTime, 2*trialTime)
	}
	if e := t.expect; e != nil {
		l.CPUTime, l.Wall = lower(l.CPUTime, time.Duration(e.CPUSeconds)*time.Second), lower(l.Wall, time.Duration(e.WallSeconds)*time.Second)
		l.Memory = lower(l.Memory, e.Memory)
	}
	return l
}

// lower is the lower of two limits, where the second is one.
func lower[T int64 | time.Duration](limit, other T) T {
	if other <= 0 {
		return limit
	}
	return min(limit, other)
}

// loadTrial reads a run on the mocks from its trial, which names no grant and
// no private side.
func (t *task) loadTrial(tx store.Tx) error {
	trial, err := tx.Trial(t.run.ID)
	if err != nil {
		return err
	}
	t.code, t.values, t.expect, t.readOnly = trial.Code, trial.Values, trial.Expect, trial.ReadOnly
	if t.readOnly {
		return nil
	}
	return t.loadAssets(tx, trial.Assets, (*asset).mock)
}

// mock makes an asset one of a trial: what the version says of its private side
// is gone from here on.
func (a *asset) mock() error {
	a.version.Private = nil
	if a.version.Mock == nil {
		return anchorhold.Errorf(anchorhold.Unavailable, "ask the owner for one", "an asset has no mock")
	}
	a.format = a.version.Mock.Format
	return nil
}

// openMock opens the mock of an asset.
func (s *Service) openMock(a *asset) (*os.File, error) {
	b, err := s.Blobs.Open(a.version.Mock.Blob)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return b.Descriptor()
}

func putOutputs(tx store.Tx, outputs []anchorhold.Output) error {
	for _, o := range outputs {
		if err := tx.PutOutput(o); err != nil {
			return err
		}
	}
	return nil
}

// Output opens what a trial gave under a name.
func (s *Service) Output(_ context.Context, run anchorhold.Run, name string) (anchorhold.Output, *blob.Blob, error) {
	for _, o := range run.Outputs {
		if o.Name == name && run.Side == anchorhold.SideMock {
			f, err := s.Blobs.Open(o.Blob)
			return o, f, err
		}
	}
	return anchorhold.Output{}, nil, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold run show "+run.ID+"`", "the run has no output of that name to hand out")
}

// A preview is short enough to stand beside the code.
const (
	previewRows    = 8
	previewColumns = 10
	previewText    = 40  // runes of one cell
	previewBytes   = 600 // of a text or a JSON value
)

// preview is the beginning of an output for people to read: plain printable
// text, whatever the output holds.
func preview(c output.Canonical, cells disclosure.Cells) string {
	switch c.Kind {
	case output.KindText, output.KindJSON:
		head := c.Data[:min(len(c.Data), previewBytes)]
		text := printable(strings.ToValidUTF8(string(head), "")) // the end may be half a character
		if len(head) < len(c.Data) {
			text += " ..."
		}
		return text
	}
	var b strings.Builder
	if c.Kind == output.KindTable {
		fmt.Fprintf(&b, "rows: %d, columns: %d\n", c.Rows, c.Columns)
		if c.Rows == 0 { // and its sheets hold names alone
			return strings.TrimSuffix(b.String(), "\n")
		}
	}
	for _, sheet := range cells.Sheets {
		if len(sheet.Rows) > 0 && len(sheet.Rows) >= min(c.Rows, previewRows) { // others hold names alone
			previewSheet(&b, sheet)
			break
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func previewSheet(b *strings.Builder, s disclosure.Sheet) {
	line := func(cells []disclosure.Cell) {
		for i, c := range cells[:min(len(cells), previewColumns)] {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(previewCell(c))
		}
		if len(cells) > previewColumns {
			b.WriteString(" | ...")
		}
		b.WriteByte('\n')
	}
	if len(s.Labels) > 0 {
		line(s.Labels)
	}
	for _, row := range s.Rows[:min(len(s.Rows), previewRows)] {
		line(row)
	}
	if len(s.Rows) > previewRows {
		b.WriteString("...\n")
	}
}

func previewCell(c disclosure.Cell) string {
	if v, ok := c.Integer(); ok {
		return fmt.Sprint(v)
	}
	if v, ok := c.Number(); ok {
		return fmt.Sprintf("%.6g", v)
	}
	text := []rune(printable(c.Text()))
	if len(text) > previewText {
		return string(text[:previewText]) + "..."
	}
	return string(text)
}

// printable leaves line breaks, and replaces every other character that does not
// print.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
