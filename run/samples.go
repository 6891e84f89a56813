package run

import (
	"fmt"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/output"
)

// outputLimits bound each output; of samples they say what the owners allow.
func (t *task) outputLimits() output.Limits {
	lim := output.Limits{Plain: t.plain}
	if t.sample == nil {
		return lim
	}
	s := output.Samples{Rows: int64(t.sample.Rows), Masked: t.sample.Mask}
	for _, a := range t.assets {
		for _, c := range a.version.Columns {
			s.Columns = append(s.Columns, c.Name)
		}
	}
	lim.Samples = &s
	return lim
}

// checkSamples is the check that never passes by itself: rows of people leave
// by somebody's decision only.
const checkSamples = "samples"

// noteSamples says to whoever decides what an output of samples holds.
func (t *task) noteSamples(out *anchorhold.Output, frozen output.Canonical) {
	if frozen.Kind != output.KindSamples || t.trial() {
		return
	}
	out.Samples = &anchorhold.Samples{Rows: frozen.Rows, Cap: t.sample.Rows, Masked: t.sample.Mask}
	detail := fmt.Sprintf("%d rows of private values, of at most %d", frozen.Rows, t.sample.Rows)
	if len(t.sample.Mask) > 0 {
		detail += "; taken out by the site: " + strings.Join(t.sample.Mask, ", ")
	}
	out.Checks = append(out.Checks, anchorhold.Check{
		Name: checkSamples, Result: anchorhold.CheckInapplicable, Detail: detail + "; a person must look at them",
	})
}
