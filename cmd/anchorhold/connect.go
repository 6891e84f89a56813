package main

import (
	"context"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// target is where a command acts: in a site's folder, or at an address.
type target struct {
	dir        string
	url, token string
	ca         string // PEM text that may vouch for the site
}

// target chooses where to act: what was typed, then the environment, then what
// login stored. Two answers at one level are refused, since acting as somebody
// else than meant must not happen by accident.
func (a *app) target() (target, error) {
	const choose = "choose one with --dir or --url"
	switch envDir, envURL := a.env("ANCHORHOLD_DIR"), a.env("ANCHORHOLD_URL"); {
	case a.dir != "" && a.url != "":
		return target{}, usagef(choose, "--dir and --url name two places to act at")
	case a.dir != "":
		return target{dir: a.dir}, nil
	case a.url != "":
		return a.remote(a.url)
	case envDir != "" && envURL != "":
		return target{}, usagef(choose, "ANCHORHOLD_DIR and ANCHORHOLD_URL name two places to act at")
	case envDir != "":
		return target{dir: envDir}, nil
	}
	return a.address()
}

// address chooses an address to act at as oneself, whatever folder of a site the
// environment names.
func (a *app) address() (target, error) {
	switch envURL := a.env("ANCHORHOLD_URL"); {
	case a.dir != "":
		return target{}, usagef("leave --dir out, or use --url", "this is done at an address, as oneself, and not in a site's folder")
	case a.url != "":
		return a.remote(a.url)
	case envURL != "":
		return a.remote(envURL)
	}
	stored, err := a.readLogin()
	if err != nil {
		return target{}, err
	}
	if stored.URL == "" {
		return target{}, usagef("use `anchorhold login URL --token T`, or --url URL, or --dir DIR on a site's own machine", "no site is named")
	}
	return a.remote(stored.URL)
}

// remote adds the token for an address. A token that stands beside an address,
// in the environment or in the stored login, is for that address and no other;
// a key that is pinned there is insisted on here.
func (a *app) remote(url string) (target, error) {
	beside, token := a.env("ANCHORHOLD_URL"), a.env("ANCHORHOLD_TOKEN")
	kept, err := a.readLogin()
	if err != nil && token == "" {
		return target{}, err
	}
	t := target{url: url}
	stored, known, same := kept.find(url)
	if same {
		t = target{url: known, token: stored.Token, ca: stored.CA}
	}
	if token != "" {
		if beside == "" {
			t.token = token
		} else if known, fits := client.SameSite(t.url, beside); fits {
			t.url, t.token = known, token
		} else if _, fits := client.SameSite(beside, stored.URL); same && fits {
			t.token = token // the stored login has learnt more keys since
		}
	}
	if t.token == "" {
		return target{}, anchorhold.Errorf(anchorhold.Unauthenticated,
			"set ANCHORHOLD_TOKEN, or use `anchorhold login "+url+" --token T`", "there is no token for %s", url)
	}
	return t, nil
}

// siteDir is the folder of the site for commands that work in it.
func (a *app) siteDir() (string, error) {
	dir := a.dir
	if dir == "" {
		dir = a.env("ANCHORHOLD_DIR")
	}
	switch {
	case a.url != "":
		return "", usagef("use --dir DIR on the site's own machine", "this command works in a site's folder, not at an address")
	case dir == "":
		return "", usagef("use --dir DIR, or set ANCHORHOLD_DIR", "no site's folder is named")
	}
	return dir, nil
}

// connection is a client and what must be closed after it.
type connection struct {
	*client.Client
	release func() error
}

// Close ends the connection.
func (c *connection) Close() {
	c.Client.Close()
	if c.release != nil {
		c.release() //nolint:errcheck // every act was durable when it was answered
	}
}

// connect opens the site that a command acts on.
func (a *app) connect(ctx context.Context) (*connection, error) {
	t, err := a.target()
	if err != nil {
		return nil, err
	}
	if t.dir != "" {
		return a.openFolder(ctx, t.dir)
	}
	return a.dial(t)
}

// dial makes a client of the site at an address.
func (a *app) dial(t target) (*connection, error) {
	c, err := client.New(t.url, client.Options{Token: t.token, CA: []byte(t.ca), Learned: a.learned})
	if err != nil {
		return nil, err
	}
	return &connection{Client: c}, nil
}
