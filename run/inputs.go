package run

import (
	"context"
	"os"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/run/job"
)

// open opens every asset, and makes sure that a private side is what was
// registered.
func (s *Service) open(ctx context.Context, t *task) error {
	for i := range t.assets {
		a := &t.assets[i]
		var err error
		if t.trial() {
			a.content, err = s.mockContent(a)
		} else {
			a.content, err = s.content(*a.version.Private)
		}
		if err != nil {
			return err
		}
	}
	return t.check(ctx)
}

// mockContent opens the mock of an asset.
func (s *Service) mockContent(a *asset) (*catalog.Content, error) {
	f, err := s.openMock(a)
	if err != nil {
		return nil, err
	}
	return catalog.FileContent(f, "the mock"), nil
}

// content opens a private side where it lies, or the copy that the site keeps.
func (s *Service) content(p anchorhold.Source) (*catalog.Content, error) {
	if p.Database != nil {
		return nil, anchorhold.Errorf(anchorhold.Conflict, "ask its owner to offer a file", "a table that stays in its database is asked in SQL alone")
	}
	if !p.Copied {
		return catalog.OpenContent(p.Path)
	}
	b, err := s.Blobs.Open(p.Blob)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	f, err := b.Descriptor()
	if err != nil {
		return nil, err
	}
	return catalog.FileContent(f, p.Path), nil
}

// hand opens what the sandbox will be given: descriptors of its own, for every
// asset its share of as many as a job may have.
func (s *Service) hand(ctx context.Context, t *task) error {
	share := job.MaxDescriptors / max(len(t.assets), 1)
	for i := range t.assets {
		a := &t.assets[i]
		files, parts, err := a.content.Inputs(ctx, a.format, share, s.room)
		if err != nil {
			return err
		}
		first := len(t.handed)
		t.handed = append(t.handed, files...)
		a.input = job.Input{
			Parameter: a.parameter, Format: a.format, FD: first,
			Columns: columnsOf(a.version.Columns), Missing: a.version.Missing,
		}
		for _, p := range parts {
			a.input.Files = append(a.input.Files, job.File{Name: p.Name, FD: first + p.File, Offset: p.Offset, Size: p.Size})
		}
	}
	return nil
}

// Tables opens the private tables of a dataset, in the order of its assets, each
// as it was registered: for an engine that answers questions about them. The
// caller closes the files.
func (s *Service) Tables(ctx context.Context, d anchorhold.Dataset) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = f.Close() // opened for reading only
			}
			files = nil
		}
	}()
	for _, as := range d.Assets {
		if as.Kind != anchorhold.KindTable {
			continue
		}
		f, err := s.table(ctx, asset{ref: anchorhold.AssetRef{Dataset: d.Name, Asset: as.Name}, version: as.Version})
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (s *Service) table(ctx context.Context, a asset) (*os.File, error) {
	if a.version.Private == nil {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "ask its owner", "the private side of %s/%s is not here", a.ref.Dataset, a.ref.Asset)
	}
	c, err := s.content(*a.version.Private)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.Check(ctx, a.identity()); err != nil {
		return nil, err
	}
	own, _, err := c.Inputs(ctx, a.version.Private.Format, 1, s.room)
	if err == nil && len(own) != 1 {
		err = anchorhold.Errorf(anchorhold.Invalid, "offer it as one file", "%s/%s is not one file", a.ref.Dataset, a.ref.Asset)
	}
	if err != nil {
		for _, f := range own {
			_ = f.Close() // opened for reading only
		}
		return nil, err
	}
	return own[0], nil
}

// room is a file without a name, for what is put together for one run: nobody
// else can open it, and it is gone with the last descriptor.
func (s *Service) room() (*os.File, error) {
	f, err := os.CreateTemp(s.Room, "run-*")
	if err != nil {
		return nil, noRoom(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close() // nothing was written
		return nil, noRoom(err)
	}
	return f, nil
}

func noRoom(err error) error {
	return anchorhold.Errorf(anchorhold.Unavailable, "make room on the disk that holds the site", "the files of a run could not be put together").Because(err)
}

// check looks at what is open: a run on anything but the registered bytes has no
// answer. It keeps the stamps under which they were found unchanged. A copy that
// the site keeps is compared with its commitment at first; afterwards it is
// enough that nobody has written to the file that was compared.
func (t *task) check(ctx context.Context) error {
	if t.trial() {
		return nil // a mock lies in the site's own store, under its hash
	}
	for i := range t.assets {
		a := &t.assets[i]
		now, err := a.content.Stamp()
		if err != nil {
			return err
		}
		if a.version.Private.Copied && a.seen == now {
			continue
		}
		stamp, err := a.content.Check(ctx, a.identity())
		if err != nil {
			return err
		}
		a.seen = now
		if !a.version.Private.Copied {
			a.restamped = a.restamped || stamp != a.version.Private.Stamp
			a.version.Private.Stamp = stamp
		}
	}
	return nil
}

// close closes all that was opened for reading.
func (t *task) close() {
	for _, f := range t.handed {
		_ = f.Close()
	}
	for _, a := range t.assets {
		if a.content != nil {
			_ = a.content.Close()
		}
	}
}

// unseen takes back the results of checks that compared with all that the run
// could read, where it could read files that no index shows: what could not be
// compared has not passed.
func (t *task) unseen(checks []anchorhold.Check) []anchorhold.Check {
	for _, a := range t.assets {
		if a.version.Private == nil || !a.version.Private.Opaque {
			continue
		}
		for i, c := range checks {
			switch c.Name {
			case disclosure.CheckPrivateRows, disclosure.CheckNearRows, disclosure.CheckColumnCopies:
				if c.Result == anchorhold.CheckPassed {
					checks[i].Result = anchorhold.CheckInapplicable
					checks[i].Detail = "the files of " + a.ref.Dataset + "/" + a.ref.Asset + " are not all text in lines that can be told from others: an output cannot be compared with them"
				}
			}
		}
	}
	return checks
}
