package dataset

import (
	"context"
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Card is what an owner says of a new dataset beyond its title.
type Card struct {
	Tags     []string                             `json:"tags,omitempty" maxItems:"100"`
	DUO      []string                             `json:"duo,omitempty" maxItems:"30" doc:"codes of the GA4GH Data Use Ontology, or their shorthands"`
	Contacts []anchorhold.Contact                 `json:"contacts,omitempty" maxItems:"20"`
	Asking   *anchorhold.Asking                   `json:"asking,omitempty" doc:"how to ask"`
	Parts    map[anchorhold.Part]anchorhold.Shown `json:"parts,omitempty" doc:"to whom columns, counts and mock are shown"`
}

// Edit changes a card; what is nil stays as it was.
type Edit struct {
	Title       *string                              `json:"title,omitempty" maxLength:"300"`
	Description *string                              `json:"description,omitempty" maxLength:"20000"`
	License     *string                              `json:"license,omitempty" maxLength:"300"`
	Visibility  *anchorhold.Visibility               `json:"visibility,omitempty" enum:"users,named"`
	Quorum      *int                                 `json:"quorum,omitempty" minimum:"1" maximum:"10"`
	Review      *anchorhold.ReviewRule               `json:"review,omitempty" enum:",every-line" doc:"how a request has to be read"`
	Priority    *int                                 `json:"priority,omitempty" minimum:"-1" maximum:"1" doc:"of the runs over it, among those of the same priority: 1 before, -1 after others"`
	RequestDays *int                                 `json:"request_days,omitempty" minimum:"1" maximum:"3650" doc:"days that a request waits for a decision"`
	Tags        *[]string                            `json:"tags,omitempty" maxItems:"100" doc:"all of them, anew"`
	DUO         *[]string                            `json:"duo,omitempty" maxItems:"30" doc:"all of them, anew"`
	Contacts    *[]anchorhold.Contact                `json:"contacts,omitempty" maxItems:"20" doc:"all of them, anew"`
	Asking      *anchorhold.Asking                   `json:"asking,omitempty" doc:"how to ask; its texts that are left out stay as they were"`
	Parts       map[anchorhold.Part]anchorhold.Shown `json:"parts,omitempty" doc:"to whom the parts named here are shown"`
	Columns     []ColumnEdit                         `json:"columns,omitempty" maxItems:"16384"`
	Samples     *anchorhold.SampleRule               `json:"samples,omitempty" doc:"how many rows an output of the kind samples may hold (0: none leave), without which columns"`
}

// ColumnEdit changes what is said of a column; its type and its facts come with
// a version.
type ColumnEdit struct {
	Asset       string  `json:"asset"`
	Name        string  `json:"name"`
	Description *string `json:"description,omitempty" maxLength:"4096"`
	Unit        *string `json:"unit,omitempty" maxLength:"100"`
}

// Edit changes the card of a dataset. Nothing of it needs the private side, so
// an owner can do it from anywhere.
func (s *Service) Edit(ctx context.Context, p policy.Permit, name string, e Edit) (anchorhold.Dataset, error) {
	return books.On(ctx, s.Books, p, books.Datasets(), func(tx store.Tx) (anchorhold.Dataset, books.Record, error) {
		d, err := tx.Dataset(name)
		if err != nil {
			return d, books.Record{}, err
		}
		before := d
		if err := e.apply(&d); err != nil {
			return d, books.Record{}, err
		}
		changed := changes(before, d)
		assets, err := e.versions(d, changed)
		if err != nil {
			return d, books.Record{}, err
		}
		for _, v := range assets {
			if err := tx.PutVersion(d.Name, v.Name, v.Version); err != nil {
				return d, books.Record{}, err
			}
		}
		if len(changed) == 0 {
			return d, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the card says so already")
		}
		if err := tx.PutDataset(d); err != nil {
			return d, books.Record{}, err
		}
		d, err = tx.Dataset(name)
		return d, books.Record{Subject: d.ID, Details: changed}, err
	})
}

// apply changes a dataset in memory, refusing what may not stand on a card.
func (e Edit) apply(d *anchorhold.Dataset) error {
	if d.State == anchorhold.DatasetWithdrawn {
		return withdrawn(d.Name)
	}
	set(&d.Title, e.Title)
	set(&d.Description, e.Description)
	set(&d.License, e.License)
	set(&d.Visibility, e.Visibility)
	set(&d.Quorum, e.Quorum)
	set(&d.Review, e.Review)
	set(&d.RequestDays, e.RequestDays)
	set(&d.Priority, e.Priority)
	set(&d.Tags, e.Tags)
	set(&d.DUO, e.DUO)
	set(&d.Contacts, e.Contacts)
	if e.Asking != nil {
		d.Asking = mergeAsking(d.Asking, *e.Asking)
	}
	if e.Samples != nil {
		if d.Samples = e.Samples; e.Samples.Rows == 0 {
			d.Samples = nil
		}
	}
	if len(e.Parts) > 0 {
		parts := map[anchorhold.Part]anchorhold.Shown{}
		for _, part := range anchorhold.Parts() {
			if to, ok := d.Parts[part]; ok {
				parts[part] = to
			}
		}
		for part, to := range e.Parts {
			parts[part] = to
		}
		d.Parts = parts
	}
	return CheckCard(d)
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// mergeAsking keeps the texts that are not said anew. A single space takes one
// away.
func mergeAsking(before *anchorhold.Asking, said anchorhold.Asking) *anchorhold.Asking {
	out := anchorhold.Asking{}
	if before != nil {
		out = *before
	}
	for _, t := range []struct {
		to   *string
		text string
	}{{&out.Automatic, said.Automatic}, {&out.Reviewed, said.Reviewed}, {&out.Wait, said.Wait}, {&out.Contact, said.Contact}} {
		if t.text != "" {
			*t.to = strings.TrimSpace(t.text)
		}
	}
	if out == (anchorhold.Asking{}) {
		return nil
	}
	return &out
}

// versions changes what is said of columns and gives the assets that changed.
func (e Edit) versions(d anchorhold.Dataset, changed map[string]string) (out []anchorhold.Asset, err error) {
	for _, c := range e.Columns {
		at := slices.IndexFunc(out, func(a anchorhold.Asset) bool { return a.Name == c.Asset })
		if at < 0 {
			a, ok := d.Asset(c.Asset)
			if !ok {
				return nil, anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold dataset show "+d.Name+"`", "the dataset has no asset %q", c.Asset)
			}
			a.Version.Columns = slices.Clone(a.Version.Columns)
			out, at = append(out, a), len(out)
		}
		if err := c.apply(out[at].Version.Columns); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(out, func(a anchorhold.Asset) bool {
		before, _ := d.Asset(a.Name)
		if text(before.Version.Columns) == text(a.Version.Columns) {
			return true
		}
		changed["columns of "+a.Name], changed["dataset"] = "changed", d.Name
		return false
	}), nil
}

func (c ColumnEdit) apply(columns []anchorhold.Column) error {
	i := slices.IndexFunc(columns, func(have anchorhold.Column) bool { return have.Name == c.Name })
	if i < 0 {
		return anchorhold.Errorf(anchorhold.NotFound, "check the spelling; names are compared exactly", "%q has no column %q", c.Asset, c.Name)
	}
	set(&columns[i].Description, c.Description)
	set(&columns[i].Unit, c.Unit)
	if err := plain("meaning of a column", columns[i].Description, true); err != nil {
		return err
	}
	return plain("unit of a column", columns[i].Unit, false)
}

// changes says in the audit log what an edit did: which texts, and the whole of
// what decides who may see something.
func changes(before, after anchorhold.Dataset) map[string]string {
	out := map[string]string{}
	for name, pair := range map[string][2]any{
		"title": {before.Title, after.Title}, "description": {before.Description, after.Description},
		"license": {before.License, after.License}, "tags": {before.Tags, after.Tags}, "duo": {before.DUO, after.DUO},
		"contacts": {before.Contacts, after.Contacts}, "asking": {before.Asking, after.Asking},
	} {
		if text(pair[0]) != text(pair[1]) {
			out[name] = "changed"
		}
	}
	for name, pair := range map[string][2]any{
		"visibility": {before.Visibility, after.Visibility}, "quorum": {before.Quorum, after.Quorum},
		"review": {before.Review, after.Review}, "request_days": {before.RequestDays, after.RequestDays}, "parts": {before.Parts, after.Parts},
		"samples": {before.Samples, after.Samples}, "priority": {before.Priority, after.Priority},
	} {
		if text(pair[0]) != text(pair[1]) {
			out[name] = text(pair[1])
		}
	}
	if len(out) > 0 {
		out["dataset"] = after.Name
	}
	return out
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "" // all that is compared is plain
	}
	return string(b)
}

// Limits of lists on a card.
const (
	maxTag  = 60 // bytes
	maxText = 20_000
)

// CheckCard refuses what may not stand on a card, and writes tags and codes in
// their one form.
func CheckCard(d *anchorhold.Dataset) error {
	for what, t := range map[string]string{"title": d.Title, "description": d.Description, "license": d.License, "population": d.Population} {
		if err := plain(what, t, what == "description"); err != nil {
			return err
		}
	}
	if d.Visibility != anchorhold.VisibleToUsers && d.Visibility != anchorhold.VisibleToNamed {
		return anchorhold.Errorf(anchorhold.Invalid, "choose users or named", "there is no such visibility")
	}
	for _, check := range []func(*anchorhold.Dataset) error{checkTags, checkDUO, checkContacts, checkAsking, checkParts, checkSamples} {
		if err := check(d); err != nil {
			return err
		}
	}
	return nil
}

func plain(what, text string, lines bool) error {
	hidden := func(r rune) bool { return unicode.IsControl(r) && (!lines || r != '\n' && r != '\t') }
	if !utf8.ValidString(text) || strings.ContainsFunc(text, hidden) {
		return anchorhold.Errorf(anchorhold.Invalid, "write plain text", "the %s holds control characters or is not UTF-8", what)
	}
	if len(text) > maxText {
		return anchorhold.Errorf(anchorhold.TooLarge, "shorten it", "the %s is longer than %d bytes", what, maxText)
	}
	return nil
}

func checkTags(d *anchorhold.Dataset) error {
	var tags []string
	for _, t := range d.Tags {
		t = strings.ToLower(strings.TrimSpace(t))
		if t == "" || len(t) > maxTag {
			return anchorhold.Errorf(anchorhold.Invalid, "use a short word", "a tag is empty or longer than %d bytes", maxTag)
		}
		if err := plain("tag", t, false); err != nil {
			return err
		}
		tags = append(tags, t)
	}
	slices.Sort(tags)
	d.Tags = slices.Compact(tags)
	return nil
}

func checkDUO(d *anchorhold.Dataset) error {
	var codes []string
	for _, c := range d.DUO {
		term, err := catalog.FindDUO(c)
		if err != nil {
			return err
		}
		codes = append(codes, term.Code)
	}
	slices.Sort(codes)
	d.DUO = slices.Compact(codes)
	return nil
}

func checkContacts(d *anchorhold.Dataset) error {
	for _, c := range d.Contacts {
		if strings.TrimSpace(c.Name) == "" {
			return anchorhold.Errorf(anchorhold.Invalid, "say who it is", "a contact has no name")
		}
		for what, t := range map[string]string{"contact's name": c.Name, "contact's role": c.Role} {
			if err := plain(what, t, false); err != nil {
				return err
			}
		}
		if c.Email != "" && !isAddress(c.Email) {
			return anchorhold.Errorf(anchorhold.Invalid, "write it like name@example.org", "a contact's address is not an e-mail address")
		}
	}
	return nil
}

func isAddress(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Address == text
}

func checkAsking(d *anchorhold.Dataset) error {
	if d.Asking == nil {
		return nil
	}
	for what, t := range map[string]string{"text of what is automatic": d.Asking.Automatic, "text of what is reviewed": d.Asking.Reviewed} {
		if err := plain(what, t, true); err != nil {
			return err
		}
	}
	for what, t := range map[string]string{"waiting time": d.Asking.Wait, "contact": d.Asking.Contact} {
		if err := plain(what, t, false); err != nil {
			return err
		}
	}
	return nil
}

func checkParts(d *anchorhold.Dataset) error {
	for part, to := range d.Parts {
		if !slices.Contains(anchorhold.Parts(), part) {
			return anchorhold.Errorf(anchorhold.Invalid, "choose columns, counts or mock", "a card has no such part")
		}
		if to.To != anchorhold.ShownToAll && to.To != anchorhold.ShownToNamed && to.To != anchorhold.ShownToNone {
			return anchorhold.Errorf(anchorhold.Invalid, "choose public, named or hidden", "the part %q has no such audience", part)
		}
		if len(to.People) > 0 && to.To != anchorhold.ShownToNamed {
			return anchorhold.Errorf(anchorhold.Invalid, "show it to named people, or leave them out", "people are named for the part %q, which is %s", part, to.To)
		}
		for _, who := range to.People {
			if !isAddress(who) {
				return anchorhold.Errorf(anchorhold.Invalid, "write each like name@example.org", "one of the people named for the part %q has no e-mail address", part)
			}
		}
	}
	return nil
}

func withdrawn(name string) error {
	return anchorhold.Errorf(anchorhold.Conflict, "offer it anew under another name", "the dataset %q was withdrawn", name)
}

// maxSampleRows bounds what an owner may allow: more rows are a copy.
const maxSampleRows = 1000

// checkSamples finds a mask that would do nothing: a name that is mistyped must
// not let a column out.
func checkSamples(d *anchorhold.Dataset) error {
	if d.Samples == nil {
		return nil
	}
	if d.Samples.Rows < 0 || d.Samples.Rows > maxSampleRows {
		return anchorhold.Errorf(anchorhold.Invalid, fmt.Sprintf("allow from 0 to %d", maxSampleRows), "so many rows of a sample cannot be allowed")
	}
	for _, name := range d.Samples.Mask {
		known := slices.ContainsFunc(d.Assets, func(a anchorhold.Asset) bool {
			return slices.ContainsFunc(a.Version.Columns, func(c anchorhold.Column) bool { return c.Name == name })
		})
		if !known {
			return anchorhold.Errorf(anchorhold.NotFound, "check the spelling; names are compared exactly", "no table of the dataset has the column %q", name)
		}
	}
	return nil
}
