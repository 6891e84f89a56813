package api

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits say how often the site may be called over the network. Zero fields
// set no limit.
type Limits struct {
	Rate  float64 // calls a second of one person, in the long run
	Burst int     // calls of one person at once
	Waits int     // calls of one person that wait for a change at the same time
	// Strangers is how many calls a second one address may make without a
	// credential that holds; each credential that fails counts as many as
	// failureCost.
	Strangers float64
}

// DefaultLimits leave ample room for people and their programs.
func DefaultLimits() Limits { return Limits{Rate: 100, Burst: 1000, Waits: 100, Strangers: 5} }

const (
	failureCost    = 10      // calls that one failed authentication counts for
	strangersBurst = 100     // calls of one address at once
	maxKnown       = 1 << 14 // callers that are remembered
)

// limiter counts who calls how often: people by their id wherever they call
// from, strangers by their address. A credential that holds is never turned
// away for what others at its address do.
type limiter struct {
	limits Limits
	mu     sync.Mutex
	people map[string]*rate.Limiter
	from   map[string]*rate.Limiter
	waits  map[string]int
}

func newLimiter(l Limits) *limiter {
	return &limiter{limits: l, people: map[string]*rate.Limiter{}, from: map[string]*rate.Limiter{}, waits: map[string]int{}}
}

// take counts a call, and says how long the caller has to wait where it is one
// too many. A nil limiter has no limits.
func (l *limiter) take(remote, who string, failed bool) (why string, wait time.Duration) {
	if l == nil {
		return "", 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if who != "" {
		return "person", spend(l.people, who, now, l.limits.Rate, l.limits.Burst, 1)
	}
	cost := 1
	if failed {
		cost = failureCost
	}
	return "address", spend(l.from, network(remote), now, l.limits.Strangers, strangersBurst, cost)
}

// spend takes from a caller's allowance, or says when there will be enough.
func spend(known map[string]*rate.Limiter, key string, now time.Time, perSecond float64, burst, cost int) time.Duration {
	if perSecond <= 0 || burst <= 0 {
		return 0
	}
	one, ok := known[key]
	if !ok {
		if len(known) >= maxKnown {
			forget(known, now, burst)
		}
		one = rate.NewLimiter(rate.Limit(perSecond), burst)
		known[key] = one
	}
	r := one.ReserveN(now, cost)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait
	}
	return 0
}

// forget drops who has not called for a while: their allowance is full again.
// A crowd that fills the table anyway starts anew: memory has an end.
func forget(known map[string]*rate.Limiter, now time.Time, burst int) {
	for key, one := range known {
		if one.TokensAt(now) >= float64(burst) {
			delete(known, key)
		}
	}
	if len(known) >= maxKnown {
		clear(known)
	}
}

// network is the part of an address that one caller cannot choose freely: an
// IPv4 address, or the /64 network of an IPv6 address.
func network(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return ""
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// wait begins a wait for a change, unless the person has too many; end ends it.
func (l *limiter) wait(who string) (end func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Waits > 0 && l.waits[who] >= l.limits.Waits && !strings.HasPrefix(who, "local:") {
		return nil, false
	}
	l.waits[who]++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.waits[who]--; l.waits[who] <= 0 {
			delete(l.waits, who)
		}
	}), true
}
