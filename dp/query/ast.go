package query

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
)

// The tree as DuckDB's json_serialize_sql writes it. Each node is decoded
// once its class is known to be allowed, with unknown fields refused: a field
// that nobody looked at could change what a question means.

type astStatements struct {
	Error      bool              `json:"error"`
	Type       string            `json:"error_type"`
	Subtype    string            `json:"error_subtype"`
	Message    string            `json:"error_message"`
	Position   string            `json:"position"`
	Statements []json.RawMessage `json:"statements"`
}

type astStatement struct {
	Node   json.RawMessage   `json:"node"`
	Params []json.RawMessage `json:"named_param_map"`
}

type astHead struct {
	Class string `json:"class"`
	Type  string `json:"type"`
	Alias string `json:"alias"`
	Loc   uint64 `json:"query_location"`
}

type astSelect struct {
	Type      string            `json:"type"`
	Modifiers []json.RawMessage `json:"modifiers"`
	CTEs      astCTEs           `json:"cte_map"`
	Items     []json.RawMessage `json:"select_list"`
	From      json.RawMessage   `json:"from_table"`
	Where     json.RawMessage   `json:"where_clause"`
	Groups    []json.RawMessage `json:"group_expressions"`
	Sets      [][]int           `json:"group_sets"`
	Handling  string            `json:"aggregate_handling"`
	Having    json.RawMessage   `json:"having"`
	Sample    json.RawMessage   `json:"sample"`
	Qualify   json.RawMessage   `json:"qualify"`
}

type astSetOp struct {
	Type      string            `json:"type"`
	Modifiers []json.RawMessage `json:"modifiers"`
	CTEs      astCTEs           `json:"cte_map"`
	Op        string            `json:"setop_type"`
	Left      json.RawMessage   `json:"left"`
	Right     json.RawMessage   `json:"right"`
	All       bool              `json:"setop_all"`
}

type astCTEs struct {
	Map []struct {
		Key   string `json:"key"`
		Value struct {
			Aliases      []string          `json:"aliases"`
			Query        astStatement      `json:"query"`
			Materialized string            `json:"materialized"`
			KeyTargets   []json.RawMessage `json:"key_targets"`
		} `json:"value"`
	} `json:"map"`
}

type astModifier struct {
	Type     string            `json:"type"`
	Orders   []astOrder        `json:"orders"`
	Limit    json.RawMessage   `json:"limit"`
	Offset   json.RawMessage   `json:"offset"`
	Distinct []json.RawMessage `json:"distinct_on_targets"`
}

type astOrder struct {
	Type  string          `json:"type"`
	Nulls string          `json:"null_order"`
	Expr  json.RawMessage `json:"expression"`
}

type astTable struct {
	Type     string          `json:"type"`
	Alias    string          `json:"alias"`
	Sample   json.RawMessage `json:"sample"`
	Loc      uint64          `json:"query_location"`
	Schema   string          `json:"schema_name"`
	Name     string          `json:"table_name"`
	Columns  []string        `json:"column_name_alias"`
	Catalog  string          `json:"catalog_name"`
	At       json.RawMessage `json:"at_clause"`
	Subquery astStatement    `json:"subquery"`
}

type astJoin struct {
	Type      string            `json:"type"`
	Alias     string            `json:"alias"`
	Sample    json.RawMessage   `json:"sample"`
	Loc       uint64            `json:"query_location"`
	Left      json.RawMessage   `json:"left"`
	Right     json.RawMessage   `json:"right"`
	Condition json.RawMessage   `json:"condition"`
	Join      string            `json:"join_type"`
	Ref       string            `json:"ref_type"`
	Using     []string          `json:"using_columns"`
	Flipped   bool              `json:"delim_flipped"`
	Duplicate []json.RawMessage `json:"duplicate_eliminated_columns"`
}

type astExpr struct {
	astHead
	Names      []string          `json:"column_names"`
	Function   string            `json:"function_name"`
	Schema     string            `json:"schema"`
	Catalog    string            `json:"catalog"`
	Children   []json.RawMessage `json:"children"`
	Filter     json.RawMessage   `json:"filter"`
	OrderBys   astModifier       `json:"order_bys"`
	Distinct   bool              `json:"distinct"`
	IsOperator bool              `json:"is_operator"`
	Export     bool              `json:"export_state"`
	Left       json.RawMessage   `json:"left"`
	Right      json.RawMessage   `json:"right"`
	Input      json.RawMessage   `json:"input"`
	Lower      json.RawMessage   `json:"lower"`
	Upper      json.RawMessage   `json:"upper"`
	Checks     []struct {
		When json.RawMessage `json:"when_expr"`
		Then json.RawMessage `json:"then_expr"`
	} `json:"case_checks"`
	Else     json.RawMessage `json:"else_expr"`
	Child    json.RawMessage `json:"child"`
	CastType astType         `json:"cast_type"`
	Try      bool            `json:"try_cast"`
	Value    astValue        `json:"value"`
}

type astStar struct {
	astHead
	Relation  string            `json:"relation_name"`
	Exclude   []json.RawMessage `json:"exclude_list"`
	Replace   []json.RawMessage `json:"replace_list"`
	Columns   bool              `json:"columns"`
	Expr      json.RawMessage   `json:"expr"`
	Qualified []json.RawMessage `json:"qualified_exclude_list"`
	Rename    []json.RawMessage `json:"rename_list"`
}

type astType struct {
	ID   string `json:"id"`
	Info *struct {
		Type      string          `json:"type"`
		Alias     string          `json:"alias"`
		Extension json.RawMessage `json:"extension_info"`
		Width     int             `json:"width"`
		Scale     int             `json:"scale"`
	} `json:"type_info"`
}

type astValue struct {
	Type  astType         `json:"type"`
	Null  bool            `json:"is_null"`
	Value json.RawMessage `json:"value"`
}

// strict decodes a node whose fields are all known.
func strict(raw []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// place is a byte of the text, or -1 where DuckDB knows none.
func place(loc uint64) int {
	if loc > math.MaxInt32 {
		return -1
	}
	return int(loc)
}

// number reads a numeric constant exactly: from its unscaled integer and
// scale, or as a double.
func (v astValue) number() (exact *big.Int, scale int, double float64, ok bool) {
	if v.Type.Info != nil {
		scale = v.Type.Info.Scale
	}
	if v.Type.ID == "DOUBLE" || v.Type.ID == "FLOAT" {
		err := json.Unmarshal(v.Value, &double)
		return nil, 0, double, err == nil && !math.IsInf(double, 0) && !math.IsNaN(double)
	}
	if n, isInt := new(big.Int).SetString(string(v.Value), 10); isInt && len(v.Value) < 60 {
		return n, scale, 0, scale >= 0 && scale <= 38
	}
	var huge struct {
		Upper int64  `json:"upper"`
		Lower uint64 `json:"lower"`
	}
	if strict(v.Value, &huge) != nil {
		return nil, 0, 0, false
	}
	n := new(big.Int).Lsh(big.NewInt(huge.Upper), 64)
	return n.Add(n, new(big.Int).SetUint64(huge.Lower)), scale, 0, scale >= 0 && scale <= 38
}
