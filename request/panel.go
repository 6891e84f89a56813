package request

import (
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// Panel is who has to decide on a request, or on the release of an output: of
// each dataset concerned as many people as its quorum asks, none of them the
// author, and each once. All have to approve; one denial refuses.
type Panel struct {
	author    string
	datasets  []anchorhold.Dataset // by name
	decisions []anchorhold.Decision
}

// PanelOf are those who decide on a request in its present opening.
func PanelOf(tx store.Tx, r anchorhold.Request) (Panel, error) {
	p, err := newPanel(tx, r)
	for _, d := range r.Decisions {
		if d.Opening == r.Opening {
			p.decisions = append(p.decisions, d)
		}
	}
	return p, err
}

// ReleasePanel are those who decide on the release of an output of a request.
// Lines are read before the code runs, not again.
func ReleasePanel(tx store.Tx, r anchorhold.Request, rel anchorhold.Release) (Panel, error) {
	p, err := newPanel(tx, r)
	for i := range p.datasets {
		p.datasets[i].Review = anchorhold.AnyReview
	}
	p.decisions = rel.Decisions
	return p, err
}

func newPanel(tx store.Tx, r anchorhold.Request) (p Panel, err error) {
	p.author = r.Author
	for _, name := range datasets(r.Assets) {
		d, err := tx.DatasetHead(name)
		if err != nil {
			return p, err
		}
		p.datasets = append(p.datasets, d)
	}
	return p, nil
}

// Admit gives the names of the datasets that somebody decides for: the one that
// they name, or all. It refuses the author, and who has decided already.
func (p Panel) Admit(who anchorhold.Principal, dataset string) (names []string, err error) {
	if samePerson(p.author, who.ID) {
		return nil, anchorhold.Errorf(anchorhold.Denied, "another owner or reviewer has to decide", "nobody decides on their own request")
	}
	for _, d := range p.datasets {
		if dataset != "" && d.Name != dataset {
			continue
		}
		if p.Decided(who.ID, d.Name) {
			return nil, anchorhold.Errorf(anchorhold.Conflict, "another person's word is needed", "you have already decided on this")
		}
		names = append(names, d.Name)
	}
	if len(names) == 0 {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "name one of its datasets", "it does not use the dataset %q", dataset)
	}
	return names, nil
}

// With is the panel after further decisions.
func (p Panel) With(more ...anchorhold.Decision) Panel {
	p.decisions = append(slices.Clone(p.decisions), more...)
	return p
}

// Decided says whether somebody has decided for a dataset.
func (p Panel) Decided(who, dataset string) bool {
	return slices.ContainsFunc(p.decisions, func(d anchorhold.Decision) bool {
		return d.Dataset == dataset && samePerson(d.Decider, who)
	})
}

// Approved says whether nobody denied and every dataset has its quorum.
func (p Panel) Approved() bool {
	denied := slices.ContainsFunc(p.decisions, func(d anchorhold.Decision) bool { return d.Verdict == anchorhold.Deny })
	return !denied && len(p.datasets) > 0 && len(p.Waits()) == 0
}

// Waits lists the datasets whose quorum is not reached.
func (p Panel) Waits() (out []anchorhold.Wait) {
	for _, d := range p.datasets {
		if n := p.approvals(d); n < max(d.Quorum, 1) {
			out = append(out, anchorhold.Wait{Dataset: d.Name, Approvals: n, Quorum: max(d.Quorum, 1), Review: d.Review})
		}
	}
	return out
}

// approvals counts who approved for a dataset, under the rule of review that
// holds now.
func (p Panel) approvals(on anchorhold.Dataset) (n int) {
	for _, d := range p.decisions {
		if d.Dataset == on.Name && d.Verdict == anchorhold.Approve && (d.Review == on.Review || on.Review == anchorhold.AnyReview) {
			n++
		}
	}
	return n
}

// samePerson counts everybody who acts on the site's machine as one person:
// whoever may become one of its accounts may become another.
func samePerson(a, b string) bool {
	return a == b || strings.HasPrefix(a, "local:") && strings.HasPrefix(b, "local:")
}
