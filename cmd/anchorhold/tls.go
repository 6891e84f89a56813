package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

const tlsHelp = `A site that serves with --tls-self-signed has a key of its own, which connection
strings name. It is changed in two steps:

  anchorhold tls rotate    makes the next key and announces it. Who is connected
                           learns it, because the key in use vouches for it;
                           connection strings name both from now on.
  anchorhold tls switch    serves the next key, and drops the one before.

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
		sub("rotate --dir DIR", "Make the next key, and announce it under the one in use",
			"Makes the next key and announces it to everybody who connects. Nothing else\nchanges until `anchorhold tls switch`.", (*client.Client).RotateTLS),
		sub("switch --dir DIR", "Serve the key that was announced, and drop the one before",
			"From now on the key that was announced is served. The one before is removed:\nwho knows it alone is refused, and told to ask you for the connection string.", (*client.Client).SwitchTLS))
	c.Long = tlsHelp
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
		p.Printf("The next one is %s,\nannounced since %s. `anchorhold tls switch` changes to it.\n", k.Next, show.Time(*k.Announced))
	}
	if k.Connect != "" {
		p.Printf("Others connect to: %s\n", k.Connect)
	}
}
