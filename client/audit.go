package client

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// AuditEntry is one entry of the audit log, opened by the site for somebody who
// may read it.
type AuditEntry struct {
	Index int64      `json:"index"`
	Event AuditEvent `json:"event"`
}

// AuditEvent says who did what, to what, and which rule permitted it.
type AuditEvent struct {
	Time    time.Time         `json:"time"`
	Actor   string            `json:"actor"`
	Action  string            `json:"action"`
	Rule    string            `json:"rule"`
	Subject string            `json:"subject"`
	Digest  string            `json:"digest,omitempty"`
	Details map[string]string `json:"details"`
}

// AuditLatest reads the newest n entries of the audit log, oldest first.
func (c *Client) AuditLatest(ctx context.Context, n int) ([]AuditEntry, error) {
	p, err := get[page[AuditEntry]](ctx, c, "/audit/entries", filter("from", "-1", "limit", strconv.Itoa(n)))
	if p.Items == nil {
		p.Items = []AuditEntry{}
	}
	return p.Items, err
}

// AuditEntries lists the audit log from an index on, oldest first.
func (c *Client) AuditEntries(ctx context.Context, from int64) iter.Seq2[AuditEntry, error] {
	return func(yield func(AuditEntry, error) bool) {
		for next := from; ; {
			p, err := get[page[AuditEntry]](ctx, c, "/audit/entries",
				filter("from", strconv.FormatInt(next, 10), "limit", strconv.Itoa(pageSize)))
			if err != nil {
				yield(AuditEntry{}, err)
				return
			}
			for _, e := range p.Items {
				if e.Index != next {
					yield(AuditEntry{}, anchorhold.Errorf(anchorhold.Internal, "tell the site's owner",
						"the site's audit log gives entry %d where %d was due", e.Index, next))
					return
				}
				if next++; !yield(e, nil) {
					return
				}
			}
			if len(p.Items) == 0 {
				return
			}
		}
	}
}

// Limits of what a log's parts may weigh; a tile of 256 entries of 64 KiB is
// the largest that the format allows.
const (
	maxCheckpoint = 64 << 10
	maxTile       = 256 * (64<<10 + 2)
)

// Checkpoint reads the newest signed head of the audit log.
func (c *Client) Checkpoint(ctx context.Context) ([]byte, error) {
	return c.fetch(ctx, "/audit/checkpoint", maxCheckpoint)
}

// Tile reads one tile by its C2SP path without the leading "tile/", for example
// "0/x001/067" or "entries/000.p/12".
func (c *Client) Tile(ctx context.Context, path string) ([]byte, error) {
	return c.fetch(ctx, "/audit/tile/"+escaped(path), maxTile)
}

// escaped escapes each part of a path.
func escaped(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = segment(p)
	}
	return strings.Join(parts, "/")
}
