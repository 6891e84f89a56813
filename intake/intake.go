// Package intake has files that owners hand in read in a sandbox of their own.
//
// A file that somebody sends is foreign bytes: its decoder may be made to take all
// memory, to hang, or to do worse, and the process of the site holds keys. So an
// Opener starts a session that holds nothing but this program and one open
// descriptor, and reads the file's rows from its connection. It promises that what
// a file makes its decoder do ends with the session; that the process of the site
// holds one batch of rows and no more; and that what comes back is counted and
// bounded, as the words of a process that read hostile bytes. It must never read a
// file in the process of the site where a session does not answer. Tests read every
// format both ways and compare, play a guest that lies, and have bombs read in the
// real sandbox.
package intake

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Argument makes the program read files on its descriptor 3; guestPath is where it
// lies in the sandbox.
const (
	Argument  = "read-assets"
	guestPath = "/anchorhold"
)

// What reading one file may take.
const (
	readMemory  = 2 << 30
	readTime    = 12 * time.Hour
	readCPUTime = 24 * time.Hour
)

// Opener reads files in sessions of a sandbox. It implements codec.Opener.
type Opener struct {
	Sandbox sandbox.Sandbox
	Program string // the path of this static program
}

// session is what an Opener needs of sandbox.Session.
type session interface {
	Conn() *net.UnixConn
	Kill()
}

// Open implements codec.Opener. When ctx ends, so does the session.
func (o *Opener) Open(ctx context.Context, format string, f *os.File, in codec.Input, opts codec.Options) (codec.Reader, error) {
	s, err := o.Sandbox.Start(ctx, o.spec())
	if err != nil {
		return nil, err
	}
	r, err := begin(ctx, s, question{Format: format, Name: in.Name, Size: in.Size, Columns: opts.Columns, Missing: opts.Missing, Beside: opts.Beside}, f)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (o *Opener) spec() sandbox.Spec {
	limits := sandbox.DefaultLimits()
	limits.Memory, limits.CPUTime, limits.Wall = readMemory, readCPUTime, readTime
	limits.TmpBytes, limits.OutBytes, limits.LogBytes = 1<<20, 1<<20, 64<<10
	return sandbox.Spec{
		ID: anchorhold.NewID("take"), Argv: []string{guestPath, Argument}, Env: []string{"GOMEMLIMIT=1GiB", "GOMAXPROCS=2"},
		Binds: []sandbox.Bind{{Host: o.Program, Guest: guestPath}}, Bare: true, Limits: limits,
	}
}

// begin asks a session for a file's rows; after an error the session has ended.
func begin(ctx context.Context, s session, q question, f *os.File) (r *reader, err error) {
	defer func() {
		if err != nil {
			s.Kill()
			_ = s.Conn().Close() // nothing more is read from it
		}
	}()
	// Opened anew, for reading only: the guest gets the rights and the position of
	// what it is given.
	own, err := os.Open(descriptor(f))
	if err != nil {
		return nil, codec.Unreadable(q.Name, err)
	}
	defer own.Close()
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if err := sandbox.SendFiles(s.Conn(), sandbox.Frame(frameQuestion, text), own); err != nil {
		return nil, err
	}
	return newReader(ctx, s, q)
}

// noAnswer is the error for a session that ended, hung or talked nonsense: the
// file made it do so.
func noAnswer(name string, cause error) error {
	return anchorhold.Errorf(anchorhold.TooLarge, "write it with smaller pages, row groups or batches, or as another format",
		"%s could not be read within the limits of the sandbox", name).Because(cause)
}

// refused is what a guest says of a file: words about bytes that nobody vouches
// for, so that their length, their kind and their letters are bounded.
type refused struct {
	Kind    anchorhold.Kind `json:"kind"`
	Message string          `json:"message"`
	Remedy  string          `json:"remedy"`
}

const maxWords = 2000

func refusal(err error) refused {
	var e *anchorhold.Error
	if !errors.As(err, &e) {
		return refused{Kind: anchorhold.Invalid}
	}
	return refused{e.Kind, e.Message, e.Remedy}
}

func (r refused) err(name string) error {
	switch r.Kind {
	case anchorhold.Invalid, anchorhold.TooLarge, anchorhold.Unavailable:
	default:
		return noAnswer(name, nil)
	}
	if r.Message == "" || !printable(r.Message) || !printable(r.Remedy) {
		return noAnswer(name, nil)
	}
	return anchorhold.Errorf(r.Kind, r.Remedy, "%s", r.Message)
}
