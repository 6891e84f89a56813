//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/engine/duckdb"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
)

func newDoctor(a *app) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor [--dir DIR]",
		Short: "Find out whether this machine can run a site, and what to mend",
		Long: `Tries out what a site needs and says how to mend what is missing. The sandbox is
proved by running hostile programs in it that try to get out.

With --dir it also looks at the site in that folder, which may be serving. It
exits 1 when anything needs mending; what is warned of is for you to weigh.

With --production it goes through what a site needs before it is used in
earnest: warnings count as faults, unless you --accept them by name because you
have provided for them by other means.`,
		Example: `  anchorhold doctor
  anchorhold doctor --dir /var/lib/anchorhold/site --production --accept 'private files'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runDoctor(c.Context(), a, o) },
	}
	o.flags(c)
	c.Flags().BoolVar(&o.production, "production", false, "go through what a site needs before it is used in earnest")
	list(c.Flags(), &o.accept, "accept", "with --production: take a finding as provided for by other means")
	return c
}

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	boxOptions
	production bool
	accept     []string
}

// finding is what one examination found.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Warning says that it is no fault by itself.
	Warning bool `json:"warning,omitempty"`
}

// examined is what doctor answers.
type examined struct {
	OK       bool              `json:"ok"`
	Findings []finding         `json:"findings"`
	Boundary *sandbox.Boundary `json:"boundary,omitempty"`
}

func runDoctor(ctx context.Context, a *app, o doctorOptions) error {
	dir := a.dir
	if dir == "" {
		dir = a.env("ANCHORHOLD_DIR")
	}
	switch {
	case a.url != "":
		return usagef("use --dir DIR, or neither", "doctor examines this machine, not an address")
	case o.production && dir == "":
		return usagef("use --dir DIR, or set ANCHORHOLD_DIR", "no site's folder is named")
	case len(o.accept) > 0 && !o.production:
		return usagef("add --production", "--accept is for what --production finds")
	}
	var e examined
	e.Findings = append(e.Findings, examineSystem(), a.examineEnvironment())
	w := a.watch("trying to get out of the sandbox")
	boundary, findings := examineSandbox(ctx, o.boxOptions, dir)
	w.end()
	if dir != "" {
		e.Findings = append(e.Findings, a.examineSite(ctx, dir, o.production, boundary)...)
	}
	e.Boundary = boundary
	e.Findings = append(e.Findings, findings...)
	if err := e.judge(o); err != nil {
		return err
	}
	if err := emit(a, e, printExamined); err != nil {
		return err
	}
	if !e.OK {
		return anchorhold.Errorf(anchorhold.Unavailable, "mend what is listed, and run `anchorhold doctor` again", "something needs mending")
	}
	return nil
}

// judge says what the findings amount to.
func (e *examined) judge(o doctorOptions) error {
	for _, name := range o.accept {
		i := slices.IndexFunc(e.Findings, func(f finding) bool { return f.Name == name && (!f.OK || f.Warning) })
		if i < 0 {
			return usagef("take the names from the list that `anchorhold doctor --production` prints", "there is no fault %q to accept", name)
		}
		f := &e.Findings[i]
		f.OK, f.Warning, f.Detail = true, false, "accepted: "+f.Detail
	}
	e.OK = true
	for i := range e.Findings {
		f := &e.Findings[i]
		if f.Warning && o.production {
			f.OK, f.Warning = false, false
		}
		e.OK = e.OK && f.OK
	}
	return nil
}

func printExamined(p *show.Printer, e examined) {
	var rows [][]string
	for _, f := range e.Findings {
		state := "ok"
		switch {
		case !f.OK:
			state = "MEND"
		case f.Warning:
			state = "warn"
		}
		rows = append(rows, []string{f.Name, state, f.Detail})
	}
	p.Table("", []string{"EXAMINED", "STATE", "FOUND"}, rows)
	if e.Boundary != nil {
		p.Printf("\nboundary: %s\n", e.Boundary.String())
	}
	for _, f := range e.Findings {
		if (!f.OK || f.Warning) && f.Remedy != "" {
			p.Printf("→ %s: %s\n", f.Name, f.Remedy)
		}
	}
}

// found makes a finding of an error, or of its absence.
func found(name, detail string, err error) finding {
	var e *anchorhold.Error
	switch {
	case err == nil:
		return finding{Name: name, OK: true, Detail: detail}
	case errors.As(err, &e):
		return finding{Name: name, Detail: e.Message, Remedy: e.Remedy}
	}
	return finding{Name: name, Detail: err.Error()}
}

func examineSystem() finding {
	system := runtime.GOOS + "/" + runtime.GOARCH
	if runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64") {
		return found("system", system, nil)
	}
	return found("system", "", anchorhold.Errorf(anchorhold.Unavailable,
		"run the site on Linux (amd64 or arm64), or in a Linux virtual machine; asking, deciding and verifying work here",
		"a site cannot run code on %s", system))
}

// examineSite looks at the folder of a site, and asks the site itself.
func (a *app) examineSite(ctx context.Context, dir string, production bool, boundary *sandbox.Boundary) []finding {
	out := []finding{examineFolder(dir), examineDisk(dir), examineKeys(machine{"/"}, dir)}
	c, err := a.openFolder(ctx, dir)
	if err != nil {
		return append(out, found("site", "", err))
	}
	defer c.Close()
	s, err := c.Site(ctx)
	out = append(out, found("site", s.Name+", version "+s.Version, err))
	if err == nil {
		_, err := keys.ParseVKey(s.Key)
		out = append(out, found("keys", "the public key is "+s.Key, err))
	}
	out = append(out, examineRestored(ctx, c.Client), examineTLS(ctx, c.Client))
	entries, err := c.AuditLatest(ctx, 1)
	last := time.Time{}
	if err == nil && len(entries) > 0 {
		last = entries[0].Event.Time
	}
	out = append(out, examineClock(time.Now(), last), examinePrivate(ctx, machine{"/"}, c.Client))
	if production {
		out = append(out, examineProduction(ctx, c.Client, dir, s, boundary)...)
	}
	return out
}

// examineFolder wants that nobody but the site's account can look in.
func examineFolder(dir string) finding {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return found("folder", "", anchorhold.Errorf(anchorhold.NotFound, "make a site with `anchorhold init`", "%s is not there", dir))
	case info.Mode().Perm()&0o077 != 0:
		return found("folder", "", anchorhold.Errorf(anchorhold.Invalid, "chmod 700 "+dir, "others can look into %s", dir))
	}
	open := openFiles(dir)
	if len(open) > 0 {
		return found("folder", "", anchorhold.Errorf(anchorhold.Invalid, "chmod 600 "+strings.Join(open, " "), "others can read what is secret"))
	}
	return found("folder", dir+" is closed to others", nil)
}

// openFiles lists the files of a site's folder that others may read or write.
func openFiles(dir string) []string {
	var open []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().Type()&^fs.ModeSocket == 0 && info.Mode().Perm()&0o077 != 0 {
			open = append(open, filepath.Join(dir, e.Name()))
		}
	}
	return open
}

// leastFree is the space below which a site should not take on runs.
const leastFree = 1 << 30

func examineDisk(dir string) finding {
	free, err := freeSpace(dir)
	if err != nil {
		return found("disk", "", anchorhold.Errorf(anchorhold.Unavailable, "check the folder", "its free space cannot be read").Because(err))
	}
	if free < leastFree {
		return found("disk", "", anchorhold.Errorf(anchorhold.Unavailable, "make room: a site should have at least "+show.Size(leastFree),
			"only %s are free", show.Size(free)))
	}
	return found("disk", show.Size(free)+" free", nil)
}

// clockTolerance is how far the newest entry of the log may lie ahead.
const clockTolerance = time.Minute

// examineClock compares the clock with the newest thing that the site did: a
// clock that went back makes expired tokens and approvals hold again.
func examineClock(now, last time.Time) finding {
	if last.After(now.Add(clockTolerance)) {
		return found("clock", "", anchorhold.Errorf(anchorhold.Unavailable, "set the clock, for example with a time service",
			"the clock says %s, but the log's newest entry is of %s", show.Time(now), show.Time(last)))
	}
	return found("clock", show.Time(now), nil)
}

// examineSandbox starts a sandbox beside that of a serving site and has hostile
// programs try to get out.
func examineSandbox(ctx context.Context, o boxOptions, dir string) (*sandbox.Boundary, []finding) {
	box, remove, err := o.temporary(dir)
	if err != nil {
		return nil, []finding{found("sandbox", "", err)}
	}
	defer remove()
	g, err := gvisor.New(box)
	if err != nil {
		return nil, []finding{found("sandbox", "", err)}
	}
	defer g.Close() //nolint:errcheck // what it tried is told already
	b, err := g.Probe(ctx)
	if len(b.Checks) == 0 {
		return nil, []finding{found("sandbox", "", err)}
	}
	out := []finding{found("sandbox", fmt.Sprintf("%d attempts to get out", len(b.Checks)), err)}
	for _, c := range b.Checks {
		f := finding{Name: "  " + c.Name, OK: c.OK, Detail: c.Detail}
		if !c.OK {
			f.Remedy = "do not serve until this holds"
		}
		out = append(out, f)
	}
	return &b, append(out, examineWorker(ctx, g))
}

// examineWorker has DuckDB parse something in the sandbox. A site without it
// does everything but answer questions in SQL.
func examineWorker(ctx context.Context, g *gvisor.Sandbox) finding {
	const name = "DuckDB"
	own, err := placedWorker(g)
	if err == nil {
		w := duckdb.Workers{Sandbox: g, Program: own}
		_, err = w.Parse(ctx, "doctor", "SELECT 1")
		err = errors.Join(err, w.Close())
	}
	f := found(name, "answers in the sandbox", err)
	f.OK, f.Warning = true, err != nil
	return f
}

// placedWorker finds DuckDB's program beside this one, where guests can be shown it.
func placedWorker(g *gvisor.Sandbox) (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	if own, err = duckdb.Beside(own); err != nil {
		return "", err
	}
	return g.Place(own)
}
