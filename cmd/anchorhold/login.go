package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

type loginOptions struct{ token, ca string }

func newLogin(a *app) *cobra.Command {
	var o loginOptions
	c := &cobra.Command{
		Use:   "login [URL] --token T",
		Short: "Keep a site's address and your token for later commands",
		Long: `Checks the token at the site and keeps both for later commands and for the
Python package, in a file that only you may read.

A connection string (https://HOST:PORT#sha256=...) names the site's key: it and
nothing else is trusted, now and later. A site whose certificate comes from an
authority of your own is trusted with --ca.

With --token - the token is read from standard input, so that it does not
appear in the shell's history.

Several sites are kept: commands without --url act at the one that you logged in
to last, and --url at any other with its own token and key. Without --token the
one that is kept for the address is used, so that "login URL" goes back to a
site; without an address the sites are listed.`,
		Example: `  anchorhold login https://data.hospital.example --token -
  anchorhold login 'https://10.1.2.3:7440#sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU' --token -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return runLogins(a, o)
			}
			return runLogin(c.Context(), a, args[0], o)
		},
	}
	c.Flags().StringVar(&o.token, "token", "", "the token that the site's owner gave you, or - to read it")
	c.Flags().StringVar(&o.ca, "ca", "", "PEM file of the certificates that may vouch for the site, in place of those that this machine trusts")
	return c
}

// loggedIn is what login answers.
type loggedIn struct {
	URL  string `json:"url"`
	User string `json:"user"`
	Site string `json:"site"`
	File string `json:"file"`
}

func runLogin(ctx context.Context, a *app, url string, o loginOptions) error {
	token, err := a.loginToken(o.token)
	if err != nil {
		return err
	}
	ca, err := readCA(o.ca)
	if err != nil {
		return err
	}
	if token == "" {
		kept, err := a.readLogin()
		if err != nil {
			return err
		}
		s, known, same := kept.find(url)
		if !same {
			return usagef("use --token T, or --token - to type it unseen", "no token is given, and none is kept for this address")
		}
		if url, token = known, s.Token; len(ca) == 0 {
			ca = []byte(s.CA)
		}
	}
	c, err := client.New(url, client.Options{Token: token, CA: ca})
	if err != nil {
		return err
	}
	defer c.Close()
	me, err := c.Me(ctx)
	if err != nil {
		return err
	}
	site, err := c.Site(ctx)
	if err != nil {
		return err
	}
	path, err := a.keepLogin(stored{URL: c.Address(), Token: token, CA: string(ca), Key: site.Key})
	if err != nil {
		return err
	}
	return emit(a, loggedIn{c.Address(), me.Name(), site.Name, path}, func(p *show.Printer, l loggedIn) {
		p.Printf("You are %s at %s (%s).\nKept in %s.\n", l.User, l.Site, roles(me), l.File)
	})
}

// keptSite is one site that login keeps, without what is secret.
type keptSite struct {
	URL     string `json:"url"`
	Key     string `json:"key,omitempty"`
	Current bool   `json:"current"`
}

// runLogins lists the sites that are kept.
func runLogins(a *app, o loginOptions) error {
	if o != (loginOptions{}) {
		return usagef("name its address: anchorhold login URL --token T", "no site is named")
	}
	kept, err := a.readLogin()
	if err != nil {
		return err
	}
	sites := []keptSite{}
	for i, s := range kept.all() {
		sites = append(sites, keptSite{s.URL, s.Key, i == 0})
	}
	return emit(a, sites, func(p *show.Printer, sites []keptSite) {
		var rows [][]string
		for _, s := range sites {
			use := ""
			if s.Current {
				use = "used without --url"
			}
			rows = append(rows, []string{s.URL, use})
		}
		p.Table("No site is kept: anchorhold login URL --token T", []string{"SITE", ""}, rows)
	})
}

// maxCA bounds the file of certificates to trust.
const maxCA = 1 << 20

// readCA reads a file of certificates, which is kept with the login: the file
// itself may go.
func readCA(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("give the PEM file of the certificate that the owner gave you", "%s cannot be read", path)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCA+1))
	if err != nil || len(text) > maxCA {
		return nil, usagef("give the PEM file of the certificate that the owner gave you", "%s is not a file of certificates", path)
	}
	return text, nil
}

func (a *app) loginToken(given string) (string, error) {
	switch given {
	case "":
		return a.env("ANCHORHOLD_TOKEN"), nil
	case "-":
		token, err := a.readSecret("Token: ")
		if err != nil || token == "" {
			return "", usagef("give it on standard input", "no token was read")
		}
		return token, nil
	}
	return given, nil
}

// roles writes what a principal may be, for people.
func roles(p anchorhold.Principal) string {
	var out []string
	for _, b := range p.Bindings {
		role := string(b.Role)
		if b.Scope != anchorhold.ScopeSite {
			role += " of " + b.Scope
		}
		out = append(out, role)
	}
	if len(out) == 0 && strings.HasPrefix(p.ID, "local:") {
		return "at the site's own machine"
	}
	if len(out) == 0 {
		return "no role"
	}
	return strings.Join(out, ", ")
}
