package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/receipt"
	"github.com/anchorhold/anchorhold/store"
)

// replay says whether the run does another again.
func (t *task) replay() bool { return t.run.Side == anchorhold.SideReplay }

// Replay queues what a receipt of this site speaks of once more: the same code,
// values, versions of the data and environment. It needs no grant, since nothing
// of it can leave: what comes out is hashed, compared and forgotten. Its turn in the
// queue and its processor time are those of whoever replays, not the author's.
func (s *Service) Replay(ctx context.Context, p policy.Permit, file []byte) (anchorhold.Run, error) {
	st, err := receipt.Verify(file, s.Releases.Keys.VKey())
	if err != nil {
		return anchorhold.Run{}, err
	}
	run, err := books.On(ctx, s.Books, p, books.Runs(), func(tx store.Tx) (anchorhold.Run, books.Record, error) {
		run, err := s.again(tx, p.Principal(), st)
		if err != nil {
			return run, books.Record{}, err
		}
		return run, books.Record{Subject: run.ID, Details: about(run, "again", run.Replay.Run)}, tx.PutRun(run)
	})
	if err == nil {
		s.Wake()
	}
	return run, err
}

// again makes the run that does over what a statement says.
func (s *Service) again(tx store.Tx, who anchorhold.Principal, st receipt.Statement) (anchorhold.Run, error) {
	if st.Answer != nil {
		return anchorhold.Run{}, anchorhold.Errorf(anchorhold.Invalid, "ask the same question again: it has the same answer", "the receipt is of an answer with noise, which no run made")
	}
	gone := anchorhold.Errorf(anchorhold.Conflict, "use a receipt whose request is still in the books", "the site no longer knows what the receipt speaks of")
	before, err := tx.Run(st.Predicate.Run.ID)
	if errors.Is(err, store.ErrNotFound) {
		return before, gone
	}
	if err != nil {
		return before, err
	}
	r, err := tx.Request(before.Request)
	if err != nil {
		return before, err
	}
	if r.CodeDigest != st.Predicate.Request.CodeDigest || r.Digest != st.Predicate.Request.Digest {
		return before, gone
	}
	if r.Forgotten != nil {
		return before, anchorhold.Errorf(anchorhold.Conflict, "have its author submit it once more, and replay the receipt then", "the code was removed for its age")
	}
	if err := readable(tx, r); err != nil {
		return before, err
	}
	if r.Author == who.ID {
		return before, anchorhold.Errorf(anchorhold.Denied, "another owner has to", "nobody replays what they asked themselves: it shows what did not leave")
	}
	if before.Deposit != nil {
		return before, anchorhold.Errorf(anchorhold.Conflict, "run it again where it was made", "nothing was run at this site: the result was handed in")
	}
	replay := anchorhold.Replay{Run: before.ID, By: who.ID, Name: who.Name(), Release: st.Predicate.Release.ID, Environment: before.Environment, Outputs: []anchorhold.Replayed{}}
	for _, o := range before.Outputs {
		then := o.SHA256
		if o.Name == st.Subject[0].Name {
			then = st.Subject[0].Digest.SHA256
		}
		replay.Outputs = append(replay.Outputs, anchorhold.Replayed{Name: o.Name, Then: then})
	}
	return anchorhold.Run{
		ID: anchorhold.NewID(anchorhold.PrefixRun), Side: anchorhold.SideReplay, Request: r.ID, Opening: before.Opening, Study: before.Study,
		State: anchorhold.RunQueued, Queued: s.Books.Now(), Replay: &replay, Outputs: []anchorhold.Output{},
	}, nil
}

// readable refuses a request over a dataset that was withdrawn: its run would
// wait for ever.
func readable(tx store.Tx, r anchorhold.Request) error {
	for _, ref := range r.Assets {
		d, err := tx.DatasetHead(ref.Dataset)
		if err != nil {
			return err
		}
		if d.State == anchorhold.DatasetWithdrawn {
			return anchorhold.Errorf(anchorhold.Conflict, "nothing of it can be read any more", "the dataset %q was withdrawn", d.Name)
		}
	}
	return nil
}

// loadReplay reads a replay's request: the data are those of its versions, which
// are looked at before and after as for any run.
func (t *task) loadReplay(tx store.Tx) error {
	r, err := tx.Request(t.run.Request)
	if err != nil {
		return err
	}
	t.code, t.values, t.expect = r.Code, r.Values, r.Expect
	return t.loadAssets(tx, r.Assets, (*asset).private)
}

// hashed is all that is kept of a replay's output.
func hashed(c output.Canonical) anchorhold.Output {
	sum := sha256.Sum256(c.Data)
	return anchorhold.Output{Name: c.Name, SHA256: hex.EncodeToString(sum[:])}
}

// compared notes what came out this time.
func compared(replay *anchorhold.Replay, outputs []anchorhold.Output) *anchorhold.Replay {
	out := *replay
	out.Outputs = append([]anchorhold.Replayed{}, replay.Outputs...)
	for i := range out.Outputs {
		for _, o := range outputs {
			if o.Name == out.Outputs[i].Name {
				out.Outputs[i].Now, out.Outputs[i].Same = o.SHA256, o.SHA256 == out.Outputs[i].Then
			}
		}
	}
	return &out
}
