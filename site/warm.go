package site

import (
	"runtime"
	"time"

	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/warm"
)

// WarmAuto is the number of sessions for ServeOptions.Warm that keeps as many
// ready as may run at once, of environments that were used within warmIdle, as
// far as warmShare of the memory at hand allows. Any other number is kept ready
// of the default environment at all times, too, within the same share.
const WarmAuto = -1

const (
	warmIdle  = 10 * time.Minute
	warmShare = 0.25
)

// boxes makes the pool of sessions.
func (s *Site) boxes(box sandbox.Sandbox, o ServeOptions) *warm.Pool {
	p := &warm.Pool{Sandbox: box, Most: o.Warm, Share: warmShare, Idle: warmIdle, Memory: warm.MemoryAtHand}
	if o.Warm == WarmAuto {
		p.Most = o.Slots
	}
	return p
}

// slots is how many runs may go on at once: each has one processor at least, and
// all their memory together is at most three quarters of what is at hand.
func slots(l sandbox.Limits) int {
	byMemory := int(float64(warm.MemoryAtHand()) * 0.75 / float64(l.Memory))
	return max(1, min(runtime.GOMAXPROCS(0), byMemory))
}
