//go:build unix

package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
	"github.com/anchorhold/anchorhold/site"
)

const defaultListen = "127.0.0.1:7440"

// boxOptions are the flags of commands that start the sandbox.
type boxOptions struct{ runUser, state string }

func (o *boxOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.runUser, "run-user", "", "the account that others' code runs under (started as root: default an account of its own; else: your own)")
	c.Flags().StringVar(&o.state, "state", "", "a folder for the sandbox, which the run account can enter (default: below /var/lib/anchorhold as root, else in the site's folder)")
}

type serveOptions struct {
	boxOptions
	watchOptions
	listen, tlsCert, tlsKey, advertise string
	selfSigned                         bool
	slots                              int
	warm                               string
}

func newServe(a *app) *cobra.Command {
	var o serveOptions
	printed := false
	c := &cobra.Command{
		Use:   "serve --dir DIR",
		Short: "Answer requests and run what was approved, until it is stopped",
		Long: `Serves a site: the HTTP API, a socket for commands on this machine, and the
sandbox in which approved code runs. It prints "listening on URL" once requests
are answered, and ends with Ctrl-C.

On loopback it serves plain HTTP. On any other address it refuses to start
without TLS: with a certificate that you have, or with --tls-self-signed. Then
the site makes a key once, keeps it, and prints a connection string that names
it; whoever uses that string talks to this site or to nobody.

Without a working sandbox it does not start at all.

Starting a sandbox and importing pandas in it takes most of a second. With
--warm auto, sandboxes are started and warmed up before there is work for them,
once an environment has been used, and given back ten minutes after its last
run. Each takes one run and is then thrown away. --warm 0 starts each run cold.

Every flag can also stand in a file of the site: see anchorhold config.`,
		Example: `  anchorhold serve --dir /srv/heart --listen 0.0.0.0:7440 --tls-self-signed
  anchorhold serve --dir /srv/heart --listen 0.0.0.0:7440 --tls-cert site.pem --tls-key site.key`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if printed {
				return a.printUnit(c.Flags())
			}
			if err := a.settle(c); err != nil {
				return err
			}
			return runServe(c.Context(), a, o)
		},
	}
	c.Flags().StringVar(&o.listen, "listen", defaultListen, "the address to serve")
	c.Flags().BoolVar(&o.selfSigned, "tls-self-signed", false, "serve TLS with a key and certificate of the site's own")
	c.Flags().StringVar(&o.advertise, "advertise", "", "the host, or host:port, by which others reach the site (default: the address to serve, or this machine's name)")
	c.Flags().StringVar(&o.tlsCert, "tls-cert", "", "PEM file of the TLS certificate")
	c.Flags().StringVar(&o.tlsKey, "tls-key", "", "PEM file of its key")
	c.Flags().IntVar(&o.slots, "slots", 0, "how many runs may go on at once (default: as many as there are processors and memory for)")
	c.Flags().StringVar(&o.warm, "warm", "auto", "how many started sandboxes to keep ready: a number of the default environment at all times, "+
		"or auto: of environments in use, as many as may run at once; either within a quarter of the free memory")
	c.Flags().BoolVar(&printed, printUnitFlag, false, "print the systemd unit that serves this site with the flags given here, and serve nothing")
	o.boxOptions.flags(c)
	o.watchOptions.flags(c)
	return c
}

// ready is what serve answers once it is ready.
type ready struct {
	URL     string `json:"url"`
	Connect string `json:"connect"`
}

func runServe(ctx context.Context, a *app, o serveOptions) error {
	dir, err := a.siteDir()
	if err != nil {
		return err
	}
	warm, err := warmNumber(o.warm)
	if err != nil {
		return err
	}
	log, err := o.logger(a)
	if err != nil {
		return err
	}
	slog.SetDefault(log) // rooms below write to it
	box, err := o.resolve(dir)
	if err != nil {
		return err
	}
	s, err := site.Open(ctx, dir, site.Options{Unlock: a.unlock()})
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // every act was durable when it was answered
	if frozen, err := s.Frozen(ctx); err != nil {
		return err
	} else if frozen {
		show.NewPrinter(a.err).Printf("The site was restored from a backup and is frozen: see `anchorhold restore status`.\n")
	}
	if _, err := a.buildEnvironment(ctx, pyenv.Default(), ""); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.tell(err)
		show.NewPrinter(a.err).Printf("The site serves, but code cannot run before `anchorhold env add` works.\n")
	}
	if o.state == "" {
		defer os.RemoveAll(box.StateDir) //nolint:errcheck // nothing in it is worth keeping
	}
	return s.Serve(ctx, site.ServeOptions{
		Listen: o.listen, TLSCert: o.tlsCert, TLSKey: o.tlsKey, SelfSigned: o.selfSigned, Advertise: o.advertise, Slots: o.slots, Warm: warm,
		Limits: o.limit(), Metrics: o.metrics, Log: log,
		NewSandbox: func() (site.Guests, error) {
			g, err := gvisor.New(box)
			if err != nil {
				return site.Guests{}, err
			}
			worker, err := placedWorker(g)
			if err != nil {
				a.tell(err)
				show.NewPrinter(a.err).Printf("The site serves, but answers no questions in SQL.\n")
			}
			return site.Guests{Sandbox: g, Parser: g.Program(), DuckDB: worker}, nil
		},
	}, func(url string) {
		emit(a, ready{url, s.Connect()}, printReady) //nolint:errcheck // a site serves whether or not anybody reads this
		a.notify("READY=1")
		context.AfterFunc(ctx, func() { a.notify("STOPPING=1") })
	})
}

func printReady(p *show.Printer, r ready) {
	p.Printf("listening on %s\n", r.URL)
	if r.Connect != r.URL {
		p.Printf("others connect to: %s\n", r.Connect)
	}
}

// warmNumber reads --warm.
func warmNumber(text string) (int, error) {
	if text == "auto" {
		return site.WarmAuto, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, anchorhold.Errorf(anchorhold.Invalid, "give a number, or auto", "%q is not a number of sandboxes to keep ready", text)
	}
	return n, nil
}

// resolve decides under which account guests run and where the sandbox keeps
// its files.
func (o *boxOptions) resolve(dir string) (gvisor.Options, error) {
	root := os.Geteuid() == 0
	name, err := filepath.Abs(dir)
	if err != nil {
		return gvisor.Options{}, anchorhold.Errorf(anchorhold.Invalid, "give an absolute path", "the folder %s cannot be used", dir).Because(err)
	}
	sum := sha256.Sum256([]byte(name))
	g := gvisor.Options{StateDir: o.state}
	switch {
	case g.StateDir != "":
	case root:
		g.StateDir = filepath.Join("/var/lib/anchorhold/sandbox", hex.EncodeToString(sum[:8]))
	default:
		g.StateDir = filepath.Join(dir, "sandbox")
	}
	switch {
	case o.runUser != "":
		g.RunUID, g.RunGID, err = account(o.runUser)
	case root:
		g.RunUID, err = freeAccount(binary.BigEndian.Uint32(sum[8:]))
		g.RunGID = g.RunUID
	}
	return g, err
}

// temporary is resolve with a folder of its own for a sandbox that lives beside
// a serving site's; remove takes it away.
func (o *boxOptions) temporary(dir string) (g gvisor.Options, remove func(), err error) {
	if g, err = o.resolve(dir); err != nil {
		return g, nil, err
	}
	parent := os.TempDir()
	if os.Geteuid() == 0 {
		parent = filepath.Dir(g.StateDir)
	}
	err = os.MkdirAll(parent, 0o755)
	if err == nil {
		g.StateDir, err = os.MkdirTemp(parent, "anchorhold-doctor-")
	}
	if err == nil {
		err = os.Chmod(g.StateDir, 0o711) //nolint:gosec // the run account passes through
	}
	if err != nil {
		return g, nil, anchorhold.Errorf(anchorhold.Unavailable, "use --state with a folder that can be written", "there is no place for a sandbox in %s", parent).Because(err)
	}
	return g, func() { os.RemoveAll(g.StateDir) }, nil //nolint:errcheck // as above
}

// account finds an account by name or number.
func account(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return 0, 0, anchorhold.Errorf(anchorhold.Invalid, "make it first: useradd --system --no-create-home "+name, "there is no account %s", name)
	}
	if uid, err = strconv.Atoi(u.Uid); err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return 0, 0, anchorhold.Errorf(anchorhold.Invalid, "name an account of this machine", "the account %s has no numbers", name).Because(err)
	}
	return uid, gid, nil
}

// The numbers that systemd sets aside for accounts that exist only while a
// service runs (systemd.io/UIDS-GIDS); nobody owns files under them.
const (
	firstDynamic = 61184
	lastDynamic  = 65519
)

// taken says whether a number belongs to an account or a group.
func taken(id string) bool {
	_, noUser := user.LookupId(id)
	_, noGroup := user.LookupGroupId(id)
	return noUser == nil || noGroup == nil
}

// freeAccount chooses a number that no account of this machine has, the same
// for the same site as long as that holds.
func freeAccount(seed uint32) (int, error) {
	const n = lastDynamic - firstDynamic + 1
	for i := range n {
		uid := firstDynamic + (int(seed%n)+i)%n
		id := strconv.Itoa(uid)
		if !taken(id) {
			return uid, nil
		}
	}
	return 0, anchorhold.Errorf(anchorhold.Unavailable, "use --run-user", "no account number is free for runs")
}
