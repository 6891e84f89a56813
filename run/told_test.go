package run

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/store"
)

// The log tells how a run ended and how far it came, and nothing that it is about.
func TestTheLogTellsOfRuns(t *testing.T) {
	s, run, _ := trialBench(t)
	s.Envs = &pyenv.Store{Dir: t.TempDir()}
	var log bytes.Buffer
	s.Tell = slog.New(slog.NewTextHandler(&log, nil))
	do := func(act func(tx store.Tx) error) {
		t.Helper()
		if err := s.Books.Store.Update(context.Background(), act); err != nil {
			t.Fatal(err)
		}
	}
	again := func() anchorhold.Run {
		t.Helper()
		log.Reset()
		run.State = anchorhold.RunQueued
		do(func(tx store.Tx) error { return tx.PutRun(run) })
		claimed, err := s.claim(context.Background(), "w")
		if err != nil {
			t.Fatal(err)
		}
		return claimed
	}
	for _, end := range []struct {
		state  string
		before func(anchorhold.Run)
	}{
		{"failed", func(anchorhold.Run) {}}, // its environment is not built
		{"lost", func(of anchorhold.Run) {
			do(func(tx store.Tx) error { return tx.ReturnRun(of.ID, "w") })
		}},
	} {
		claimed := again()
		end.before(claimed)
		s.execute(context.Background(), claimed, "w")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 {
			t.Fatalf("the log has %q", lines)
		}
		for i, want := range []string{
			`msg="run began" run=` + run.ID + ` side=mock attempt=[0-9]+ waited=\S+$`,
			`msg="run ended" run=` + run.ID + ` side=mock state=` + end.state + ` phase=preparing took=\S+ cpu_seconds=0 memory=0$`,
		} {
			if !regexp.MustCompile(want).MatchString(lines[i]) {
				t.Errorf("the log says %q, want %q", lines[i], want)
			}
		}
		if strings.Contains(log.String(), "heart") || strings.Contains(log.String(), secret) || strings.Contains(log.String(), "env add") {
			t.Errorf("the log names what a run is about:\n%s", &log)
		}
	}
}
