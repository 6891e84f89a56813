package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// Sight is what somebody may see of a dataset beyond its description. Its zero
// value is nothing.
type Sight struct {
	Private               bool // where private files lie, how large they are; and how the card is set up
	Columns, Counts, Mock bool // the parts of the card
}

// HideFrom gives what somebody who may not see the private side, but every part
// of the card, sees of a dataset.
func HideFrom(d anchorhold.Dataset) anchorhold.Dataset {
	return Seen(d, Sight{Columns: true, Counts: true, Mock: true})
}

// Seen gives what somebody sees of a dataset. What they may not see is absent,
// as if it had never been there. The original is left alone.
func Seen(d anchorhold.Dataset, may Sight) anchorhold.Dataset {
	if !may.Private {
		d.Parts, d.Priority = nil, 0
		if d.Halt != nil {
			h := anchorhold.Halt{Since: anchorhold.Coarse(d.Halt.Since)}
			if d.Halt.ShowReason {
				h.Reason = d.Halt.Reason
			}
			d.Halt = &h
		}
	}
	if d.Samples != nil && !may.Columns && !may.Private {
		d.Samples = &anchorhold.SampleRule{Rows: d.Samples.Rows} // what is masked are names of columns
	}
	if !may.Columns && !may.Private {
		d.Privacy = nil // it names columns
	}
	assets := make([]anchorhold.Asset, len(d.Assets))
	for i, a := range d.Assets {
		a.Version = seenVersion(a.Version, may)
		assets[i] = a
	}
	d.Assets = assets
	return d
}

func seenVersion(v anchorhold.Version, may Sight) anchorhold.Version {
	if !may.Private {
		v.Private = nil
	}
	if !may.Columns {
		v.Columns, v.Missing = []anchorhold.Column{}, nil
	}
	if !may.Counts {
		v.Facts = WithoutCounts(v.Facts)
		columns := make([]anchorhold.Column, len(v.Columns))
		for i, c := range v.Columns {
			c.Facts = WithoutCounts(c.Facts)
			columns[i] = c
		}
		v.Columns = columns
	}
	switch {
	case !may.Mock:
		v.Mock = nil
	case v.Mock != nil:
		mock := *v.Mock
		mock.Blob = ""
		if !may.Private {
			mock.Common = nil
		}
		mock.Differences = slices.DeleteFunc(slices.Clone(mock.Differences), func(d anchorhold.MockDifference) bool {
			return d.Column() != "" && !may.Columns || d.SpeaksOfNulls() && !may.Counts
		})
		v.Mock = &mock
	}
	return v
}

// WithoutCounts leaves the facts out that say how many rows there are, or how
// many of them.
func WithoutCounts(facts []anchorhold.Fact) []anchorhold.Fact {
	var out []anchorhold.Fact
	for _, f := range facts {
		switch f.Name {
		case anchorhold.FactRows, anchorhold.FactMissingRate:
		default:
			out = append(out, f)
		}
	}
	return out
}

// CroissantVersion is the specification that cards conform to.
const CroissantVersion = "http://mlcommons.org/croissant/1.1"

// MockPath is where a site serves the mock of an asset, below its address.
func MockPath(dataset, asset string) string {
	return "/v1/datasets/" + url.PathEscape(dataset) + "/assets/" + url.PathEscape(asset) + "/mock"
}

// Croissant describes a dataset in JSON-LD after MLCommons Croissant, for
// search engines and loaders: its files are the mocks, its record sets the
// columns with types, descriptions and units, and the facts of the card with
// where they come from. Nothing of the private side is in it but the blinded
// commitment. siteURL is the address of the site without a final slash; empty
// makes links relative.
func Croissant(d anchorhold.Dataset, siteURL string) ([]byte, error) {
	siteURL = strings.TrimRight(siteURL, "/")
	c := card{
		Context: json.RawMessage(cardContext), Type: "sc:Dataset", ConformsTo: CroissantVersion,
		Name: d.Name, AlternateName: d.Title, Description: d.Description, License: d.License,
		URL: siteURL + "/v1/datasets/" + url.PathEscape(d.Name), Population: d.Population,
		Distribution: []cardFile{}, RecordSet: []cardRecords{}, Keywords: d.Tags,
		UsageInfo: cardTerms(d.DUO), Contacts: cardContacts(d.Contacts), Asking: cardAsking(d.Asking), State: string(d.State),
	}
	if c.Description == "" {
		c.Description = d.Title
	}
	if c.Description == "" {
		c.Description = d.Name // the specification wants one
	}
	if !d.Created.IsZero() {
		c.Published = d.Created.UTC().Format(dayLayout)
	}
	newest := 0
	for _, a := range d.Assets {
		newest = max(newest, a.Version.Number)
		file := cardMock(d.Name, a, siteURL)
		if file == nil && len(a.Version.Columns) > 0 {
			file, c.Live = cardPrivate(a, c.URL), true
		}
		if file != nil {
			c.Distribution = append(c.Distribution, *file)
		}
		c.RecordSet = append(c.RecordSet, cardTable(a, file))
	}
	if newest > 0 {
		c.Version = fmt.Sprintf("%d.0.0", newest)
	}
	c.CiteAs = cmp.Or(d.Title, d.Name)
	if c.Version != "" {
		c.CiteAs += ", version " + c.Version
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func cardTerms(codes []string) []cardTerm {
	var out []cardTerm
	for _, code := range codes {
		if t, err := FindDUO(code); err == nil { // a card holds only codes that were found before
			out = append(out, cardTerm{Type: "DefinedTerm", Name: t.Label, Code: strings.Replace(t.Code, ":", "_", 1), URL: t.URL(), Set: duoOntology})
		}
	}
	return out
}

func cardContacts(contacts []anchorhold.Contact) []cardContact {
	var out []cardContact
	for _, c := range contacts {
		out = append(out, cardContact{Type: "ContactPoint", Name: c.Name, Email: c.Email, About: c.Role})
	}
	return out
}

func cardAsking(a *anchorhold.Asking) *cardHow {
	if a == nil {
		return nil
	}
	return &cardHow{Type: "ah:Asking", Automatic: a.Automatic, Reviewed: a.Reviewed, Wait: a.Wait, Contact: a.Contact}
}

// cardMock describes the mock of an asset, nil where there is none.
func cardMock(dataset string, a anchorhold.Asset, siteURL string) *cardFile {
	m := a.Version.Mock
	if m == nil {
		return nil
	}
	about := "The mock of the table " + a.Name + " (" + m.Origin + "): made to try code out, not data about anybody."
	var differ []string
	for _, d := range m.Differences {
		differ = append(differ, d.Text)
	}
	if len(differ) > 0 {
		about += " It is not quite like the private table: " + strings.Join(differ, "; ") + "."
	}
	media := "application/octet-stream" // of a format that this site no longer reads
	if c, ok := FormatNamed(m.Format); ok {
		media = c.Format().Media
	}
	return &cardFile{
		Type: "cr:FileObject", ID: a.Name + "-mock", Name: a.Name + "." + m.Format,
		Description: about,
		ContentURL:  siteURL + MockPath(dataset, a.Name), ContentSize: fmt.Sprintf("%d B", m.Size),
		Encoding: media, SHA256: strings.TrimPrefix(m.SHA256, "sha256:"),
	}
}

// cardPrivate stands for the private table where no mock does: the specification
// wants a file behind every column. There is nothing to fetch behind its address
// but how to ask, and no size and no hash of it is on any card, because these
// would confirm guesses. The specification allows that of live datasets alone,
// whose files change: so the card says that it is one.
func cardPrivate(a anchorhold.Asset, url string) *cardFile {
	return &cardFile{
		Type: "cr:FileObject", ID: a.Name + "-private", Name: a.Name,
		Description: "The private table " + a.Name + ": it stays at the site, and code is sent to it. Its size and hash are not told.",
		ContentURL:  url, Encoding: "application/octet-stream",
	}
}

func cardTable(a anchorhold.Asset, file *cardFile) cardRecords {
	v := a.Version
	r := cardRecords{
		Type: "cr:RecordSet", ID: a.Name, Name: a.Name, Version: v.ID, Number: v.Number,
		Commitment: v.Commitment, Facts: cardFacts(v.Facts), Missing: v.Missing, Field: []cardField{},
	}
	var source *cardSource
	if file != nil {
		source = &cardSource{FileObject: cardRef{file.ID}}
	}
	for _, c := range v.Columns {
		r.Field = append(r.Field, cardColumn(a.Name, c, source))
	}
	return r
}

// cardColumn describes a column, or a part of a nested one, whose source is the
// column that it is part of.
func cardColumn(within string, c anchorhold.Column, source *cardSource) cardField {
	f := cardField{
		Type: "cr:Field", ID: within + "/" + url.PathEscape(c.Name), Name: c.Name, Description: c.Description,
		Unit: c.Unit, Required: c.Required, Facts: cardFacts(c.Facts),
	}
	if source != nil && source.Extract.Column == "" {
		source = &cardSource{FileObject: source.FileObject, Extract: cardExtract{c.Name}}
	}
	is := c
	for is.Type == anchorhold.TypeList && len(is.Fields) == 1 {
		f.IsArray, f.ArrayShape = true, strings.TrimPrefix(f.ArrayShape+",-1", ",")
		is = is.Fields[0]
	}
	if is.Type == anchorhold.TypeMap { // a list of pairs
		f.IsArray, f.ArrayShape = true, strings.TrimPrefix(f.ArrayShape+",-1", ",")
	}
	if len(is.Fields) == 0 {
		f.DataType, f.Source = cardType(is.Type), source
		return f
	}
	for _, part := range is.Fields {
		f.SubField = append(f.SubField, cardColumn(f.ID, part, source))
	}
	return f
}

func cardType(t anchorhold.ColumnType) string {
	switch t {
	case anchorhold.TypeInt:
		return "sc:Integer"
	case anchorhold.TypeFloat:
		return "sc:Float"
	case anchorhold.TypeBool:
		return "sc:Boolean"
	case anchorhold.TypeDate:
		return "sc:Date"
	case anchorhold.TypeTimestamp:
		return "sc:DateTime"
	}
	return "sc:Text"
}

func cardFacts(facts []anchorhold.Fact) []cardFact {
	var out []cardFact
	for _, f := range facts {
		out = append(out, cardFact{Type: "ah:Fact", Name: f.Name, Value: f.Value, Provenance: string(f.Provenance), Of: f.Of})
	}
	return out
}

// The JSON-LD document, in the order in which people read it. "ah" are our own
// words.
type card struct {
	Context       json.RawMessage `json:"@context"`
	Type          string          `json:"@type"`
	ConformsTo    string          `json:"conformsTo"`
	Name          string          `json:"name"`
	AlternateName string          `json:"alternateName,omitempty"`
	Description   string          `json:"description,omitempty"`
	License       string          `json:"license,omitempty"`
	URL           string          `json:"url"`
	Version       string          `json:"version,omitempty"`
	Published     string          `json:"datePublished,omitempty"`
	CiteAs        string          `json:"citeAs"`
	Live          bool            `json:"isLiveDataset,omitempty"`
	Keywords      []string        `json:"keywords,omitempty"`
	UsageInfo     []cardTerm      `json:"usageInfo,omitempty"`
	Contacts      []cardContact   `json:"contactPoint,omitempty"`
	Population    string          `json:"ah:population,omitempty"`
	Asking        *cardHow        `json:"ah:asking,omitempty"`
	State         string          `json:"ah:state,omitempty"`
	Distribution  []cardFile      `json:"distribution"`
	RecordSet     []cardRecords   `json:"recordSet"`
}

// duoOntology is the set that codes of data use are terms of.
const duoOntology = "http://purl.obolibrary.org/obo/duo.owl"

type cardTerm struct {
	Type string `json:"@type"`
	Name string `json:"name"`
	Code string `json:"termCode"`
	URL  string `json:"url"`
	Set  string `json:"inDefinedTermSet"`
}

type cardContact struct {
	Type  string `json:"@type"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
	About string `json:"contactType,omitempty"`
}

type cardHow struct {
	Type      string `json:"@type"`
	Automatic string `json:"ah:automatic,omitempty"`
	Reviewed  string `json:"ah:reviewed,omitempty"`
	Wait      string `json:"ah:wait,omitempty"`
	Contact   string `json:"ah:contact,omitempty"`
}

type cardFile struct {
	Type        string `json:"@type"`
	ID          string `json:"@id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	ContentURL  string `json:"contentUrl"`
	ContentSize string `json:"contentSize,omitempty"`
	Encoding    string `json:"encodingFormat"`
	SHA256      string `json:"sha256,omitempty"`
}

type cardRecords struct {
	Type       string      `json:"@type"`
	ID         string      `json:"@id"`
	Name       string      `json:"name"`
	Version    string      `json:"ah:version,omitempty"`
	Number     int         `json:"ah:versionNumber,omitempty"`
	Commitment string      `json:"ah:commitment,omitempty"`
	Missing    []string    `json:"ah:missing,omitempty"`
	Facts      []cardFact  `json:"ah:facts,omitempty"`
	Field      []cardField `json:"field"`
}

type cardField struct {
	Type        string      `json:"@type"`
	ID          string      `json:"@id"`
	Name        string      `json:"name"`
	Description string      `json:"description,omitempty"`
	DataType    string      `json:"dataType,omitempty"` // none of what has fields of its own
	IsArray     bool        `json:"isArray,omitempty"`
	ArrayShape  string      `json:"arrayShape,omitempty"`
	Unit        string      `json:"unitText,omitempty"`
	Source      *cardSource `json:"source,omitempty"`
	SubField    []cardField `json:"subField,omitempty"`
	Required    bool        `json:"ah:required,omitempty"`
	Facts       []cardFact  `json:"ah:facts,omitempty"`
}

type cardSource struct {
	FileObject cardRef     `json:"fileObject"`
	Extract    cardExtract `json:"extract"`
}

type cardRef struct {
	ID string `json:"@id"`
}

type cardExtract struct {
	Column string `json:"column"`
}

type cardFact struct {
	Type       string `json:"@type"`
	Name       string `json:"name"`
	Value      any    `json:"value"`
	Provenance string `json:"ah:provenance"`
	Of         string `json:"ah:of,omitempty"`
}

// cardContext is the context of the specification with our own prefix.
const cardContext = `{
  "@language": "en",
  "@vocab": "https://schema.org/",
  "ah": "https://github.com/anchorhold/anchorhold/ns#",
  "arrayShape": "cr:arrayShape",
  "citeAs": "cr:citeAs",
  "column": "cr:column",
  "conformsTo": "dct:conformsTo",
  "containedIn": "cr:containedIn",
  "cr": "http://mlcommons.org/croissant/",
  "data": {"@id": "cr:data", "@type": "@json"},
  "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
  "dct": "http://purl.org/dc/terms/",
  "description": {"@container": "@language"},
  "equivalentProperty": "cr:equivalentProperty",
  "examples": {"@id": "cr:examples", "@type": "@json"},
  "extract": "cr:extract",
  "field": "cr:field",
  "fileObject": "cr:fileObject",
  "fileProperty": "cr:fileProperty",
  "fileSet": "cr:fileSet",
  "format": "cr:format",
  "includes": "cr:includes",
  "isArray": "cr:isArray",
  "isLiveDataset": "cr:isLiveDataset",
  "jsonPath": "cr:jsonPath",
  "key": "cr:key",
  "md5": "cr:md5",
  "name": {"@container": "@language"},
  "parentField": "cr:parentField",
  "path": "cr:path",
  "rai": "http://mlcommons.org/croissant/RAI/",
  "recordSet": "cr:recordSet",
  "references": "cr:references",
  "regex": "cr:regex",
  "repeated": "cr:repeated",
  "replace": "cr:replace",
  "samplingRate": "cr:samplingRate",
  "sc": "https://schema.org/",
  "separator": "cr:separator",
  "source": "cr:source",
  "subField": "cr:subField",
  "transform": "cr:transform"
}`
