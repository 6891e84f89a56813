package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Seal says to whom a backup is encrypted: age recipients, or a passphrase.
type Seal struct {
	Recipients []string `json:"recipients,omitempty"`
	Passphrase string   `json:"passphrase,omitempty"`
	WorkFactor int      `json:"work_factor,omitempty"` // of the passphrase; 0: as age does
}

// Backup has the site make a backup and gives its bytes as they are made; the
// caller closes it. An end without an error is the end of the backup; package
// backup reads it and checks that it is whole.
func (c *Client) Backup(ctx context.Context, to Seal) (io.ReadCloser, error) {
	act, err := write(http.MethodPost, "/backup", to)
	if err != nil {
		return nil, err
	}
	act.accept = "*/*"
	res, err := c.do(ctx, act)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// MadeBackup is a backup that was made of a site.
type MadeBackup struct {
	ID    string     `json:"id"`
	Began time.Time  `json:"began"`
	By    string     `json:"by"`
	Whole *time.Time `json:"whole,omitempty"` // when its last byte was taken; nil: it was broken off, or goes on
}

// Backups lists the backups that were made of a site, the newest first.
func (c *Client) Backups(ctx context.Context) ([]MadeBackup, error) {
	p, err := get[page[MadeBackup]](ctx, c, "/backups", nil)
	return p.Items, err
}

// Restored says where a site stands after it was restored from a backup.
type Restored struct {
	Frozen  bool       `json:"frozen"`
	Since   *time.Time `json:"since,omitempty"`
	Backup  string     `json:"backup,omitempty"`
	Made    *time.Time `json:"made,omitempty"`    // when the backup was made
	Origin  string     `json:"origin,omitempty"`  // of the log in the backup
	Key     string     `json:"key,omitempty"`     // of that log
	Size    int64      `json:"size,omitempty"`    // its entries
	Root    []byte     `json:"root,omitempty"`    // root hash over them
	Missing int64      `json:"missing,omitempty"` // entries that a checkpoint showed to be missing
}

// Restored asks whether the site is frozen after a restore.
func (c *Client) Restored(ctx context.Context) (Restored, error) {
	return get[Restored](ctx, c, "/restore", nil)
}

// ShowCheckpoint shows a frozen site the newest checkpoint of the log that it
// had. The site is frozen still where the answer says so.
func (c *Client) ShowCheckpoint(ctx context.Context, checkpoint []byte) (Restored, error) {
	return send[Restored](ctx, c, http.MethodPost, "/restore/checkpoint", map[string]string{"checkpoint": string(checkpoint)})
}

// OpenMissing has a frozen site open entries of the log that it had, which the
// backup lacks and an export of that log holds.
func (c *Client) OpenMissing(ctx context.Context, first int64, entries [][]byte) ([]AuditEntry, error) {
	p, err := send[page[AuditEntry]](ctx, c, http.MethodPost, "/restore/missing", map[string]any{"first": first, "entries": entries})
	return p.Items, err
}

// AcceptRestore ends the freeze of a restored site by decision.
func (c *Client) AcceptRestore(ctx context.Context, reason string) (Restored, error) {
	return send[Restored](ctx, c, http.MethodPost, "/restore/accept", map[string]string{"reason": reason})
}

// Period is how long one kind of thing is kept; 0 days are for ever.
type Period struct {
	Kind string `json:"kind"`
	Days int    `json:"days"`
	What string `json:"what"`
}

// TLSKeys tells of the keys of a site's own that its TLS door has, by what a
// connection string says of them.
type TLSKeys struct {
	Pin       string     `json:"pin,omitempty"`       // of the key in use
	Next      string     `json:"next,omitempty"`      // of the key that is announced
	Announced *time.Time `json:"announced,omitempty"` // since when
	On        *time.Time `json:"on,omitempty"`        // when the site changes to it by itself
	Connect   string     `json:"connect,omitempty"`   // absent while the site does not serve
}

// TLSKeys asks for the keys of the site's TLS door.
func (c *Client) TLSKeys(ctx context.Context) (TLSKeys, error) {
	return get[TLSKeys](ctx, c, "/tls", nil)
}

// RotateTLS makes the next key of the TLS door and announces it under the one in
// use. At a time that is given the site changes to it by itself.
func (c *Client) RotateTLS(ctx context.Context, on *time.Time) (TLSKeys, error) {
	return send[TLSKeys](ctx, c, http.MethodPost, "/tls/next", struct {
		On *time.Time `json:"on,omitempty"`
	}{on})
}

// WithdrawTLS drops the key that was announced.
func (c *Client) WithdrawTLS(ctx context.Context) (TLSKeys, error) {
	return send[TLSKeys](ctx, c, http.MethodDelete, "/tls/next", nil)
}

// SwitchTLS has the door serve the key that was announced.
func (c *Client) SwitchTLS(ctx context.Context) (TLSKeys, error) {
	return send[TLSKeys](ctx, c, http.MethodPost, "/tls/switch", nil)
}

// Retention lists how long what is kept.
func (c *Client) Retention(ctx context.Context) ([]Period, error) {
	p, err := get[page[Period]](ctx, c, "/retention", nil)
	return p.Items, err
}

// SetRetention changes how long one kind is kept.
func (c *Client) SetRetention(ctx context.Context, kind string, days int) ([]Period, error) {
	p, err := send[page[Period]](ctx, c, http.MethodPut, "/retention/"+segment(kind), map[string]int{"days": days})
	return p.Items, err
}

// Swept is what a sweep removed, or would remove.
type Swept struct {
	DryRun  bool           `json:"dry_run,omitempty"`
	Removed map[string]int `json:"removed"` // by kind
	Bytes   int64          `json:"bytes"`   // of stored files
}

// Sweep removes what is older than its period, or says what would be removed.
func (c *Client) Sweep(ctx context.Context, dryRun bool) (Swept, error) {
	return send[Swept](ctx, c, http.MethodPost, "/retention/sweep", map[string]bool{"dry_run": dryRun})
}

// PastLog is an audit log that ended when the site was restored.
type PastLog struct {
	Origin       string    `json:"origin"`
	Key          string    `json:"key"`
	Size         int64     `json:"size"`
	Continuation string    `json:"continuation"` // signed by Key: names the log that follows
	Ended        time.Time `json:"ended"`
}

// PastLogs lists the logs that ended, oldest first.
func (c *Client) PastLogs(ctx context.Context) ([]PastLog, error) {
	p, err := get[page[PastLog]](ctx, c, "/audit/logs", nil)
	return p.Items, err
}

// PastFile reads a file of a log that ended by its C2SP path: "checkpoint", or
// "tile/..." .
func (c *Client) PastFile(ctx context.Context, origin, path string) ([]byte, error) {
	limit := int64(maxTile)
	if path == "checkpoint" {
		limit = maxCheckpoint
	}
	r := read("/audit/"+escaped(path), url.Values{"log": {origin}})
	r.accept = "*/*"
	res, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return readAll(res.Body, limit)
}
