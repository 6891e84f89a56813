package dataset

import (
	"strings"
	"unicode"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/store"
)

// maxTerms bounds a search; each term is one look into the index.
const maxTerms = 32

// ParseSearch reads what a person typed into a search box: words, and
// column:NAME, tag:NAME and duo:CODE. Quotes keep what has spaces together:
// "heart failure", column:"blood pressure".
func ParseSearch(q string) (f store.DatasetFilter, err error) {
	terms, err := split(q)
	if err != nil {
		return f, err
	}
	for _, t := range terms {
		kind, rest, _ := strings.Cut(t, ":")
		switch kind {
		case "column":
			f.Columns = append(f.Columns, rest)
		case "tag":
			f.Tags = append(f.Tags, rest)
		case "duo":
			f.DUO = append(f.DUO, rest)
		default:
			f.Words = append(f.Words, t)
		}
	}
	return f, nil
}

// CheckSearch refuses a search that is too long, and writes its codes in their
// one form.
func CheckSearch(f *store.DatasetFilter) error {
	if len(f.Words)+len(f.Columns)+len(f.Tags)+len(f.DUO) > maxTerms {
		return anchorhold.Errorf(anchorhold.TooLarge, "search for less at once", "a search has at most %d terms", maxTerms)
	}
	for i, code := range f.DUO {
		term, err := catalog.FindDUO(code)
		if err != nil {
			return err
		}
		f.DUO[i] = term.Code
	}
	return nil
}

// split cuts at spaces outside of quotes.
func split(q string) (terms []string, err error) {
	var term strings.Builder
	quoted, begun := false, false
	end := func() {
		if begun && term.Len() > 0 {
			terms = append(terms, term.String())
		}
		term.Reset()
		begun = false
	}
	for _, r := range q {
		switch {
		case r == '"':
			quoted, begun = !quoted, true
		case unicode.IsSpace(r) && !quoted:
			end()
		default:
			begun = true
			term.WriteRune(r)
		}
	}
	if quoted {
		return nil, anchorhold.Errorf(anchorhold.Invalid, `close it, as in column:"blood pressure"`, "a quote in the search is open")
	}
	end()
	return terms, nil
}
