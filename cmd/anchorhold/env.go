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
	return group("env", "Build and list the environments in which code runs", newEnvAdd(a), newEnvLs(a), newEnvShow(a))
}

func newEnvLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List a site's environments",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return runEnvLs(c.Context(), a) },
	}
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
			rows = append(rows, []string{e.Lock, state, isDefault(e), e.Python, strconv.Itoa(len(e.Packages))})
		}
		p.Table("There is no environment; build one with `anchorhold env add`.", []string{"LOCK", "STATE", "", "PYTHON", "PACKAGES"}, rows)
	})
}

func isDefault(e client.Environment) string {
	if e.Default {
		return "default"
	}
	return ""
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
		Use:   "show [LOCK]",
		Short: "List the packages of an environment (without LOCK: of the default one)",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return runEnvShow(c.Context(), a, args) },
	}
}

func runEnvShow(ctx context.Context, a *app, args []string) error {
	all, err := a.environments(ctx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if len(args) == 1 && e.Lock == args[0] || len(args) == 0 && e.Default {
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
