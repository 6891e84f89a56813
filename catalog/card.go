package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// HideFrom gives what somebody who may not see the private side sees of a
// dataset: everything but where private files lie, how large they are and how
// many rows they have. The original is left alone.
func HideFrom(d anchorhold.Dataset) anchorhold.Dataset {
	assets := make([]anchorhold.Asset, len(d.Assets))
	for i, a := range d.Assets {
		a.Version.Private = nil
		if a.Version.Mock != nil {
			mock := *a.Version.Mock
			mock.Blob = ""
			a.Version.Mock = &mock
		}
		assets[i] = a
	}
	d.Assets = assets
	return d
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
		Distribution: []cardFile{}, RecordSet: []cardRecords{},
	}
	if c.Description == "" {
		c.Description = d.Title
	}
	if !d.Created.IsZero() {
		c.Published = d.Created.UTC().Format(dayLayout)
	}
	newest := 0
	for _, a := range d.Assets {
		newest = max(newest, a.Version.Number)
		file := cardMock(d.Name, a, siteURL)
		if file != nil {
			c.Distribution = append(c.Distribution, *file)
		}
		c.RecordSet = append(c.RecordSet, cardTable(a, file))
	}
	if newest > 0 {
		c.Version = fmt.Sprintf("%d.0.0", newest)
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

// cardMock describes the mock of an asset, nil where there is none.
func cardMock(dataset string, a anchorhold.Asset, siteURL string) *cardFile {
	m := a.Version.Mock
	if m == nil {
		return nil
	}
	media := "text/csv"
	if m.Format == FormatParquet {
		media = "application/x-parquet"
	}
	return &cardFile{
		Type: "cr:FileObject", ID: a.Name + "-mock", Name: a.Name + "." + m.Format,
		Description: "The mock of the table " + a.Name + " (" + m.Origin + "): made to try code out, not data about anybody.",
		ContentURL:  siteURL + MockPath(dataset, a.Name), ContentSize: fmt.Sprintf("%d B", m.Size),
		Encoding: media, SHA256: strings.TrimPrefix(m.SHA256, "sha256:"),
	}
}

func cardTable(a anchorhold.Asset, file *cardFile) cardRecords {
	v := a.Version
	r := cardRecords{
		Type: "cr:RecordSet", ID: a.Name, Name: a.Name, Version: v.ID, Number: v.Number,
		Commitment: v.Commitment, Facts: cardFacts(v.Facts), Missing: v.Missing, Field: []cardField{},
	}
	for _, c := range v.Columns {
		f := cardField{
			Type: "cr:Field", ID: a.Name + "/" + url.PathEscape(c.Name), Name: c.Name, Description: c.Description,
			DataType: cardType(c.Type), Unit: c.Unit, Facts: cardFacts(c.Facts),
		}
		if file != nil {
			f.Source = &cardSource{FileObject: cardRef{file.ID}, Extract: cardExtract{c.Name}}
		}
		r.Field = append(r.Field, f)
	}
	return r
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
		out = append(out, cardFact{Type: "ah:Fact", Name: f.Name, Value: f.Value, Provenance: string(f.Provenance)})
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
	Population    string          `json:"ah:population,omitempty"`
	Distribution  []cardFile      `json:"distribution"`
	RecordSet     []cardRecords   `json:"recordSet"`
}

type cardFile struct {
	Type        string `json:"@type"`
	ID          string `json:"@id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	ContentURL  string `json:"contentUrl"`
	ContentSize string `json:"contentSize"`
	Encoding    string `json:"encodingFormat"`
	SHA256      string `json:"sha256"`
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
	DataType    string      `json:"dataType"`
	Unit        string      `json:"unitText,omitempty"`
	Source      *cardSource `json:"source,omitempty"`
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
