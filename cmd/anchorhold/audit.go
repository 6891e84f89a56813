package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newAudit(a *app) *cobra.Command {
	return group("audit", "Read and check a site's log of everything that was done", newAuditLs(a), newAuditVerify(a), newAuditExport(a),
		newAuditCheckpoint(a), newAuditLogs(a))
}

type auditLsOptions struct {
	from  int64
	limit int
}

func newAuditLs(a *app) *cobra.Command {
	var o auditLsOptions
	c := &cobra.Command{
		Use:   "ls",
		Short: "List what was done, by whom, and by which rule",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return runAuditLs(c.Context(), a, o) },
	}
	c.Flags().Int64Var(&o.from, "from", -1, "from this entry on (default: the newest entries)")
	c.Flags().IntVar(&o.limit, "limit", 50, "at most so many; 0 for all from --from on")
	return c
}

func runAuditLs(ctx context.Context, a *app, o auditLsOptions) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	entries, err := auditEntries(ctx, c.Client, o)
	if err != nil {
		return err
	}
	return emit(a, entries, func(p *show.Printer, entries []client.AuditEntry) {
		name := namesOf(ctx, c.Client)
		var rows [][]string
		for _, e := range entries {
			rows = append(rows, []string{strconv.FormatInt(e.Index, 10), show.Time(e.Event.Time), name(e.Event.Actor), e.Event.Action, e.Event.Subject, e.Event.Rule})
		}
		p.Table("There are no such entries.", []string{"ENTRY", "WHEN", "WHO", "DID", "TO", "BY RULE"}, rows)
	})
}

func auditEntries(ctx context.Context, c *client.Client, o auditLsOptions) ([]client.AuditEntry, error) {
	if o.from < 0 && o.limit > 0 {
		return c.AuditLatest(ctx, o.limit)
	}
	return client.Collect(c.AuditEntries(ctx, max(o.from, 0)), max(o.limit, 0))
}

func newAuditVerify(a *app) *cobra.Command {
	key := ""
	c := &cobra.Command{
		Use:   "verify [FOLDER --key KEY]",
		Short: "Check that a log was not altered: every entry, every hash, the signature",
		Long: `Recomputes the whole log and compares it with the checkpoint that the site
signed. With a folder that ` + "`audit export`" + ` wrote it works offline, with the site's
public key; without one it reads the log of the site that the command acts on.

A key that the site itself tells shows only that the log fits together. Give the
key that you know from elsewhere with --key.`,
		Example: "  anchorhold audit verify heart-log --key heart.key",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runAuditVerify(c.Context(), a, args, key) },
	}
	c.Flags().StringVar(&key, "key", "", "the site's public key, or a file that holds it")
	return c
}

// verifiedLog is what audit verify and export answer.
type verifiedLog struct {
	Verified bool   `json:"verified"`
	Origin   string `json:"origin"`
	Entries  int64  `json:"entries"`
	Root     string `json:"root"`
	Key      string `json:"key"`
	Folder   string `json:"folder,omitempty"`
}

func newVerifiedLog(c audit.Checkpoint, key siteKey, folder string) verifiedLog {
	return verifiedLog{
		Verified: true, Origin: c.Origin, Entries: c.Size, Key: key.String(),
		Root: base64.StdEncoding.EncodeToString(c.Root[:]), Folder: folder,
	}
}

func runAuditVerify(ctx context.Context, a *app, args []string, keyText string) error {
	if len(args) == 1 && keyText == "" {
		return usagef("use --key with the site's public key; `anchorhold init` printed it", "an exported log is checked with the site's public key")
	}
	source, folder, key, err := a.auditSource(ctx, args, keyText)
	if err != nil {
		return err
	}
	w := a.watch("checking the log")
	head, err := audit.Verify(source, key.VKey, nil)
	w.end()
	if err != nil {
		return err
	}
	return emit(a, newVerifiedLog(head, key, folder), func(p *show.Printer, v verifiedLog) {
		p.Printf("The log of %s holds: all %d entries are those that the site signed.\nChecked with %s.\n", v.Origin, v.Entries, key.from)
	})
}

// auditSource opens the log to verify: a folder, or a site.
func (a *app) auditSource(ctx context.Context, args []string, keyText string) (audit.Source, string, siteKey, error) {
	if len(args) == 1 {
		key, err := readKey(keyText)
		if err != nil {
			return nil, "", key, err
		}
		if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
			return nil, "", key, anchorhold.Errorf(anchorhold.NotFound, "name the folder that `audit export` wrote", "%s is not a folder", args[0])
		}
		return audit.Dir(args[0]), args[0], key, nil
	}
	c, err := a.connect(ctx)
	if err != nil {
		return nil, "", siteKey{}, err
	}
	key, err := a.keyOf(ctx, c.Client, keyText)
	return fromSite(ctx, c.Client), "", key, err
}

// fromSite reads a log over the site's API.
func fromSite(ctx context.Context, c *client.Client) audit.Source {
	return func(path string, _ int64) ([]byte, error) {
		if path == audit.CheckpointPath {
			return c.Checkpoint(ctx)
		}
		return c.Tile(ctx, strings.TrimPrefix(path, "tile/"))
	}
}

type auditExportOptions struct{ out, key, log string }

func newAuditExport(a *app) *cobra.Command {
	var o auditExportOptions
	c := &cobra.Command{
		Use:   "export --out FOLDER",
		Short: "Write the log as files that anybody can check offline",
		Long: `Writes the log as C2SP tiles with its signed checkpoint, and checks it while it
does. The entries stay encrypted: the folder shows that nothing was altered, not
what was done.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runAuditExport(c.Context(), a, o) },
	}
	c.Flags().StringVar(&o.out, "out", "", "the folder to write; files of an earlier export are replaced")
	c.Flags().StringVar(&o.key, "key", "", "the site's public key, or a file that holds it (default: as the site tells)")
	c.Flags().StringVar(&o.log, "log", "", "origin of a log that ended (default: the present one)")
	return c
}

func runAuditExport(ctx context.Context, a *app, o auditExportOptions) error {
	if o.out == "" {
		return usagef("use --out FOLDER", "no folder to write into is given")
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	source, key := fromSite(ctx, c.Client), siteKey{}
	if o.log != "" {
		source, key, err = pastLog(ctx, c.Client, o.log)
	}
	if err == nil && (o.log == "" || o.key != "") {
		key, err = a.keyOf(ctx, c.Client, o.key)
	}
	if err != nil {
		return err
	}
	w := a.watch("exporting the log")
	head, err := exportLog(source, key, o.out)
	w.end()
	if err != nil {
		return err
	}
	return emit(a, newVerifiedLog(head, key, o.out), func(p *show.Printer, v verifiedLog) {
		p.Printf("%s: %d entries of the log of %s.\nCheck it anywhere with: anchorhold audit verify %s --key '%s'\n", v.Folder, v.Entries, v.Origin, v.Folder, v.Key)
	})
}

// exportLog verifies a log and writes every file that it read for that. The
// checkpoint comes last, so that it never promises what is not there.
func exportLog(from audit.Source, key siteKey, dir string) (audit.Checkpoint, error) {
	var signed []byte
	head, err := audit.Verify(func(path string, limit int64) ([]byte, error) {
		data, err := from(path, limit)
		if err != nil || path == audit.CheckpointPath {
			signed = data
			return data, err
		}
		return data, writeTile(dir, path, data)
	}, key.VKey, nil)
	if err != nil {
		return head, err
	}
	return head, writeTile(dir, audit.CheckpointPath, signed)
}

func writeTile(dir, path string, data []byte) error {
	full := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		return anchorhold.Errorf(anchorhold.Invalid, "check the folder's permissions and its space", "%s cannot be written", full).Because(err)
	}
	have, err := os.ReadFile(full)
	if err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return anchorhold.Errorf(anchorhold.Invalid, "choose another folder", "%s is there and cannot be read", full).Because(err)
	}
	return save.Path(full, true, bytes.NewReader(data))
}
