//go:build unix

package main

import (
	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold/intake"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/run"
)

// newParseOutputs is what a site starts in a sandbox without keys to read what
// others' code wrote. It is of no use to people, so no help shows it.
func newParseOutputs() *cobra.Command {
	return &cobra.Command{
		Use:    run.ParserArgument,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return output.GuestMain() },
	}
}

// newReadAssets is the same for files that owners hand in.
func newReadAssets() *cobra.Command {
	return &cobra.Command{
		Use:    intake.Argument,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return intake.GuestMain() },
	}
}
