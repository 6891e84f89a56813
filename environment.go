package anchorhold

import "time"

// EnvironmentState is where a request for an environment stands.
type EnvironmentState string

// The states of a request for an environment.
const (
	EnvironmentRequested EnvironmentState = "requested"
	EnvironmentAdded     EnvironmentState = "added" // it was built at the site
	EnvironmentDeclined  EnvironmentState = "declined"
)

// EnvironmentRequest asks a site for a further environment, named by its lock.
// Nothing is built for it before an owner says so on the site's machine.
type EnvironmentRequest struct {
	ID          string           `json:"id"`
	Lock        string           `json:"lock"` // digest
	Python      string           `json:"python,omitempty"`
	Platform    string           `json:"platform,omitempty"`
	Builds      []string         `json:"builds,omitempty"` // packages that are built from their sources
	Packages    []string         `json:"packages"`         // name==version of each
	Reason      string           `json:"reason,omitempty"`
	Author      string           `json:"author"` // principal id
	AuthorName  string           `json:"author_name"`
	State       EnvironmentState `json:"state"`
	Answer      string           `json:"answer,omitempty"`
	DeciderName string           `json:"decider_name,omitempty"`
	Created     time.Time        `json:"created"`
	Decided     *time.Time       `json:"decided,omitempty"`
	Text        string           `json:"-"` // the lock itself
}
