package account

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/go-json-experiment/json"
)

// Whatever a file of events says: it is refused with a remedy, or what was read
// is within the bounds that arithmetic is tested for.
func FuzzReadEvents(f *testing.F) {
	for _, seed := range []string{
		`[{"mechanism":"gaussian","sigma":2,"sampling_probability":0.01,"count":10000}]`,
		`[{"mechanism":"laplace","scale":10,"sensitivity":2},{"mechanism":"zcdp","rho":0.1}]`,
		`[{"mechanism":"pure","epsilon":1e-9},{"mechanism":"exponential","epsilon":1e6}]`,
		`[{"mechanism":"discrete_laplace","scale":1e-300,"sensitivity":1e12,"count":1e9}]`,
		`[{"mechanism":"gaussian","sigma":null}]`, `[1]`, `{}`, `[[]]`, `[{"mechanism":"pure","epsilon":NaN}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		events, err := ReadEvents(bytes.NewReader(text))
		if err != nil {
			var refused *Error
			if !errors.As(err, &refused) || refused.Remedy == "" || refused.Problem == "" {
				t.Fatalf("%v says not what to do", err)
			}
			return
		}
		for _, e := range events {
			for _, x := range []float64{e.Parameter, e.Sensitivity, e.SamplingProbability} {
				if !(x >= minParameter && x <= maxParameter) {
					t.Fatalf("%+v was taken", e)
				}
			}
			if e.SamplingProbability > 1 || e.Count < 1 || e.Mechanism.parameter() == "" {
				t.Fatalf("%+v was taken", e)
			}
		}
		// The simple bounds are quick for anything that was taken.
		b, z := planPure(events), planZCDP(events, 1e-6)
		if b.Epsilon != nil && !(*b.Epsilon > 0) || !(*z.Epsilon >= 0) || math.IsInf(*z.Epsilon, 1) {
			t.Fatalf("%s: pure %+v, zcdp %v", text, b, *z.Epsilon)
		}
	})
}

// An amount that is read is written and read back as it was, and is never more
// than what was said.
func FuzzAmounts(f *testing.F) {
	for _, seed := range []string{"0.1", "1e-12", "999999.999999999999", "1e400", "-0", "0x1", "1e-401", "00.5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseEpsilon(s)
		if err != nil {
			return
		}
		if e <= 0 || e > MaxEpsilon*1e12 {
			t.Fatalf("%q is %d units", s, e)
		}
		said, err := number("", s)
		if err != nil || e.Rat().Cmp(said) > 0 {
			t.Fatalf("%q is %s, which is more, or %v", s, e, err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back Epsilon
		if err := json.Unmarshal(text, &back); err != nil || back != e {
			t.Fatalf("%s became %s, %v", text, back, err)
		}
		c, err := PureCharge(e)
		if err != nil || c.Times(3) != c.Plus(c).Plus(c) {
			t.Fatalf("three times %+v is %+v, or %v", c, c.Times(3), err)
		}
	})
}
