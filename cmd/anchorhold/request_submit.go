package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// codeOptions say what is to run, on what.
type codeOptions struct {
	entry, environment      string
	assets, params, outputs []string
	memory, study           string
	cpu, wall               time.Duration
}

func (o *codeOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.entry, "entry", "", "the function to run; of a folder MODULE:FUNCTION; left out: the file is a script")
	list(c.Flags(), &o.assets, "asset", "which table a parameter takes: patients=heart/patients, or patients=heart where the dataset has one table")
	list(c.Flags(), &o.params, "param", "the value of a parameter: k=5; of a list: ages=18,40,65")
	list(c.Flags(), &o.outputs, "output", "what comes out, where the annotation does not say it: NAME=KIND or NAME=KIND:SENSITIVITY, such as fit=array:model")
	c.Flags().DurationVar(&o.cpu, "cpu", 0, "processor time that a run may use at most, such as 90s (default: the site's limit)")
	c.Flags().StringVar(&o.memory, "memory", "", "memory that a run may use at most, such as 2GiB (default: the site's limit)")
	c.Flags().DurationVar(&o.wall, "time", 0, "time that a run may take at most, such as 5m (default: the site's limit)")
	c.Flags().StringVar(&o.study, "study", "", "the study that it belongs to; roles that you have in that study hold")
	c.Flags().StringVar(&o.environment, "env", "", "the lock or the name of the environment to run in (default: the site's default)")
}

type submitOptions struct {
	codeOptions
	purpose string
	wait    bool
}

func newRequestSubmit(a *app) *cobra.Command {
	var o submitOptions
	c := &cobra.Command{
		Use:   "submit PATH [--entry ENTRY] --asset PARAMETER=DATASET/TABLE --purpose TEXT",
		Short: "Ask a question: submit Python code to run on private tables",
		Long: `Gathers code from its source text (nothing of it is executed here), shows what
was gathered, and submits that. What cannot be gathered is refused with its name
and what to do. PATH and ENTRY name

  FILE.py --entry FUNCTION          a function, with the helpers, constants and imports that it needs
  FILE.py                           a script, with the modules beside it that it imports
  FOLDER --entry MODULE:FUNCTION    a folder, with every file in it

A script runs from top to bottom. Its tables and values are there as variables
when it begins; it leaves its answer in the variable result. A value is declared
by its type alone, as in "least: int".

What comes out is told by the annotation of the function or of result where that
is plain. Else --output declares it: several outputs are returned as a dict or a
tuple, or are variables of a script. KIND is table, array, json, text, image, csv,
svg, safetensors, onnx, samples or any; SENSITIVITY is aggregate, model or individual.

It needs Python 3.9 or newer: python3, or the program in ANCHORHOLD_PYTHON.`,
		Example: `  anchorhold request submit ages.py --entry age_by_diagnosis \
    --asset patients=heart/patients --param k=5 --purpose "Age at diagnosis, for the grant report"
  anchorhold request submit analysis.py --asset patients=heart --purpose "Table 2"
  anchorhold request submit analysis/ --entry main:run --asset patients=heart --purpose "Table 2"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runRequestSubmit(c.Context(), a, args[0], o) },
	}
	o.flags(c)
	c.Flags().StringVar(&o.purpose, "purpose", "", "what the answer is for; the owner reads it")
	c.Flags().BoolVar(&o.wait, "wait", false, "wait until there is an answer, or there will be none")
	return c
}

// submitted is what request submit answers.
type submitted struct {
	ID     string           `json:"id"`
	Digest string           `json:"digest"`
	Code   string           `json:"code_digest"`
	State  anchorhold.State `json:"state"`
}

func runRequestSubmit(ctx context.Context, a *app, file string, o submitOptions) error {
	if strings.TrimSpace(o.purpose) == "" {
		return usagef("use --purpose TEXT; the owner decides by it", "no purpose is given")
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	q, err := a.prepare(ctx, c.Client, file, o.codeOptions)
	if err != nil {
		return err
	}
	return a.submit(ctx, c.Client, client.NewRequest{Code: q.Code, Assets: q.Assets, Values: q.Values, Purpose: o.purpose, Study: q.Study, Expect: q.Expect}, o.wait)
}

// prepare gathers code and finds what it is given, and shows what was gathered.
func (a *app) prepare(ctx context.Context, c *client.Client, file string, o codeOptions) (q client.NewTrial, err error) {
	if len(o.assets) == 0 {
		return q, usagef("use --asset PARAMETER=DATASET/TABLE", "no table is given to the code")
	}
	assets, err := pairs("asset", o.assets)
	if err != nil {
		return q, err
	}
	params, err := pairs("param", o.params)
	if err != nil {
		return q, err
	}
	env, err := environmentOf(ctx, c, o.environment)
	if err != nil {
		return q, err
	}
	used, kinds, err := assetsOf(ctx, c, assets)
	if err != nil {
		return q, err
	}
	for i := range assets {
		assets[i].name += ":" + kinds[assets[i].name]
	}
	if q.Expect, err = o.expected(); err != nil {
		return q, err
	}
	gathered, err := a.collect(ctx, file, o, assets, env)
	if err != nil {
		return q, err
	}
	q.Code = gathered.Code
	if q.Values, err = valuesOf(gathered.Code, params); err != nil {
		return q, err
	}
	q.Assets, q.Study = used, o.study
	gathered.print(show.NewPrinter(a.err))
	return q, nil
}

// expected is what a run may use at most, where anything was said of it.
func (o *codeOptions) expected() (*anchorhold.Resources, error) {
	var e anchorhold.Resources
	for _, d := range []struct {
		flag  string
		given time.Duration
		into  *int64
	}{{"cpu", o.cpu, &e.CPUSeconds}, {"time", o.wall, &e.WallSeconds}} {
		if d.given < 0 {
			return nil, usagef("write it as 90s or 5m", "--%s is less than nothing", d.flag)
		}
		*d.into = int64((d.given + time.Second - 1) / time.Second)
	}
	var err error
	if o.memory != "" {
		e.Memory, err = parseSize("memory", o.memory)
	}
	if err != nil || e == (anchorhold.Resources{}) {
		return nil, err
	}
	return &e, nil
}

// environmentOf is the environment that the code names: the given one, or the
// site's default.
func environmentOf(ctx context.Context, c *client.Client, given string) (none client.Environment, err error) {
	site, err := c.Site(ctx)
	if err != nil {
		return none, err
	}
	for _, e := range site.Environments {
		if given != "" && (given == e.Lock || given == e.Name) || given == "" && e.Default {
			return e, nil
		}
	}
	if given != "" {
		return none, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold env ls`", "the site has no environment %s", given)
	}
	return none, anchorhold.Errorf(anchorhold.Conflict, "ask the owner to build one with `anchorhold env add`", "the site has no environment to run code in")
}

// valuesOf writes the given values as the function's parameters declare them.
func valuesOf(code anchorhold.Code, params []pair) (map[string]json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	for _, p := range params {
		i := slices.IndexFunc(code.Parameters, func(d anchorhold.Parameter) bool { return d.Name == p.name && d.Kind != "asset" })
		if i < 0 {
			return nil, usagef("its value parameters are: "+valueNames(code), "--param %s: the code has no such parameter that takes a value", p.name)
		}
		v, err := parseValue(p.name, code.Parameters[i].Type, p.value)
		if err != nil {
			return nil, err
		}
		values[p.name] = v
	}
	return values, nil
}

func valueNames(code anchorhold.Code) string {
	var names []string
	for _, d := range code.Parameters {
		if d.Kind != "asset" {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// assetsOf reads DATASET/ASSET; the asset may be left out where it is the only
// one. It also gives the kind of each.
func assetsOf(ctx context.Context, c *client.Client, assets []pair) (used map[string]client.AssetName, kinds map[string]string, err error) {
	used, kinds = map[string]client.AssetName{}, map[string]string{}
	for _, as := range assets {
		dataset, name, _ := strings.Cut(as.value, "/")
		found, err := theAsset(ctx, c, dataset, name)
		if err != nil {
			return nil, nil, err
		}
		used[as.name] = client.AssetName{Dataset: dataset, Asset: found.Name}
		kinds[as.name] = found.Kind
	}
	return used, kinds, nil
}

// submit hands the request in, and waits for its answer where asked to.
func (a *app) submit(ctx context.Context, c *client.Client, n client.NewRequest, wait bool) error {
	r, err := c.Submit(ctx, n)
	if err != nil {
		return err
	}
	if wait {
		if !a.json {
			show.NewPrinter(a.err).Printf("Submitted as %s.\n", r.ID)
		}
		if r, err = a.await(ctx, c, r.ID); err != nil {
			return err
		}
	}
	err = emit(a, submitted{r.ID, r.Digest, r.CodeDigest, r.State}, func(p *show.Printer, s submitted) {
		p.Printf("%s is %s: %s.\n", s.ID, s.State, meaning(s.State))
		if s.State == anchorhold.StateReleased {
			p.Printf("Fetch it with: anchorhold release get %s --out FOLDER\n", s.ID)
		}
	})
	if err == nil && wait && r.State != anchorhold.StateReleased {
		return ended(r)
	}
	return err
}

// await follows a request to its end and tells each state on a terminal.
func (a *app) await(ctx context.Context, c *client.Client, id string) (anchorhold.Request, error) {
	w := a.watch("waiting")
	defer w.end()
	return c.Wait(ctx, id, func(r anchorhold.Request) bool {
		w.step(fmt.Sprintf("%s is %s: %s", r.ID, r.State, meaning(r.State)))
		return r.State.Ended()
	})
}

// ended is the error of a request that ended without an answer.
func ended(r anchorhold.Request) error {
	why := ""
	for _, d := range r.Decisions {
		if d.Verdict == anchorhold.Deny && d.Opening == r.Opening && d.Reason != "" {
			why = ": " + d.Reason
		}
	}
	return &statusError{exitNoAnswer, anchorhold.Errorf(anchorhold.Conflict, "see `anchorhold request show "+r.ID+"`", "there is no answer: %s%s", meaning(r.State), why)}
}
