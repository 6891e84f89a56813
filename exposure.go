package anchorhold

import "time"

// ExposureScope says what a limit of exposure, or a running sum, counts. All of
// one population; who asks is one of many who may tell each other everything.
type ExposureScope string

// The scopes.
const (
	LimitPopulation  ExposureScope = "population"  // all answers to anybody
	LimitResearcher  ExposureScope = "researcher"  // answers to one person; a limit without a name holds for each
	LimitStudy       ExposureScope = "study"       // answers in one study; a limit without a name holds for each
	LimitExploration ExposureScope = "exploration" // all answers outside of studies
	LimitQuestion    ExposureScope = "question"    // one answer; nothing is summed
)

// ExposureAccount names a running sum.
type ExposureAccount struct {
	Population string        `json:"population"`
	Scope      ExposureScope `json:"scope"`
	Name       string        `json:"name,omitempty"` // principal id, or study
}

// ExposureLimit is the most that may be learnt in an account. Its numbers are
// decimal texts: what was stated, and what follows from it once and for all.
type ExposureLimit struct {
	ExposureAccount

	Epsilon    string    `json:"epsilon"`
	Delta      string    `json:"delta"`                // "0": in pure ε, for mechanisms without a δ
	Conversion string    `json:"conversion,omitempty"` // the part of δ by which ρ is converted to ε
	Rho        string    `json:"rho,omitempty"`        // what ρ may come to, where δ is not 0
	Set        time.Time `json:"set"`
	By         string    `json:"by"`
	Reason     string    `json:"reason,omitempty"`
}

// Exposed is a running sum in the units of package dp/account: 10⁻¹² of ε and ρ,
// 10⁻¹⁸ of δ. Pure, Rho and Delta are what limits count; Plain and PlainDelta
// add up what each answer was priced at, so that anybody can check by addition.
type Exposed struct {
	Pure, Rho, Delta  int64
	Plain, PlainDelta int64
}
