package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newRequestShow(a *app) *cobra.Command {
	review := false
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show who asks, why, the code, and everything that was decided",
		Long: `Shows a request as a reviewer reads it. Characters that could deceive the eye
(invisible ones, those that turn the direction of writing, control characters)
are written as ⟨U+XXXX⟩, and the lines that hold them are named.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if review {
				return runRequestReview(c.Context(), a, args[0])
			}
			return runRequestShow(c.Context(), a, args[0])
		},
	}
	c.Flags().BoolVar(&review, "review", false, "show which lines have been read, and by whom")
	return c
}

func runRequestReview(ctx context.Context, a *app, id string) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		reading, err := c.Reading(ctx, id)
		if err != nil {
			return err
		}
		return emit(a, reading, printReading)
	})
}

func runRequestShow(ctx context.Context, a *app, id string) error {
	return withSite(ctx, a, func(ctx context.Context, c *client.Client) error {
		r, err := c.Request(ctx, id)
		if err != nil {
			return err
		}
		site, err := c.Site(ctx)
		if err != nil {
			return err
		}
		var d client.Diff // what a decider reads first
		if r.State == anchorhold.StatePending || r.State == anchorhold.StateAsked {
			if d, err = c.Diff(ctx, id); err != nil {
				return err
			}
		}
		return emit(a, r, func(p *show.Printer, r anchorhold.Request) { printRequest(p, r, site, d) })
	})
}

func printRequest(p *show.Printer, r anchorhold.Request, site client.Site, since client.Diff) {
	p.Field("request", r.ID)
	p.Field("state", fmt.Sprintf("%s: %s", r.State, meaning(r.State)))
	p.Field("who", r.AuthorName)
	p.Field("why", r.Purpose)
	p.Field("study", r.Study)
	p.Field("asked", show.Time(r.Opened)+again(r))
	if len(r.Waits) > 0 && r.Undecided != nil {
		p.Field("expires", show.TimeOf(r.Undecided)+" if it is not decided")
	}
	for _, w := range r.Waits {
		p.Field("waits for", waiting(w))
	}
	p.Field("digest", r.Digest)
	p.Field("code digest", r.CodeDigest)
	for _, name := range slices.Sorted(maps.Keys(r.Assets)) {
		ref := r.Assets[name]
		p.Field("data", fmt.Sprintf("%s = %s/%s, version %s", name, ref.Dataset, ref.Asset, ref.Version))
	}
	printValues(p, r)
	printOutputsDeclared(p, r.Code)
	p.Field("environment", environment(r.Code.Environment, site))
	printLimits(p, site)
	printExpected(p, r.Expect)
	printCode(p, r.Code, r.Forgotten)
	if since.Approved {
		p.Heading("compared with what was approved")
		printDiff(p, since)
	}
	printLint(p, r.Lint)
	printTrial(p, r.Trial, r.TrialNote, r.Expect)
	printDecisions(p, r.Decisions)
	printMessages(p, r)
	printRuns(p, r)
}

// waiting says what a dataset of a request still waits for.
func waiting(w anchorhold.Wait) string {
	if w.Quorum == 0 {
		return w.Dataset + ": others decide for it"
	}
	text := fmt.Sprintf("%s: %d of %d approvals", w.Dataset, w.Approvals, w.Quorum)
	if len(w.Deciders) > 0 {
		text += "; " + strings.Join(w.Deciders, ", ") + " may decide"
	}
	if w.Review == anchorhold.EveryLine {
		text += "; every line has to be read"
	}
	return text
}

// again says how often a request was opened, when not only once.
func again(r anchorhold.Request) string {
	if r.Opening <= 1 {
		return ""
	}
	return fmt.Sprintf(" (for the %d. time; first %s)", r.Opening, show.Time(r.Created))
}

// printValues shows every value parameter, those left at their default too.
func printValues(p *show.Printer, r anchorhold.Request) {
	for _, param := range r.Code.Parameters {
		if param.Kind == "asset" {
			continue
		}
		value, given := r.Values[param.Name]
		note := ""
		if !given {
			value, note = param.Default, " (default)"
		}
		p.Field("parameter", fmt.Sprintf("%s: %s = %s%s", param.Name, param.Type, value, note))
	}
}

func printOutputsDeclared(p *show.Printer, code anchorhold.Code) {
	for _, o := range code.Outputs {
		p.Field("output", fmt.Sprintf("%s: %s, %s", o.Name, o.Kind, tells(o.Tells())))
	}
}

// tells says a sensitivity in words.
func tells(s anchorhold.Sensitivity) string {
	switch s {
	case anchorhold.Individual:
		return "individual: of single people, released by a person only"
	case anchorhold.Model:
		return "model: what was learnt from many"
	case anchorhold.Aggregate:
		return "aggregate: figures about many"
	}
	return string(s)
}

// environment names the packages that the code runs with.
func environment(lock string, site client.Site) string {
	for _, e := range site.Environments {
		if e.Lock == lock {
			return fmt.Sprintf("%s (Python %s, %d packages)", nameLocks(lock, site), e.Python, len(e.Packages))
		}
	}
	return lock + " (not at this site)"
}

func printCode(p *show.Printer, code anchorhold.Code, forgotten *time.Time) {
	if forgotten != nil {
		p.Printf("The code and the purpose were removed for their age on %s. Their digests stay.\n", show.Time(*forgotten))
		return
	}
	for _, f := range code.Files {
		p.Heading(f.Path + begins(f.Path, code.Entry))
		p.Printf("%s", show.Block(show.Code(f.Text)))
		warn(p, f.Path, f.Text)
	}
}

// printLint names the lines that a reader of the code points at.
func printLint(p *show.Printer, l *anchorhold.Lint) {
	if l == nil {
		return
	}
	p.Heading("to look at (advice: it finds neither everything nor only harm)")
	if len(l.Findings) == 0 {
		p.Printf("Nothing was found.\n")
	}
	why := ""
	for _, f := range l.Findings {
		p.Printf("%s:%d  %s: %s\n", f.File, f.Line, f.Category, f.What)
		if f.Why != why {
			p.Printf("    %s\n", f.Why)
		}
		why = f.Why
	}
	if l.More > 0 {
		p.Printf("... and %d more.\n", l.More)
	}
}

func begins(path, entry string) string {
	switch file, function, ok := strings.Cut(entry, ":"); {
	case !ok || file != path:
		return ""
	case function == anchorhold.ScriptEntry:
		return " (a script)"
	default:
		return " (begins at " + function + ")"
	}
}

// warn names the lines whose look may deceive.
func warn(p *show.Printer, name, text string) {
	for _, f := range show.Suspicious(text) {
		p.Printf("WARNING: line %d of %s has %s\n", f.Line, name, f.What)
	}
}

func printDecisions(p *show.Printer, decisions []anchorhold.Decision) {
	if len(decisions) == 0 {
		return
	}
	p.Heading("decisions")
	for _, d := range decisions {
		p.Printf("%s  %s: %s for %s%s\n", show.Time(d.Created), show.Who(d.DeciderName), verb(d.Verdict), d.Dataset, terms(d))
		if d.Reason != "" {
			p.Printf("    %s\n", d.Reason)
		}
		if d.Category != "" {
			p.Printf("    category: %s\n", d.Category)
		}
		if d.WouldAccept != "" {
			p.Printf("    would be accepted: %s\n", d.WouldAccept)
		}
	}
}

func verb(v anchorhold.Verdict) string {
	if v == anchorhold.Approve {
		return "approved"
	}
	return "denied"
}

func terms(d anchorhold.Decision) string {
	if d.Verdict != anchorhold.Approve {
		return ""
	}
	var out []string
	if d.Uses > 1 {
		out = append(out, fmt.Sprintf("%d runs", d.Uses))
	}
	if d.Expires != nil {
		out = append(out, "until "+show.TimeOf(d.Expires))
	}
	if d.AutoRelease {
		out = append(out, "released when the checks pass")
	}
	out = append(out, looser(d)...)
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

// looser says how far an approval covers more than what was asked.
func looser(d anchorhold.Decision) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(d.Params)) {
		out = append(out, name+" "+d.Params[name].String())
	}
	if d.AnyLaterVersion {
		out = append(out, "any later version")
	}
	if d.AnyPurpose {
		out = append(out, "any purpose")
	}
	if len(d.For) > 0 {
		out = append(out, "also for "+strings.Join(d.For, ", "))
	}
	if d.FailureLimit > 0 && d.Uses > 1 {
		out = append(out, fmt.Sprintf("suspended after %d failures", d.FailureLimit))
	}
	return out
}

func printMessages(p *show.Printer, r anchorhold.Request) {
	if len(r.Messages) == 0 {
		return
	}
	p.Heading("questions and answers")
	for _, m := range r.Messages {
		kind := "answers"
		if m.Question {
			kind = "asks"
		}
		p.Printf("%s  %s %s: %s\n", show.Time(m.Created), cmp.Or(show.Who(m.Name), "somebody who decides"), kind, cmp.Or(m.Text, "(removed for its age)"))
	}
}

func printRuns(p *show.Printer, r anchorhold.Request) {
	runs := r.Runs
	if len(runs) == 0 {
		return
	}
	p.Heading("runs")
	var rows [][]string
	for _, run := range runs {
		rows = append(rows, []string{run.ID, string(run.State), show.Time(run.Queued), show.TimeOf(run.Finished), outputsOf(run), run.Reason})
	}
	p.Table("", []string{"ID", "STATE", "QUEUED", "FINISHED", "OUTPUTS", "REASON"}, rows)
	if len(runs) >= anchorhold.ShownRuns {
		p.Printf("All of them: anchorhold run ls --request %s\n", r.ID)
	}
}

func outputsOf(run anchorhold.Run) string {
	var out []string
	for _, o := range run.Outputs {
		text := o.Name + " (" + o.Kind
		if o.Release != nil {
			text += ", " + string(o.Release.State)
		}
		out = append(out, text+")")
	}
	return strings.Join(out, ", ")
}

// printExpected says what the author expects a run to use.
func printExpected(p *show.Printer, e *anchorhold.Resources) {
	if words := e.Words(); words != nil {
		p.Field("expected", "at most "+strings.Join(words, ", ")+"; no run gets more")
	}
}

// printLimits says what a run may use at most.
func printLimits(p *show.Printer, site client.Site) {
	l := site.Limits
	if l == nil {
		return
	}
	p.Field("limits", fmt.Sprintf("%g processors, %s of memory, %s of output, %s of processor time, %s in all",
		l.CPUs, show.Size(l.Memory), show.Size(l.OutBytes), l.CPUTime, l.Wall))
}
