//go:build unix

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
)

func newEnvAdd(a *app) *cobra.Command {
	from := ""
	c := &cobra.Command{
		Use:   "add [LOCKFILE|NAME|ID]",
		Short: "Build an environment from its lock (without one: the default one)",
		Long: `Builds a set of Python packages for the sites of this machine, from a lock that
names every file by its hash (as "uv pip compile --generate-hashes" writes it).
The default one has NumPy, pandas, Polars, PyArrow, SciPy, scikit-learn,
statsmodels and Matplotlib; that of an earlier version has a name: default-0.1.
ID is that of an environment that a researcher asked for; it is answered by this.

A lock may begin with lines that say for what it resolves, and which packages
have no wheel and are built from their sources, in the sandbox and without a
network, with the packages that the lock has (setuptools, say):

  # python: 3.12
  # platform: linux-x86_64
  # build: some-package

It needs uv, Debian's Python, and the packages from the network or uv's cache.
What is built already is left as it is. "anchorhold serve" builds the default
one by itself.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runEnvAdd(c.Context(), a, from, args) },
	}
	c.Flags().StringVar(&from, "from", "", "a folder with the files of the lock, instead of the network")
	return c
}

func runEnvAdd(ctx context.Context, a *app, from string, args []string) error {
	if a.url != "" {
		return usagef("run it on the site's own machine", "an environment is built on the machine of the site")
	}
	if len(args) == 1 && anchorhold.IsID(anchorhold.PrefixEnvironment, args[0]) {
		return a.addRequested(ctx, args[0], from)
	}
	lock := pyenv.Default()
	if len(args) == 1 {
		named, ok := pyenv.Named(args[0])
		if !ok {
			var err error
			if named, err = readLock(args[0]); err != nil {
				return err
			}
		}
		lock = named
	}
	e, err := a.buildEnvironment(ctx, lock, from)
	if err != nil {
		return err
	}
	return emit(a, describeEnvironment(e), printBuilt(e))
}

func printBuilt(e pyenv.Env) func(*show.Printer, client.Environment) {
	return func(p *show.Printer, d client.Environment) {
		p.Printf("%s is built: Python %s, %d packages, in %s.\n", d.Lock, d.Python, len(d.Packages), e.Dir)
	}
}

// addRequested builds what a researcher asked for, and says so to them.
func (a *app) addRequested(ctx context.Context, id, from string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.EnvironmentRequest(ctx, id)
	if err != nil {
		return err
	}
	lock, err := pyenv.ParseLock([]byte(r.Text))
	if err != nil {
		return err
	}
	e, err := a.buildEnvironment(ctx, lock, from)
	if err != nil {
		return err
	}
	if r.State == anchorhold.EnvironmentRequested {
		if _, err = c.DecideEnvironment(ctx, id, client.NewEnvironmentDecision{Verdict: anchorhold.Approve}); err != nil {
			return err
		}
	}
	return emit(a, describeEnvironment(e), printBuilt(e))
}

// environments gives the place where the sites of this machine look for
// environments, able to run packages' own code in a sandbox while it builds.
func environments() (*pyenv.Store, error) {
	envs, err := pyenv.DefaultStore()
	if err != nil {
		return nil, err
	}
	envs.NewSandbox = func() (sandbox.Sandbox, func(), error) {
		var o boxOptions
		box, remove, err := o.temporary(envs.Dir)
		if err != nil {
			return nil, nil, err
		}
		g, err := gvisor.New(box)
		if err != nil {
			remove()
			return nil, nil, err
		}
		return g, func() {
			_ = g.Close() // what it did is known already
			remove()
		}, nil
	}
	return envs, nil
}

// buildEnvironment builds an environment where sites look for it.
func (a *app) buildEnvironment(ctx context.Context, lock pyenv.Lock, from string) (pyenv.Env, error) {
	envs, err := environments()
	if err != nil {
		return pyenv.Env{}, err
	}
	w := a.watch("building the environment")
	defer w.end()
	return envs.BuildFrom(ctx, lock, from, w.step)
}

func describeEnvironment(e pyenv.Env) client.Environment {
	d := client.Environment{
		Lock: e.LockDigest, Name: pyenv.NameOf(e.LockDigest), Default: e.LockDigest == pyenv.Default().Digest(), Built: true,
		Python: e.PythonVersion, Packages: []client.Package{},
	}
	for _, k := range e.Packages {
		d.Packages = append(d.Packages, client.Package{Name: k.Name, Version: k.Version})
	}
	return d
}

// examineEnvironment looks for the default environment.
func (a *app) examineEnvironment() finding {
	envs, err := pyenv.DefaultStore()
	if err != nil {
		return found("environment", "", err)
	}
	e, ok := envs.Find(pyenv.Default().Digest())
	if !ok {
		return found("environment", "", anchorhold.Errorf(anchorhold.NotFound, "build it with `anchorhold env add`", "the default environment is not built"))
	}
	return found("environment", "Python "+e.PythonVersion+" in "+e.Dir, nil)
}
