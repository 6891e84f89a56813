package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

func newRunDeposit(a *app) *cobra.Command {
	dir := ""
	c := &cobra.Command{
		Use:   "deposit REQUEST --out DIR",
		Short: "Hand in what was made elsewhere for an approved request",
		Long: `Takes in the result of an approved request that was made elsewhere, such as on a
cluster without a network. DIR is a folder of the site's machine with one file
for each declared output: its name and the extension of its kind (result.csv,
result.json, result.parquet, ...), or what a runner wrote with its manifest.json.
A Parquet file that others wrote is taken as a DataFrame: with the index that
pandas says it had, else with its columns alone.

What is handed in is read, checked and decided about as if it had been made
here. Its receipt says that it was not, and who handed it in.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if dir == "" {
				return usagef("use --out DIR", "no folder with results is given")
			}
			full, err := filepath.Abs(dir)
			if err != nil {
				return anchorhold.Errorf(anchorhold.Invalid, "give an absolute path", "the folder %s cannot be named", dir).Because(err)
			}
			return withRun(c.Context(), a, args[0], func(c *client.Client, ctx context.Context, id string) (anchorhold.Run, error) {
				return c.Deposit(ctx, id, full)
			})
		},
	}
	c.Flags().StringVar(&dir, "out", "", "the folder with the results")
	return c
}
