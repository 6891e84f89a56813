package exposure

import (
	"fmt"
	"math"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/account"
)

// Meaning says what an amount of exposure means for one person of a population, in
// odds: what somebody can at best find out who knows everything about everybody
// else and sees all answers. Every number is a bound, rounded against the owner.
type Meaning struct {
	Guess      float64  `json:"guess" doc:"how often they can tell at best whether somebody is in the data, where luck gives half"`
	Accused    float64  `json:"accused" doc:"of those who are not in the data, so many are taken for one who is"`
	Recognised float64  `json:"recognised" doc:"then at most so many are recognised of those who are"`
	Words      []string `json:"words" doc:"the same for people"`
}

// accused is how many wrong accusations an attacker is thought to risk.
const accused = 0.05

// both is what holds where two bounds do.
type both []account.TradeOff

// TruePositive implements account.TradeOff.
func (b both) TruePositive(fpr float64) float64 {
	best := 1.0
	for _, t := range b {
		best = min(best, t.TruePositive(fpr))
	}
	return best
}

// meaningOf reads the odds off the accountant's trade-off curves, of every
// currency in which something is known.
func meaningOf(c account.Charge) *Meaning {
	var known both
	if c.Pure != account.Infinite && c.Delta == 0 {
		known = append(known, account.PureTradeOff{Epsilon: c.Pure})
	}
	if c.Rho != account.Infinite && c.Delta != account.Infinite {
		known = append(known, account.ZCDPTradeOff{Rho: c.Rho, Delta: c.Delta})
	}
	m := Meaning{Guess: account.Guess(known), Accused: accused, Recognised: known.TruePositive(accused)}
	m.Words = []string{
		fmt.Sprintf("Somebody who knows everything about everybody else and sees all answers can at best tell for %s of 100 people whether they are in the data, where a coin tells it for 50.", people(m.Guess)),
		fmt.Sprintf("If they accept to suspect 5 of 100 people wrongly who are not in the data, they recognise at most %s of 100 who are, where luck alone gives 5.", people(m.Recognised)),
	}
	if c.Pure != account.Infinite && c.Delta == 0 {
		m.Words = append(m.Words, fmt.Sprintf("Of whom they thought before that it is 1 chance in 10 that they are in the data, they can afterwards think so with at most %s chances in 100.", people(account.PurePosterior(c.Pure, 0.1))))
	}
	return &m
}

// people is a share of 100 people, rounded up to a tenth, and to a whole number
// from 10 on.
func people(share float64) string {
	const slack = 1e-9 // of arithmetic
	n := math.Ceil(share*1000-slack) / 10
	if n >= 10 && n < 99 {
		n = math.Ceil(share*100 - slack)
	}
	return fmt.Sprintf("%.4g", math.Min(n, 100))
}

// most is all that a limit admits.
func most(l account.Limit) account.Charge {
	if l.Pure() {
		rho := account.Rho(account.Infinite)
		if c, err := account.PureCharge(l.Epsilon); err == nil {
			rho = c.Rho
		}
		return account.Charge{Pure: l.Epsilon, Rho: rho}
	}
	return account.Charge{Pure: account.Infinite, Rho: l.Rho, Delta: l.Delta - l.Conversion}
}

// Explain adds to the standings of accounts that have a limit of their own what
// that means, and what was spent of it, in odds.
func Explain(list []Standing) error {
	known := map[account.Charge]*Meaning{}
	of := func(c account.Charge) *Meaning {
		if known[c] == nil {
			known[c] = meaningOf(c)
		}
		return known[c]
	}
	for i, s := range list {
		if s.Limit == nil || s.Limit.ExposureAccount != s.ExposureAccount {
			continue
		}
		l, err := Parse(*s.Limit)
		if err != nil {
			return err
		}
		list[i].Meaning = of(most(l))
		if s.Spent != (account.Charge{}) {
			list[i].Now = of(s.Spent)
		}
	}
	return nil
}

// typical is a question of which it is told how many more would fit.
const typical = account.Epsilon(1e11) // ε = 0.1

// fits is how many more typical questions a limit admits, each at the price that it
// has under the limit of the whole population: Laplace noise where that is pure ε,
// and Gaussian where it has a δ.
func fits(l account.Limit, spent account.Charge, whole anchorhold.ExposureLimit) (int64, error) {
	of, err := Parse(whole)
	if err != nil {
		return 0, err
	}
	each, err := account.PureCharge(typical)
	if err == nil && !of.Pure() {
		each = account.Charge{Pure: account.Infinite, Rho: account.RhoFor(typical, of.Conversion)}
	}
	if err != nil || each.Rho == 0 {
		return 0, err
	}
	return l.Fits(spent, each), nil
}
