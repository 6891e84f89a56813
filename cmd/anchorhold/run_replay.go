package main

import (
	"context"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newRunReplay(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "replay RECEIPT",
		Short: "Run again what a receipt speaks of, and say whether the same comes out",
		Long: `Runs the same code with the same values on the same version of the data, in the
same environment, and compares what comes out with what the receipt says, by
digest. Nothing is kept or released by it. Code that draws at random without a
seed, or that reads the clock, gives something else each time.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runRunReplay(c.Context(), a, args[0]) },
	}
}

func runRunReplay(ctx context.Context, a *app, path string) error {
	file, err := os.ReadFile(path)
	if err != nil {
		return anchorhold.Errorf(anchorhold.NotFound, "name the file of a receipt", "%s cannot be read", path).Because(err)
	}
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		run, err := c.Replay(ctx, file)
		if err != nil {
			return err
		}
		w := a.watch("running it again")
		run, err = c.WaitRun(ctx, run.ID, func(r anchorhold.Run) { w.step(string(r.State)) })
		w.end()
		if err != nil {
			return err
		}
		if err := emitRun(ctx, a, c, run); err != nil {
			return err
		}
		if !reproduced(run) {
			return anchorhold.Errorf(anchorhold.Conflict, "see `anchorhold run logs "+run.ID+"`", "not the same came out")
		}
		return nil
	})
}

// reproduced says whether a replay gave what the receipt says.
func reproduced(r anchorhold.Run) bool {
	return r.Replay != nil && r.State == anchorhold.RunDone &&
		!slices.ContainsFunc(r.Replay.Outputs, func(o anchorhold.Replayed) bool { return !o.Same })
}

// replayWords says in a word what a replay gave.
func replayWords(r anchorhold.Run) string {
	switch {
	case r.Replay == nil || !r.Ended():
		return ""
	case reproduced(r):
		return "the same came out"
	}
	return "not the same came out"
}

func printReplay(p *show.Printer, r *anchorhold.Replay) {
	p.Field("again", r.Run+", as "+r.Release+" says")
	p.Field("asked by", r.Name)
	for _, o := range r.Outputs {
		switch {
		case o.Same:
			p.Field("same", o.Name+": "+o.Then)
		case o.Now == "":
			p.Field("nothing", o.Name+": then "+o.Then)
		default:
			p.Field("different", o.Name+": then "+o.Then+", now "+o.Now)
		}
	}
}
