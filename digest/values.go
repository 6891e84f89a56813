package digest

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// Limits of parameter values.
const (
	MaxValueBytes = 1 << 20 // all values of a request together, canonical
	MaxItems      = 10_000  // items of one list
)

// CheckValues checks the values of a request against the parameters that the
// code declares and returns them complete and canonical: defaults filled in,
// 5.0 for an int written as 5. A value for an asset parameter, for an
// undeclared one, of the wrong type, or missing without default is refused as
// Invalid. Messages name the parameter and never repeat the value.
func CheckValues(code anchorhold.Code, values map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	var total int
	for _, p := range code.Parameters {
		v, given := values[p.Name]
		if p.Kind != "value" {
			if given {
				return nil, anchorhold.Errorf(anchorhold.Invalid, "bind an asset to it instead", "%s is an asset parameter and takes no value", p.Name)
			}
			continue
		}
		if !given {
			v = p.Default
		}
		if v == nil {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "give it a value of type "+p.Type, "the parameter %s has no value and no default", p.Name)
		}
		c, err := checkValue(p, v)
		if err != nil {
			return nil, err
		}
		total += len(c)
		out[p.Name] = c
	}
	if total > MaxValueBytes {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "pass large inputs as assets", "the values are larger than %d bytes", MaxValueBytes)
	}
	for name := range values {
		if _, ok := out[name]; !ok {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "use the names that the function declares", "the code declares no parameter of a name that has a value")
		}
	}
	return out, nil
}

// checkValue gives the canonical form of one value of a parameter.
func checkValue(p anchorhold.Parameter, raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) > MaxValueBytes {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "pass large inputs as assets", "the value of %s is larger than %d bytes", p.Name, MaxValueBytes)
	}
	c, err := Canonical(raw)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give it a value of type "+p.Type, "the value of %s cannot be read", p.Name).Because(err)
	}
	var v any
	if err := json.Unmarshal(c, &v); err != nil {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the value of %s cannot be read back", p.Name).Because(err)
	}
	if !fits(p.Type, v) {
		return nil, anchorhold.Errorf(anchorhold.Invalid, remedyFor(p.Type), "the value of %s is not of type %s", p.Name, p.Type)
	}
	return c, nil
}

// fits says whether a decoded JSON value is of a declared type.
func fits(typ string, v any) bool {
	if item, ok := strings.CutPrefix(typ, "list["); ok {
		list, ok := v.([]any)
		if !ok || len(list) > MaxItems {
			return false
		}
		for _, x := range list {
			if !fits(strings.TrimSuffix(item, "]"), x) {
				return false
			}
		}
		return true
	}
	switch x := v.(type) {
	case float64:
		return typ == "float" || (typ == "int" && x == math.Trunc(x) && math.Abs(x) <= maxSafe)
	case string:
		return typ == "str" && isText(x)
	case bool:
		return typ == "bool"
	}
	return false
}

// remedyFor says what a value of a type looks like.
func remedyFor(typ string) string {
	switch typ {
	case "int":
		return "give a whole number within ±9007199254740991"
	case "float":
		return "give a finite number"
	case "str":
		return "give text without NUL"
	case "bool":
		return "give true or false"
	}
	return "give a list of at most 10000 items, all of that type"
}
