package catalog

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// Proposed is what a mock would reveal of the private side if its owner lets
// it: one or two facts that are confirmed together.
type Proposed struct {
	Code      string            `json:"code" doc:"by which it is confirmed, such as range:patients.age"`
	Says      string            `json:"says" doc:"what everybody who may see the mock would learn"`
	Asset     string            `json:"asset"`
	Column    string            `json:"column,omitempty"`
	Facts     []anchorhold.Fact `json:"facts"`
	Confirmed bool              `json:"confirmed,omitempty" doc:"it is on the card already"`
}

// What codes begin with where that is not the fact's name.
const codeRange = "range"

// Proposals lists measured facts as an owner is asked about them: of the asset,
// then of its columns. Columns without facts are passed over.
func Proposals(asset string, facts []anchorhold.Fact, columns []anchorhold.Column) []Proposed {
	var out []Proposed
	add := func(column string, facts []anchorhold.Fact) {
		of := asset
		if column != "" {
			of += "." + column
		}
		for i, f := range facts {
			if f.Provenance != anchorhold.Measured {
				continue
			}
			p := Proposed{Code: codeOf(f) + ":" + of, Asset: asset, Column: column, Facts: []anchorhold.Fact{f}}
			if f.Name == anchorhold.FactMax && i > 0 && facts[i-1].Name == anchorhold.FactMin && facts[i-1].Provenance == anchorhold.Measured {
				last := &out[len(out)-1]
				last.Facts = append(last.Facts, f)
				last.Says = sentence(of, last.Facts)
				continue
			}
			p.Says = sentence(of, p.Facts)
			out = append(out, p)
		}
	}
	add("", facts)
	for _, c := range columns {
		add(c.Name, c.Facts)
	}
	return out
}

func codeOf(f anchorhold.Fact) string {
	if f.Name == anchorhold.FactMin || f.Name == anchorhold.FactMax {
		return codeRange
	}
	return f.Name
}

// sentence says what somebody learns from a fact.
func sentence(of string, facts []anchorhold.Fact) string {
	f := facts[0]
	value := written(f.Value)
	switch f.Name {
	case anchorhold.FactRows:
		return fmt.Sprintf("%s has %s rows", of, value)
	case anchorhold.FactCategories:
		return fmt.Sprintf("%s has these values and no others: %s", of, strings.TrimSuffix(strings.TrimPrefix(value, "["), "]"))
	case anchorhold.FactMissingRate:
		rate, _ := f.Value.(float64)
		return fmt.Sprintf("of %s, %g %% is missing", of, math.Round(rate*1000)/10)
	case anchorhold.FactUnique:
		return fmt.Sprintf("no two rows share a value of %s", of)
	case anchorhold.FactPattern:
		return fmt.Sprintf("every value of %s is written like %v", of, f.Value)
	case anchorhold.FactReferences:
		return fmt.Sprintf("every value of %s is one of %v", of, f.Value)
	case anchorhold.FactMin:
		if len(facts) == 2 {
			return fmt.Sprintf("%s goes from %s to %s, which are somebody's", of, value, written(facts[1].Value))
		}
		return fmt.Sprintf("the smallest %s is %s, which is somebody's", of, value)
	case anchorhold.FactMax:
		return fmt.Sprintf("the largest %s is %s, which is somebody's", of, value)
	}
	return fmt.Sprintf("the %s of %s is %s", f.Name, of, value)
}

func written(v any) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return fmt.Sprint(v)
	}
	return strings.ReplaceAll(strings.TrimSuffix(out.String(), "\n"), `","`, `", "`)
}
