package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

const tlsHelp = `A site that serves with --tls-self-signed has a key of its own, which connection
strings name. It is changed in two steps:

  anchorhold tls rotate    makes the next key and announces it. Who is connected
                           learns it, because the key in use vouches for it;
                           connection strings name both from now on.
  anchorhold tls switch    serves the next key, and drops the one before. With
                           tls rotate --after 14d the site does that by itself.
  anchorhold tls withdraw  takes the announcement back: the key in use stays.

In between leave people time to connect once: who did not is refused after the
change, and needs the connection string of the new key, by another way than the
network.`

func newTLS(a *app) *cobra.Command {
	sub := func(use, short, long string, do func(*client.Client, context.Context) (client.TLSKeys, error)) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			return runTLS(c.Context(), a, do)
		}}
	}
	c := group("tls", "Change the key of a site's TLS door",
		sub("show", "Show the key that is served, and the one that is announced", "", (*client.Client).TLSKeys),
		newTLSRotate(a),
		sub("switch --dir DIR", "Serve the key that was announced, and drop the one before",
			"From now on the key that was announced is served. The one before is removed:\nwho knows it alone is refused, and told to ask you for the connection string.", (*client.Client).SwitchTLS),
		sub("withdraw --dir DIR", "Take back the key that was announced; the one in use stays",
			"The key that was announced is removed, and served never. Who learnt of it\nforgets it when they connect; who does not connect goes on knowing both.", (*client.Client).WithdrawTLS))
	c.Long = tlsHelp
	return c
}

func newTLSRotate(a *app) *cobra.Command {
	var after, on string
	c := &cobra.Command{
		Use:   "rotate --dir DIR",
		Short: "Make the next key, and announce it under the one in use",
		Long: `Makes the next key and announces it to everybody who connects. It is served from
` + "`anchorhold tls switch`" + ` on, or by itself: --after a length of time, or --on a date.`,
		Example: "  anchorhold tls rotate --after 14d --dir /srv/heart",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := parseWhen(after, on, time.Now())
			if err != nil {
				return err
			}
			return runTLS(c.Context(), a, func(c *client.Client, ctx context.Context) (client.TLSKeys, error) { return c.RotateTLS(ctx, at) })
		},
	}
	c.Flags().StringVar(&after, "after", "", "change to it by itself after such a time, as 14d")
	c.Flags().StringVar(&on, "on", "", "change to it by itself on a date, as 2027-01-31, or at a time, as 2027-01-31T06:00:00Z")
	return c
}

func runTLS(ctx context.Context, a *app, do func(*client.Client, context.Context) (client.TLSKeys, error)) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	k, err := do(c.Client, ctx)
	if err != nil {
		return err
	}
	return emit(a, k, printTLS)
}

func printTLS(p *show.Printer, k client.TLSKeys) {
	if k.Pin == "" {
		p.Printf("The site has no TLS key of its own.\n")
		return
	}
	p.Printf("The key of the site's own is %s.\n", k.Pin)
	if k.Next != "" {
		p.Printf("The next one is %s,\nannounced since %s. ", k.Next, show.Time(*k.Announced))
		if k.On != nil {
			p.Printf("The site changes to it on %s, and earlier by `anchorhold tls switch`.\n", show.Time(*k.On))
		} else {
			p.Printf("`anchorhold tls switch` changes to it.\n")
		}
	}
	if k.Connect != "" {
		p.Printf("Others connect to: %s\n", k.Connect)
	}
}
