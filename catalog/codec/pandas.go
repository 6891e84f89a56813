package codec

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// pandasSchema is what pandas notes in a Parquet file beside its columns: what
// they were in memory, and which of them were an index.
type pandasSchema struct {
	Index   []json.RawMessage `json:"index_columns"`
	Columns []pandasColumn    `json:"columns"`
	byName  map[string]pandasColumn
}

type pandasColumn struct {
	Field    string `json:"field_name"`
	Type     string `json:"pandas_type"`
	Memory   string `json:"numpy_type"`
	Metadata struct {
		Timezone string `json:"timezone"`
	} `json:"metadata"`
}

const (
	arrowSchemaKey  = "ARROW:schema"
	pandasSchemaKey = "pandas"
	maxPandasSchema = 16 << 20
)

// ignoreArrowSchema makes the Parquet library overlook the Arrow schema that
// writers add to a file, and gives pandas' own notes instead. The former is a
// flatbuffer that the library trusts: a damaged one makes it ask for tens of
// gigabytes. All that counts of it stands in the Parquet schema too, but
// categories and time zones, which pandas notes in JSON.
func ignoreArrowSchema(f *file.Reader) pandasSchema {
	var notes pandasSchema
	for _, kv := range f.MetaData().KeyValueMetadata() {
		switch {
		case kv.Key == arrowSchemaKey:
			kv.Key = "" // in our copy of the footer
		case kv.Key == pandasSchemaKey && kv.Value != nil && len(*kv.Value) <= maxPandasSchema:
			if json.Unmarshal([]byte(*kv.Value), &notes) != nil {
				notes = pandasSchema{} // notes that cannot be read are no notes
			}
		}
	}
	notes.byName = make(map[string]pandasColumn, len(notes.Columns))
	for _, c := range notes.Columns {
		notes.byName[c.Field] = c
	}
	return notes
}

var pandasIndexName = regexp.MustCompile(`^__index_level_\d+__$`)

// hasIndex says whether pandas stored an index as columns: it would come back
// as an index in a run, but as a column in the mock.
func (p pandasSchema) hasIndex(names []string) bool {
	for _, n := range names {
		if pandasIndexName.MatchString(n) {
			return true
		}
	}
	for _, column := range p.Index {
		if len(column) > 0 && column[0] == '"' {
			return true // a column's name; an index that is only counted is an object
		}
	}
	return false
}

// refuses says what to do about a column that pandas would make something of
// in a run that no mock can have; empty for all others.
func (p pandasSchema) refuses(f arrow.Field, kind anchorhold.ColumnType) string {
	c := p.byName[f.Name]
	switch {
	case strings.HasPrefix(c.Memory, "timedelta"):
		return "write it as a number of seconds (in pandas: .dt.total_seconds())"
	case c.Type == pandasCategories && kind != anchorhold.TypeString:
		return "write it without categories (in pandas: astype of the categories' own type)"
	}
	return ""
}

const pandasCategories = "categorical"

// storage names the exact type of a column for the fact "storage".
func (p pandasSchema) storage(f arrow.Field) string {
	c := p.byName[f.Name]
	if t, ok := f.Type.(*arrow.TimestampType); ok && t.TimeZone != "" && zoneName.MatchString(c.Metadata.Timezone) {
		return strings.Replace(t.String(), t.TimeZone, c.Metadata.Timezone, 1)
	}
	if f.Type.ID() == arrow.STRING && c.Type == pandasCategories {
		return mock.Dictionary
	}
	return f.Type.String()
}

var zoneName = regexp.MustCompile(`^[A-Za-z0-9+:/_-]{1,64}$`)
