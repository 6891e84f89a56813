//go:build unix

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/site"
)

type initOptions struct {
	name, admin string
	lock        lockOptions
}

func newInit(a *app) *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init --dir DIR --name NAME",
		Short: "Make a new site in an empty folder",
		Long: `Makes a site: its keys, its database, and a first owner, whose token is written
to a file that only you may read. Nothing is served yet.

The keys lie unprotected beside the data unless --key-protection says otherwise;
` + "`anchorhold key protect`" + ` does the same later.`,
		Example: "  anchorhold init --dir /srv/heart --name heart-clinic",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return runInit(c.Context(), a, o) },
	}
	c.Flags().StringVar(&o.name, "name", "", "what people call the site: letters, digits, hyphens and dots")
	c.Flags().StringVar(&o.admin, "admin", "", "e-mail address of the first owner (default: "+site.DefaultAdmin+")")
	o.lock.flags(c)
	return c
}

func runInit(ctx context.Context, a *app, o initOptions) error {
	dir, err := a.siteDir()
	if err != nil {
		return err
	}
	if o.name == "" {
		return usagef("use --name NAME", "a site needs a name")
	}
	lock, err := a.lock(o.lock, false)
	if err != nil {
		return err
	}
	made, err := site.Init(ctx, dir, site.InitOptions{Name: o.name, Admin: o.admin, Lock: lock})
	if err != nil {
		return err
	}
	return emit(a, made, func(p *show.Printer, r site.InitResult) {
		p.Printf("The site %s is in %s.\n\n", r.Site, dir)
		p.Field("public key", r.Key)
		p.Field("first owner", r.Admin)
		p.Field("their token", r.TokenFile)
		p.Field("its keys are", protectionWords(lock.Protection))
		p.Printf("\nGive the public key to whoever will check receipts.\n")
		p.Printf("Next: offer a table with `anchorhold dataset add`, then `anchorhold serve`, both with --dir %s.\n", dir)
	})
}
