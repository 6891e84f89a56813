package anchorhold

import "time"

// Upload is a file on its way into a site: bytes that somebody sends in parts,
// until a dataset takes them.
type Upload struct {
	ID        string    `json:"id"`
	Principal string    `json:"principal"`
	Name      string    `json:"name"` // of the file, for its extension and for messages
	Size      int64     `json:"size"`
	SHA256    string    `json:"sha256"`
	Received  int64     `json:"received"` // bytes; the next part begins there
	Created   time.Time `json:"created"`
	Touched   time.Time `json:"touched"`
	Parts     []string  `json:"parts,omitempty"` // blobs; the site's own affair
}
