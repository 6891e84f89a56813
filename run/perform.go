package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/failpoint"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/run/job"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/warm"
	"github.com/anchorhold/anchorhold/store"
)

// task is everything that a claimed run needs, read in one transaction. The
// side of the run has been chosen by then: nothing in the task of a trial leads
// to a private side.
type task struct {
	run    anchorhold.Run
	code   anchorhold.Code
	values map[string]json.RawMessage
	expect *anchorhold.Resources // what it may use at most, beside the site's limits
	assets []asset               // sorted by parameter
	// readOnly: the code is read for its reviewers and not run.
	readOnly bool
	handed   []*os.File // what the sandbox is given
	sample   *anchorhold.SampleRule
	plain    bool // what is read may be of no runner
}

// asset is one asset that a run reads.
type asset struct {
	parameter string
	ref       anchorhold.AssetRef
	version   anchorhold.Version // of a trial: without its private side
	format    string
	content   *catalog.Content // open for the whole run: what is looked at is what is read
	seen      anchorhold.Stamp // when it was last looked at
	input     job.Input
	restamped bool // the stamp in version is newer than the stored one
}

func (a *asset) identity() catalog.Identity {
	p := a.version.Private
	return catalog.Identity{Stamp: p.Stamp, Secret: p.Secret, Label: a.ref.Dataset + "/" + a.ref.Asset, Commitment: a.version.Commitment}
}

// perform does a run from the files to checked outputs. It does not fail: how
// the run ended is the outcome.
func (s *Service) perform(ctx context.Context, run anchorhold.Run) outcome {
	o := outcome{state: anchorhold.RunFailed, phase: phasePreparing}
	if run.Attempt > maxAttempts {
		o.reason = fmt.Sprintf("the run was interrupted %d times and is given up", maxAttempts)
		return o
	}
	t, err := s.load(ctx, run)
	if err == nil {
		defer t.close()
		err = s.work(ctx, t, &o)
	}
	if err != nil {
		o.state, o.outputs = anchorhold.RunFailed, nil
		o.reason = reasonOf(err)
	} else {
		o.state, o.phase = anchorhold.RunDone, phaseEnding
	}
	return o
}

// reasonOf is an error as an owner reads it.
func reasonOf(err error) string {
	var e *anchorhold.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return "the site failed to execute the run"
}

// load reads what a run needs: for the private side from its request, whose
// grant must still stand, for the mock side from its trial.
func (s *Service) load(ctx context.Context, run anchorhold.Run) (t *task, err error) {
	t = &task{run: run}
	err = s.Books.View(ctx, func(tx store.Tx) error {
		if run.Side == anchorhold.SideMock {
			return t.loadTrial(tx)
		}
		if t.replay() {
			return t.loadReplay(tx)
		}
		g, err := tx.Grant(run.Grant)
		if err != nil {
			return err
		}
		if g.Ended(s.Books.Now()) {
			return anchorhold.Errorf(anchorhold.Denied, "see `anchorhold grant show "+g.ID+"`", "the grant of this run was revoked or suspended, or has expired")
		}
		r, err := tx.Request(run.Request)
		if err != nil {
			return err
		}
		t.code, t.values, t.expect = r.Code, r.Values, r.Expect
		return t.loadAssets(tx, r.Assets, (*asset).private)
	})
	return t, err
}

func (t *task) loadAssets(tx store.Tx, assets map[string]anchorhold.AssetRef, side func(*asset) error) (err error) {
	if request.WantsSamples(t.code) {
		if t.sample, err = request.SampleRuleOf(tx, assets); err != nil {
			return err
		}
	}
	for _, parameter := range slices.Sorted(maps.Keys(assets)) {
		ref := assets[parameter]
		_, v, err := tx.Version(ref.Version)
		if err != nil {
			return err
		}
		a := asset{parameter: parameter, ref: ref, version: v}
		if err := side(&a); err != nil {
			return err
		}
		t.assets = append(t.assets, a)
	}
	return nil
}

// private makes an asset one of a run on private data.
func (a *asset) private() error {
	if a.version.Private == nil {
		return anchorhold.Errorf(anchorhold.Unavailable, "run it where the data are", "the private side of an asset is not at this site")
	}
	a.format = a.version.Private.Format
	return nil
}

// Unchanged looks whether the private sides of assets are still what was
// registered, as a run would before it begins.
func (s *Service) Unchanged(ctx context.Context, assets []anchorhold.AssetRef) error {
	named := map[string]anchorhold.AssetRef{}
	for _, ref := range assets {
		named[ref.Version] = ref
	}
	t := &task{}
	defer t.close()
	err := s.Books.View(ctx, func(tx store.Tx) error { return t.loadAssets(tx, named, (*asset).private) })
	if err != nil {
		return err
	}
	return s.open(ctx, t)
}

// work does what the run is for: the code of a request that is tried is read
// first, and where it cannot be tried, that is all.
func (s *Service) work(ctx context.Context, t *task, o *outcome) (err error) {
	env, ok := s.Envs.Find(t.code.Environment)
	if !ok {
		return anchorhold.Errorf(anchorhold.Unavailable, "build it with `anchorhold env add` and run the request again",
			"the environment of this request is not built at this site")
	}
	o.env = env
	if t.trial() && t.run.Request != "" {
		if o.read, err = s.read(ctx, t, env); err != nil {
			return err
		}
	}
	if t.readOnly {
		return nil
	}
	return s.attempt(ctx, t, o)
}

// attempt runs the code and reads what it wrote.
func (s *Service) attempt(ctx context.Context, t *task, o *outcome) error {
	if err := s.open(ctx, t); err != nil {
		return err
	}
	if err := s.hand(ctx, t); err != nil {
		return err
	}
	// Beside the job, so that it is ready when the job ends.
	parser := s.startParser(ctx, t.run.ID)
	defer parser.end()
	o.phase = phaseRunning
	answer, err := s.runCode(ctx, t, o)
	if err != nil {
		return err
	}
	o.phase = phaseChecking
	failpoint.Hit("run/ran")
	if err := t.check(ctx); err != nil {
		return err
	}
	told := make(chan error, 1)
	go func() { told <- s.checking(ctx, t) }() // beside the checks: it waits for the disk
	reader, err := parser.client()
	if err == nil {
		err = s.take(ctx, t, reader, answer, o)
	}
	return errors.Join(err, <-told)
}

// restamp remembers new stamps of unchanged files (one that was registered
// just after it was written, or was copied back), so that the next run need not
// read them to the end again.
func (t *task) restamp(tx store.Tx) error {
	for _, a := range t.assets {
		if !a.restamped {
			continue
		}
		if err := tx.PutVersion(a.ref.Dataset, a.ref.Asset, a.version); err != nil {
			return err
		}
	}
	return nil
}

// parser is a session that parses a run's outputs, or is about to start.
type parser struct {
	started chan struct{} // closed when it has started, or failed to
	session sandbox.Session
	err     error
}

func (s *Service) startParser(ctx context.Context, id string) *parser {
	p := &parser{started: make(chan struct{})}
	go func() {
		defer close(p.started)
		p.session, p.err = s.Boxes.Start(ctx, s.parserKind(), "parse-"+id, parserLimits(s.Limits))
	}()
	return p
}

func (p *parser) client() (*output.Client, error) {
	<-p.started
	if p.err != nil {
		return nil, p.err
	}
	return output.NewClient(p.session.Conn()), nil
}

// end ends the session: it is over either way.
func (p *parser) end() {
	<-p.started
	if p.err == nil {
		p.session.Kill()
		_ = p.session.Conn().Close() // nothing more is read from it
	}
}

// What a parser costs that waits, and what it may take until then.
const (
	parserWaitCost   = 48 << 20
	parserWaitMemory = 256 << 20
	parserWaitCPU    = 20 * time.Second
	parserWaitTime   = time.Hour
)

// parserKind describes the sessions that parse outputs.
func (s *Service) parserKind() warm.Kind {
	argv := []string{parserPath, ParserArgument}
	return warm.Kind{
		Name: "parser of outputs",
		Spec: sandbox.Spec{
			Argv: argv, Env: []string{"GOMEMLIMIT=700MiB", "GOMAXPROCS=2"},
			Binds: []sandbox.Bind{{Host: s.Parser, Guest: parserPath}}, Bare: true, Limits: parserLimits(s.Limits),
		},
		Waiting: argv,
		Hold:    sandbox.Hold{Memory: parserWaitMemory, CPUTime: parserWaitCPU, Wall: parserWaitTime},
		Ready: func(ctx context.Context, session sandbox.Session) error {
			return output.NewClient(session.Conn()).Try(ctx)
		},
		Cost: parserWaitCost,
	}
}

// ParserArgument makes the program serve as the parser of outputs on its
// descriptor 3; parserPath is where it lies in the sandbox.
const (
	ParserArgument = "parse-outputs"
	parserPath     = "/anchorhold"
)

// parseTime is what the parser has for itself.
const parseTime = 2 * time.Minute

// parserLimits are the job's, with memory for a large table at least.
func parserLimits(l sandbox.Limits) sandbox.Limits {
	l.Memory = max(l.Memory, 1<<30)
	l.Wall += parseTime // it waits while the job runs
	l.TmpBytes, l.OutBytes, l.LogBytes = 1<<20, 1<<20, 64<<10
	return l
}

// killTime is how long the end of a session that has answered, or is being
// killed, is waited for.
const killTime = 30 * time.Second

// runCode runs the code in its sandbox and gives the files that came out.
func (s *Service) runCode(ctx context.Context, t *task, o *outcome) (job.Answer, error) {
	limits := t.limits(s.Limits)
	session, err := s.Boxes.Start(ctx, s.kind(o.env), t.run.ID, limits)
	if err != nil {
		return job.Answer{}, err
	}
	defer session.Kill()
	release := context.AfterFunc(ctx, session.Kill) // cancelled: nothing of it may go on
	defer release()
	answer, jobErr := job.Run(ctx, session, t.job(limits), t.handed)
	// Also of a run that was cancelled: it is being killed, and what it used counts.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTime)
	defer cancel()
	result, err := session.Wait(ending)
	if err != nil {
		return answer, err
	}
	o.boundary, o.usage = result.Boundary, result.Usage
	if ctx.Err() != nil {
		return answer, ctx.Err()
	}
	o.log = result.Log
	if result.LogTruncated {
		o.log = append(o.log, "\n(what was printed after this was not kept)\n"...)
	}
	switch {
	case result.Status != sandbox.OK && result.Status != sandbox.Failed:
		return answer, anchorhold.Errorf(anchorhold.Invalid, "see `anchorhold run logs "+t.run.ID+"`", "the run ended: %s", result.Reason)
	case jobErr != nil:
		return answer, jobErr
	case !answer.Manifest.OK:
		o.log = append(o.log, "\n"+answer.Manifest.Failure.Traceback+"\n"...)
		if t.trial() {
			o.failure = answer.Manifest.Failure.Traceback
		}
		return answer, anchorhold.Errorf(anchorhold.Invalid, "see `anchorhold run logs "+t.run.ID+"`", "the code raised an error")
	}
	return answer, nil
}

// job describes the run to the runner.
func (t *task) job(limits sandbox.Limits) job.Job {
	j := job.Job{
		Files: t.code.Files, Entry: t.code.Entry, Values: map[string]json.RawMessage{}, Outputs: t.declared(),
		Inputs: []job.Input{}, Limits: limits,
	}
	types := map[string]string{}
	for _, p := range t.code.Parameters {
		types[p.Name] = p.Type
		if v, ok := t.values[p.Name]; ok {
			j.Values[p.Name] = typed(p.Type, v)
		}
	}
	for _, a := range t.assets {
		in := a.input
		in.Type = types[a.parameter]
		j.Inputs = append(j.Inputs, in)
	}
	return j
}

// typed gives a value the type that its parameter declares.
func typed(kind string, v json.RawMessage) json.RawMessage {
	switch kind {
	case "float":
		return float(v)
	case "list[float]":
		var items []json.RawMessage
		if json.Unmarshal(v, &items) != nil {
			return v // checked at submission; the runner refuses anything else
		}
		for i := range items {
			items[i] = float(items[i])
		}
		if out, err := json.Marshal(items); err == nil {
			return out
		}
	}
	return v
}

// float writes a whole number as the floating-point number that a parameter
// asks for: JSON does not tell 5 from 5.0, Python does.
func float(v json.RawMessage) json.RawMessage {
	if bytes.ContainsAny(v, ".eE") || !bytes.ContainsAny(v, "0123456789") {
		return v
	}
	return append(bytes.Clone(v), ".0"...)
}

func columnsOf(columns []anchorhold.Column) []job.Column {
	out := make([]job.Column, len(columns))
	for i, c := range columns {
		out[i] = job.Column{Name: c.Name, Type: c.Type}
		if len(c.Fields) > 0 {
			out[i].Fields = columnsOf(c.Fields)
		}
	}
	return out
}

// declared are the outputs that the request may have.
func (t *task) declared() []output.Declared {
	var out []output.Declared
	for _, d := range t.code.Outputs {
		out = append(out, output.Declared{Name: d.Name, Kind: d.Kind})
	}
	return out
}

// checking tells people that the code has ended and its outputs are looked at.
func (s *Service) checking(ctx context.Context, t *task) error {
	return s.Books.Store.Update(ctx, func(tx store.Tx) error {
		if err := t.restamp(tx); err != nil {
			return err
		}
		run, err := tx.Run(t.run.ID)
		if err != nil {
			return err
		}
		if run.State != anchorhold.RunRunning {
			return errLost
		}
		run.State = anchorhold.RunChecking
		return tx.PutRun(run)
	})
}

// take parses, checks and freezes every output.
func (s *Service) take(ctx context.Context, t *task, parser *output.Client, answer job.Answer, o *outcome) error {
	tables, closeAll, err := s.indexes(t)
	defer closeAll()
	if err != nil {
		return err
	}
	for i, entry := range answer.Manifest.Outputs {
		declared := t.declared()[i]
		frozen, cells, err := parser.Parse(ctx, entry, answer.Files[entry.File], declared, t.outputLimits())
		if err != nil {
			return err
		}
		if t.replay() {
			o.outputs = append(o.outputs, hashed(frozen))
			continue
		}
		out, err := s.freeze(t.run, frozen)
		if err != nil {
			return err
		}
		params := disclosure.DefaultParams()
		params.Mock = t.trial()
		out.Checks = []anchorhold.Check{disclosure.KindAndSize(declared.Kind, frozen.Kind, out.Size, output.DefaultLimits().Bytes, frozen.Rows, params.MaxRows)}
		more, err := disclosure.Check(ctx, tables, cells, params)
		if err != nil {
			return err
		}
		out.Checks = append(out.Checks, t.unseen(more)...)
		t.noteSamples(&out, frozen)
		out.Sensitivity = t.code.Outputs[i].Tells()
		if t.trial() {
			out.Preview = preview(frozen, cells)
		}
		o.outputs = append(o.outputs, out)
	}
	failpoint.Hit("run/checked")
	return nil
}

// indexes opens the keyed index of every private table that the run could read.
func (s *Service) indexes(t *task) (tables []disclosure.Table, closeAll func(), err error) {
	var closers []func() error
	closeAll = func() {
		for _, c := range closers {
			_ = c() // opened for reading only
		}
	}
	for _, a := range t.assets {
		if t.trial() {
			break // a mock has no rows that an output might give away
		}
		b, err := s.Blobs.Open(a.version.Private.Index)
		if err != nil {
			return nil, closeAll, err
		}
		closers = append(closers, b.Close)
		index, err := disclosure.OpenIndex(s.IndexKey, b, b.Size())
		if err != nil {
			return nil, closeAll, err
		}
		tables = append(tables, disclosure.Table{Name: a.ref.Dataset + "/" + a.ref.Asset, Index: index, Mixed: catalog.Mixed(a.version)})
	}
	return tables, closeAll, nil
}

// freeze keeps the canonical bytes under their digest.
func (s *Service) freeze(run anchorhold.Run, c output.Canonical) (anchorhold.Output, error) {
	info, err := s.Blobs.Put(bytes.NewReader(c.Data), int64(len(c.Data)))
	if err != nil {
		return anchorhold.Output{}, err
	}
	return anchorhold.Output{
		ID: anchorhold.NewID(anchorhold.PrefixOutput), Run: run.ID, Name: c.Name, Kind: c.Kind, Python: c.Python,
		Media: c.Media, File: c.File, Size: info.Size, SHA256: info.SHA256, Blob: info.ID,
	}, nil
}

func (s *Service) putBlob(data []byte) (string, error) {
	info, err := s.Blobs.Put(bytes.NewReader(data), int64(len(data)))
	return info.ID, err
}
