package main

import (
	"bytes"
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/identity/keys"
)

func newAuditCheckpoint(a *app) *cobra.Command {
	out := ""
	c := &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the newest signed head of the log, to keep it elsewhere",
		Long: `Prints the newest signed head of the log, or writes it to a file. Kept where the
site's machine cannot reach it, it shows after a restore whether anything of the
books is lost (` + "`anchorhold restore checkpoint FILE`" + `), and at any time that the log
was not rewritten.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runAuditCheckpoint(c.Context(), a, out) },
	}
	c.Flags().StringVar(&out, "out", "", "file to write, in place of one that is there")
	return c
}

func runAuditCheckpoint(ctx context.Context, a *app, out string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	signed, err := c.Checkpoint(ctx)
	if err != nil {
		return err
	}
	if out != "" {
		return save.Path(out, true, bytes.NewReader(signed))
	}
	return emit(a, map[string]string{"checkpoint": string(signed)}, func(p *show.Printer, v map[string]string) {
		p.Printf("%s", show.Block(v["checkpoint"]))
	})
}

// endedLog is a log that ended, and which key follows, where its own vouches.
type endedLog struct {
	client.PastLog
	Next string `json:"next"`
}

func newAuditLogs(a *app) *cobra.Command {
	key := ""
	c := &cobra.Command{
		Use:   "logs",
		Short: "List the logs that ended when the site was restored, and the keys that follow",
		Long: `Lists the logs that the site had before it was restored from a backup. Each ended
with a statement, signed by its key, that names the key of the log that follows.
With --key, the key that you know, only statements of that key count: it then
answers which key to check the site's later receipts with.

` + "`audit export --log ORIGIN`" + ` writes one of these logs.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runAuditLogs(c.Context(), a, key) },
	}
	c.Flags().StringVar(&key, "key", "", "the site's former public key, or a file that holds it")
	return c
}

func runAuditLogs(ctx context.Context, a *app, known string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	list, err := c.PastLogs(ctx)
	if err != nil {
		return err
	}
	logs, err := followed(list, known)
	if err != nil {
		return err
	}
	return emit(a, logs, func(p *show.Printer, logs []endedLog) {
		var rows [][]string
		for _, l := range logs {
			rows = append(rows, []string{l.Origin, strconv.FormatInt(l.Size, 10), show.Time(l.Ended), l.Next})
		}
		p.Table("The site was never restored: its log is the only one.", []string{"LOG", "ENTRIES", "ENDED", "FOLLOWED BY THE KEY"}, rows)
	})
}

// followed checks what each log that ended says of the next, from the known key
// on where one is given.
func followed(list []client.PastLog, known string) ([]endedLog, error) {
	out := []endedLog{}
	if known != "" {
		k, err := readKey(known)
		if err != nil {
			return nil, err
		}
		known = k.String()
	}
	for _, l := range list {
		if known != "" && l.Key != known {
			continue // before the known one, or not vouched for
		}
		key, err := keys.ParseVKey(l.Key)
		if err != nil {
			return nil, err
		}
		next, err := audit.ParseContinuation([]byte(l.Continuation), key)
		if err != nil {
			return nil, err
		}
		if known != "" {
			known = next.Next.String()
		}
		out = append(out, endedLog{l, next.Next.String()})
	}
	if len(list) > 0 && len(out) == 0 {
		return nil, anchorhold.Errorf(anchorhold.NotFound, "check the key; one that is the site's present key has no log that follows",
			"no log that ended at this site is signed by this key")
	}
	return out, nil
}

// pastLog finds a log that ended, to export it.
func pastLog(ctx context.Context, c *client.Client, origin string) (audit.Source, siteKey, error) {
	list, err := c.PastLogs(ctx)
	if err != nil {
		return nil, siteKey{}, err
	}
	for _, l := range list {
		if l.Origin == origin {
			key, err := keys.ParseVKey(l.Key)
			return func(path string, _ int64) ([]byte, error) { return c.PastFile(ctx, origin, path) },
				siteKey{key, "the key that the site tells of that log"}, err
		}
	}
	return nil, siteKey{}, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold audit logs`", "no log of this name ended at the site")
}
