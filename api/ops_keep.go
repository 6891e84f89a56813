package api

import (
	"context"
	"net/http"
	"time"

	"github.com/anchorhold/anchorhold/backup"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/keep"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"

	"github.com/danielgtaylor/huma/v2"
)

// TLSKeys tells of the keys of a site's own that its TLS door has, by what a
// connection string says of them.
type TLSKeys struct {
	Pin       string     `json:"pin,omitempty" doc:"of the key in use; absent where the site has none of its own"`
	Next      string     `json:"next,omitempty" doc:"of the key that is announced"`
	Announced *time.Time `json:"announced,omitempty" doc:"since when"`
	On        *time.Time `json:"on,omitempty" doc:"when the site changes to it by itself"`
	Connect   string     `json:"connect,omitempty" doc:"the connection string of today; absent while the site does not serve"`
}

// TLSDoor changes the key of a site's TLS door.
type TLSDoor interface {
	// TLSKeys tells of the keys that there are.
	TLSKeys(ctx context.Context) (TLSKeys, error)
	// RotateTLS makes the next key and announces it under the one in use. At a
	// time that is given the door changes to it by itself.
	RotateTLS(ctx context.Context, p policy.Permit, on *time.Time) (TLSKeys, error)
	// SwitchTLS serves the key that was announced, and drops the one before.
	SwitchTLS(ctx context.Context, p policy.Permit) (TLSKeys, error)
	// WithdrawTLS drops the key that was announced: the one in use stays.
	WithdrawTLS(ctx context.Context, p policy.Permit) (TLSKeys, error)
}

type nextKey struct {
	Body struct {
		On *time.Time `json:"on,omitempty" doc:"when the site changes to it by itself; absent: when somebody says so"`
	}
}

type newBackup struct {
	Body struct {
		Recipients []string `json:"recipients,omitempty" maxItems:"20" doc:"age recipients"`
		Passphrase string   `json:"passphrase,omitempty" maxLength:"1000" doc:"in place of recipients"`
		WorkFactor int      `json:"work_factor,omitempty" minimum:"0" maximum:"22" doc:"of the passphrase; 0: as age does"`
	}
}

type shownCheckpoint struct {
	Body struct {
		Checkpoint string `json:"checkpoint" maxLength:"16384" doc:"the newest signed checkpoint of the log in the backup"`
	}
}

type acceptedRestore struct {
	Body struct {
		Reason string `json:"reason" maxLength:"8000"`
	}
}

type lostEntries struct {
	Body struct {
		First   int64    `json:"first" minimum:"0" doc:"index of the first"`
		Entries [][]byte `json:"entries" maxItems:"256" doc:"entries of the log in the backup that it lacks, as an export of it holds them"`
	}
}

type newPeriod struct {
	Kind string `path:"kind" maxLength:"50"`
	Body struct {
		Days int `json:"days" minimum:"0" doc:"0: for ever"`
	}
}

type newSweep struct {
	Body struct {
		DryRun bool `json:"dry_run,omitempty" doc:"say what would be removed, and remove nothing"`
	}
}

// pastLog is an audit log that ended when the site was restored.
type pastLog struct {
	Origin       string    `json:"origin"`
	Key          string    `json:"key"`
	Size         int64     `json:"size"`
	Continuation string    `json:"continuation" doc:"signed note of that key, which names the log that follows"`
	Ended        time.Time `json:"ended"`
}

func (a *API) keepOperations() {
	add(a, op("make-backup", http.MethodPost, "/backup", "Make a backup: one encrypted stream"), policy.BackupMake, onSite, a.makeBackup)
	add(a, op("backups", http.MethodGet, "/backups", "Backups that were made of the site, the newest first"), policy.BackupList, onSite,
		func(ctx context.Context, _ policy.Permit, _ *struct{}) (*body[page[books.Backup]], error) {
			var out page[books.Backup]
			err := a.Books.View(ctx, func(tx store.Tx) (err error) {
				out.Items, err = books.Backups(tx)
				return err
			})
			return &body[page[books.Backup]]{out}, err
		})
	add(a, op("restored", http.MethodGet, "/restore", "Whether the site is frozen after a restore, and why"), policy.RestoreRead, onSite,
		func(ctx context.Context, _ policy.Permit, _ *struct{}) (*body[keep.Restored], error) {
			r, err := a.Keep.Restored(ctx)
			return &body[keep.Restored]{r}, err
		})
	add(a, op("restore-checkpoint", http.MethodPost, "/restore/checkpoint", "Show a frozen site its newest checkpoint"), policy.RestoreCheckpoint, onSite,
		func(ctx context.Context, p policy.Permit, in *shownCheckpoint) (*body[keep.Restored], error) {
			r, err := a.Keep.Show(ctx, p, []byte(in.Body.Checkpoint))
			return &body[keep.Restored]{r}, err
		})
	add(a, op("restore-accept", http.MethodPost, "/restore/accept", "End the freeze of a restored site by decision"), policy.RestoreAccept, onSite,
		func(ctx context.Context, p policy.Permit, in *acceptedRestore) (*body[keep.Restored], error) {
			r, err := a.Keep.Accept(ctx, p, in.Body.Reason)
			return &body[keep.Restored]{r}, err
		})
	add(a, op("restore-missing", http.MethodPost, "/restore/missing", "Open entries that the backup lacks"), policy.RestoreMissing, onSite,
		func(ctx context.Context, _ policy.Permit, in *lostEntries) (*body[page[auditEntry]], error) {
			out := page[auditEntry]{Items: []auditEntry{}}
			events, err := a.Keep.Missing(ctx, in.Body.First, in.Body.Entries)
			for i, e := range events {
				out.Items = append(out.Items, auditEntry{in.Body.First + int64(i), auditEvent(e)})
			}
			return &body[page[auditEntry]]{out}, err
		})
	add(a, op("retention", http.MethodGet, "/retention", "How long what is kept"), policy.RetentionRead, onSite,
		func(ctx context.Context, _ policy.Permit, _ *struct{}) (*body[page[keep.Period]], error) {
			list, err := a.Keep.Periods(ctx)
			return &body[page[keep.Period]]{page[keep.Period]{Items: list}}, err
		})
	add(a, op("set-retention", http.MethodPut, "/retention/{kind}", "Change how long something is kept"), policy.RetentionSet, onSite,
		func(ctx context.Context, p policy.Permit, in *newPeriod) (*body[page[keep.Period]], error) {
			list, err := a.Keep.Set(ctx, p, in.Kind, in.Body.Days)
			return &body[page[keep.Period]]{page[keep.Period]{Items: list}}, err
		})
	add(a, op("sweep", http.MethodPost, "/retention/sweep", "Remove what is older than its period"), policy.RetentionSweep, onSite,
		func(ctx context.Context, p policy.Permit, in *newSweep) (*body[keep.Swept], error) {
			s, err := a.Keep.Sweep(ctx, p, in.Body.DryRun)
			return &body[keep.Swept]{s}, err
		})
	add(a, op("tls", http.MethodGet, "/tls", "The keys of the site's TLS door"), policy.TLSRead, onSite,
		func(ctx context.Context, _ policy.Permit, _ *struct{}) (*body[TLSKeys], error) {
			k, err := a.TLS.TLSKeys(ctx)
			return &body[TLSKeys]{k}, err
		})
	add(a, op("rotate-tls", http.MethodPost, "/tls/next", "Make the next key of the TLS door, and announce it under the one in use"), policy.TLSRotate, onSite,
		func(ctx context.Context, p policy.Permit, in *nextKey) (*body[TLSKeys], error) {
			k, err := a.TLS.RotateTLS(ctx, p, in.Body.On)
			return &body[TLSKeys]{k}, err
		})
	add(a, op("switch-tls", http.MethodPost, "/tls/switch", "Serve the key that was announced, and drop the one before"), policy.TLSSwitch, onSite,
		func(ctx context.Context, p policy.Permit, _ *struct{}) (*body[TLSKeys], error) {
			k, err := a.TLS.SwitchTLS(ctx, p)
			return &body[TLSKeys]{k}, err
		})
	add(a, op("withdraw-tls", http.MethodDelete, "/tls/next", "Drop the key that was announced; the one in use stays"), policy.TLSWithdraw, onSite,
		func(ctx context.Context, p policy.Permit, _ *struct{}) (*body[TLSKeys], error) {
			k, err := a.TLS.WithdrawTLS(ctx, p)
			return &body[TLSKeys]{k}, err
		})
	add(a, op("audit-logs", http.MethodGet, "/audit/logs", "Logs that ended when the site was restored, oldest first"), policy.AuditCheckpoint, onSite, a.pastLogs)
}

// makeBackup streams. What fails on the way breaks the answer off: a client
// must never take half a backup for a whole one.
func (a *API) makeBackup(ctx context.Context, p policy.Permit, in *newBackup) (*fileBytes, error) {
	write, err := a.Backup(ctx, p, backup.Seal{Recipients: in.Body.Recipients, Passphrase: in.Body.Passphrase, WorkFactor: in.Body.WorkFactor})
	if err != nil {
		return nil, err
	}
	return &fileBytes{
		ContentType: "application/octet-stream", Disposition: `attachment; filename="site.backup"`,
		Body: func(c huma.Context) {
			if err := write(c.Context(), c.BodyWriter()); err != nil {
				_ = problem("make-backup", err) // logs it
				panic(http.ErrAbortHandler)
			}
		},
	}, nil
}

func (a *API) pastLogs(ctx context.Context, _ policy.Permit, _ *struct{}) (*body[page[pastLog]], error) {
	out := page[pastLog]{Items: []pastLog{}}
	err := a.Books.View(ctx, func(tx store.Tx) error {
		list, err := tx.PastLogs()
		for _, l := range list {
			out.Items = append(out.Items, pastLog{l.Origin, l.Key, l.Size, string(l.Continuation), l.Ended})
		}
		return err
	})
	return &body[page[pastLog]]{out}, err
}
