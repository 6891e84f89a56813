package account

import (
	"fmt"
	"math"
)

// TradeOff says how well an attacker can do who sees all answers and knows all
// units but one: the most often that they recognise a unit that is there, when
// they accuse one that is not with probability fpr. Every TradeOff here is an
// upper bound for all attackers.
type TradeOff interface {
	// TruePositive bounds the rate of right accusations at one of wrong ones.
	TruePositive(fpr float64) float64
}

// The trade-offs of what a ledger counts in. PLD is another.
type (
	// PureTradeOff is that of ε-DP, and exact for its worst mechanism.
	PureTradeOff struct{ Epsilon Epsilon }
	// ZCDPTradeOff is that of any δ-approximately ρ-zCDP mechanism.
	ZCDPTradeOff struct {
		Rho   Rho
		Delta Delta
	}
	// GaussianTradeOff is exact when all of ρ was spent on Gaussians.
	GaussianTradeOff struct{ Rho Rho }
)

// TruePositive implements TradeOff.
func (t PureTradeOff) TruePositive(fpr float64) float64 {
	e := t.Epsilon.Float()
	return clamp(math.Min(math.Exp(e)*fpr, 1-math.Exp(-e)*(1-fpr)), fpr)
}

// TruePositive implements TradeOff: the least of δ(ε) + e^ε·fpr over ε, and the
// same seen from the other side, where the attacker's errors change places.
func (t ZCDPTradeOff) TruePositive(fpr float64) float64 {
	rho, delta := t.Rho.Float(), t.Delta.Float()
	switch {
	case math.IsInf(rho, 1) || math.IsInf(delta, 1):
		return 1
	case rho == 0:
		return clamp(fpr+delta, fpr)
	}
	reach := zcdpEpsilon(rho, 1e-15)
	direct := func(e float64) float64 { return math.Exp(zcdpLogDelta(rho, e)) + delta + math.Exp(e)*fpr }
	// From the other side: 1 - fpr <= δ + e^ε·(1 - tpr).
	mirror := func(e float64) float64 {
		return 1 - math.Exp(-e)*math.Max(0, 1-fpr-delta-math.Exp(zcdpLogDelta(rho, e)))
	}
	best := math.Min(direct(minimise(direct, 0, reach)), mirror(minimise(mirror, 0, reach)))
	return clamp(math.Min(best, math.Min(direct(0), mirror(0))), fpr)
}

// TruePositive implements TradeOff.
func (t GaussianTradeOff) TruePositive(fpr float64) float64 {
	if fpr <= 0 || fpr >= 1 {
		return clamp(fpr, fpr)
	}
	threshold := math.Sqrt2 * math.Erfinv(2*fpr-1) // of that many false accusations
	mu := math.Sqrt(2 * t.Rho.Float())
	return clamp(math.Erfc(-(threshold+mu)/math.Sqrt2)/2, fpr)
}

func clamp(tpr, fpr float64) float64 { return math.Min(1, math.Max(tpr, fpr)) }

// Odds is what a trade-off means for a person.
type Odds struct {
	FalsePositive float64 `json:"false_positive"` // how often somebody is accused wrongly
	TruePositive  float64 `json:"true_positive"`  // at most so often somebody rightly
	Prior         float64 `json:"prior"`          // what the attacker believed before
	Posterior     float64 `json:"posterior"`      // and at most believes of who is accused
}

// NewOdds reads the odds off a trade-off, for an attacker who is wrong about who
// is not there with probability fpr, and believed with probability prior that
// somebody is there.
func NewOdds(t TradeOff, fpr, prior float64) (Odds, error) {
	if !(fpr > 0 && fpr < 1) {
		return Odds{}, refuse("state a probability between 0 and 1", "the rate of wrong accusations is %v", fpr)
	}
	if !(prior > 0 && prior < 1) {
		return Odds{}, refuse("state a probability between 0 and 1", "the prior is %v", prior)
	}
	o := Odds{FalsePositive: fpr, TruePositive: t.TruePositive(fpr), Prior: prior}
	o.Posterior = prior * o.TruePositive / (prior*o.TruePositive + (1-prior)*fpr)
	return o, nil
}

// PurePosterior is the most that anybody may believe after answers with pure ε
// who believed prior before, whatever they look at: p·e^ε / (1 - p + p·e^ε).
func PurePosterior(e Epsilon, prior float64) float64 {
	return prior / (prior + (1-prior)*math.Exp(-e.Float()))
}

// Guess is how often the best guess is right whether somebody is there, when
// both were equally likely: half of it is luck.
func Guess(t TradeOff) float64 {
	// 1 - fpr + tpr is largest where the curve, which is concave, has slope 1.
	best := minimise(func(fpr float64) float64 { return fpr - t.TruePositive(fpr) }, 0, 1)
	return math.Min(1, math.Max(0.5, (1+t.TruePositive(best)-best)/2))
}

// String says the odds of 100 people in a sentence, rounded against the owner.
func (o Odds) String() string {
	return fmt.Sprintf("of 100 people who are in the data, an attacker who knows everybody else recognises at most %d, when of 100 who are not they accuse %s wrongly; who is accused was believed to be there with %s, and is then with at most %s",
		int(math.Min(100, math.Ceil(100*o.TruePositive-1e-9))), people(100*o.FalsePositive), percent(o.Prior, math.Round), percent(o.Posterior, math.Ceil))
}

func people(n float64) string { return fmt.Sprintf("%.3g", n) }

func percent(p float64, round func(float64) float64) string {
	return fmt.Sprintf("%.4g%%", round(p*1000-1e-9)/10)
}
