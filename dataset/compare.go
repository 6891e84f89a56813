package dataset

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/policy"
)

// compare reads an open mock and refuses it when it is not like the private
// side, or holds anything copied from it, unless its owner accepts exactly that.
func (s *Service) compare(ctx context.Context, p policy.Permit, d *draft, f *os.File, format string, said NewMock) (catalog.MockFile, error) {
	if err := plain("reason", said.OverrideCommon, false); err != nil {
		return catalog.MockFile{}, err
	}
	m, err := s.like(ctx, d, f, format, said.Accept, catalog.Unseen(d.version))
	if err != nil {
		return m, err
	}
	found, err := s.inCommon(ctx, d, descriptor(f), catalog.ReadOptions{Missing: d.version.Missing, Format: format, Opener: s.Opener})
	reason := strings.TrimSpace(said.OverrideCommon)
	switch {
	case err != nil:
		return m, err
	case len(found) > 0 && reason == "":
		return m, anchorhold.Errorf(anchorhold.Conflict,
			"have one made from the card instead: --mock "+d.asset+"=generate; or, where that is as it should be, say why: --override-common "+d.asset+"=REASON (from Python: override_common={\""+d.asset+"\": ...})",
			"the mock of %q may not be published: %s", d.asset, strings.Join(found, "; "))
	case len(found) > 0:
		d.common = &anchorhold.MockCommon{Reason: reason, By: p.Principal().Name(), Found: found}
	case reason != "":
		return m, nothingInCommon(d.asset)
	}
	return m, nil
}

func nothingInCommon(asset string) error {
	return anchorhold.Errorf(anchorhold.Conflict, "leave --override-common out", "the mock of %q has nothing in common with the private side that would have to be overridden", asset)
}

// like refuses a mock that is not like the private side, but for differences
// that its owner accepts, or accepted of the version before. unseen says why not
// all could be compared, of a mock that was not made here.
func (s *Service) like(ctx context.Context, d *draft, f *os.File, format string, accept []string, unseen string) (catalog.MockFile, error) {
	side := catalog.Side{Format: d.version.Private.Format, Columns: d.version.Columns, Nulls: d.nulls, Unseen: unseen}
	if c, ok := catalog.FormatNamed(side.Format); ok {
		side.Format = c.Format().Mocks()
	} else if d.version.Live {
		side.Format = "" // a database has none
	}
	m, differences, err := catalog.CompareMock(ctx, side, descriptor(f), catalog.ReadOptions{Missing: d.version.Missing, Format: format, Opener: s.Opener})
	if err != nil {
		return m, err
	}
	var said, flags []string
	known := map[string]bool{}
	for _, diff := range differences {
		if _, odd := d.column(diff.Column).Fact(anchorhold.FaultFormat); odd && d.kept && diff.What == catalog.DiffType {
			continue // as its owner stated it
		}
		found := anchorhold.MockDifference{Code: diff.Code(d.asset), Text: diff.String()}
		known[found.Code] = true
		switch {
		case slices.Contains(accept, found.Code):
			d.accepted, d.anew = append(d.accepted, found), append(d.anew, found)
		case slices.Contains(d.former, found):
			d.accepted = append(d.accepted, found)
		default:
			said = append(said, found.Code+" ("+found.Text+")")
			flags = append(flags, "--accept-difference "+found.Code)
		}
	}
	if len(said) > 0 {
		return m, anchorhold.Errorf(anchorhold.Conflict,
			"mend the mock, have one made with --mock "+d.asset+"=generate, or accept each of these, too, by its code: "+listed(flags, " ")+" (from Python: accept_differences=[...])",
			"the mock of %q is not like the private side: %s", d.asset, listed(said, "; "))
	}
	for _, code := range accept {
		if !known[code] {
			return m, anchorhold.Errorf(anchorhold.Invalid, "leave it out, or check the code", "the mock of %q has no difference %q to accept", d.asset, show(code))
		}
	}
	return m, nil
}

// inCommon says what a mock has in common with the private side, or that it could
// not be told: rows, identifiers, copied columns.
func (s *Service) inCommon(ctx context.Context, d *draft, path string, read catalog.ReadOptions) ([]string, error) {
	if d.version.Live {
		return []string{"its rows could not be compared with the private ones, which stay in their database"}, nil
	}
	b, err := s.Blobs.Open(d.version.Private.Index)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	index, err := disclosure.OpenIndex(s.IndexKey, b, b.Size())
	if err != nil {
		return nil, err
	}
	checks, err := catalog.CheckMock(ctx, index, path, read)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, c := range checks {
		if c.Name != disclosure.CheckSmallGroups && c.Result != anchorhold.CheckPassed {
			found = append(found, c.Name+": "+c.Detail)
		}
	}
	return found, nil
}

// What is written of one act of registering: entries of the audit log have a
// largest size, and the version itself holds all.
const maxDetail = 3000 // bytes

// details are what the audit log says of a new version.
func (d *draft) details(dataset string) map[string]string {
	out := map[string]string{"dataset": dataset, "asset": d.asset}
	if d.version.Live {
		at := d.version.Private.Database
		out["database"], out["table"] = at.Server, at.Schema+"."+at.Table
	}
	if len(d.confirmed) > 0 {
		out["confirmed facts"] = listed(d.confirmed, ", ")
	}
	if len(d.anew) > 0 {
		out["accepted differences"] = listed(codes(d.anew), ", ")
	}
	if d.common != nil {
		out["override-common"], out["in common"] = d.common.Reason, listed(d.common.Found, "; ")
	}
	return out
}

// discloses says what everybody who sees the card or the mock learns of the
// private side, in a sentence for each entry of the ledger.
func (d *draft) discloses(dataset string) (out []string) {
	name := dataset + "/" + d.asset
	if len(d.confirmed) > 0 {
		out = append(out, "facts measured from the private side of "+name+" were confirmed for its card and mock: "+strings.Join(d.confirmed, ", "))
	}
	var nulls []anchorhold.MockDifference
	for _, diff := range d.anew {
		if diff.SpeaksOfNulls() {
			nulls = append(nulls, diff)
		}
	}
	if len(nulls) > 0 {
		out = append(out, "which columns of "+name+" have missing values is told by the differences of its mock that were accepted: "+strings.Join(codes(nulls), ", "))
	}
	if d.common != nil {
		out = append(out, "the mock of "+name+" was published though it shares something with the private side ("+strings.Join(d.common.Found, "; ")+"): "+d.common.Reason)
	}
	return out
}

func codes(all []anchorhold.MockDifference) (out []string) {
	for _, d := range all {
		out = append(out, d.Code)
	}
	return out
}

// listed joins texts, and counts those for which there is no room.
func listed(all []string, between string) string {
	var out strings.Builder
	for i, text := range all {
		if out.Len()+len(text) > maxDetail {
			fmt.Fprintf(&out, "%sand %d more", between, len(all)-i)
			break
		}
		if i > 0 {
			out.WriteString(between)
		}
		out.WriteString(text)
	}
	return out.String()
}

// show shortens what a person typed for an error message.
func show(text string) string {
	if len(text) > 300 {
		return text[:300] + "..."
	}
	return text
}
