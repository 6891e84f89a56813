//go:build unix

package main

import (
	"context"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/site"
)

// examineKeys says what protects the keys. That they lie beside the data is
// warned of, not a fault: a first hour needs no lock, and a site whose whole
// disk is encrypted may want none.
func examineKeys(m machine, dir string) finding {
	p, shares, err := site.KeyProtection(dir)
	f := found("key file", protectionWords(p), err)
	if err == nil && shares {
		device, err := deviceOf(dir)
		at := unknown
		if err == nil {
			at = m.secrecyOf(device)
		}
		f.Detail += "; whoever takes the disk, which is " + string(at) + ", has keys and data"
		f.Warning = at != encrypted
		f.Remedy = "`anchorhold key protect` with a passphrase, a credential, or a key file on another disk"
	}
	return f
}

// examineRestored finds a site that was restored and still takes nothing.
func examineRestored(ctx context.Context, c *client.Client) finding {
	r, err := c.Restored(ctx)
	if err == nil && r.Frozen {
		err = anchorhold.Errorf(anchorhold.Conflict,
			"`anchorhold restore checkpoint FILE` with its newest checkpoint, or `anchorhold restore accept --reason TEXT`",
			"restored from a backup and frozen: it takes nothing")
	}
	return found("books", "open", err)
}
