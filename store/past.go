package store

import (
	"time"

	"github.com/anchorhold/anchorhold/audit"
)

// PastLog is an audit log that ended when the site was restored from a backup:
// it is read, and never written again.
type PastLog struct {
	Origin       string
	Key          string // vkey
	Size         int64
	Continuation []byte // signed by that key: names the log that follows
	Ended        time.Time
}

// Past keeps the logs before the present one, and says what stored files are
// still spoken of.
type Past interface {
	// EndLog moves the present log aside, whole, and begins an empty one.
	EndLog(PastLog) error
	// PastLogs lists them, oldest first.
	PastLogs() ([]PastLog, error)
	// PastLog finds one by its origin, with a reader of it.
	PastLog(origin string) (PastLog, audit.Reader, error)
	// EndRights revokes every grant and every credential that still holds, and
	// gives their number: what they were used for may be lost.
	EndRights(now time.Time) (int, error)
	// ForgetLogs makes runs that ended before a time name what they printed no
	// more, and gives their number.
	ForgetLogs(before time.Time) (int, error)
	// ForgetRefused does the same with outputs whose release was denied before a
	// time, and their files.
	ForgetRefused(before time.Time) (int, error)
	// BlobRefs finds every id of a blob that any record holds, in whatever field:
	// what is not among them is spoken of nowhere.
	BlobRefs() (map[string]bool, error)
}
