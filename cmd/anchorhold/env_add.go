//go:build unix

package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/pyenv"
)

func newEnvAdd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "add [LOCKFILE|NAME]",
		Short: "Build an environment from its lock (without one: the default one)",
		Long: `Builds a set of Python packages for the sites of this machine, from a lock that
names every file by its hash (as "uv pip compile --generate-hashes" writes it).
The default one has NumPy, pandas, Polars, PyArrow, SciPy, scikit-learn,
statsmodels and Matplotlib; that of an earlier version has a name: default-0.1.

It needs uv, Debian's Python, and the packages from the network or uv's cache.
What is built already is left as it is. "anchorhold serve" builds the default
one by itself.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runEnvAdd(c.Context(), a, args) },
	}
}

func runEnvAdd(ctx context.Context, a *app, args []string) error {
	if a.url != "" {
		return usagef("run it on the site's own machine", "an environment is built on the machine of the site")
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
	e, err := a.buildEnvironment(ctx, lock)
	if err != nil {
		return err
	}
	return emit(a, describeEnvironment(e), func(p *show.Printer, d client.Environment) {
		p.Printf("%s is built: Python %s, %d packages, in %s.\n", d.Lock, d.Python, len(d.Packages), e.Dir)
	})
}

// maxLock bounds a lock file.
const maxLock = 8 << 20

func readLock(path string) (pyenv.Lock, error) {
	f, err := os.Open(path)
	if err != nil {
		return pyenv.Lock{}, anchorhold.Errorf(anchorhold.NotFound, "name the file of a lock", "%s cannot be opened", path).Because(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLock))
	if err != nil {
		return pyenv.Lock{}, anchorhold.Errorf(anchorhold.Invalid, "name the file of a lock", "%s cannot be read", path).Because(err)
	}
	return pyenv.ParseLock(data)
}

// buildEnvironment builds an environment where sites look for it.
func (a *app) buildEnvironment(ctx context.Context, lock pyenv.Lock) (pyenv.Env, error) {
	envs, err := pyenv.DefaultStore()
	if err != nil {
		return pyenv.Env{}, err
	}
	w := a.watch("building the environment")
	defer w.end()
	return envs.Build(ctx, lock, w.step)
}

func describeEnvironment(e pyenv.Env) client.Environment {
	d := client.Environment{
		Lock: e.LockDigest, Default: e.LockDigest == pyenv.Default().Digest(), Built: true, Python: e.PythonVersion, Packages: []client.Package{},
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
