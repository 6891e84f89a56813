package exposure

import (
	"bytes"
	"encoding/json"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/account"
)

// mostPlanned bounds the kinds of event that a site plans for somebody: a larger
// plan is computed by `anchorhold ledger plan`, which asks none.
const mostPlanned = 100

// Planned is a plan of package account, as it is told.
type Planned struct {
	Delta float64      `json:"delta"`
	Pure  PlannedBound `json:"pure"`
	ZCDP  PlannedBound `json:"zcdp"`
	RDP   PlannedBound `json:"rdp"`
	PLD   PlannedBound `json:"pld"`
}

// PlannedBound is an upper bound on ε, or the reason why there is none.
type PlannedBound account.Bound

// Plan bounds what events cost together that are all fixed before the first.
func Plan(events []any, delta float64) (Planned, error) {
	if len(events) > mostPlanned {
		return Planned{}, anchorhold.Errorf(anchorhold.TooLarge, "write equal events once, with a count; or run: anchorhold ledger plan", "there are more than %d events", mostPlanned)
	}
	text, err := json.Marshal(events)
	if err != nil {
		return Planned{}, err
	}
	read, err := account.ReadEvents(bytes.NewReader(text))
	if err != nil {
		return Planned{}, refused(err)
	}
	plan, err := account.NewPlan(read, delta)
	if err != nil {
		return Planned{}, refused(err)
	}
	return Planned{plan.Delta, PlannedBound(plan.Pure), PlannedBound(plan.ZCDP), PlannedBound(plan.RDP), PlannedBound(plan.PLD)}, nil
}
