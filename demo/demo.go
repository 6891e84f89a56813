// Package demo shows the whole way of a question on real data: four hospitals,
// a researcher, one function, four decisions, four answers and their receipts; and
// a question in SQL that is answered without a decision, until a limit is met.
//
// It types what people would type: every step is a command of the program
// itself, four sites are four processes, and the function runs in the sandbox.
// It promises to end without an error only when the answers equal a computation
// that it makes by itself from the embedded tables, every receipt verifies and
// a tampered one is refused. It must never leave a process or a directory
// behind when it ends.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/anchorhold/anchorhold/demo/data"
)

// Options say how to show it.
type Options struct {
	Program string    // path of this program
	Out     io.Writer // where the story is told
	Stay    bool      // stay up until the context ends, to look around
	Listen  string    // host of the sites' doors; empty: 127.0.0.1
	Port    int       // of the first site; the others follow; 0: free ones
}

// people of the story.
const (
	researcher = "mira@university.example"
	purpose    = "Age of patients with and without heart disease, for a study over four hospitals"
	reason     = "Groups of fewer than 10 people must not leave: merge the diagnoses, and leave small groups out"
)

// Run tells the story.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "anchorhold-demo-")
	if err != nil {
		return err
	}
	// Others may pass through, not look in: the account that runs the code has
	// to reach what it is given.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	s := &story{Options: o, dir: dir, began: time.Now()}
	err = s.tell(ctx)
	return errors.Join(err, s.end(), os.RemoveAll(dir))
}

// story is the demonstration as it goes on.
type story struct {
	Options
	dir   string
	began time.Time
	sites []*hospital
	step  int
}

func (s *story) tell(ctx context.Context) error {
	for _, act := range []func(context.Context) error{
		s.openSites, s.lookAtMocks, s.askFirst, s.denied, s.askAgain, s.decide, s.collect, s.combine, s.tamper, s.askInSQL,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	s.say("\nDone in %.1f s: answers of four hospitals, and no patient's row left its hospital.\n", time.Since(s.began).Seconds())
	s.say("Data: %s\n", data.Attribution)
	if s.Stay {
		return s.stay(ctx)
	}
	return nil
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(s.Out, format, args...) }

// title begins a step.
func (s *story) title(text string) {
	s.step++
	s.say("\n%d. %s\n", s.step, text)
}

// openSites makes four sites with their data, each served by its own process.
func (s *story) openSites(ctx context.Context) error {
	s.title("Four hospitals open a site each: private table, mock twin, one account for the researcher.")
	for i, h := range data.Hospitals() {
		site := &hospital{Hospital: h, story: s, dir: filepath.Join(s.dir, h.Name)}
		s.sites = append(s.sites, site)
		port := 0
		if s.Port > 0 {
			port = s.Port + i
		}
		if err := site.open(ctx, port); err != nil {
			return fmt.Errorf("%s: %w", h.Title, err)
		}
		s.say("   %-44s about %3d patients   %s\n", h.Title, site.rows/50*50, site.url)
	}
	return nil
}

// lookAtMocks shows what the researcher sees before any decision.
func (s *story) lookAtMocks(ctx context.Context) error {
	s.title("The researcher sees descriptions and mock data, made from stated and confirmed facts alone.")
	mock, err := s.sites[0].asResearcher(ctx, "dataset", "mock", dataset, "--asset", asset, "--out", "-")
	if err != nil {
		return err
	}
	for _, line := range firstLines(string(mock), 4) {
		s.say("   %s\n", line)
	}
	return nil
}

// askFirst submits the first version of the function everywhere.
func (s *story) askFirst(ctx context.Context) error {
	s.title("She writes a function against the mock and submits it to all four.")
	return s.submit(ctx, firstVersion)
}

func (s *story) submit(ctx context.Context, source string) error {
	path := filepath.Join(s.dir, "study.py")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		return err
	}
	for _, line := range firstLines(source, 30) {
		s.say("   | %s\n", line)
	}
	digests := map[string]bool{}
	for _, h := range s.sites {
		if err := h.submit(ctx, path); err != nil {
			return fmt.Errorf("%s: %w", h.Title, err)
		}
		digests[h.request.CodeDigest] = true
	}
	if len(digests) != 1 {
		return fmt.Errorf("one function has %d code digests", len(digests))
	}
	s.say("   One code digest at all four: %s\n", s.sites[0].request.CodeDigest)
	return nil
}

// denied lets one owner say no, and the researcher take back the rest.
func (s *story) denied(ctx context.Context) error {
	s.title("One owner reads the code and says no.")
	for _, h := range s.sites {
		if h.Name != "switzerland" {
			if _, err := h.asResearcher(ctx, "request", "withdraw", h.request.ID, "--json"); err != nil {
				return err
			}
			continue
		}
		if _, err := h.asOwner(ctx, "request", "deny", h.request.ID, "--reason", reason, "--json"); err != nil {
			return err
		}
		s.say("   %s: denied. %q\n", h.Title, reason)
	}
	s.say("   She withdraws the question from the other three.\n")
	return nil
}

// askAgain submits the corrected version everywhere.
func (s *story) askAgain(ctx context.Context) error {
	s.title("She corrects the function and submits it again.")
	return s.submit(ctx, correctedVersion)
}

// decide lets every owner approve; two let checked answers out automatically.
func (s *story) decide(ctx context.Context) error {
	s.title("Every owner reads what changed, decides, and the code runs in a sandbox beside the data.")
	for i, h := range s.sites {
		args := []string{"request", "approve", h.request.ID, "--json"}
		if i%2 == 0 {
			args = append(args, "--auto-release")
		}
		if _, err := h.asOwner(ctx, args...); err != nil {
			return fmt.Errorf("%s: %w", h.Title, err)
		}
	}
	for i, h := range s.sites {
		if err := h.released(ctx, i%2 == 0); err != nil {
			return fmt.Errorf("%s: %w", h.Title, err)
		}
	}
	return nil
}

// collect fetches answers and receipts and verifies each receipt offline.
func (s *story) collect(ctx context.Context) error {
	s.title("She fetches the answers, and verifies the receipts with the sites' public keys alone.")
	for _, h := range s.sites {
		if err := h.fetch(ctx); err != nil {
			return fmt.Errorf("%s: %w", h.Title, err)
		}
		s.say("   %-44s", h.Title)
		for _, g := range h.groups {
			s.say("  %s: n=%d, mean age %.1f", diagnosis(g.diseased), g.count, g.mean)
		}
		s.say("\n")
	}
	return nil
}

func diagnosis(diseased bool) string {
	if diseased {
		return "disease"
	}
	return "healthy"
}

// tolerance is how far two computations of one mean may differ by rounding.
const tolerance = 1e-9

// combine pools the four answers and compares all with an own computation.
func (s *story) combine(context.Context) error {
	s.title("She pools the four answers. The same is computed here from the tables themselves, to compare.")
	for _, diseased := range []bool{false, true} {
		var asked, own pooled
		for _, h := range s.sites {
			want, ok := compute(h.CSV, diseased)
			got, answered := h.group(diseased)
			if ok != answered || ok && (got.count != want.count || math.Abs(got.mean-want.mean) > tolerance) {
				return fmt.Errorf("%s: the answer (%+v) is not what the table gives (%+v)", h.Title, got, want)
			}
			if ok {
				asked.add(got)
				own.add(want)
			}
		}
		if asked.n != own.n || math.Abs(asked.mean()-own.mean()) > tolerance {
			return fmt.Errorf("pooled: %+v is not %+v", asked, own)
		}
		s.say("   %s: %d patients, mean age %.4f; from the tables: %d, %.4f: equal\n",
			diagnosis(diseased), asked.n, asked.mean(), own.n, own.mean())
	}
	return nil
}

// pooled adds means up, weighted by their counts.
type pooled struct {
	n   int64
	sum float64
}

func (p *pooled) add(g group) {
	p.n += g.count
	p.sum += float64(g.count) * g.mean
}

func (p *pooled) mean() float64 { return p.sum / float64(p.n) }

// tamper changes a receipt and expects it to be refused.
func (s *story) tamper(ctx context.Context) error {
	s.title("Somebody changes one character of a receipt.")
	refusal, err := s.sites[0].tamper(ctx)
	if err != nil {
		return err
	}
	s.say("   Refused: %s\n", refusal)
	return nil
}

// stay keeps the sites up and says how to look around.
func (s *story) stay(ctx context.Context) error {
	s.say("\nThe sites stay up until Ctrl-C. Look around, as the owner in Cleveland:\n")
	s.say("   %s --dir %s request ls\n   %s --dir %s audit ls\n", s.Program, s.sites[0].dir, s.Program, s.sites[0].dir)
	s.say("or as the researcher:\n   ANCHORHOLD_URL=%s ANCHORHOLD_TOKEN=%s %s request ls\n", s.sites[0].url, s.sites[0].token, s.Program)
	<-ctx.Done()
	return nil
}

// end stops every site.
func (s *story) end() error {
	var errs []error
	for _, h := range s.sites {
		errs = append(errs, h.stop())
	}
	return errors.Join(errs...)
}
