//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/sandbox"
)

// examinePrivate looks at the volumes of the private files, and at who may read
// them.
func examinePrivate(ctx context.Context, m machine, c *client.Client) finding {
	const name = "private files"
	n, bad := 0, map[string]string{}
	for d, err := range c.Datasets(ctx, client.Search{}) {
		if err != nil {
			return found(name, "", err)
		}
		full, err := c.Dataset(ctx, d.Name)
		if err != nil {
			return found(name, "", err)
		}
		for _, a := range full.Assets {
			if a.Version.Private == nil || !filepath.IsAbs(a.Version.Private.Path) {
				continue
			}
			n++
			if why := m.weakness(a.Version.Private.Path); why != "" {
				bad[d.Name+"/"+a.Name] = why
			}
		}
	}
	for asset, why := range bad { // any of them: the others follow
		return warned(name, "close the files to others (chmod o-rwx), and keep them on an encrypted volume",
			"%d of %d private files are not as safe as they could be: %s %s", len(bad), n, asset, why)
	}
	return found(name, fmt.Sprintf("%d looked at", n), nil)
}

// weakness says what speaks against where a private file lies; empty: nothing.
func (m machine) weakness(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "cannot be looked at"
	}
	if info.Mode().Perm()&0o007 != 0 && passable(filepath.Dir(path)) {
		return "may be used by every account of this machine"
	}
	device, err := deviceOf(path)
	if err != nil {
		return "cannot be looked at"
	}
	if at := m.secrecyOf(device); at != encrypted {
		return "lies on a volume that is " + string(at)
	}
	return ""
}

// passable says whether every account gets into a folder: it and each one above
// must let them pass.
func passable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return err != nil // what cannot be looked at may be open
		}
		above := filepath.Dir(dir)
		if above == dir {
			return true
		}
		dir = above
	}
}

// examineProduction is the list of what a site needs before it is used in
// earnest, beside what every site needs.
func examineProduction(ctx context.Context, c *client.Client, dir string, s client.Site, b *sandbox.Boundary) []finding {
	out := []finding{examineDoor(s), examineAccounts(b), examineTime(), examineAdminToken(dir)}
	return append(out, examineBackup(ctx, c, time.Now()), examineDeciders(ctx, c), examineAutomatic(ctx, c))
}

func examineDoor(s client.Site) finding {
	switch {
	case s.Connect == "":
		return found("door", "", anchorhold.Errorf(anchorhold.Unavailable, "start it: anchorhold serve, or systemctl start anchorhold", "the site does not serve"))
	case !strings.HasPrefix(s.Connect, "https://"):
		return found("door", "", anchorhold.Errorf(anchorhold.Invalid,
			"serve with --tls-self-signed or a certificate, and --listen an address that others reach", "the site speaks plain HTTP, to this machine alone"))
	}
	return found("door", "TLS at "+s.Connect, nil)
}

// nextKeyAge is how long a key may be announced before the change is overdue.
const nextKeyAge = 90 * 24 * time.Hour

// examineTLS says which key of the site's own is served, and which one comes.
func examineTLS(ctx context.Context, c *client.Client) finding {
	k, err := c.TLSKeys(ctx)
	switch {
	case err != nil || k.Pin == "":
		return found("TLS key", "none of the site's own", err)
	case k.Next == "":
		return found("TLS key", k.Pin, nil)
	}
	const change = "when everybody has connected once: anchorhold tls switch"
	said := fmt.Sprintf("%s; %s is announced since %s", k.Pin, k.Next, show.Time(*k.Announced))
	if k.On != nil {
		return found("TLS key", said+"; the site changes to it on "+show.Time(*k.On), nil)
	}
	if time.Since(*k.Announced) > nextKeyAge {
		return warned("TLS key", change, "%s", said)
	}
	return found("TLS key", said+"; "+change, nil)
}

func examineAccounts(b *sandbox.Boundary) finding {
	switch {
	case b == nil:
		return found("accounts", "", anchorhold.Errorf(anchorhold.Unavailable, "mend the sandbox first", "it is not known under which account others' code runs"))
	case b.Mode != sandbox.ModeInstalled:
		return found("accounts", "", anchorhold.Errorf(anchorhold.Invalid, "run the site as a service: docs/operations.md",
			"others' code runs under the site's own account, which reads keys and data"))
	}
	return found("accounts", "others' code runs under an account of its own", nil)
}

func examineTime() finding {
	synchronised, known := clockSynchronised()
	switch {
	case !known:
		return found("time service", "", anchorhold.Errorf(anchorhold.Unavailable, "check it by other means, then use --accept 'time service'", "this system does not say whether its clock is kept"))
	case !synchronised:
		return found("time service", "", anchorhold.Errorf(anchorhold.Unavailable, "install one, such as chrony or systemd-timesyncd", "no time service keeps the clock"))
	}
	return found("time service", "keeps the clock", nil)
}

// examineAdminToken wants that the first owner's token was taken away.
func examineAdminToken(dir string) finding {
	file := filepath.Join(dir, "admin-token")
	if _, err := os.Stat(file); err == nil {
		return found("admin token", "", anchorhold.Errorf(anchorhold.Invalid, "keep it in a password store, or revoke it (anchorhold user token EMAIL --revoke), and remove "+file,
			"the first owner's token still lies beside the data"))
	}
	return found("admin token", "not beside the data", nil)
}

// backupAge is how old the newest backup may be.
const backupAge = 8 * 24 * time.Hour

// examineBackup looks at when a backup was whole last.
func examineBackup(ctx context.Context, c *client.Client, now time.Time) finding {
	made, err := c.Backups(ctx)
	if err != nil {
		return found("backup", "", err)
	}
	var last time.Time
	for _, b := range made {
		if b.Whole != nil && b.Began.After(last) {
			last = b.Began
		}
	}
	const remedy = "make one now and then: anchorhold backup"
	switch {
	case last.IsZero():
		return found("backup", "", anchorhold.Errorf(anchorhold.Unavailable, remedy, "no backup of the site is whole"))
	case now.Sub(last) > backupAge:
		return found("backup", "", anchorhold.Errorf(anchorhold.Unavailable, remedy, "the newest backup is of %s", show.Time(last)))
	}
	return found("backup", "the newest is of "+show.Time(last), nil)
}

// examineDeciders wants two people who may decide: nobody decides on their own
// request, and people are away.
func examineDeciders(ctx context.Context, c *client.Client) finding {
	n := 0
	for u, err := range c.Users(ctx) {
		if err != nil {
			return found("deciders", "", err)
		}
		for _, b := range u.Bindings {
			if !u.Disabled && (b.Role == anchorhold.RoleOwner || b.Role == anchorhold.RoleReviewer) {
				n++
				break
			}
		}
	}
	if n < 2 {
		return found("deciders", "", anchorhold.Errorf(anchorhold.Invalid, "add a second owner or reviewer: anchorhold user add EMAIL --role reviewer",
			"%d person may decide, and nobody decides on their own request", n))
	}
	return found("deciders", fmt.Sprintf("%d people may decide", n), nil)
}

// examineAutomatic wants an end to each permission to release without a person.
func examineAutomatic(ctx context.Context, c *client.Client) finding {
	var open []string
	n := 0
	for g, err := range c.Grants(ctx, "") {
		if err != nil {
			return found("automatic releases", "", err)
		}
		if !g.AutoRelease || g.State != anchorhold.GrantActive && g.State != anchorhold.GrantSuspended {
			continue
		}
		n++
		if g.Expires == nil {
			open = append(open, g.ID)
		}
	}
	if len(open) > 0 {
		return found("automatic releases", "", anchorhold.Errorf(anchorhold.Invalid, "revoke them, and approve again with --expires",
			"%d grants release without a person and without an end: %s", len(open), strings.Join(open, " ")))
	}
	return found("automatic releases", fmt.Sprintf("%d grants, each with an end", n), nil)
}

// warned is a finding that is no fault by itself.
func warned(name, remedy, format string, args ...any) finding {
	return finding{Name: name, OK: true, Warning: true, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
}
