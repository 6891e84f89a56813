package catalog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
)

// Content is an open private side, or an open mock: one file, or the files of a
// folder. What it stands for is what was opened, whatever its path leads to now.
type Content struct {
	path    string
	file    *os.File // nil of a folder
	root    *os.Root
	entries []codec.Entry
}

// OpenContent opens a regular file or a folder for reading. A symbolic link to
// it is followed; within a folder links and special files are refused, and names
// that begin with a dot are left out.
func OpenContent(path string) (*Content, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		f, resolved, err := OpenFile(path)
		if err != nil {
			return nil, err
		}
		return &Content{path: resolved, file: f}, nil
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		return nil, openError(path, err)
	}
	root, err := os.OpenRoot(resolved)
	if err != nil {
		return nil, openError(path, err)
	}
	c := &Content{path: resolved, root: root}
	if c.entries, err = c.list(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return c, nil
}

// FileContent takes over an open file, such as a copy that a site keeps; name
// says what it is in messages and by its extension.
func FileContent(f *os.File, name string) *Content { return &Content{path: name, file: f} }

// Path is where it lies, absolute and free of symbolic links.
func (c *Content) Path() string { return c.path }

// Close closes what is open.
func (c *Content) Close() error {
	if c.file != nil {
		return c.file.Close()
	}
	return c.root.Close()
}

func (c *Content) name() string { return filepath.Base(c.path) }

// list finds the files of a folder.
func (c *Content) list() ([]codec.Entry, error) {
	var entries []codec.Entry
	err := fs.WalkDir(c.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return codec.Unreadable(c.name(), err)
		}
		if p != "." && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return codec.Unreadable(c.name(), err)
		}
		if !info.Mode().IsRegular() {
			return invalid("put regular files into it", "the folder %s holds a link or a special file", c.name())
		}
		if entries = append(entries, codec.Entry{Path: p, Size: info.Size()}); len(entries) > codec.MaxFiles {
			return codec.CheckEntries(c.name(), entries)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, codec.CheckEntries(c.name(), entries)
}

// open opens the i-th file of a folder.
func (c *Content) open(i int) (*os.File, error) {
	f, err := c.root.OpenFile(c.entries[i].Path, openFlags, 0)
	if err != nil {
		return nil, codec.Unreadable(c.name(), err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(invalid("put regular files into it", "the folder %s holds a link or a special file", c.name()), f.Close())
	}
	return f, nil
}

// Stamp identifies the content without reading it. Of a folder it covers the
// name and the stamp of every file.
func (c *Content) Stamp() (anchorhold.Stamp, error) {
	if c.file != nil {
		return StampOf(c.file)
	}
	entries, err := c.list()
	if err != nil {
		return anchorhold.Stamp{}, err
	}
	c.entries = entries
	all := sha256.New()
	var sum anchorhold.Stamp
	for i, e := range entries {
		f, err := c.open(i)
		if err != nil {
			return sum, err
		}
		s, err := StampOf(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return sum, err
		}
		fmt.Fprintf(all, "%q %d %d %d %d %d\n", e.Path, s.Device, s.Inode, s.Size, s.MTime, s.CTime)
		sum.Size += s.Size
		sum.MTime, sum.CTime = max(sum.MTime, s.MTime), max(sum.CTime, s.CTime)
	}
	sum.Tree = hex.EncodeToString(all.Sum(nil))
	return sum, nil
}

// commit reads everything into a committer.
func (c *Content) commit(ctx context.Context, to *committer, p *progress) error {
	if c.file != nil {
		info, err := c.file.Stat()
		if err != nil {
			return codec.Unreadable(c.name(), err)
		}
		return p.copy(ctx, to, c.file, info.Size(), c.name())
	}
	label := to.label
	for i, e := range c.entries {
		f, err := c.open(i)
		if err != nil {
			return err
		}
		to.begin(label + "/" + e.Path)
		err = p.copy(ctx, to, f, e.Size, c.name())
		if err := cmp.Or(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Check says whether the content is still what was registered: see
// CheckIdentity.
func (c *Content) Check(ctx context.Context, id Identity) (anchorhold.Stamp, error) {
	now, err := c.Stamp()
	if err != nil {
		return anchorhold.Stamp{}, err
	}
	if now == id.Stamp {
		return now, nil
	}
	if now.Size != id.Stamp.Size {
		return anchorhold.Stamp{}, changed()
	}
	to, err := newCommitter(id.Secret, id.Label)
	if err != nil {
		return anchorhold.Stamp{}, err
	}
	if err := c.commit(ctx, to, &progress{}); err != nil {
		return anchorhold.Stamp{}, err
	}
	after, err := c.Stamp()
	if err != nil {
		return anchorhold.Stamp{}, err
	}
	if to.commitment() != id.Commitment || after != now {
		return anchorhold.Stamp{}, changed()
	}
	return settle(after), nil
}

// Part is one file of an asset of files: where its content lies among open
// files.
type Part struct {
	Name   string
	File   int
	Offset int64
	Size   int64
}

// Inputs gives the open files that a run reads, each opened anew and the
// caller's to close, and of an asset of files its parts. A folder of more than
// limit files is written one after the other into the file that room gives, and
// read from there.
func (c *Content) Inputs(ctx context.Context, format string, limit int, room func() (*os.File, error)) (files []*os.File, parts []Part, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = f.Close() // opened for reading only
			}
			files, parts = nil, nil
		}
	}()
	switch {
	case c.root != nil && len(c.entries) > limit:
		return c.pack(ctx, room)
	case c.root != nil:
		for i, e := range c.entries {
			f, err := c.open(i)
			if err != nil {
				return files, nil, err
			}
			files = append(files, f)
			parts = append(parts, Part{Name: e.Path, File: i, Size: e.Size})
		}
		return files, parts, nil
	}
	f, err := os.Open(descriptor(c.file)) // anew: the position is shared otherwise
	if err != nil {
		return nil, nil, codec.Unreadable(c.name(), err)
	}
	files = []*os.File{f}
	if format != (codec.Tar{}).Format().Name {
		return files, nil, nil
	}
	info, err := f.Stat()
	if err != nil {
		return files, nil, codec.Unreadable(c.name(), err)
	}
	entries, err := codec.TarEntries(codec.Input{Name: c.name(), Size: info.Size(), At: f})
	if err != nil {
		return files, nil, err
	}
	for _, e := range entries {
		parts = append(parts, Part{Name: e.Path, Offset: e.Offset, Size: e.Size})
	}
	return files, parts, nil
}

func descriptor(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// pack writes every file of a folder into one.
func (c *Content) pack(ctx context.Context, room func() (*os.File, error)) ([]*os.File, []Part, error) {
	to, err := room()
	if err != nil {
		return nil, nil, err
	}
	defer to.Close()
	var parts []Part
	at := int64(0)
	for i, e := range c.entries {
		f, err := c.open(i)
		if err != nil {
			return nil, nil, err
		}
		n, err := io.Copy(to, cancellable(ctx, f))
		if err := cmp.Or(err, f.Close()); err != nil {
			return nil, nil, anchorhold.Errorf(anchorhold.Unavailable, "make room on the disk that holds the site", "the files of a run could not be put together").Because(err)
		}
		parts = append(parts, Part{Name: e.Path, Offset: at, Size: n})
		at += n
	}
	f, err := os.Open(descriptor(to)) // for reading only
	if err != nil {
		return nil, nil, codec.Unreadable(c.name(), err)
	}
	return []*os.File{f}, parts, nil
}

// WriteTar writes the files of a folder as an archive whose bytes depend on
// their names and contents alone.
func (c *Content) WriteTar(ctx context.Context, w io.Writer) error {
	t := codec.NewTarWriter(w)
	for i, e := range c.entries {
		f, err := c.open(i)
		if err != nil {
			return err
		}
		err = t.Add(e.Path, e.Size, cancellable(ctx, f))
		if err := cmp.Or(err, f.Close()); err != nil {
			return err
		}
	}
	return t.Close()
}

// RepackTar writes the files of an archive as WriteTar would those of a folder:
// nothing else of it is kept.
func RepackTar(ctx context.Context, f *os.File, w io.Writer) error {
	info, err := f.Stat()
	if err != nil {
		return codec.Unreadable("the archive", err)
	}
	entries, err := codec.TarEntries(codec.Input{Name: "the archive", Size: info.Size(), At: f})
	if err != nil {
		return err
	}
	t := codec.NewTarWriter(w)
	for _, e := range entries {
		if err := t.Add(e.Path, e.Size, cancellable(ctx, io.NewSectionReader(f, e.Offset, e.Size))); err != nil {
			return err
		}
	}
	return t.Close()
}

// IsFolder says whether it is a folder.
func (c *Content) IsFolder() bool { return c.root != nil }

// File is the open file; nil of a folder.
func (c *Content) File() *os.File { return c.file }

// input is what a codec reads. tee receives the bytes of a format that streams.
func (c *Content) input(size int64, tee io.Writer) codec.Input {
	in := codec.Input{Name: c.name(), Size: size}
	if c.root != nil {
		in.Entries = slices.Clone(c.entries)
		in.Open = func(i int) (io.ReadCloser, error) { return c.open(i) }
		return in
	}
	in.At = c.file
	in.Stream = io.NewSectionReader(c.file, 0, size)
	if tee != nil {
		in.Stream = io.TeeReader(in.Stream, tee)
	}
	return in
}
