//go:build unix

package main

import (
	"context"
	"net"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/site"
)

// How long a command waits for another one that has the site open.
const (
	folderWait = 10 * time.Second
	folderPoll = 50 * time.Millisecond
)

// openFolder opens the site in a folder: over its socket while it serves, else
// on the store itself in this process, with the same operations behind both.
// Another command may have it open for a moment, and a site may be starting or
// stopping, so both are tried until one works.
func (a *app) openFolder(ctx context.Context, dir string) (*connection, error) {
	deadline := time.Now().Add(folderWait)
	for {
		if serving(ctx, dir) {
			return &connection{Client: client.NewSocket(site.SocketPath(dir), client.Options{})}, nil
		}
		s, err := site.Open(ctx, dir, site.Options{Unlock: a.unlock()})
		if err == nil {
			return &connection{Client: client.NewHandler(s.LocalHandler(), client.Options{}), release: s.Close}, nil
		}
		if anchorhold.KindOf(err) != anchorhold.Unavailable || time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-time.After(folderPoll):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serving says whether a site's socket is answered.
func serving(ctx context.Context, dir string) bool {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", site.SocketPath(dir))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
