package catalog

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/disclosure"
)

// Options say how a file becomes a version of an asset.
type Options struct {
	ReadOptions

	// Label names the asset in the commitment: "DATASET/ASSET".
	Label string

	// Secret salts and blinds the commitment: 32 bytes. Empty: drawn at
	// random, as it should be for every version.
	Secret []byte

	// IndexWriter receives the keyed index for disclosure checks, made with
	// IndexKey. Nil: no index is made.
	IndexKey    disclosure.Key
	IndexWriter io.Writer

	// Identifiers names columns whose values identify people, for the index.
	// Columns with the fact "unique" are identifiers too.
	Identifiers []string

	// Propose also measures the facts that an owner may confirm for a mock.
	Propose bool

	// Progress, if not nil, is told after every batch how much of the work is
	// done. It is called from the goroutine that called Register.
	Progress func(done, total int64)
}

// Registration is what there is to know about a version's file.
type Registration struct {
	Path       string // absolute, without symbolic links
	Format     string
	Kind       string
	Columns    []anchorhold.Column
	Missing    []string
	Rows       int64
	Size       int64
	Stamp      anchorhold.Stamp
	Secret     []byte
	Label      string
	Commitment string
	Opaque     bool      // it holds files whose content the index does not show
	Nulls      []bool    // of each column of a table, whether it has missing values
	Proposal   *Proposal // with Options.Propose
}

// Source is the private side as the domain has it; the caller adds where it
// put the index.
func (r Registration) Source() *anchorhold.Source {
	return &anchorhold.Source{
		Path: r.Path, Format: r.Format, Size: r.Size, Rows: r.Rows, Secret: r.Secret, Stamp: r.Stamp, Opaque: r.Opaque,
	}
}

// Identity is what CheckIdentity asks for.
func (r Registration) Identity() Identity {
	return Identity{Stamp: r.Stamp, Secret: r.Secret, Label: r.Label, Commitment: r.Commitment}
}

// Register reads a file once and gives all that a version of an asset needs: a
// description of its columns, the commitment to its bytes, and the index for
// disclosure checks. (A file of a format that does not stream, or that is read elsewhere, is read twice: its bytes
// in order for the commitment, its values as they lie.) A file that changes meanwhile is
// refused. Nothing is written but to Options.IndexWriter.
func Register(ctx context.Context, path string, o Options) (Registration, error) {
	c, err := OpenContent(path)
	if err != nil {
		return Registration{}, err
	}
	defer func() { _ = c.Close() }() // nothing was written
	return RegisterContent(ctx, c, o)
}

// RegisterContent is Register for what is open already.
func RegisterContent(ctx context.Context, c *Content, o Options) (Registration, error) {
	if len(o.Secret) == 0 {
		o.Secret = make([]byte, SecretSize)
		rand.Read(o.Secret) // never fails: crypto/rand ends the program instead
	}
	before, err := c.Stamp()
	if err != nil {
		return Registration{}, err
	}
	reg, failed := readAll(ctx, c, o)
	after, err := c.Stamp()
	if err != nil {
		return Registration{}, err
	}
	switch {
	case ctx.Err() != nil:
		return Registration{}, ctx.Err()
	case after != before: // also the likely reason of a row that seems torn
		return Registration{}, anchorhold.Errorf(anchorhold.Conflict, "wait until nobody writes to it and try again",
			"%s changed while it was being read", c.name()).Because(failed)
	case failed != nil:
		return Registration{}, failed
	}
	reg.Stamp = settle(after)
	return reg, nil
}

// readAll is the pass itself.
func readAll(ctx context.Context, c *Content, o Options) (Registration, error) {
	commit, err := newCommitter(o.Secret, o.Label)
	if err != nil {
		return Registration{}, err
	}
	table, err := newTable(ctx, c, o.ReadOptions, commit)
	if err != nil {
		return Registration{}, err
	}
	defer table.reader.Close()
	p := progress{tell: o.Progress, total: table.stamp.Size}
	if !table.format.Streams || table.elsewhere {
		p.total *= 2
		if err := c.commit(ctx, commit, &p); err != nil {
			return Registration{}, err
		}
	}
	sinks, err := newSinks(o, table)
	if err != nil {
		return Registration{}, err
	}
	if err := sinks.drain(ctx, table, &p); err != nil {
		return Registration{}, err
	}
	reg := Registration{
		Path: c.path, Format: table.Format(), Kind: table.Kind(), Columns: table.Columns(), Missing: o.Missing,
		Rows: table.Rows(), Size: table.stamp.Size, Secret: o.Secret, Label: o.Label, Commitment: commit.commitment(), Opaque: table.opaque(),
	}
	if reg.Kind == anchorhold.KindTable {
		reg.Nulls = sinks.nulls.found
	}
	if sinks.facts != nil {
		proposal := sinks.facts.propose(reg.Columns, reg.Rows)
		reg.Proposal = &proposal
	}
	return reg, nil
}

// progress counts the bytes dealt with over both readings of a file.
type progress struct {
	tell  func(done, total int64)
	base  int64
	total int64
}

func (p *progress) at(n int64) {
	if p.tell != nil {
		p.tell(p.base+n, p.total)
	}
}

// copy reads a whole file into w.
func (p *progress) copy(ctx context.Context, w io.Writer, f *os.File, size int64, name string) error {
	r := cancellable(ctx, io.NewSectionReader(f, 0, size))
	buf := make([]byte, ChunkSize)
	for {
		n, err := r.Read(buf)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return werr
		}
		p.base += int64(n)
		p.at(0)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return codec.Unreadable(name, err)
		}
	}
}

// sinks are who wants to see the rows.
type sinks struct {
	facts *factCounter
	index *indexer
	nulls *nullFinder
}

func newSinks(o Options, t *Table) (*sinks, error) {
	s := &sinks{nulls: newNullFinder(t)}
	cols := t.Columns()
	if o.Propose {
		s.facts = newFactCounter(len(cols))
	}
	var err error
	if o.IndexWriter != nil {
		s.index, err = newIndexer(o, t, cols)
	}
	return s, err
}

// drain reads the table to its end.
func (s *sinks) drain(ctx context.Context, t *Table, p *progress) error {
	for {
		rows, err := t.Next(ctx)
		if errors.Is(err, io.EOF) {
			return s.close()
		}
		if err != nil {
			return err
		}
		if err := s.add(rows, t.of()); err != nil {
			return err
		}
		p.at(t.reader.Position())
	}
}

// add shows rows to all, side by side: they are valid until the next are read.
func (s *sinks) add(rows [][]Cell, of int) error {
	var others errgroup.Group
	others.Go(func() error {
		s.nulls.add(rows, of)
		if s.facts != nil {
			for _, row := range rows {
				s.facts.add(row, of)
			}
		}
		return nil
	})
	var err error
	if s.index != nil {
		err = s.index.add(rows)
	}
	return cmp.Or(err, others.Wait())
}

func (s *sinks) close() error {
	if s.index == nil {
		return nil
	}
	return s.index.close()
}
