package release

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/receipt"
	"github.com/anchorhold/anchorhold/store"
)

// facts are everything that a receipt says, read in one transaction.
type facts struct {
	release     anchorhold.Release
	output      anchorhold.Output
	run         anchorhold.Run
	request     anchorhold.Request
	grant       anchorhold.Grant
	granted     anchorhold.Request // on which the grant was decided: the same, unless the grant is a standing one
	assets      []receipt.Asset
	populations []string // sorted
}

func gather(tx store.Tx, rel anchorhold.Release) (f facts, err error) {
	f.release = rel
	if f.output, err = tx.Output(rel.Output); err != nil {
		return f, err
	}
	if f.run, err = tx.Run(f.output.Run); err != nil {
		return f, err
	}
	if f.request, err = tx.Request(rel.Request); err != nil {
		return f, err
	}
	if f.grant, err = tx.Grant(f.run.Grant); err != nil {
		return f, err
	}
	if f.granted, err = tx.Request(f.grant.Request); err != nil {
		return f, err
	}
	for parameter, ref := range f.request.Assets {
		_, v, err := tx.Version(ref.Version)
		if err != nil {
			return f, err
		}
		d, err := tx.Dataset(ref.Dataset)
		if err != nil {
			return f, err
		}
		f.assets = append(f.assets, receipt.Asset{
			Parameter: parameter, Dataset: ref.Dataset, Asset: ref.Asset, Version: ref.Version, Commitment: v.Commitment,
		})
		f.populations = append(f.populations, d.Population)
	}
	slices.Sort(f.populations)
	f.populations = slices.Compact(f.populations)
	return f, nil
}

// sign makes the signed envelope and the digest that the log entry commits to.
func (s *Service) sign(f facts) (envelope []byte, digest string, err error) {
	st := receipt.New(f.output.Name, f.output.SHA256, receipt.Predicate{
		Site: s.Keys.Origin(),
		Request: receipt.Request{
			ID: f.request.ID, Digest: f.request.Digest, CodeDigest: f.request.CodeDigest,
			Purpose: f.request.Purpose, Author: f.request.AuthorName, Study: f.request.Study,
		},
		Assets:      f.assets,
		Environment: receipt.Environment{Lock: f.request.Code.Environment, Built: f.run.Environment, Python: f.run.Python},
		Run: receipt.Run{
			ID: f.run.ID, Boundary: f.run.Boundary, Started: at(f.run.Started), Finished: at(f.run.Finished),
		},
		Decisions: decisionsOf(f), Checks: checksOf(f.output), Exposure: exposureOf(f),
		Release: receipt.Release{
			ID: f.release.ID, Decider: deciderOf(f.release), At: at(f.release.Decided),
			Automatic: anchorhold.IsID(anchorhold.PrefixGrant, f.release.Decider),
		},
		Output: receipt.Output{Kind: f.output.Kind, Python: f.output.Python, Media: f.output.Media, Size: f.output.Size},
		Facts:  append(factsOf(f), moreOf(f)...),
	})
	sealed, err := receipt.Sign(st, s.Keys)
	if err != nil {
		return nil, "", err
	}
	envelope, err = json.Marshal(sealed.Envelope)
	return envelope, sealed.Digest, err
}

// decisionsOf lists the approvals that made the run's grant.
func decisionsOf(f facts) []receipt.Decision {
	var out []receipt.Decision
	for _, d := range f.granted.Decisions {
		if d.Verdict == anchorhold.Approve && d.Opening == f.grant.Opening {
			out = append(out, receipt.Decision{Dataset: d.Dataset, Verdict: d.Verdict, Decider: d.DeciderName, Rule: d.Rule, At: d.Created})
		}
	}
	return out
}

// factsOf says what only a statement of version 2 can: that a standing grant,
// decided on an earlier request, let this one run, and who has read every line.
func factsOf(f facts) (out []receipt.Fact) {
	if f.granted.ID != f.request.ID {
		out = append(out, receipt.Fact{Name: "standing-grant", Text: "the decisions are on request " + f.granted.ID + ", as grant " + f.grant.ID})
	}
	for _, name := range f.grant.Read {
		var readers []string
		for _, d := range f.granted.Decisions {
			if d.Dataset == name && d.Opening == f.grant.Opening && d.Review == anchorhold.EveryLine {
				readers = append(readers, d.DeciderName)
			}
		}
		out = append(out, receipt.Fact{Name: "every-line:" + name, Text: "every line was read by " + strings.Join(readers, ", ")})
	}
	return append(out, releasedBy(f.release)...)
}

// releasedBy says of each dataset who let the output out, where one name cannot
// say it.
func releasedBy(rel anchorhold.Release) (out []receipt.Fact) {
	if len(deciders(rel.Decisions, "")) < 2 {
		return nil
	}
	var datasets []string
	for _, d := range rel.Decisions {
		datasets = append(datasets, d.Dataset)
	}
	slices.Sort(datasets)
	for _, name := range slices.Compact(datasets) {
		out = append(out, receipt.Fact{Name: "released-by:" + name, Text: "approved by " + strings.Join(deciders(rel.Decisions, name), ", ")})
	}
	return out
}

func checksOf(o anchorhold.Output) []receipt.Check {
	var out []receipt.Check
	for _, c := range o.Checks {
		out = append(out, receipt.Check{Name: c.Name, Result: c.Result})
	}
	return out
}

// exposureOf says what a decided release costs every population: nothing that
// can be bounded.
func exposureOf(f facts) []receipt.Exposure {
	var out []receipt.Exposure
	for _, p := range f.populations {
		out = append(out, receipt.Exposure{Class: anchorhold.ExposureUnbounded, Population: p, Amount: amountOf(f.output)})
	}
	return out
}

// amountOf is what can be counted of a disclosure that nobody can bound: rows of
// samples, otherwise nothing.
func amountOf(o anchorhold.Output) string {
	if o.Samples != nil {
		return fmt.Sprintf(`{"rows":%d}`, o.Samples.Rows)
	}
	return "{}"
}

// whatLeft names an output in the ledger.
func whatLeft(o anchorhold.Output) string {
	if o.Samples != nil {
		return fmt.Sprintf("%d rows of samples, output %s,", o.Samples.Rows, o.Name)
	}
	return "output " + o.Name
}

// moreOf is what a receipt says beyond its fixed members.
func moreOf(f facts) []receipt.Fact {
	var out []receipt.Fact
	add := func(name, text string) { out = append(out, receipt.Fact{Name: name, Text: text}) }
	if d := f.run.Deposit; d != nil {
		add("deposited", "made elsewhere and handed in by "+d.Name+" at "+d.At.UTC().Format(time.RFC3339)+"; nothing was run at this site")
	}
	if f.output.Sensitivity == anchorhold.Individual {
		add("sensitivity", "individual: it tells of single people, and a person let it out")
	}
	if s := f.output.Samples; s != nil {
		add("samples-rows", strconv.Itoa(s.Rows))
		add("samples-cap", strconv.Itoa(s.Cap))
		if len(s.Masked) > 0 { // their names may be hidden from whom the receipt is for
			add("samples-masked", "the site took out the columns that the data's owners mask")
		}
	}
	return out
}

func deciderOf(r anchorhold.Release) string {
	if anchorhold.IsID(anchorhold.PrefixGrant, r.Decider) {
		return r.Decider
	}
	return r.DeciderName
}

func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// Receipt makes the receipt file of an approved release: the signed statement,
// with the proof that the release is in the log as it is now.
func (s *Service) Receipt(ctx context.Context, id string) (file []byte, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		rel, err := tx.Release(id)
		if err != nil {
			return err
		}
		if rel.State != anchorhold.ReleaseApproved {
			return policy.Missing(policy.TypeRelease, id)
		}
		file, err = receipt.Complete(rel.Envelope, func(signers []string) (audit.Opening, error) {
			return s.Books.Opening(tx, s.Keys.VKey(), signers, rel.LogIndex)
		})
		return err
	})
	return file, err
}
