package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

type tryOptions struct {
	codeOptions
	out   string
	force bool
}

func newRequestTry(a *app) *cobra.Command {
	var o tryOptions
	c := &cobra.Command{
		Use:   "try PATH [--entry ENTRY] --asset PARAMETER=DATASET/TABLE",
		Short: "Run code on the mocks, at the site, as it would run on the private tables",
		Long: `Runs the code where a request would run, in the same environment and the
same sandbox, on the mocks of its tables. Nobody decides on it: everything that
comes out of a mock is yours to see, what it printed and its traceback included.

A function, a script or a folder is gathered as ` + "`anchorhold request submit`" + ` gathers it.`,
		Example: "  anchorhold request try ages.py --entry age_by_diagnosis --asset patients=heart/patients --out tried",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runRequestTry(c.Context(), a, args[0], o) },
	}
	o.flags(c)
	c.Flags().StringVar(&o.out, "out", "", "the folder to write what it gave into; it is made when it is absent")
	c.Flags().BoolVar(&o.force, "force", false, "replace files that are there")
	return c
}

// tried is what request try answers.
type tried struct {
	anchorhold.Run
	Log   string   `json:"log"`
	Files []string `json:"files,omitempty"` // where --out put them
}

func runRequestTry(ctx context.Context, a *app, file string, o tryOptions) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	q, err := a.prepare(ctx, c.Client, file, o.codeOptions)
	if err != nil {
		return err
	}
	run, err := c.Try(ctx, q)
	if err != nil {
		return err
	}
	w := a.watch("waiting")
	run, err = c.WaitRun(ctx, run.ID, func(r anchorhold.Run) { w.step(fmt.Sprintf("%s is %s", r.ID, r.State)) })
	w.end()
	if err != nil {
		return err
	}
	out := tried{Run: run}
	log, err := c.RunLog(ctx, run.ID)
	if err != nil {
		return err
	}
	out.Log = log.Text
	if out.Files, err = fetchOutputs(ctx, c.Client, run, o); err != nil {
		return err
	}
	if err := emit(a, out, printTried); err != nil || run.State == anchorhold.RunDone {
		return err
	}
	return &statusError{exitNoAnswer, anchorhold.Errorf(anchorhold.Conflict, "change the code and try again", "the trial gave no result: %s", run.Reason)}
}

func fetchOutputs(ctx context.Context, c *client.Client, run anchorhold.Run, o tryOptions) (files []string, err error) {
	if o.out == "" {
		return nil, nil
	}
	for _, out := range run.Outputs {
		body, err := c.RunOutput(ctx, run.ID, out.Name)
		if err != nil {
			return files, err
		}
		path, err := save.File(o.out, out.File, o.force, newChecked(body, out.Size, out.SHA256))
		body.Close()
		if err != nil {
			return files, err
		}
		files = append(files, filepath.ToSlash(path))
	}
	return files, nil
}

func printTried(p *show.Printer, t tried) {
	if text := strings.Trim(t.Log, "\n"); text != "" {
		p.Printf("%s\n", show.Block(text))
	}
	t.Failure = "" // it ends the log
	printTrial(p, &t.Run, "", nil)
	for _, f := range t.Files {
		p.Printf("Written to %s\n", f)
	}
}

// printTrial shows how a run on mocks ended, or why there is none; beside what it
// used, what was expected.
func printTrial(p *show.Printer, run *anchorhold.Run, note string, expect *anchorhold.Resources) {
	if run == nil {
		if note != "" {
			p.Heading("on the mocks")
			p.Printf("Not tried: %s.\n", note)
		}
		return
	}
	p.Heading("on the mocks")
	p.Field("trial", run.ID)
	p.Field("state", string(run.State))
	p.Field("reason", run.Reason)
	printUsage(p, run.Usage)
	if run.Usage != (anchorhold.Usage{}) { // to compare with
		printExpected(p, expect)
	}
	for _, o := range run.Outputs {
		p.Field("output", fmt.Sprintf("%s: %s, %s", o.Name, strings.TrimSuffix(o.Kind+", "+o.Python, ", "), show.Size(o.Size)))
		for _, c := range o.Checks {
			if c.Result != anchorhold.CheckPassed {
				p.Field("check", strings.TrimSuffix(fmt.Sprintf("%s: %s; %s", c.Name, c.Result, c.Detail), "; "))
			}
		}
		if o.Preview != "" {
			p.Printf("%s\n", show.Block(o.Preview))
		}
	}
	if run.Failure != "" {
		p.Printf("%s\n", show.Block(strings.Trim(run.Failure, "\n")))
	}
}
