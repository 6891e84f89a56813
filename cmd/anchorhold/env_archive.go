//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newEnvExport(a *app) *cobra.Command {
	force := false
	c := &cobra.Command{
		Use:   "export LOCK|NAME|LOCKFILE FILE",
		Short: "Write an environment's lock and files into one archive, for a machine without a network",
		Long: `Writes the lock and every file that it names for this machine's Python and
platform into one archive. "anchorhold env import" builds the environment from
it on a machine without a network; each file is checked against the lock by its
hash, both when it is written and when it is read.`,
		Example: "  anchorhold env export default default.env && anchorhold env import default.env",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return runEnvExport(c.Context(), a, args[0], args[1], force)
		},
	}
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return c
}

// exported is what env export answers.
type exported struct {
	Lock string `json:"lock"`
	Path string `json:"path"`
	Size int64  `json:"size"`
}

func runEnvExport(ctx context.Context, a *app, name, path string, force bool) error {
	if a.url != "" {
		return usagef("run it on a machine that has uv and a network", "an archive is made on the machine where the command runs")
	}
	envs, err := environments()
	if err != nil {
		return err
	}
	lock, err := envs.Lock(name)
	if anchorhold.KindOf(err) == anchorhold.NotFound {
		lock, err = readLock(name)
	}
	if err != nil {
		return err
	}
	w := a.watch("writing the archive")
	r, pipe := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := envs.Export(ctx, lock, pipe, w.step)
		_ = pipe.CloseWithError(err) // always nil
		done <- err
	}()
	err = save.Path(path, force, r)
	_ = r.CloseWithError(io.ErrClosedPipe) // a writer that is left behind ends
	if exportErr := <-done; exportErr != nil && !errors.Is(exportErr, io.ErrClosedPipe) {
		err = exportErr // why there was nothing to write
	}
	w.end()
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return anchorhold.Errorf(anchorhold.Unavailable, "check the folder", "%s cannot be read back", path).Because(err)
	}
	return emit(a, exported{lock.Digest(), path, info.Size()}, func(p *show.Printer, e exported) {
		p.Printf("%s: %s, %s\n", e.Path, e.Lock, show.Size(e.Size))
	})
}

func newEnvImport(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Build an environment from an archive that env export wrote, without a network",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return runEnvImport(c.Context(), a, args[0]) },
	}
}

func runEnvImport(ctx context.Context, a *app, path string) error {
	if a.url != "" {
		return usagef("run it on the site's own machine", "an environment is built on the machine of the site")
	}
	envs, err := environments()
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return anchorhold.Errorf(anchorhold.NotFound, "name the file of an archive", "%s cannot be opened", path).Because(err)
	}
	defer f.Close()
	w := a.watch("building the environment")
	e, err := envs.Import(ctx, f, w.step)
	w.end()
	if err != nil {
		return err
	}
	return emit(a, describeEnvironment(e), printBuilt(e))
}
