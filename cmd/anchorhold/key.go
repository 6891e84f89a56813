package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// siteKey is a site's public key, and in words where it came from: a key that
// the site itself tells proves less than one that was known before.
type siteKey struct {
	keys.VKey
	from string
}

// maxKeyFile bounds a file that should hold one line.
const maxKeyFile = 4096

// readKey reads a key from what was typed: the key itself, or a file.
func readKey(text string) (siteKey, error) {
	text = strings.TrimSpace(text)
	if k, err := keys.ParseVKey(text); err == nil {
		return siteKey{k, "the key that you gave"}, nil
	}
	f, err := os.Open(text)
	if err != nil {
		return siteKey{}, anchorhold.Errorf(anchorhold.Invalid, "copy the whole key as the site prints it (origin+hash+base64), or name a file that holds it",
			"%s is neither a site's public key nor a file", text)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return siteKey{}, anchorhold.Errorf(anchorhold.Invalid, "name a file that holds the key", "%s cannot be read", text).Because(err)
	}
	k, err := keys.ParseVKey(strings.TrimSpace(string(data)))
	if err != nil {
		return siteKey{}, err
	}
	return siteKey{k, "the key in " + text}, nil
}

// keyOf is the key to check a site's words with: the given one, else what the
// site tells of itself.
func (a *app) keyOf(ctx context.Context, c *client.Client, given string) (siteKey, error) {
	if given != "" {
		return readKey(given)
	}
	site, err := c.Site(ctx)
	if err != nil {
		return siteKey{}, err
	}
	k, err := keys.ParseVKey(site.Key)
	return siteKey{k, "the key that the site tells of itself"}, err
}

// knownKey is the key to check a receipt with, without asking anybody where
// that is possible: the given one, the one that login stored, else the site's.
func (a *app) knownKey(ctx context.Context, given string) (siteKey, error) {
	if given != "" {
		return readKey(given)
	}
	if a.dir == "" && a.url == "" && a.env("ANCHORHOLD_DIR") == "" && a.env("ANCHORHOLD_URL") == "" {
		s, err := a.readLogin()
		if err != nil {
			return siteKey{}, err
		}
		if s.Key == "" {
			return siteKey{}, usagef("use --key with the site's public key, or a file that holds it", "no key to check the receipt with is known")
		}
		k, err := keys.ParseVKey(s.Key)
		return siteKey{k, "the key that " + s.URL + " told at login"}, err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return siteKey{}, err
	}
	defer c.Close()
	return a.keyOf(ctx, c.Client, "")
}
