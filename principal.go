package anchorhold

import (
	"slices"
	"time"
)

// Role is what a principal may be at a site or for one dataset. What each role
// may do is written in the policy, not here.
type Role string

// The roles.
const (
	RoleOwner      Role = "owner"
	RoleReviewer   Role = "reviewer"
	RoleResearcher Role = "researcher"
	RoleAuditor    Role = "auditor"
)

// Roles lists every role, in the order in which help texts show them.
func Roles() []Role { return []Role{RoleOwner, RoleReviewer, RoleResearcher, RoleAuditor} }

// ScopeSite is the scope of a binding that holds everywhere at the site; other
// scopes are "dataset:NAME" and "study:NAME".
const ScopeSite = "site"

// ScopeStudy is the scope of a binding that holds for what members of a study
// ask in its name.
func ScopeStudy(name string) string { return "study:" + name }

// In says whether the principal is bound to a scope, in whatever role.
func (p Principal) In(scope string) bool {
	return slices.ContainsFunc(p.Bindings, func(b Binding) bool { return b.Scope == scope })
}

// Principal is somebody who can act: an opaque id. What proves that a caller is
// this principal is a credential; what the principal may do follows from its
// bindings and the policy.
type Principal struct {
	ID       string    `json:"id"`
	Email    string    `json:"email,omitempty"` // empty for local:UID
	Created  time.Time `json:"created"`
	Disabled bool      `json:"disabled,omitempty"`
	Bindings []Binding `json:"bindings"`

	// Applicant is set while all that is known of somebody is an application.
	Applicant bool      `json:"applicant,omitempty"`
	Mail      Frequency `json:"mail,omitempty"` // how often notices are mailed
}

// Name is what people see: the e-mail address, or the id of a local principal.
func (p Principal) Name() string {
	if p.Email != "" {
		return p.Email
	}
	return p.ID
}

// Binding gives a principal a role within a scope.
type Binding struct {
	Role  Role   `json:"role"`
	Scope string `json:"scope"`
}

// Credential proves a principal. The secret itself is kept nowhere: only its
// hash is stored.
type Credential struct {
	ID        string     `json:"id"`
	Principal string     `json:"principal"`
	Kind      string     `json:"kind"` // "token"
	Hash      []byte     `json:"-"`
	Created   time.Time  `json:"created"`
	Expires   time.Time  `json:"expires"`
	Revoked   *time.Time `json:"revoked,omitempty"`
}

// Holds says whether the credential is good at a time.
func (c Credential) Holds(now time.Time) bool { return c.Revoked == nil && now.Before(c.Expires) }
