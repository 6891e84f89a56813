//go:build linux && (amd64 || arm64)

package gvisor

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

// The site and its launcher speak in packets over socket pairs: one pair for
// the launcher itself and one per session, so that a closed end always means
// one thing. Everything is JSON; what can be large travels as a sealed memory
// file.

// packetLimit is the largest packet.
const packetLimit = 64 << 10

// launchConfig is what the launcher is told at its start, in argv.
type launchConfig struct {
	Run      string     `json:"run"`       // its own directory
	DirectFS bool       `json:"direct_fs"` // false where guests run under the site's own account
	Mode     string     `json:"mode"`
	Cgroups  cgroupBase `json:"cgroups"`
}

// hello is the launcher's first packet.
type hello struct {
	Boundary sandbox.Boundary `json:"boundary"`
	Error    *wireError       `json:"error,omitempty"`
}

// Descriptors of a start packet, in order.
const (
	startConn    = iota // becomes descriptor 3 of the guest
	startControl        // the session's own pair
	startOut            // stdout
	startErr            // stderr: the same pipe, opened a second time
	startSpec           // memory file with the Spec as JSON
	startFiles          // how many
)

// order is a packet of the site about one session: to begin, where it waits, or
// that its work is done.
type order struct {
	Begin  *sandbox.Limits `json:"begin,omitempty"`
	Finish bool            `json:"finish,omitempty"`
}

// report is a packet of the launcher about one session: first Started or
// Error, then Begun if it was told to begin, later Ending.
type report struct {
	Started bool       `json:"started,omitempty"`
	Begun   bool       `json:"begun,omitempty"`
	Error   *wireError `json:"error,omitempty"`
	Ending  *ending    `json:"ending,omitempty"`
}

// ending is how a session ended, measured from outside.
type ending struct {
	Status   sandbox.Status   `json:"status"`
	Reason   string           `json:"reason"`
	ExitCode int              `json:"exit_code"`
	Usage    anchorhold.Usage `json:"usage"`
	Boundary string           `json:"boundary"`
}

// wireError carries an anchorhold.Error; its cause becomes text.
type wireError struct {
	Kind    anchorhold.Kind `json:"kind"`
	Message string          `json:"message"`
	Remedy  string          `json:"remedy"`
	Cause   string          `json:"cause"`
}

func toWire(err error) *wireError {
	var e *anchorhold.Error
	if !errors.As(err, &e) {
		return &wireError{Kind: anchorhold.Internal, Message: "the sandbox failed", Cause: cut(err.Error())}
	}
	w := &wireError{Kind: e.Kind, Message: cut(e.Message), Remedy: cut(e.Remedy)}
	if e.Cause != nil {
		w.Cause = cut(e.Cause.Error())
	}
	return w
}

func (w *wireError) err() *anchorhold.Error {
	e := &anchorhold.Error{Kind: w.Kind, Message: w.Message, Remedy: w.Remedy}
	if w.Cause != "" {
		e.Cause = errors.New(w.Cause)
	}
	return e
}

// cut keeps a text short enough for a packet.
func cut(s string) string {
	const most = 8 << 10
	if len(s) > most {
		return s[:most]
	}
	return s
}

// socketPair makes two connected sockets that are not inherited.
func socketPair(kind int) (here *net.UnixConn, there *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	there = os.NewFile(uintptr(fds[1]), "socket")
	here, err = unixConn(os.NewFile(uintptr(fds[0]), "socket"))
	if err != nil {
		there.Close()
		return nil, nil, err
	}
	return here, there, nil
}

// unixConn turns a socket into a connection and takes it over.
func unixConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("not a Unix socket")
	}
	return u, nil
}

// send writes one packet with descriptors attached.
func send[T any](c *net.UnixConn, v T, files ...*os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > packetLimit {
		return errors.New("packet too large")
	}
	var fds []int
	for _, f := range files {
		fds = append(fds, rawFD(f))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	_, _, err = c.WriteMsgUnix(b, rights, nil)
	for _, f := range files {
		_ = f.Name() // keep f open until the packet is written
	}
	return err
}

// receive reads one packet and its descriptors; io.EOF means that the other
// side has closed.
func receive[T any](c *net.UnixConn, v *T) ([]*os.File, error) {
	buf, oob := make([]byte, packetLimit+1), make([]byte, unix.CmsgSpace(4*startFiles))
	n, oobn, flags, _, err := c.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	files, err := descriptors(oob[:oobn])
	if err == nil && (n > packetLimit || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0) {
		err = errors.New("packet too large")
	}
	if err == nil {
		err = json.Unmarshal(buf[:n], v)
	}
	if err != nil {
		closeAll(files)
		return nil, err
	}
	return files, nil
}

func descriptors(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			closeAll(files)
			return nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// shut closes what was only read from, or is given up: an error of closing it
// changes nothing any more.
func shut(cs ...io.Closer) {
	for _, c := range cs {
		c.Close()
	}
}

// rawFD is the descriptor's number; unlike os.File.Fd it does not change the
// file's blocking mode, which the guest would share.
func rawFD(f *os.File) int {
	fd := -1
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(p uintptr) { fd = int(p) })
	}
	return fd
}

// memoryFile makes a sealed, read-only file of the value's JSON.
func memoryFile[T any](v T) (*os.File, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("anchorhold-spec", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "spec")
	if _, err := f.Write(b); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readMemoryFile reads what memoryFile made.
func readMemoryFile[T any](f *os.File, v *T) error {
	const most = 64 << 20
	b, err := io.ReadAll(io.NewSectionReader(f, 0, most))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
