package anchorhold

import "time"

// NoticeKind says what a notice tells of.
type NoticeKind string

// The kinds of notices.
const (
	NoticePending  NoticeKind = "pending"  // something waits for a decision: a request or an output
	NoticeAsked    NoticeKind = "asked"    // a decider asks the author something
	NoticeAnswered NoticeKind = "answered" // the author has answered
	NoticeDecided  NoticeKind = "decided"  // a request was approved or denied
	NoticeFinished NoticeKind = "finished" // a run has ended
	NoticeReleased NoticeKind = "released" // an answer can be fetched
)

// NoticeKinds lists every kind, in the order in which help texts show them.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{NoticePending, NoticeAsked, NoticeAnswered, NoticeDecided, NoticeFinished, NoticeReleased}
}

// Notice is one thing to tell one person, or the site's hook, until it was
// told. It holds ids and nothing else: it travels outside of the site.
type Notice struct {
	ID        string     `json:"id"`
	Kind      NoticeKind `json:"kind"`
	Request   string     `json:"request"`             // id
	Recipient string     `json:"recipient,omitempty"` // principal id; empty: the site's hook
	Created   time.Time  `json:"created"`
}

// Frequency is how often a person is written to.
type Frequency string

// The frequencies. The empty one is FrequencyEach.
const (
	FrequencyEach   Frequency = "each"
	FrequencyHourly Frequency = "hourly"
	FrequencyDaily  Frequency = "daily"
	FrequencyOff    Frequency = "off"
)

// Gathers is how long notices are gathered for one mail.
func (f Frequency) Gathers() time.Duration {
	switch f {
	case FrequencyHourly:
		return time.Hour
	case FrequencyDaily:
		return 24 * time.Hour
	}
	return 0
}
