package request

import (
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
)

// leastMemory is what an interpreter with the usual libraries needs before it
// has read anything.
const leastMemory = 256 << 20

// expected checks what a submission expects to use: no more than any run may
// here, and enough to begin. Who expects nothing gets the site's limits.
func (s *Service) expected(e *anchorhold.Resources) (*anchorhold.Resources, error) {
	if e == nil || *e == (anchorhold.Resources{}) {
		return nil, nil
	}
	if err := digest.ValidateResources(*e); err != nil {
		return nil, err
	}
	seconds := func(n int64) string { return (time.Duration(n) * time.Second).String() }
	for _, r := range []struct {
		what        string
		asked, most int64
		text        func(int64) string
	}{
		{"processor time", e.CPUSeconds, s.Most.CPUSeconds, seconds},
		{"memory", e.Memory, s.Most.Memory, anchorhold.Bytes},
		{"time", e.WallSeconds, s.Most.WallSeconds, seconds},
	} {
		if r.most > 0 && r.asked > r.most {
			return nil, anchorhold.Errorf(anchorhold.TooLarge, "ask for at most "+r.text(r.most)+", or ask the owner for a site with more",
				"%s of %s is more than a run may use here", r.text(r.asked), r.what)
		}
	}
	if e.Memory != 0 && e.Memory < leastMemory {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "ask for at least "+anchorhold.Bytes(leastMemory), "%s of memory are too few to begin", anchorhold.Bytes(e.Memory))
	}
	return e, nil
}
