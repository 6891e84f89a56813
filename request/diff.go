package request

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff is what changed in a request's code since an earlier one.
type Diff struct {
	Base     string `json:"base"`     // id of the earlier request; empty when there is none
	Approved bool   `json:"approved"` // everybody who had to decide has approved the earlier one
	Text     string `json:"text"`     // unified diff over all files, values, versions and purpose
}

// historyDepth is how many of an author's requests are looked through for the
// one that a new version is compared with, where none was approved.
const historyDepth = 200

// DiffToLast compares a request with the author's last approved version of the
// same entry function, which is what everybody who had to has read; where there
// is none, with the newest earlier one. Those that the reader may not see are
// passed over.
func DiffToLast(tx store.Tx, r anchorhold.Request, sees func(anchorhold.Request) bool) (Diff, error) {
	comparesTo := func(e anchorhold.Request) bool {
		return e.ID != r.ID && e.Author == r.Author && !e.Created.After(r.Created) && e.Code.Entry == r.Code.Entry && e.Forgotten == nil && sees(e)
	}
	base, approved, err := lastApproved(tx, r, comparesTo)
	if err == nil && !approved {
		base, err = lastAsked(tx, r, comparesTo)
	}
	if err != nil {
		return Diff{}, err
	}
	if base == "" {
		return Diff{Text: unified(nil, r.Code.Files)}, nil
	}
	before, err := tx.Request(base)
	if err != nil {
		return Diff{}, err
	}
	return Diff{Base: base, Approved: approved, Text: unified(append(before.Code.Files, asked(before)), append(r.Code.Files, asked(r)))}, nil
}

// lastApproved finds the newest grant that was decided on a request of the
// author's to compare with. One approval of several makes no grant.
func lastApproved(tx store.Tx, r anchorhold.Request, comparesTo func(anchorhold.Request) bool) (id string, found bool, err error) {
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		grants, next, err := tx.ListGrants(store.GrantFilter{People: []string{r.Author}}, page)
		if err != nil {
			return "", false, err
		}
		for _, g := range grants {
			if g.Author != r.Author || g.Entry != r.Code.Entry || g.Request == r.ID {
				continue
			}
			e, err := tx.RequestHead(g.Request)
			if err != nil {
				return "", false, err
			}
			if comparesTo(e) {
				return e.ID, true, nil
			}
		}
		if next == "" {
			return "", false, nil
		}
		page.Cursor = next
	}
}

// lastAsked finds the author's newest request to compare with.
func lastAsked(tx store.Tx, r anchorhold.Request, comparesTo func(anchorhold.Request) bool) (string, error) {
	earlier, _, err := tx.ListRequests(store.RequestFilter{Author: r.Author}, store.Page{Limit: historyDepth})
	for _, e := range earlier {
		if comparesTo(e) {
			return e.ID, err
		}
	}
	return "", err
}

// asked is everything of a request but its code, as a file to compare: values,
// versions of the data and purpose matter to a decision as much as the code.
func asked(r anchorhold.Request) anchorhold.File {
	var b strings.Builder
	fmt.Fprintf(&b, "begins at %s\n", r.Code.Entry)
	for _, p := range r.Code.Parameters {
		fmt.Fprintf(&b, "parameter %s: %s", p.Name, p.Type)
		if p.Default != nil {
			fmt.Fprintf(&b, ", by default %s", p.Default)
		}
		b.WriteString("\n")
	}
	for _, o := range r.Code.Outputs {
		fmt.Fprintf(&b, "output %s: %s", o.Name, o.Kind)
		if o.Sensitivity != "" {
			fmt.Fprintf(&b, ", %s", o.Sensitivity)
		}
		b.WriteString("\n")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Values)) {
		fmt.Fprintf(&b, "value %s = %s\n", name, r.Values[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Assets)) {
		a := r.Assets[name]
		fmt.Fprintf(&b, "data %s = %s/%s, version %s\n", name, a.Dataset, a.Asset, a.Version)
	}
	for _, what := range r.Expect.Words() {
		fmt.Fprintf(&b, "expects %s\n", what)
	}
	fmt.Fprintf(&b, "environment %s\npurpose %s\n", r.Code.Environment, r.Purpose)
	if r.Study != "" {
		fmt.Fprintf(&b, "study %s\n", r.Study)
	}
	return anchorhold.File{Path: "(what is asked)", Text: b.String()}
}

// unified is the diff of two sets of files by path.
func unified(before, after []anchorhold.File) string {
	texts := map[string][2]string{}
	for _, f := range before {
		texts[f.Path] = [2]string{f.Text, ""}
	}
	for _, f := range after {
		texts[f.Path] = [2]string{texts[f.Path][0], f.Text}
	}
	paths := make([]string, 0, len(texts))
	for p := range texts {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	var b strings.Builder
	for _, p := range paths {
		fmt.Fprintf(&b, "%s", diff.Diff("before/"+p, []byte(texts[p][0]), "after/"+p, []byte(texts[p][1])))
	}
	return b.String()
}
