package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/identity/keys"
)

func newRestoreStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether a restored site is frozen, and why",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.restored(c.Context(), func(ctx context.Context, c *client.Client) (client.Restored, error) { return c.Restored(ctx) })
		},
	}
}

func newRestoreCheckpoint(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint FILE",
		Short: "Show a restored site the newest checkpoint that anybody has",
		Long: `Shows a frozen site the newest checkpoint of the log that it had: the file
"checkpoint" of an ` + "`audit export`" + `, that folder itself, a receipt, or a copy at a
partner. Where the backup reaches that far, nothing is lost, and the site goes
on. Where the checkpoint is newer, entries are lost, and the site stays frozen.

Whether it is the newest, the site cannot know: what you show is written to its
log, with you as who said so.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			signed, err := readCheckpoint(args[0])
			if err != nil {
				return err
			}
			return a.restored(c.Context(), func(ctx context.Context, c *client.Client) (client.Restored, error) {
				return c.ShowCheckpoint(ctx, signed)
			})
		},
	}
}

// readCheckpoint reads a checkpoint from a file, the folder of an export, or a
// receipt.
func readCheckpoint(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, audit.CheckpointPath)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.NotFound, "name a checkpoint, the folder of an export, or a receipt", "%s cannot be opened", path).Because(err)
	}
	defer f.Close()
	const limit = 1 << 20 // of a receipt
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "check the file", "%s cannot be read", path).Because(err)
	}
	var receipt struct {
		Log struct {
			Checkpoint string `json:"checkpoint"`
		} `json:"log"`
	}
	if json.Unmarshal(data, &receipt) == nil && receipt.Log.Checkpoint != "" {
		return []byte(receipt.Log.Checkpoint), nil
	}
	return data, nil
}

func newRestoreAccept(a *app) *cobra.Command {
	reason := ""
	c := &cobra.Command{
		Use:   "accept --reason TEXT",
		Short: "Take the loss: let a restored site go on without its newest checkpoint",
		Long: `Lets a frozen site go on although what happened after the backup may be lost.
That is taken for the worst: the ledger gets a line for every population that
nothing bounds, every grant ends, and every token, since uses and revocations
may be lost. The decision and its reason are written to the log.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if reason == "" {
				return usagef("use --reason TEXT", "the decision needs a reason")
			}
			return a.restored(c.Context(), func(ctx context.Context, c *client.Client) (client.Restored, error) {
				return c.AcceptRestore(ctx, reason)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why the site may go on")
	return c
}

func newRestoreMissing(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "missing FOLDER",
		Short: "List what was done after the backup, from an export of the log that somebody kept",
		Long: `Reads a newer export of the log that a frozen site had, checks that it continues
the restored one, and lists what the backup lacks: above all what was released.
The entries are sealed, and the restored site has the secret that opens them.
Nothing changes: whether the site may go on is decided with ` + "`anchorhold restore accept`" + `.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runRestoreMissing(c.Context(), a, args[0]) },
	}
}

func runRestoreMissing(ctx context.Context, a *app, folder string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	state, err := c.Restored(ctx)
	if err == nil && !state.Frozen {
		err = anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the site is not frozen")
	}
	if err != nil {
		return err
	}
	entries, err := missingEntries(ctx, c.Client, state, folder)
	if err != nil {
		return err
	}
	return emit(a, entries, func(p *show.Printer, entries []client.AuditEntry) {
		name := namesOf(ctx, c.Client)
		var rows [][]string
		for _, e := range entries {
			rows = append(rows, []string{strconv.FormatInt(e.Index, 10), show.Time(e.Event.Time), name(e.Event.Actor), e.Event.Action, e.Event.Subject})
		}
		p.Table("Nothing was done after the backup, as far as this export goes.", []string{"ENTRY", "WHEN", "WHO", "DID", "TO"}, rows)
	})
}

// missingEntries reads an export, makes sure that the restored log is its
// beginning, and has the site open the rest.
func missingEntries(ctx context.Context, c *client.Client, state client.Restored, folder string) ([]client.AuditEntry, error) {
	key, err := keys.ParseVKey(state.Key)
	if err != nil {
		return nil, err
	}
	out := []client.AuditEntry{}
	var begun audit.Range
	var batch [][]byte
	open := func() error {
		opened, err := c.OpenMissing(ctx, state.Size+int64(len(out)), batch)
		out, batch = append(out, opened...), nil
		return err
	}
	_, err = audit.Verify(audit.Dir(folder), key, func(index int64, entry []byte) error {
		if index < state.Size {
			begun.Add(entry)
			return nil
		}
		if batch = append(batch, bytes.Clone(entry)); len(batch) == 200 {
			return open()
		}
		return nil
	})
	if err == nil && len(batch) > 0 {
		err = open()
	}
	if root := begun.Root(); err == nil && begun.Size() == state.Size && !bytes.Equal(root[:], state.Root) {
		err = anchorhold.Errorf(anchorhold.Invalid, "keep both: together they show that the site has two histories", "the export does not continue the restored log")
	}
	return out, err
}

// restored does something about a restore and shows where the site stands.
func (a *app) restored(ctx context.Context, do func(context.Context, *client.Client) (client.Restored, error)) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	state, err := do(ctx, c.Client)
	if err != nil {
		return err
	}
	if err := emit(a, state, printRestored); err != nil {
		return err
	}
	if state.Missing > 0 {
		return anchorhold.Errorf(anchorhold.Conflict, "restore a newer backup, or take the loss with `anchorhold restore accept --reason TEXT`",
			"entries of the log are missing, and what was released in them: the site stays frozen")
	}
	return nil
}

func printRestored(p *show.Printer, r client.Restored) {
	if !r.Frozen {
		p.Printf("The site is not frozen: it goes on.\n")
		return
	}
	p.Printf("The site is frozen: it can be read, and takes nothing.\n")
	p.Field("backup", r.Backup)
	if r.Made != nil {
		p.Field("made", show.Time(*r.Made))
	}
	p.Printf("Its log ends after %d entries", r.Size)
	if r.Missing > 0 {
		p.Printf("; a newer checkpoint was shown: %d entries are missing", r.Missing)
	}
	p.Printf(".\n")
}
