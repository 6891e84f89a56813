package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// copyIn sends the files that assets name to the site, and names the uploads
// instead.
func (a *app) copyIn(ctx context.Context, c *client.Client, assets []client.NewAsset) error {
	for i := range assets {
		as := &assets[i]
		if as.Path != "" {
			id, err := a.sendFile(ctx, c, as.Path)
			if err != nil {
				return err
			}
			as.Path, as.Upload = "", id
		}
		if m := as.Mock; m != nil && m.Path != "" {
			id, err := a.sendFile(ctx, c, m.Path)
			if err != nil {
				return err
			}
			m.Path, m.Upload = "", id
		}
	}
	return nil
}

// sendFile sends a file, or a folder as one archive.
func (a *app) sendFile(ctx context.Context, c *client.Client, path string) (string, error) {
	content, err := catalog.OpenContent(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = content.Close() }() // nothing was written
	name, file := filepath.Base(path), content.File()
	if content.IsFolder() {
		name += ".tar"
		if file, err = packFolder(ctx, content); err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }() // its content does not matter any more
	}
	p := a.watch("sending " + name)
	defer p.end()
	return c.Upload(ctx, name, file, func(done, size int64) {
		p.step(fmt.Sprintf("sending %s: %s of %s", name, show.Size(done), show.Size(size)))
	})
}

// packFolder writes a folder into a file without a name.
func packFolder(ctx context.Context, content *catalog.Content) (*os.File, error) {
	f, err := os.CreateTemp("", "anchorhold-*.tar")
	if err != nil {
		return nil, noTemp(err)
	}
	err = os.Remove(f.Name())
	if err == nil {
		err = content.WriteTar(ctx, f)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(noTemp(err), f.Close())
	}
	return f, nil
}

func noTemp(err error) error {
	return anchorhold.Errorf(anchorhold.Unavailable, "make room in the folder for temporary files, or set TMPDIR", "the folder cannot be packed").Because(err)
}
