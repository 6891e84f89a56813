package anchorhold

import "time"

// ApplicationState is where an application for an account stands.
type ApplicationState string

// The states of an application.
const (
	ApplicationUnproved ApplicationState = "unproved" // the e-mail address is not proved yet
	ApplicationOpen     ApplicationState = "open"     // waits for an owner
	ApplicationAccepted ApplicationState = "accepted"
	ApplicationDeclined ApplicationState = "declined"
)

// Application is what somebody without an account says of themselves, to be
// given one. Its applicant is a principal without any role until an owner
// accepts; the token that was shown at the application is the account's then.
type Application struct {
	ID          string           `json:"id"`
	Principal   string           `json:"principal"`
	Email       string           `json:"email"`
	Name        string           `json:"name"`
	Affiliation string           `json:"affiliation,omitempty"`
	Purpose     string           `json:"purpose"`
	State       ApplicationState `json:"state"`
	Created     time.Time        `json:"created"`
	Decided     *time.Time       `json:"decided,omitempty"`
	DeciderName string           `json:"decider_name,omitempty"`
	Reason      string           `json:"reason,omitempty"` // of a declined one
	CodeHash    []byte           `json:"-"`                // of the code that was mailed
	Tries       int              `json:"-"`                // wrong codes so far
}
