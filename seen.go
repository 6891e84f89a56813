package anchorhold

import "time"

// Seen says that somebody has read lines of a text: of one of a request's files,
// or of what is asked beside its code. It belongs to that very text, in whatever
// request it comes again.
type Seen struct {
	Request    string    `json:"request"` // where it was read
	Path       string    `json:"path"`
	Digest     string    `json:"digest"` // of the text
	First      int       `json:"first"`  // line, from 1
	Last       int       `json:"last"`
	Reader     string    `json:"reader"` // principal id
	ReaderName string    `json:"reader_name"`
	At         time.Time `json:"at"`
}

// Span is a run of lines.
type Span struct {
	First int `json:"first" minimum:"1"`
	Last  int `json:"last" minimum:"1"`
}

// Reading says how far a request has been read, line by line.
type Reading struct {
	Datasets []string      `json:"datasets" doc:"that ask for every line to be read"`
	Unread   int           `json:"unread" doc:"lines that the caller has not marked as seen"`
	Parts    []ReadingPart `json:"parts"`
}

// ReadingPart is a text that a reviewer reads: a file, or what is asked beside
// the code.
type ReadingPart struct {
	Path    string   `json:"path"`
	Digest  string   `json:"digest"`
	Text    string   `json:"text"`
	Lines   int      `json:"lines"`
	Unread  []Span   `json:"unread" doc:"that the caller has not marked as seen"`
	Readers []string `json:"readers" doc:"who has marked all of it"`
}
