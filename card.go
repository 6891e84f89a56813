package anchorhold

import (
	"slices"
	"strings"
	"time"
)

// Part is a part of a card whose audience its owner can choose.
type Part string

// The parts. A mock shows columns, so whoever may not see the columns may not
// have the mock either.
const (
	PartColumns Part = "columns" // names, types, meanings, units and facts of columns
	PartCounts  Part = "counts"  // how many rows there are, and which share of them is missing
	PartMock    Part = "mock"
)

// Parts lists all of them, in the order in which people read them.
func Parts() []Part { return []Part{PartColumns, PartCounts, PartMock} }

// Audience says to whom a part is shown, of those who may see the dataset.
type Audience string

// The audiences. Owners and reviewers of the dataset see every part.
const (
	ShownToAll   Audience = "public" // everybody who may see the dataset
	ShownToNamed Audience = "named"  // those with a role for this dataset, and the people named
	ShownToNone  Audience = "hidden" // nobody else
)

// Shown is the audience of one part of a card.
type Shown struct {
	To     Audience `json:"to" enum:"public,named,hidden"`
	People []string `json:"people,omitempty" maxItems:"1000" doc:"e-mail addresses, where it is shown to named people"`
}

// Names says whether the part is shown to somebody by name.
func (s Shown) Names(email string) bool {
	return s.To == ShownToNamed && email != "" &&
		slices.ContainsFunc(s.People, func(p string) bool { return strings.EqualFold(p, email) })
}

// ShownPart gives the audience of a part: everybody, unless its owner chose.
func (d Dataset) ShownPart(p Part) Shown {
	if s, ok := d.Parts[p]; ok {
		return s
	}
	return Shown{To: ShownToAll}
}

// Contact is somebody who answers for a dataset.
type Contact struct {
	Name  string `json:"name" maxLength:"200"`
	Email string `json:"email,omitempty" maxLength:"200"`
	Role  string `json:"role,omitempty" maxLength:"200" doc:"such as data steward"`
}

// Asking tells a researcher how to ask, before they write a line.
type Asking struct {
	Automatic string `json:"automatic,omitempty" maxLength:"4096" doc:"what is answered without a person"`
	Reviewed  string `json:"reviewed,omitempty" maxLength:"4096" doc:"what a person reads, and what they look for"`
	Wait      string `json:"wait,omitempty" maxLength:"200" doc:"how long an answer usually takes"`
	Contact   string `json:"contact,omitempty" maxLength:"300" doc:"whom to ask first"`
}

// DatasetState says whether a dataset takes requests.
type DatasetState string

// The states of a dataset.
const (
	DatasetOpen      DatasetState = ""
	DatasetFrozen    DatasetState = "frozen"    // no new request, no new run; what runs ends held
	DatasetWithdrawn DatasetState = "withdrawn" // for good: no grant, copy or answer is left at the site
)

// Halt says since when a dataset is not open, by whom and why.
type Halt struct {
	Since      time.Time `json:"since"`
	By         string    `json:"by,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	ShowReason bool      `json:"show_reason,omitempty"` // to researchers
}
