package site

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/api"
	"github.com/anchorhold/anchorhold/identity"
	"github.com/anchorhold/anchorhold/intake"
	"github.com/anchorhold/anchorhold/internal/pages"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/sandbox"
)

// How long clients may take, and how long stopping waits for them.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	stopTime   = 10 * time.Second
)

// ServeOptions say where and with what a site serves.
type ServeOptions struct {
	Listen  string // host:port; port 0 takes a free one
	TLSCert string // PEM files; needed for every address but loopback
	TLSKey  string
	// SelfSigned serves TLS with a key and certificate that the site makes once
	// and keeps; people connect by a string that names the key.
	SelfSigned bool
	// Advertise is the host, or host:port, by which others reach the site;
	// empty: the one it listens on, or this machine's name.
	Advertise string
	Slots     int // runs at once; 0: as many as the machine has processors and memory for
	Warm      int // sessions of each environment that are kept ready; see WarmAuto
	// Limits of calls over the network; zero: api.DefaultLimits. Negative
	// fields set no limit.
	Limits api.Limits
	// Metrics is a loopback address at which Prometheus finds counters; empty:
	// nowhere.
	Metrics string
	// Log is told one line for each call, two for each run, and how the site itself
	// starts and stops; nil: nobody.
	Log *slog.Logger
	// NewSandbox starts the sandbox. Without one a site does not serve: requests
	// would be accepted that nobody could run.
	NewSandbox func() (Guests, error)
}

// Guests is a sandbox, and the paths of the static programs of ours that it shows
// to its guests.
type Guests struct {
	sandbox.Sandbox
	Parser string // of outputs
	DuckDB string // of questions in SQL; empty: there are none
}

// Serve opens the doors and executes runs until the context ends. ready is told
// the URL once requests are answered.
func (s *Site) Serve(ctx context.Context, o ServeOptions, ready func(url string)) error {
	began := time.Now()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d, err := s.openDoors(ctx, o)
	if err != nil {
		return err
	}
	box, err := o.NewSandbox()
	if err != nil {
		return errors.Join(err, d.close())
	}
	if o.Slots <= 0 {
		o.Slots = slots(s.runs.Limits)
	}
	s.runs.Boxes, s.runs.Parser, s.runs.Slots, s.runs.Tell = s.boxes(box.Sandbox, o), box.Parser, o.Slots, o.Log
	s.datasets.Opener = &intake.Opener{Sandbox: box.Sandbox, Program: box.Parser}
	asking := s.answerQuestions(box)
	if o.Warm > 0 {
		if e, ok := s.questions.Engines.(engines); ok {
			s.runs.Boxes.Keep(e.Kind())
		}
		s.runs.KeepWarm(pyenv.Default().Digest())
	}

	if err := errors.Join(s.sweep(ctx), s.questions.CloseReserved(ctx)); err != nil {
		return errors.Join(err, asking(), d.close(), box.Close())
	}
	err = s.work(ctx, d, o.Log, func() {
		o.Log.InfoContext(ctx, "site serves", "version", anchorhold.ProgramVersion, "slots", o.Slots, "sql", box.DuckDB != "",
			"took", time.Since(began).Round(time.Millisecond))
		ready(d.url)
	})
	return errors.Join(err, asking(), box.Close())
}

// work answers at the doors and executes runs until the context ends or a door
// breaks; then it lets calls finish, ends those that wait, and returns runs to the queue.
func (s *Site) work(ctx context.Context, d *doors, log *slog.Logger, ready func()) (err error) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { s.runs.Work(working) })
	wg.Go(func() { s.notify.Work(working) })
	wg.Go(func() { s.keep.Work(working) })
	wg.Go(func() { s.changeKeysInTime(working) })
	failed := make(chan error, len(d.open))
	for _, one := range d.open {
		wg.Go(func() { failed <- one.server.Serve(one.listener) })
	}
	ready()
	pages.Release()

	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	began, ctx := time.Now(), context.WithoutCancel(ctx)
	log.InfoContext(ctx, "site stops", "asked", err == nil)
	stop()
	s.api.EndWaits()
	closing, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	for _, one := range d.open {
		err = errors.Join(err, shutdown(closing, one.server))
	}
	wg.Wait()
	log.InfoContext(ctx, "site stopped", "took", time.Since(began).Round(time.Millisecond))
	return err
}

// shutdown lets running requests finish, then closes whatever is left: a
// request that waits for a change would otherwise hold the site up.
func shutdown(ctx context.Context, srv *http.Server) error {
	if err := srv.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		return srv.Close()
	} else if err != nil {
		return err
	}
	return nil
}

// Connect is the address for others while the site serves: with the keys that
// they shall insist on, where the site's certificate is its own.
func (s *Site) Connect() string {
	if door := s.tlsDoor.Load(); door != nil {
		return s.connect + "#" + door.pins().Fragment()
	}
	return s.connect
}

// listen opens the door for others: plain on loopback, with TLS anywhere.
func (s *Site) listen(ctx context.Context, o ServeOptions) (net.Listener, string, error) {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, "", anchorhold.Errorf(anchorhold.Invalid, "write it like 127.0.0.1:7440", "%q is not an address to listen on", o.Listen)
	}
	given := o.TLSCert != "" || o.TLSKey != ""
	switch {
	case given && o.SelfSigned:
		return nil, "", anchorhold.Errorf(anchorhold.Invalid, "leave one out", "a certificate is given, and one of the site's own is wanted")
	case !given && !o.SelfSigned && !loopback(host):
		return nil, "", anchorhold.Errorf(anchorhold.Invalid, "give --tls-self-signed, or --tls-cert and --tls-key, or listen on 127.0.0.1",
			"others could reach %s, and without TLS they could read tokens and answers", o.Listen)
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, "", anchorhold.Errorf(anchorhold.Unavailable, "choose another --listen address, or stop what uses it", "the site cannot listen on %s", o.Listen).Because(err)
	}
	if !given && !o.SelfSigned {
		s.connect = "http://" + reachable(l.Addr(), o.Advertise)
		return l, "http://" + l.Addr().String(), nil
	}
	door, err := s.secure(ctx, l, o)
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	return door, "https://" + l.Addr().String(), nil
}

// secure puts TLS before a door.
func (s *Site) secure(ctx context.Context, l net.Listener, o ServeOptions) (net.Listener, error) {
	var next identity.Pins
	if o.SelfSigned {
		var err error
		if next, err = s.settleTLS(ctx); err != nil {
			return nil, err
		}
		path, err := s.selfSigned(o.Listen, o.Advertise)
		if err != nil {
			return nil, err
		}
		o.TLSCert, o.TLSKey = path, path
	}
	cert, err := openCertificate(o.TLSCert, o.TLSKey)
	if err != nil {
		return nil, err
	}
	s.connect = "https://" + reachable(l.Addr(), o.Advertise)
	if o.SelfSigned {
		if err := cert.announce(next); err != nil {
			return nil, err
		}
		s.tlsDoor.Store(cert)
	}
	return tls.NewListener(l, cert.config()), nil
}

// reachable is the host and port by which others reach a door.
func reachable(at net.Addr, advertise string) string {
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return at.String()
	}
	switch ip := net.ParseIP(host); {
	case advertise != "":
		if _, _, err := net.SplitHostPort(advertise); err == nil {
			return advertise
		}
		host = strings.Trim(advertise, "[]")
	case ip != nil && ip.IsUnspecified():
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, port)
}

// loopback says whether only this machine can reach a host. A name counts only
// when every address of it is loopback.
func loopback(host string) bool {
	addrs, err := net.LookupIP(host)
	if ip := net.ParseIP(host); ip != nil {
		addrs, err = []net.IP{ip}, nil
	}
	if err != nil || len(addrs) == 0 {
		return false
	}
	for _, a := range addrs {
		if !a.IsLoopback() {
			return false
		}
	}
	return true
}

// listenLocal opens the door for programs on this machine: a socket in the
// site's directory, which only its owner can enter.
func (s *Site) listenLocal() (net.Listener, error) {
	path := SocketPath(s.dir)
	// A socket file of a site that was killed: the lock says that nobody uses it.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unusable(s.dir, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "use a shorter path for the site's directory, at most 90 characters",
			"the site's socket cannot be made").Because(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

type peerKey struct{}

// withPeer asks the kernel who is at the other end of a local connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uid, err := peer(c)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// peerUID is who sent a local request: root, or the account that the site runs
// as, to which its directory belongs (see checkOwner); nobody else.
func peerUID(r *http.Request) (int, error) {
	uid, ok := r.Context().Value(peerKey{}).(int)
	if !ok || uid != 0 && uid != os.Geteuid() {
		return 0, anchorhold.Errorf(anchorhold.Unauthenticated, "run the command as the site's own account, or use --url with a token",
			"this account may not act for the site")
	}
	return uid, nil
}
