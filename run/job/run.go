package job

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Answer is what a job sent back. Everything in it is hostile: the manifest has
// the right form and every file that it names is there, but what is in the files
// only package output may read, and what a failure says only owners may see.
type Answer struct {
	Manifest output.Manifest   // outputs in the order of the declaration
	Files    map[string][]byte // by name of the file
}

// Limits of an answer. The manifest may hold a traceback of 64 KiB, which JSON
// makes longer.
const (
	maxAnswer = 256 << 20
	// grace is how long a session may go on after its answer; an honest runner
	// ends at once.
	grace = 30 * time.Second
)

// Run sends a job to a fresh session that was started with Spec, hands over the
// open input files, and takes the answer. An error means that there is no
// answer of the right form: the session itself ended before (Wait says why), or
// what came was cut off, too large or not what was declared. Code that raised an
// error is an answer, with Manifest.OK false. When Run returns, the session has
// ended or is being killed.
//
// Files must be open read-only and are the caller's to close. No error repeats
// anything that came out of the session.
func Run(ctx context.Context, s sandbox.Session, j Job, files []*os.File) (Answer, error) {
	conn := s.Conn()
	defer conn.Close()
	text, err := j.marshal(len(files))
	if err != nil {
		s.Kill()
		return Answer{}, err
	}
	stop := context.AfterFunc(ctx, func() {
		s.Kill()
		_ = conn.SetDeadline(time.Unix(1, 0)) // a closed connection ends the waiting as well
	})
	defer stop()
	answer, err := talk(conn, j, text, files)
	if err == nil { // it is whole: what the session would still do counts for nothing
		s.Finish()
	}
	_ = conn.Close() // a runner that waits or still writes is told so, and ends
	if ctx.Err() != nil || err == nil {
		return answer, ctx.Err()
	}
	ending, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if _, waitErr := s.Wait(ending); waitErr != nil {
		s.Kill()
	}
	return answer, err
}

// talk is the whole conversation.
func talk(conn *net.UnixConn, j Job, text []byte, files []*os.File) (Answer, error) {
	ready := make([]byte, 1)
	if _, err := io.ReadFull(conn, ready); err != nil || ready[0] != 'R' {
		return Answer{}, anchorhold.Errorf(anchorhold.Unavailable, "read the run's log; check that the environment is whole",
			"the runner did not start").Because(err)
	}
	// The descriptors travel with the length, so that the runner has them before
	// it reads what they are.
	first := min(len(files), sandbox.MaxFiles)
	if err := sandbox.SendFiles(conn, binary.BigEndian.AppendUint32(nil, uint32(len(text))), files[:first]...); err != nil {
		return Answer{}, err
	}
	if _, err := conn.Write(text); err != nil {
		return Answer{}, anchorhold.Errorf(anchorhold.Unavailable, "see how the session ended", "the runner did not take the job").Because(err)
	}
	for more := range slices.Chunk(files[first:], sandbox.MaxFiles) {
		if err := sandbox.SendFiles(conn, []byte{'F'}, more...); err != nil {
			return Answer{}, err
		}
	}
	unpacked, err := sandbox.Unpack(conn, sandbox.UnpackLimits{
		TotalBytes: maxAnswer, FileBytes: max(output.DefaultLimits().Bytes, 1<<20), Entries: len(j.Outputs) + 1,
	})
	if err != nil {
		return Answer{}, err
	}
	return read(unpacked, j.Outputs)
}

const manifestName = "manifest.json"

// read puts manifest and files together: each named file is there, once, and no
// other.
func read(files []sandbox.File, declared []output.Declared) (Answer, error) {
	if len(files) == 0 || files[0].Name != manifestName {
		return Answer{}, badAnswer("does not begin with its manifest")
	}
	m, err := output.ParseManifest(files[0].Bytes(), declared)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Manifest: m, Files: map[string][]byte{}}
	for _, f := range files[1:] {
		a.Files[f.Name] = f.Bytes()
	}
	named := map[string]bool{}
	for _, e := range m.Outputs {
		if _, there := a.Files[e.File]; !there || named[e.File] {
			return Answer{}, badAnswer("lacks a file that its manifest names")
		}
		named[e.File] = true
	}
	if len(named) != len(a.Files) {
		return Answer{}, badAnswer("holds files that its manifest does not name")
	}
	order := map[string]int{}
	for i, d := range declared {
		order[d.Name] = i
	}
	slices.SortFunc(a.Manifest.Outputs, func(x, y output.ManifestEntry) int { return order[x.Name] - order[y.Name] })
	return a, nil
}

func badAnswer(why string) error {
	return anchorhold.Errorf(anchorhold.Invalid, "return results from the function and leave descriptor 3 alone", "the job's answer %s", why)
}
