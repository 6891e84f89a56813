package main

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// build is what version answers.
type build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the program's version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return emit(a, build{anchorhold.ProgramVersion, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}, func(p *show.Printer, b build) {
				p.Printf("anchorhold %s (%s, %s)\n", b.Version, b.System, b.Go)
			})
		},
	}
}
