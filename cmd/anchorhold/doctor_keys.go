//go:build unix

package main

import "github.com/anchorhold/anchorhold/site"

// examineKeys says what protects the keys. That they lie beside the data is
// stated, not a fault: a first hour needs no lock, and a site whose whole disk
// is encrypted may want none.
func examineKeys(dir string) finding {
	p, shares, err := site.KeyProtection(dir)
	f := found("key file", protectionWords(p), err)
	if err == nil && shares {
		f.Detail += "; whoever takes the disk has keys and data"
		f.Remedy = "`anchorhold key protect` with a passphrase, a credential, or a key file on another disk"
	}
	return f
}
