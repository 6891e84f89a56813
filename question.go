package anchorhold

import (
	"encoding/json"
	"time"
)

// QuestionState says how far a question has come that is answered without a
// person.
type QuestionState string

// The states. What was reserved stays charged, whatever becomes of it.
const (
	QuestionReserved QuestionState = "reserved" // charged; data may have been touched
	QuestionAnswered QuestionState = "answered"
	QuestionFailed   QuestionState = "failed" // charged, without an answer
)

// Question is a question in SQL that the ledger decides on, with its answer.
type Question struct {
	ID         string          `json:"id"`
	Key        string          `json:"-"` // what is equal for equal questions on equal versions at equal prices
	Author     string          `json:"author"`
	AuthorName string          `json:"author_name,omitempty"`
	Study      string          `json:"study,omitempty"`
	Dataset    string          `json:"dataset"`
	Population string          `json:"population"`
	SQL        string          `json:"sql"`
	State      QuestionState   `json:"state"`
	Of         string          `json:"of,omitempty"` // the question whose answer this is, where that was there already
	Asked      time.Time       `json:"asked"`
	Ended      *time.Time      `json:"ended,omitempty"` // answered, or failed
	Why        string          `json:"why,omitempty"`   // it failed
	Price      *Price          `json:"price,omitempty"` // what was charged; none where its asker knew the answer
	Answer     json.RawMessage `json:"-"`               // the file, as package question writes it
	Envelope   json.RawMessage `json:"-"`               // the signed receipt, once answered
	LogIndex   int64           `json:"-"`               // the audit entry that commits to it
}
