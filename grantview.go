package anchorhold

import (
	"encoding/json"
	"time"
)

// GrantView is a grant as the API shows it. What is only for deciders and
// auditors is a type of its own, so that it cannot be shown to others by
// forgetting to blank a field.
type GrantView struct {
	ID              string                     `json:"id"`
	State           GrantState                 `json:"state"`
	Yours           bool                       `json:"yours" doc:"the caller may run under it"`
	Covers          string                     `json:"covers" doc:"in words"`
	CodeDigest      string                     `json:"code_digest"`
	Entry           string                     `json:"entry"`
	Study           string                     `json:"study,omitempty"`
	Purpose         string                     `json:"purpose,omitempty" doc:"that a submission has to name; absent where any will do"`
	AnyPurpose      bool                       `json:"any_purpose,omitempty"`
	Assets          map[string]AssetRef        `json:"assets"`
	Values          map[string]json.RawMessage `json:"parameters" doc:"that a submission has to give, where params has no bound"`
	Params          map[string]Bound           `json:"params,omitempty"`
	AnyLaterVersion bool                       `json:"any_later_version,omitempty"`
	AutoRelease     bool                       `json:"auto_release,omitempty"`
	Expires         *time.Time                 `json:"expires,omitempty"`
	*GrantCount
	*GrantInside
}

// GrantCount is what a grant's author may know of one that is theirs alone.
type GrantCount struct {
	Request string `json:"request" doc:"on which it was decided"`
	Uses    int    `json:"uses"`
	Used    int    `json:"used"`
}

// GrantInside is what only deciders and auditors see.
type GrantInside struct {
	Opening      int        `json:"opening"`
	Digest       string     `json:"digest"`
	Author       string     `json:"author"`
	AuthorName   string     `json:"author_name"`
	For          []string   `json:"for,omitempty"`
	Deciders     []string   `json:"deciders,omitempty"`
	Read         []string   `json:"read,omitempty" doc:"datasets whose deciders have read every line"`
	FailureLimit int        `json:"failure_limit,omitempty"`
	Failures     int        `json:"failures,omitempty"`
	Stopped      bool       `json:"stopped,omitempty"`
	Suspended    *time.Time `json:"suspended,omitempty"`
	Revoked      *time.Time `json:"revoked,omitempty"`
	RevokedBy    string     `json:"revoked_by,omitempty"`
	Reason       string     `json:"reason,omitempty"`
	Created      time.Time  `json:"created"`
}
