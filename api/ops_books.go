package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"

	"github.com/danielgtaylor/huma/v2"
)

// auditEntry is one opened entry of the log.
type auditEntry struct {
	Index int64      `json:"index"`
	Event auditEvent `json:"event"`
}

type auditEvent struct {
	Time    time.Time         `json:"time"`
	Actor   string            `json:"actor"`
	Action  string            `json:"action"`
	Rule    string            `json:"rule"`
	Subject string            `json:"subject"`
	Digest  string            `json:"digest,omitempty"`
	Details map[string]string `json:"details"`
}

// LogName chooses a log: the present one, or one that has ended.
type LogName struct {
	Log string `query:"log" maxLength:"128" doc:"origin of a log that ended; empty: the present one"`
}

// open finds the log, and what reads it.
func (n LogName) open(tx store.Tx, present *audit.Log) (log *audit.Log, entries audit.Reader, size int64, err error) {
	if n.Log == "" {
		size, err = tx.Size()
		return present, tx, size, err
	}
	l, entries, err := tx.PastLog(n.Log)
	return present.Past(l.Origin), entries, l.Size, err
}

type entriesFrom struct {
	LogName
	From  int64 `query:"from" minimum:"-1" default:"-1" doc:"first index; -1: the newest entries"`
	Limit int   `query:"limit" minimum:"0" maximum:"1000"`
}

type entries struct {
	Size  int64        `json:"size" doc:"entries in the log"`
	Items []auditEntry `json:"items" doc:"in the order of the log"`
}

type listLedger struct {
	Paging
	Population string `query:"population" maxLength:"100"`
	Class      string `query:"class" enum:",proved,declared,unbounded"`
}

type tilePath struct {
	LogName
	Path string `path:"path" maxLength:"200"`
}

func (a *API) bookOperations() {
	add(a, op("ledger", http.MethodGet, "/ledger", "The record of exposure, newest first"), policy.LedgerRead,
		onSite,
		func(ctx context.Context, _ policy.Permit, in *listLedger) (*body[page[anchorhold.LedgerEntry]], error) {
			f := store.LedgerFilter{Population: in.Population, Class: anchorhold.LedgerClass(in.Class)}
			return listed(in.Paging, func(p store.Page) (out []anchorhold.LedgerEntry, next string, err error) {
				err = a.Books.View(ctx, func(tx store.Tx) error {
					out, next, err = tx.ListLedger(f, p)
					return err
				})
				return out, next, err
			}, func(*anchorhold.LedgerEntry) bool { return true })
		})
	add(a, op("audit-entries", http.MethodGet, "/audit/entries", "Opened entries of the audit log"), policy.AuditRead, onSite, a.entries)
	add(a, op("audit-checkpoint", http.MethodGet, "/audit/checkpoint", "The newest signed checkpoint"), policy.AuditCheckpoint, onSite,
		func(ctx context.Context, _ policy.Permit, in *LogName) (*fileBytes, error) {
			return a.tile(ctx, *in, audit.CheckpointPath, "text/plain; charset=utf-8")
		})
	add(a, op("audit-tile", http.MethodGet, "/audit/tile/{path...}", "A tile of the log: hashes, or sealed entries"), policy.AuditCheckpoint, onSite,
		func(ctx context.Context, _ policy.Permit, in *tilePath) (*fileBytes, error) {
			return a.tile(ctx, in.LogName, "tile/"+in.Path, "application/octet-stream")
		})
}

func (a *API) tile(ctx context.Context, log LogName, path, media string) (*fileBytes, error) {
	var data []byte
	err := a.Books.View(ctx, func(tx store.Tx) error {
		_, entries, _, err := log.open(tx, a.Books.Log)
		if err == nil {
			data, err = audit.Tile(entries, path)
		}
		return err
	})
	return &fileBytes{ContentType: media, Body: func(c huma.Context) { _, _ = c.BodyWriter().Write(data) }}, err
}

func (a *API) entries(ctx context.Context, _ policy.Permit, in *entriesFrom) (*body[entries], error) {
	out := entries{Items: []auditEntry{}}
	err := a.Books.View(ctx, func(tx store.Tx) error {
		log, reader, size, err := in.open(tx, a.Books.Log)
		if err != nil {
			return err
		}
		n := int64(store.Page{Limit: in.Limit}.Size())
		first := in.From
		if first < 0 {
			first = max(size-n, 0)
		}
		out.Size = size
		sealed, err := reader.Entries(first, int(max(min(n, size-first), 0)))
		for i, entry := range sealed {
			event, openErr := log.Open(first+int64(i), entry)
			if openErr != nil {
				return errors.Join(err, openErr)
			}
			out.Items = append(out.Items, auditEntry{first + int64(i), auditEvent(event)})
		}
		return err
	})
	return &body[entries]{out}, err
}
