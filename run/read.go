package run

import (
	"context"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/run/job"
	"github.com/anchorhold/anchorhold/run/lint"
)

// readTime bounds the reading of code, which is a mebibyte at most.
const readTime = time.Minute

// reading is what was found in code, by the code's digest.
type reading struct {
	digest string
	lint   anchorhold.Lint
}

// read has the code of a request read for its reviewers, in a session of its
// own: in that of the code itself its author would have a say. A reader that
// fails is something to tell the reviewers, not a failure of the run.
func (s *Service) read(ctx context.Context, t *task, env pyenv.Env) (*reading, error) {
	code, err := digest.Code(t.code)
	if err != nil {
		return nil, err
	}
	l, err := s.findings(ctx, t, env)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		l = lint.Unreadable(t.code.Files)
	}
	return &reading{code, l}, nil
}

func (s *Service) findings(ctx context.Context, t *task, env pyenv.Env) (anchorhold.Lint, error) {
	id := "read-" + t.run.ID
	limits := s.Limits
	limits.Wall, limits.CPUTime = min(limits.Wall, readTime), min(limits.CPUTime, readTime)
	j := job.Job{Outputs: []output.Declared{{Name: "findings", Kind: output.KindJSON}}}
	var err error
	if j.Files, j.Entry, j.Values, err = lint.Job(t.code); err != nil {
		return anchorhold.Lint{}, err
	}
	j.Limits = limits
	parser := s.startParser(ctx, id)
	defer parser.end()
	session, err := s.Boxes.Start(ctx, s.kind(env), id, limits)
	if err != nil {
		return anchorhold.Lint{}, err
	}
	defer session.Kill()
	answer, err := job.Run(ctx, session, j, nil)
	if err != nil || !answer.Manifest.OK {
		return anchorhold.Lint{}, anchorhold.Errorf(anchorhold.Invalid, "", "the reader did not answer").Because(err)
	}
	reading, err := parser.client()
	if err != nil {
		return anchorhold.Lint{}, err
	}
	entry := answer.Manifest.Outputs[0]
	frozen, _, err := reading.Parse(ctx, entry, answer.Files[entry.File], j.Outputs[0], output.Limits{})
	if err != nil {
		return anchorhold.Lint{}, err
	}
	return lint.Parse(frozen.Data, t.code.Files)
}
