package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newEnv(a *app) *cobra.Command {
	return group("env", "Build and list the environments in which code runs",
		newEnvAdd(a), newEnvLs(a), newEnvShow(a), newEnvExport(a), newEnvImport(a), newEnvRequest(a), newEnvDecline(a))
}

func newEnvLs(a *app) *cobra.Command {
	requested := false
	c := &cobra.Command{
		Use:   "ls [--requested]",
		Short: "List a site's environments, or what was asked for",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if requested {
				return runEnvLsRequested(c.Context(), a)
			}
			return runEnvLs(c.Context(), a)
		},
	}
	c.Flags().BoolVar(&requested, "requested", false, "those that researchers ask for and that nobody decided about yet")
	return c
}

func runEnvLs(ctx context.Context, a *app) error {
	all, err := a.environments(ctx)
	if err != nil {
		return err
	}
	return emit(a, all, func(p *show.Printer, all []client.Environment) {
		var rows [][]string
		for _, e := range all {
			state := "built"
			if !e.Built {
				state = "not built yet"
			}
			name := e.Name
			if name == "" && e.Default { // a site of version 0.1 names none
				name = "default"
			}
			rows = append(rows, []string{e.Lock, state, name, e.Python, strconv.Itoa(len(e.Packages))})
		}
		p.Table("There is no environment; build one with `anchorhold env add`.", []string{"LOCK", "STATE", "NAME", "PYTHON", "PACKAGES"}, rows)
	})
}

// environments asks the site for its environments.
func (a *app) environments(ctx context.Context) ([]client.Environment, error) {
	c, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return client.Collect(c.Environments(ctx), 0)
}

func newEnvShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show [LOCK|NAME|ID]",
		Short: "List the packages of an environment, or of one that was asked for (without a word: of the default one)",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return runEnvShow(c.Context(), a, args) },
	}
}

func runEnvShow(ctx context.Context, a *app, args []string) error {
	if len(args) == 1 && anchorhold.IsID(anchorhold.PrefixEnvironment, args[0]) {
		return runEnvShowRequest(ctx, a, args[0])
	}
	all, err := a.environments(ctx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if len(args) == 1 && (e.Lock == args[0] || e.Name == args[0]) || len(args) == 0 && e.Default {
			return emit(a, e, printEnvironment)
		}
	}
	return anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold env ls`", "the site has no such environment")
}

func printEnvironment(p *show.Printer, e client.Environment) {
	p.Field("lock", e.Lock)
	p.Field("python", e.Python)
	p.Printf("\n")
	var rows [][]string
	for _, k := range e.Packages {
		rows = append(rows, []string{k.Name, k.Version})
	}
	p.Table("It has no packages, or is not built yet.", []string{"PACKAGE", "VERSION"}, rows)
}
