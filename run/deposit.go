package run

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/run/job"
	"github.com/anchorhold/anchorhold/store"
)

// notHere is the boundary of a run that was not executed at this site.
const notHere = "none: not run here"

// Deposit takes in what was made elsewhere for an approved request, from a folder
// of the site's machine: one file for each declared output, NAME and the
// extension of its kind, or what a runner wrote with its manifest.json. The files
// are parsed in the sandbox, checked and offered for release as those of a run
// here; everything says that there was none.
func (s *Service) Deposit(ctx context.Context, p policy.Permit, id, dir string) (anchorhold.Run, error) {
	if s.Boxes == nil {
		return anchorhold.Run{}, anchorhold.Errorf(anchorhold.Unavailable, "start the site: anchorhold serve", "what is handed in is read in the sandbox of the serving site")
	}
	t, err := s.depositTask(ctx, p, id)
	if err != nil {
		return anchorhold.Run{}, err
	}
	answer, err := readDeposit(dir, t.declared())
	if err != nil {
		return anchorhold.Run{}, err
	}
	parser := s.startParser(ctx, t.run.ID)
	defer parser.end()
	client, err := parser.client()
	if err != nil {
		return anchorhold.Run{}, err
	}
	for i, e := range answer.Manifest.Outputs {
		if answer.Manifest.Outputs[i], err = guessType(ctx, client, t, e, answer.Files[e.File], t.declared()[i]); err != nil {
			return anchorhold.Run{}, err
		}
	}
	var o outcome
	if err := s.take(ctx, t, client, answer, &o); err != nil {
		return anchorhold.Run{}, err
	}
	return books.On(ctx, s.Books, p, books.Runs(), func(tx store.Tx) (anchorhold.Run, books.Record, error) {
		r, err := depositable(tx, id)
		if err != nil {
			return t.run, books.Record{}, err
		}
		g, err := standingGrant(tx, s, r)
		if err != nil {
			return t.run, books.Record{}, err
		}
		t.run.Grant = g.ID
		if err := tx.PutRun(t.run); err != nil {
			return t.run, books.Record{}, err
		}
		if err := s.offer(tx, t.run, o.outputs); err != nil {
			return t.run, books.Record{}, err
		}
		run, err := tx.Run(t.run.ID)
		return run, books.Record{Subject: run.ID, Details: about(run, "deposited", "true")}, err
	})
}

// depositTask is a run that has ended without having begun.
func (s *Service) depositTask(ctx context.Context, p policy.Permit, id string) (*task, error) {
	t := &task{}
	err := s.Books.View(ctx, func(tx store.Tx) error {
		r, err := depositable(tx, id)
		if err != nil {
			return err
		}
		if _, err := standingGrant(tx, s, r); err != nil {
			return err
		}
		now := s.Books.Now()
		t.run = anchorhold.Run{
			ID: anchorhold.NewID(anchorhold.PrefixRun), Request: r.ID, Opening: r.Opening, Study: r.Study, State: anchorhold.RunDone,
			Queued: now, Started: &now, Finished: &now, Boundary: notHere, Attempt: 1,
			Deposit: &anchorhold.Deposit{By: p.Principal().ID, Name: p.Principal().Name(), At: now},
		}
		t.code, t.values = r.Code, r.Values
		return t.loadAssets(tx, r.Assets, (*asset).private)
	})
	return t, err
}

// depositable finds a request, whose runs must all have ended.
func depositable(tx store.Tx, id string) (anchorhold.Request, error) {
	r, err := tx.Request(id)
	if errors.Is(err, store.ErrNotFound) {
		err = policy.Missing(policy.TypeRequest, id)
	}
	if err != nil {
		return r, err
	}
	for _, run := range r.Runs {
		if !run.Ended() {
			return r, anchorhold.Errorf(anchorhold.Conflict, "wait for its end; to cancel it would end the approval, too", "a run of this request goes on at the site")
		}
	}
	return r, nil
}

// standingGrant finds the newest grant that covers a request. Handing in uses
// none of its runs: nothing is executed.
func standingGrant(tx store.Tx, s *Service, r anchorhold.Request) (anchorhold.Grant, error) {
	grants, err := tx.GrantsFor(r.CodeDigest)
	if err != nil {
		return anchorhold.Grant{}, err
	}
	own, _, err := tx.ListGrants(store.GrantFilter{Request: r.ID}, store.Page{Limit: store.MaxLimit}) // used up or not
	if err != nil {
		return anchorhold.Grant{}, err
	}
	grants = append(own, grants...)
	number := func(version string) (int, bool) {
		_, v, err := tx.Version(version)
		return v.Number, err == nil
	}
	for _, g := range grants {
		if !g.Ended(s.Books.Now()) && request.Covers(g, r, number) {
			return g, nil
		}
	}
	return anchorhold.Grant{}, anchorhold.Errorf(anchorhold.Conflict, "approve the request first: anchorhold request approve "+r.ID, "no approval covers this request now")
}

// manifestFile is what a runner writes beside its outputs.
const manifestFile = "manifest.json"

// readDeposit reads a folder: its manifest, or one file for each declared output.
func readDeposit(dir string, declared []output.Declared) (a job.Answer, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return a, anchorhold.Errorf(anchorhold.NotFound, "name a folder of the site's machine", "the folder cannot be opened").Because(err)
	}
	defer func() { _ = root.Close() }() // only read from
	a.Files = map[string][]byte{}
	text, err := readPlain(root, manifestFile)
	switch {
	case err == nil:
		if a.Manifest, err = output.ParseManifest(text, declared); err == nil && !a.Manifest.OK {
			err = anchorhold.Errorf(anchorhold.Invalid, "run it again there", "the manifest in the folder says that the code failed")
		}
	case errors.Is(err, fs.ErrNotExist):
		a.Manifest.OK = true
		a.Manifest.Outputs, err = entriesIn(root, declared)
	}
	if err != nil {
		return a, known(err)
	}
	for _, e := range a.Manifest.Outputs {
		if a.Files[e.File], err = readPlain(root, e.File); err != nil {
			return a, known(err)
		}
	}
	return a, nil
}

// known says of the errors of files what to do.
func known(err error) error {
	var e *anchorhold.Error
	if errors.As(err, &e) {
		return err
	}
	return anchorhold.Errorf(anchorhold.Invalid, "put plain files there, one for each declared output", "a file of the folder cannot be read").Because(err)
}

func readPlain(root *os.Root, name string) ([]byte, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a plain file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	most := output.DefaultLimits().Bytes
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = anchorhold.Errorf(anchorhold.TooLarge, "aggregate before handing it in", "a file of the folder is larger than outputs may be")
	}
	return data, err
}

// entriesIn finds the file of each declared output by its name.
func entriesIn(root *os.Root, declared []output.Declared) (out []output.ManifestEntry, err error) {
	for _, d := range declared {
		found, files := false, []string(nil)
		for _, kind := range output.Kinds() {
			file := d.Name + output.Extension(kind)
			if d.Kind != kind && (d.Kind != output.KindAny || !output.Inferred(kind)) {
				continue
			}
			files = append(files, file)
			if _, err := root.Lstat(file); err == nil && !found {
				out, found = append(out, output.ManifestEntry{Name: d.Name, Kind: kind, File: file}), true
			}
		}
		if !found {
			return nil, anchorhold.Errorf(anchorhold.NotFound, "put it there as "+strings.Join(files, " or "),
				"the folder has no file of the output %s, which is declared as %s", d.Name, d.Kind)
		}
	}
	return out, nil
}

// guessType finds which Python type a file without a manifest reads as: the
// first that the parser takes it for.
func guessType(ctx context.Context, client *output.Client, t *task, e output.ManifestEntry, data []byte, d output.Declared) (output.ManifestEntry, error) {
	if e.Python != "" {
		return e, nil
	}
	t.plain = true
	var refusal error
	for _, python := range output.Types(e.Kind) {
		e.Python = python
		_, _, err := client.Parse(ctx, e, data, d, t.outputLimits())
		if err == nil {
			return e, nil
		}
		if refusal == nil {
			refusal = err
		}
	}
	return e, refusal
}
