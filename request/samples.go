package request

import (
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// kindSamples is the kind of output that holds rows of a private table.
const kindSamples = "samples"

// SampleRuleOf is what the owners of all datasets in a request allow together of
// samples: the fewest rows, without the columns that any of them masks. It is
// nil where one of them allows none.
func SampleRuleOf(tx store.Tx, assets map[string]anchorhold.AssetRef) (*anchorhold.SampleRule, error) {
	var rule *anchorhold.SampleRule
	for _, name := range datasets(assets) {
		d, err := tx.Dataset(name)
		if err != nil {
			return nil, err
		}
		if d.Samples == nil {
			return nil, nil
		}
		if rule == nil {
			rule = &anchorhold.SampleRule{Rows: d.Samples.Rows}
		}
		rule.Rows = min(rule.Rows, d.Samples.Rows)
		rule.Mask = append(rule.Mask, d.Samples.Mask...)
	}
	if rule != nil {
		slices.Sort(rule.Mask)
		rule.Mask = slices.Compact(rule.Mask)
	}
	return rule, nil
}

// WantsSamples says whether code declares samples.
func WantsSamples(code anchorhold.Code) bool {
	return slices.ContainsFunc(code.Outputs, func(o anchorhold.OutputDecl) bool { return o.Kind == kindSamples })
}

// checkSamples refuses at submission what would be refused after the run.
func checkSamples(tx store.Tx, r anchorhold.Request) error {
	if !WantsSamples(r.Code) {
		return nil
	}
	rule, err := SampleRuleOf(tx, r.Assets)
	if err == nil && rule == nil {
		err = anchorhold.Errorf(anchorhold.Conflict, "ask the owner to set how many rows may leave, or return a summary", "the owner of these data allows no samples")
	}
	return err
}
