package request

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/digest"
)

// Limits of bounds, so that they can be said in words.
const (
	maxSet        = 200  // values of one closed set
	maxBoundBytes = 4096 // of all bounds of an approval, as JSON
)

// within says whether a canonical value of a declared type is covered by a
// bound; of a list, whether every item is. What cannot be understood is not
// covered.
func within(b anchorhold.Bound, typ string, value json.RawMessage) bool {
	item, isList := strings.CutPrefix(typ, "list[")
	if !isList {
		return covered(b, typ, value)
	}
	var items []json.RawMessage
	if json.Unmarshal(value, &items) != nil || items == nil {
		return false
	}
	return !slices.ContainsFunc(items, func(v json.RawMessage) bool { return !covered(b, strings.TrimSuffix(item, "]"), v) })
}

// covered is within for one value that is no list.
func covered(b anchorhold.Bound, typ string, value json.RawMessage) bool {
	v, err := checked(typ, value)
	if err != nil {
		return false
	}
	if b.Any {
		return true
	}
	ranged := b.Min != nil || b.Max != nil
	if !ranged && len(b.Set) == 0 {
		return false
	}
	if ranged && !inRange(b, typ, v) {
		return false
	}
	return len(b.Set) == 0 || inSet(b.Set, v)
}

func inRange(b anchorhold.Bound, typ string, v json.RawMessage) bool {
	if typ != "int" && typ != "float" {
		return false
	}
	n, err := strconv.ParseFloat(string(v), 64)
	return err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) && (b.Min == nil || n >= *b.Min) && (b.Max == nil || n <= *b.Max)
}

func inSet(set []json.RawMessage, v json.RawMessage) bool {
	return slices.ContainsFunc(set, func(m json.RawMessage) bool { return sameValue(m, v) })
}

// sameValue compares values in their canonical form. What has none is equal to
// nothing.
func sameValue(a, b json.RawMessage) bool {
	x, err := digest.Canonical(a)
	if err != nil {
		return false
	}
	y, err := digest.Canonical(b)
	return err == nil && bytes.Equal(x, y)
}

// checked gives the canonical form of a value of a plain type.
func checked(typ string, v json.RawMessage) (json.RawMessage, error) {
	const name = "value"
	code := anchorhold.Code{Parameters: []anchorhold.Parameter{{Name: name, Kind: "value", Type: typ}}}
	out, err := digest.CheckValues(code, map[string]json.RawMessage{name: v})
	return out[name], err
}

// checkBounds refuses bounds that do not fit the code's parameters, or that do
// not even cover what is asked; it returns them with sets in canonical form.
func checkBounds(r anchorhold.Request, bounds map[string]anchorhold.Bound) (map[string]anchorhold.Bound, error) {
	if len(bounds) == 0 {
		return nil, nil
	}
	types := valueTypes(r.Code)
	out := map[string]anchorhold.Bound{}
	for name, b := range bounds {
		typ, ok := types[name]
		if !ok {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "see `anchorhold request show "+r.ID+"` for its parameters",
				"the code has no value parameter of a name that is bounded")
		}
		b, err := checkBound(name, typ, b)
		if err != nil {
			return nil, err
		}
		if !within(b, typ, r.Values[name]) {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "widen the bound, or ask the author for another value",
				"the bound of %s leaves out the very value that is asked for", name)
		}
		out[name] = b
	}
	if text, err := json.Marshal(out); err != nil || len(text) > maxBoundBytes {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "use ranges, or shorter sets", "the bounds are larger than %d bytes", maxBoundBytes)
	}
	return out, nil
}

func valueTypes(code anchorhold.Code) map[string]string {
	out := map[string]string{}
	for _, p := range code.Parameters {
		if p.Kind == "value" {
			out[p.Name] = p.Type
		}
	}
	return out
}

func checkBound(name, typ string, b anchorhold.Bound) (anchorhold.Bound, error) {
	plain := strings.TrimSuffix(strings.TrimPrefix(typ, "list["), "]")
	if b.Type != "" && b.Type != typ && b.Type != plain {
		return b, anchorhold.Errorf(anchorhold.Invalid, "write it as "+typ, "the parameter %s is of another type than its bound", name)
	}
	if err := checkForm(name, plain, b); err != nil {
		return b, err
	}
	b.Type = plain
	set := b.Set
	b.Set = nil
	for _, v := range set {
		c, err := checked(plain, v)
		if err != nil {
			return b, anchorhold.Errorf(anchorhold.Invalid, "write values of that type", "a value of the set of %s is not of type %s", name, plain)
		}
		if !inSet(b.Set, c) {
			b.Set = append(b.Set, c)
		}
	}
	return b, nil
}

// checkForm refuses a bound that is not one of range, set and any.
func checkForm(name, plain string, b anchorhold.Bound) error {
	said := 0
	ranged := b.Min != nil || b.Max != nil
	for _, one := range []bool{b.Any, ranged, len(b.Set) > 0} {
		if one {
			said++
		}
	}
	switch {
	case said != 1:
		return anchorhold.Errorf(anchorhold.Invalid, "give a range, a set, or any", "the bound of %s is not one of these", name)
	case ranged && plain != "int" && plain != "float":
		return anchorhold.Errorf(anchorhold.Invalid, "give a set, or any", "the parameter %s has no range: it is no number", name)
	case ranged && !ordered(b):
		return anchorhold.Errorf(anchorhold.Invalid, "write the smaller number first", "the range of %s is empty", name)
	case len(b.Set) > maxSet:
		return anchorhold.Errorf(anchorhold.TooLarge, "use a range, or any", "the set of %s has more than %d values", name, maxSet)
	}
	return nil
}

func ordered(b anchorhold.Bound) bool {
	finite := func(f *float64) bool { return f == nil || !math.IsNaN(*f) && !math.IsInf(*f, 0) }
	return finite(b.Min) && finite(b.Max) && (b.Min == nil || b.Max == nil || *b.Min <= *b.Max)
}

// strictest covers what both bounds cover.
func strictest(a, b anchorhold.Bound) anchorhold.Bound {
	switch {
	case a.Any:
		return b
	case b.Any:
		return a
	}
	out := anchorhold.Bound{Type: a.Type, Min: larger(a.Min, b.Min, true), Max: larger(a.Max, b.Max, false)}
	switch {
	case len(a.Set) > 0:
		out.Set = slices.DeleteFunc(slices.Clone(a.Set), func(v json.RawMessage) bool { return !covered(b, b.Type, v) })
	case len(b.Set) > 0:
		out.Set = slices.DeleteFunc(slices.Clone(b.Set), func(v json.RawMessage) bool { return !covered(a, a.Type, v) })
	default:
		return out
	}
	out.Min, out.Max = nil, nil // the set says it all, also when nothing is left of it
	return out
}

// larger gives the larger number where up says so, else the smaller; one that is
// absent does not count.
func larger(a, b *float64, up bool) *float64 {
	if a == nil || b != nil && (*b > *a) == up {
		return b
	}
	return a
}
