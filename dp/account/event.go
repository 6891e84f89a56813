package account

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/go-json-experiment/json"
)

// Mechanism names how an answer was made private.
type Mechanism string

// The mechanisms that a plan knows. Each has its one parameter of noise or
// privacy; for those that add noise, sensitivity is the most that one unit
// moves the answer.
const (
	Gaussian         Mechanism = "gaussian"          // sigma: its standard deviation
	DiscreteGaussian Mechanism = "discrete_gaussian" // sigma: its parameter; whole numbers
	Laplace          Mechanism = "laplace"           // scale
	DiscreteLaplace  Mechanism = "discrete_laplace"  // scale; whole numbers
	Exponential      Mechanism = "exponential"       // epsilon: its loss lies in a range of that width
	Pure             Mechanism = "pure"              // epsilon: any ε-DP mechanism
	ZCDP             Mechanism = "zcdp"              // rho: any ρ-zCDP mechanism
)

// parameter says which one a mechanism takes.
func (m Mechanism) parameter() string {
	switch m {
	case Gaussian, DiscreteGaussian:
		return "sigma"
	case Laplace, DiscreteLaplace:
		return "scale"
	case Exponential, Pure:
		return "epsilon"
	case ZCDP:
		return "rho"
	}
	return ""
}

// adds says whether the mechanism adds noise, so that a sensitivity matters.
func (m Mechanism) adds() bool { return m.parameter() == "sigma" || m.parameter() == "scale" }

func (m Mechanism) discrete() bool { return m == DiscreteGaussian || m == DiscreteLaplace }

const known = "gaussian, laplace, discrete_gaussian, discrete_laplace, exponential, pure, zcdp"

// Event is one mechanism, used Count times, each time on a fresh Poisson sample
// of the units when SamplingProbability is below 1.
type Event struct {
	Mechanism           Mechanism
	Parameter           float64 // sigma, scale, epsilon or rho
	Sensitivity         float64 // 1 for mechanisms whose parameter holds it already
	SamplingProbability float64
	Count               int64
}

const (
	maxEvents    = 10_000        // kinds of event in one plan
	maxCount     = 1_000_000_000 // uses of one
	maxFile      = 8 << 20       // bytes of a file of events
	maxParameter = 1e12          // far outside of what is used; arithmetic is tested up to here
	minParameter = 1e-9
	maxRatio     = 1e5 // of sensitivity and noise
)

// Check refuses parameters that mean nothing, before anything is computed.
func (e Event) Check() error {
	p := e.Mechanism.parameter()
	if p == "" {
		return refuse("use one of "+known, "there is no mechanism %q", short(string(e.Mechanism)))
	}
	for name, value := range map[string]float64{p: e.Parameter, "sensitivity": e.Sensitivity, "sampling_probability": e.SamplingProbability} {
		if err := checkNumber(name, value); err != nil {
			return err
		}
	}
	switch {
	case e.SamplingProbability > 1:
		return refuse("state a probability of at most 1; leave it out where every unit is used", "sampling_probability is %v", e.SamplingProbability)
	case e.Count < 1 || e.Count > maxCount:
		return refuse(fmt.Sprintf("state a whole number between 1 and %d", maxCount), "count is %d", e.Count)
	case e.Mechanism.adds():
		return e.checkNoise(p)
	case e.Sensitivity != 1:
		return refuse("leave sensitivity out: "+p+" holds it already", "sensitivity is %v, and %s takes none", e.Sensitivity, e.Mechanism)
	case e.Parameter > MaxEpsilon:
		return refuse("state a smaller one", "%s is above %v", p, MaxEpsilon)
	}
	return nil
}

func checkNumber(name string, value float64) error {
	switch {
	case math.IsNaN(value) || math.IsInf(value, 0):
		return refuse("state a number", "%s is no finite number", name)
	case value <= 0:
		return refuse("state a "+name+" above zero", "%s is %v", name, value)
	case value < minParameter || value > maxParameter:
		return refuse(fmt.Sprintf("state one between %v and %v", minParameter, maxParameter), "%s is %v", name, value)
	}
	return nil
}

func (e Event) checkNoise(parameter string) error {
	if e.Mechanism.discrete() && e.Sensitivity != math.Trunc(e.Sensitivity) {
		return refuse("state sensitivity and "+parameter+" in steps of the lattice", "sensitivity is %v, and %s adds whole numbers", e.Sensitivity, e.Mechanism)
	}
	if e.ratio() > maxRatio {
		return refuse("state a larger "+parameter, "%s is %v, which hides nothing of a sensitivity of %v", parameter, e.Parameter, e.Sensitivity)
	}
	return nil
}

// ratio is the sensitivity in units of the noise.
func (e Event) ratio() float64 { return e.Sensitivity / e.Parameter }

// sampled says whether the event sees a sample of the units.
func (e Event) sampled() bool { return e.SamplingProbability < 1 }

// written is an event as a file has it: what is left out is not zero.
type written struct {
	Mechanism           *Mechanism `json:"mechanism"`
	Sigma               *float64   `json:"sigma"`
	Scale               *float64   `json:"scale"`
	Epsilon             *float64   `json:"epsilon"`
	Rho                 *float64   `json:"rho"`
	Sensitivity         *float64   `json:"sensitivity"`
	SamplingProbability *float64   `json:"sampling_probability"`
	Count               *float64   `json:"count"`
}

// ReadEvents reads a JSON list of events and checks each. An error names the
// event as events[N], counted from 0.
func ReadEvents(r io.Reader) ([]Event, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, refuse("write equal events once, with a count", "the file has more than %d bytes", maxFile)
	}
	var all []jsontext
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, refuse(`write a list such as [{"mechanism":"gaussian","sigma":2,"count":10}]`, "the file is no JSON list of events: %s", reason(err))
	}
	events := make([]Event, 0, len(all))
	for i, one := range all {
		e, err := readEvent(one)
		if err != nil {
			return nil, numbered(i, err)
		}
		events = append(events, e)
	}
	return events, checkAll(events)
}

// jsontext is one element, read in a second step to say which one is wrong.
type jsontext []byte

// UnmarshalJSON keeps the text.
func (j *jsontext) UnmarshalJSON(text []byte) error {
	*j = append((*j)[:0], text...)
	return nil
}

func readEvent(text []byte) (Event, error) {
	var w written
	if err := json.Unmarshal(text, &w, json.RejectUnknownMembers(true)); err != nil {
		return Event{}, refuse("an event has mechanism, one of sigma, scale, epsilon and rho, and perhaps sensitivity, sampling_probability and count", "it cannot be read: %s", reason(err))
	}
	if w.Mechanism == nil {
		return Event{}, refuse("name one of "+known, "no mechanism is named")
	}
	e := Event{Mechanism: *w.Mechanism, Sensitivity: 1, SamplingProbability: 1, Count: 1}
	takes := e.Mechanism.parameter()
	if takes == "" {
		return Event{}, e.Check()
	}
	for name, v := range map[string]*float64{"sigma": w.Sigma, "scale": w.Scale, "epsilon": w.Epsilon, "rho": w.Rho} {
		switch {
		case name == takes && v == nil:
			return Event{}, refuse("state "+takes, "%s has no %s", e.Mechanism, takes)
		case name == takes:
			e.Parameter = *v
		case v != nil:
			return Event{}, refuse("leave "+name+" out, and state "+takes, "%s takes no %s", e.Mechanism, name)
		}
	}
	if w.Sensitivity != nil {
		e.Sensitivity = *w.Sensitivity
	}
	if w.SamplingProbability != nil {
		e.SamplingProbability = *w.SamplingProbability
	}
	if w.Count != nil {
		if *w.Count != math.Trunc(*w.Count) || *w.Count < 1 || *w.Count > maxCount {
			return Event{}, refuse(fmt.Sprintf("state a whole number between 1 and %d", maxCount), "count is %v", *w.Count)
		}
		e.Count = int64(*w.Count)
	}
	return e, e.Check()
}

// reason is what a JSON reader says, in words that name no type of ours.
func reason(err error) string {
	var where *json.SemanticError
	if !errors.As(err, &where) {
		text := err.Error()
		if at := strings.Index(text, ": "); at >= 0 && strings.HasPrefix(text, "json") {
			return text[at+2:]
		}
		return text
	}
	at := strings.TrimPrefix(string(where.JSONPointer), "/")
	if at != "" {
		at = " at " + short(at)
	}
	if where.Err != nil {
		return where.Err.Error() + at
	}
	return "another kind of value is expected" + at
}

func numbered(i int, err error) error {
	if known, ok := err.(*Error); ok { //nolint:errorlint // made a line above, never wrapped
		return &Error{fmt.Sprintf("events[%d]: %s", i, known.Problem), known.Remedy}
	}
	return err
}

// checkAll refuses a list that cannot be planned.
func checkAll(events []Event) error {
	if len(events) == 0 {
		return refuse("list at least one event", "there are no events")
	}
	if len(events) > maxEvents {
		return refuse("write equal events once, with a count", "there are more than %d events", maxEvents)
	}
	for i, e := range events {
		if err := e.Check(); err != nil {
			return numbered(i, err)
		}
	}
	return nil
}
