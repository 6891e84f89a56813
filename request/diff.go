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
	Base string `json:"base"` // id of the earlier request; empty when there is none
	Text string `json:"text"` // unified diff over all files, values, versions and purpose
}

// historyDepth is how many of an author's requests are looked through for the
// one that a new version is compared with.
const historyDepth = 200

// DiffToLast compares a request's code with the author's newest earlier request
// of the same entry function: an approved one if there is any, since that is
// what somebody has read, otherwise the newest.
// Those that the reader may not see are passed over.
func DiffToLast(tx store.Tx, r anchorhold.Request, sees func(anchorhold.Request) bool) (Diff, error) {
	earlier, _, err := tx.ListRequests(store.RequestFilter{Author: r.Author}, store.Page{Limit: historyDepth})
	if err != nil {
		return Diff{}, err
	}
	earlier = slices.DeleteFunc(earlier, func(e anchorhold.Request) bool {
		return e.ID == r.ID || e.Created.After(r.Created) || e.Code.Entry != r.Code.Entry || !sees(e)
	})
	if len(earlier) == 0 {
		return Diff{Text: unified(nil, r.Code.Files)}, nil
	}
	base := earlier[0]
	for _, e := range earlier {
		if slices.ContainsFunc(e.Decisions, func(d anchorhold.Decision) bool { return d.Verdict == anchorhold.Approve }) {
			base = e
			break
		}
	}
	if base, err = tx.Request(base.ID); err != nil { // a list leaves the code out
		return Diff{}, err
	}
	return Diff{Base: base.ID, Text: unified(append(base.Code.Files, asked(base)), append(r.Code.Files, asked(r)))}, nil
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
		fmt.Fprintf(&b, "output %s: %s\n", o.Name, o.Kind)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Values)) {
		fmt.Fprintf(&b, "value %s = %s\n", name, r.Values[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Assets)) {
		a := r.Assets[name]
		fmt.Fprintf(&b, "data %s = %s/%s, version %s\n", name, a.Dataset, a.Asset, a.Version)
	}
	fmt.Fprintf(&b, "environment %s\npurpose %s\n", r.Code.Environment, r.Purpose)
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
