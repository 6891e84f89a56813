package catalog

import (
	"slices"
	"strings"
)

// DUO is a term of the GA4GH Data Use Ontology: what data may be used for, or
// on which condition.
type DUO struct {
	Code      string `json:"code"`      // DUO:0000042
	Shorthand string `json:"shorthand"` // GRU
	Label     string `json:"label"`
}

// URL is the term's address in the ontology.
func (d DUO) URL() string {
	return "http://purl.obolibrary.org/obo/" + strings.Replace(d.Code, ":", "_", 1)
}

// DUOTerms lists the terms that a card may name: permissions, then modifiers,
// with the labels of the ontology.
func DUOTerms() []DUO {
	return []DUO{
		{"DUO:0000004", "NRES", "no restriction"},
		{"DUO:0000042", "GRU", "general research use"},
		{"DUO:0000006", "HMB", "health or medical or biomedical research"},
		{"DUO:0000007", "DS", "disease specific research"},
		{"DUO:0000011", "POA", "population origins or ancestry research only"},
		{"DUO:0000012", "RS", "research specific restrictions"},
		{"DUO:0000015", "NMDS", "no general methods research"},
		{"DUO:0000016", "GSO", "genetic studies only"},
		{"DUO:0000018", "NPUNCU", "not for profit, non commercial use only"},
		{"DUO:0000019", "PUB", "publication required"},
		{"DUO:0000020", "COL", "collaboration required"},
		{"DUO:0000021", "IRB", "ethics approval required"},
		{"DUO:0000022", "GS", "geographical restriction"},
		{"DUO:0000024", "MOR", "publication moratorium"},
		{"DUO:0000025", "TS", "time limit on use"},
		{"DUO:0000026", "US", "user specific restriction"},
		{"DUO:0000027", "PS", "project specific restriction"},
		{"DUO:0000028", "IS", "institution specific restriction"},
		{"DUO:0000029", "RTN", "return to database or resource"},
		{"DUO:0000043", "CC", "clinical care use"},
		{"DUO:0000044", "NPOA", "population origins or ancestry research prohibited"},
		{"DUO:0000045", "NPU", "not for profit organisation use only"},
		{"DUO:0000046", "NCU", "non-commercial use only"},
	}
}

// FindDUO finds a term by its code (DUO:0000042, DUO_0000042) or its shorthand
// (GRU), in any case.
func FindDUO(text string) (DUO, error) {
	want := strings.ToUpper(strings.TrimSpace(text))
	code := strings.Replace(want, "_", ":", 1)
	terms := DUOTerms()
	if i := slices.IndexFunc(terms, func(d DUO) bool { return d.Code == code || d.Shorthand == want }); i >= 0 {
		return terms[i], nil
	}
	return DUO{}, invalid("use a code such as DUO:0000042, or its shorthand, GRU; the list is in docs/cards.md",
		"%q is not a term of the Data Use Ontology that this site knows", clip(text, 40))
}
