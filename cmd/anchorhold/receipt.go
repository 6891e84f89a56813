package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/receipt"
)

func newReceipt(a *app) *cobra.Command {
	return group("receipt", "Read a receipt, and check it offline", newReceiptShow(a), newReceiptVerify(a))
}

func newReceiptShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Show what a receipt says, without checking it",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return runReceiptShow(a, args[0]) },
	}
}

func runReceiptShow(a *app, path string) error {
	data, err := readReceipt(path)
	if err != nil {
		return err
	}
	r, err := receipt.Parse(data)
	if err != nil {
		return err
	}
	var s receipt.Statement
	payload, err := r.Envelope.DecodeB64Payload()
	if err == nil {
		err = json.Unmarshal(payload, &s)
	}
	if err != nil {
		return anchorhold.Errorf(anchorhold.Invalid, "get the receipt anew from the site", "what the receipt says cannot be read").Because(err)
	}
	return emit(a, s, func(p *show.Printer, s receipt.Statement) {
		printStatement(p, s)
		p.Printf("\nNot checked. Check it with `anchorhold receipt verify`.\n")
	})
}

// readReceipt reads a receipt file up to its largest size.
func readReceipt(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.NotFound, "name the file that `release get --receipt` wrote", "%s cannot be opened", path).Because(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, receipt.MaxFile+1))
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "name the file that `release get --receipt` wrote", "%s cannot be read", path).Because(err)
	}
	return data, nil
}

// printAnswered shows what the receipt of an answer says.
func printAnswered(p *show.Printer, s receipt.Statement) {
	x := s.Answer
	p.Field("site", x.Site)
	p.Field("who", x.Question.Author)
	p.Field("study", x.Question.Study)
	p.Field("question", x.Question.ID)
	p.Field("statement", x.Question.Statement)
	if x.Question.Of != "" {
		p.Field("answer of", x.Question.Of)
	}
	for _, as := range x.Assets {
		p.Field("data", fmt.Sprintf("%s/%s, version %s, commitment %s", as.Dataset, as.Asset, as.Version, as.Commitment))
	}
	for _, u := range x.Unit {
		p.Field("unit", u.Asset+": "+u.Unit)
	}
	p.Field("mechanism", x.Mechanism)
	p.Field("bounds", fmt.Sprintf("one unit is in at most %d groups, with at most %d rows in each", x.MaxGroups, x.MaxRows))
	for _, b := range x.Bounds {
		if b.Low != "" {
			p.Field("bounds", fmt.Sprintf("%s (%s): one unit moves it by %s to %s in a group", b.Name, b.Kind, b.Low, b.High))
		}
	}
	for _, e := range x.Exposure {
		where := "population " + e.Population
		if len(e.Counted) > 0 {
			where += fmt.Sprintf(", counted for %v alone", e.Counted)
		}
		p.Field("exposure", fmt.Sprintf("%s, %s: %s", e.Class, where, e.Amount))
	}
	if len(x.Exposure) == 0 {
		p.Field("exposure", "none: its asker knew the answer")
	}
	p.Field("answered", show.Time(x.Answered))
	for _, o := range s.Subject {
		p.Field("output", fmt.Sprintf("%s, %s, sha256 %s", o.Name, show.Size(x.Output.Size), o.Digest.SHA256))
	}
}

func printStatement(p *show.Printer, s receipt.Statement) {
	if s.Answer != nil {
		printAnswered(p, s)
		return
	}
	x := s.Predicate
	p.Field("site", x.Site)
	p.Field("who", x.Request.Author)
	p.Field("why", x.Request.Purpose)
	p.Field("study", x.Request.Study)
	p.Field("request", x.Request.ID+", "+x.Request.Digest)
	p.Field("code", x.Request.CodeDigest)
	for _, as := range x.Assets {
		p.Field("data", fmt.Sprintf("%s = %s/%s, version %s, commitment %s", as.Parameter, as.Dataset, as.Asset, as.Version, as.Commitment))
	}
	python := "nothing ran at the site"
	if x.Environment.Python != "" {
		python = "Python " + x.Environment.Python
	}
	p.Field("environment", fmt.Sprintf("%s (%s)", x.Environment.Lock, python))
	p.Field("run", fmt.Sprintf("%s, %s to %s, %s", x.Run.ID, show.Time(x.Run.Started), show.Time(x.Run.Finished), x.Run.Boundary))
	for _, d := range x.Decisions {
		p.Field("decision", fmt.Sprintf("%s for %s by %s at %s, rule %s", d.Verdict, d.Dataset, d.Decider, show.Time(d.At), d.Rule))
	}
	for _, c := range x.Checks {
		p.Field("check", c.Name+": "+string(c.Result))
	}
	for _, e := range x.Exposure {
		p.Field("exposure", fmt.Sprintf("%s, population %s", e.Class, e.Population))
	}
	how := "by " + x.Release.Decider
	if x.Release.Automatic {
		how = "automatically, under " + x.Release.Decider
	}
	p.Field("released", show.Time(x.Release.At)+" "+how)
	for _, f := range x.Facts {
		p.Field(f.Name, f.Text)
	}
	for _, o := range s.Subject {
		p.Field("output", fmt.Sprintf("%s, %s, %s, sha256 %s", o.Name, x.Output.Kind, show.Size(x.Output.Size), o.Digest.SHA256))
	}
}

type receiptVerifyOptions struct{ key, output string }

func newReceiptVerify(a *app) *cobra.Command {
	var o receiptVerifyOptions
	c := &cobra.Command{
		Use:   "verify FILE [--key KEY] [--output FILE]",
		Short: "Check a receipt with the site's public key, offline",
		Long: `Checks that the site signed the receipt, that the release stands in the site's
log, and, with --output, that a file is what was released. It asks nobody: it
needs the receipt and the site's public key, given with --key or kept by
` + "`anchorhold login`" + `. Only where neither is there and a site is named with --dir
or --url, that site is asked for its key.`,
		Example: "  anchorhold receipt verify receipt.json --key heart.key --output result.parquet",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runReceiptVerify(c.Context(), a, args[0], o) },
	}
	c.Flags().StringVar(&o.key, "key", "", "the site's public key, or a file that holds it")
	c.Flags().StringVar(&o.output, "output", "", "also check that this file is what was released")
	return c
}

// verifiedReceipt is what receipt verify answers.
type verifiedReceipt struct {
	Verified  bool              `json:"verified"`
	Key       string            `json:"key"`
	Statement receipt.Statement `json:"statement"`
}

func runReceiptVerify(ctx context.Context, a *app, path string, o receiptVerifyOptions) error {
	data, err := readReceipt(path)
	if err != nil {
		return err
	}
	key, err := a.knownKey(ctx, o.key)
	if err != nil {
		return err
	}
	s, err := receipt.Verify(data, key.VKey)
	if err != nil {
		return err
	}
	if o.output != "" {
		if err := verifyOutput(s, o.output); err != nil {
			return err
		}
	}
	return emit(a, verifiedReceipt{true, key.String(), s}, func(p *show.Printer, v verifiedReceipt) {
		printStatement(p, v.Statement)
		p.Printf("\nThe receipt holds. Checked with %s.\n", key.from)
		if o.output != "" {
			p.Printf("%s is %s.\n", o.output, whatHolds(v.Statement))
		}
	})
}

func whatHolds(s receipt.Statement) string {
	if s.Answer != nil {
		return "the answer that was given"
	}
	return "byte for byte what was released"
}

func verifyOutput(s receipt.Statement, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return anchorhold.Errorf(anchorhold.NotFound, "name the file that `release get` wrote", "%s cannot be opened", path).Because(err)
	}
	defer f.Close()
	if s.Answer != nil && strings.EqualFold(filepath.Ext(path), ".arrow") {
		return verifyArrow(s, f)
	}
	return receipt.VerifyOutput(s, f)
}
