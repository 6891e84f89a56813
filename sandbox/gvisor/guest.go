//go:build linux && (amd64 || arm64)

package gvisor

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

// guest is one session at the site.
type guest struct {
	conn    *net.UnixConn
	control *net.UnixConn
	pipe    *os.File
	log     head
	most    sandbox.Limits
	held    atomic.Bool // waits for Begin
	over    atomic.Bool // Finish was called
	drained chan struct{}
	begun   chan struct{} // closed when the launcher has put the limits of Begin in force
	done    chan struct{}
	result  sandbox.Result // complete when done is closed
}

var _ sandbox.Session = (*guest)(nil)

// begin hands a session's descriptors to the launcher.
func (l *launching) begin(spec sandbox.Spec) (*guest, error) {
	g := &guest{
		log: head{most: spec.Limits.LogBytes}, most: spec.Limits,
		drained: make(chan struct{}), begun: make(chan struct{}), done: make(chan struct{}),
	}
	g.held.Store(spec.Hold != nil)
	var ends [startFiles]*os.File
	defer func() {
		for _, f := range ends {
			if f != nil {
				f.Close()
			}
		}
	}()
	var err error
	if g.conn, ends[startConn], err = socketPair(unix.SOCK_STREAM); err != nil {
		return nil, err
	}
	if g.control, ends[startControl], err = socketPair(unix.SOCK_SEQPACKET); err != nil {
		shut(g.conn)
		return nil, err
	}
	if g.pipe, ends[startOut], ends[startErr], err = pipe(); err == nil {
		if ends[startSpec], err = memoryFile(spec); err == nil {
			err = send(l.control, struct{}{}, ends[:]...)
		}
	}
	if err != nil {
		shut(g.conn, g.control)
		if g.pipe != nil {
			g.pipe.Close()
		}
		return nil, err
	}
	// A guest that fills the pipe would stop, and one whose words are kept
	// without bound would fill our memory: so take everything, keep the head.
	go func() {
		if _, err := io.Copy(&g.log, g.pipe); errors.Is(err, os.ErrDeadlineExceeded) {
			g.rest()
		}
		g.pipe.Close()
		close(g.drained)
	}()
	return g, nil
}

// mostRest bounds what is taken of a pipe that should have ended: more than a
// pipe holds.
const mostRest = 1 << 20

// rest takes what is in the pipe just now.
func (g *guest) rest() {
	raw, err := g.pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		var b [16 << 10]byte
		for taken := 0; taken < mostRest; {
			n, err := unix.Read(int(fd), b[:])
			if n <= 0 || err != nil {
				return
			}
			_, _ = g.log.Write(b[:n]) // keeps the beginning
			taken += n
		}
	})
}

// pipe makes a pipe with two writing ends that block, unlike that of os.Pipe:
// a guest would take a full pipe for an error. The ends are opened separately,
// since gVisor makes the one that it takes over first non-blocking, and the
// guest would see that on the second.
func pipe() (r, out, err *os.File, _ error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, nil, err
	}
	out = os.NewFile(uintptr(p[1]), "log")
	second, serr := unix.Open("/proc/self/fd/"+strconv.Itoa(p[1]), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if serr == nil {
		err = os.NewFile(uintptr(second), "log")
		serr = unix.SetNonblock(p[0], true)
	}
	r = os.NewFile(uintptr(p[0]), "log") // after SetNonblock, so that it can be given a deadline
	if serr != nil {
		closeAll([]*os.File{r, out, err})
		return nil, nil, nil, serr
	}
	return r, out, err, nil
}

// hear waits for the launcher's next word on the session.
func (g *guest) hear() (report, error) {
	var r report
	files, err := receive(g.control, &r)
	closeAll(files)
	return r, err
}

// explained adds to the cause of a failed start what gVisor printed. No guest
// has run, so none of it is a guest's.
func (g *guest) explained(e *anchorhold.Error) error {
	_ = g.pipe.SetReadDeadline(time.Now().Add(2 * time.Second))
	<-g.drained
	printed := strings.TrimSpace(cut(string(g.log.bytes())))
	if printed == "" {
		return e
	}
	return e.Because(errors.Join(e.Cause, errors.New(printed)))
}

// follow waits for the end and makes the result.
func (g *guest) follow() {
	defer close(g.done)
	defer shut(g.control)
	r, err := g.hear()
	if err == nil && r.Begun {
		close(g.begun)
		r, err = g.hear()
	}
	// Every process is gone, so the pipe ends at once, or is being killed, so that
	// all is in it. Were it not so, the log is cut rather than waited for.
	patience := 2 * time.Second
	if g.over.Load() {
		patience = 0
	}
	_ = g.pipe.SetReadDeadline(time.Now().Add(patience))
	<-g.drained
	if err != nil || r.Ending == nil {
		g.result = sandbox.Result{Status: sandbox.SandboxError, Reason: "the launcher ended before the job"}
	} else {
		e := r.Ending
		g.result = sandbox.Result{Status: e.Status, Reason: e.Reason, ExitCode: e.ExitCode, Usage: e.Usage, Boundary: e.Boundary}
	}
	g.result.Log, g.result.LogTruncated = g.log.bytes(), g.log.cut
}

// Conn is the host's end of the guest's descriptor 3.
func (g *guest) Conn() *net.UnixConn { return g.conn }

// Begin has the launcher put the limits of the session's work in force; see
// sandbox.Session. A launcher that cannot ends the session.
func (g *guest) Begin(ctx context.Context, l sandbox.Limits) error {
	if !g.held.CompareAndSwap(true, false) {
		return anchorhold.Errorf(anchorhold.Conflict, "start another one: a session does one job", "the session has begun before")
	}
	if err := l.Within(g.most); err != nil {
		g.Kill()
		return err
	}
	gone := anchorhold.Errorf(anchorhold.Unavailable, "start another one", "the session ended while it waited")
	if err := send(g.control, order{Begin: &l}); err != nil {
		g.Kill()
		return gone.Because(err)
	}
	select {
	case <-g.begun:
		return nil
	case <-g.done:
		return gone
	case <-ctx.Done():
		g.Kill()
		return ctx.Err()
	}
}

// Wait waits for the end of the session.
func (g *guest) Wait(ctx context.Context) (sandbox.Result, error) {
	select {
	case <-g.done:
		return g.result, nil
	case <-ctx.Done():
		return sandbox.Result{}, ctx.Err()
	}
}

// Finish ends the session as one whose work is done; see sandbox.Session.
func (g *guest) Finish() {
	g.over.Store(true)
	if send(g.control, order{Finish: true}) != nil {
		g.Kill()
	}
}

// Kill ends the session: the launcher takes the closed direction as the order.
func (g *guest) Kill() { _ = g.control.CloseWrite() }
