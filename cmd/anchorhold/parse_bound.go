package main

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// boundForm is TYPE:BOUND, as in int:0..120, str:{a,b} or list[int]:any.
var boundForm = regexp.MustCompile(`^(int|float|str|bool|list\[(?:int|float|str)\]):(.+)$`)

// parseBounds reads --param flags of an approval: which values it covers.
func parseBounds(given []string) (map[string]anchorhold.Bound, error) {
	named, err := pairs("param", given)
	if err != nil {
		return nil, err
	}
	var out map[string]anchorhold.Bound
	for _, p := range named {
		b, ok := parseBound(p.value)
		if !ok {
			return nil, usagef("write it as k=int:0..120, k=float:0..1, k=str:{a,b} or k=any", "--param %s=%s is no bound", p.name, p.value)
		}
		if out == nil {
			out = map[string]anchorhold.Bound{}
		}
		out[p.name] = b
	}
	return out, nil
}

func parseBound(text string) (anchorhold.Bound, bool) {
	if text == "any" {
		return anchorhold.Bound{Any: true}, true
	}
	m := boundForm.FindStringSubmatch(text)
	if m == nil {
		return anchorhold.Bound{}, false
	}
	b := anchorhold.Bound{Type: m[1]}
	plain := strings.TrimSuffix(strings.TrimPrefix(m[1], "list["), "]")
	switch set, isSet := strings.CutPrefix(m[2], "{"); {
	case m[2] == "any":
		b.Any = true
		return b, true
	case isSet && strings.HasSuffix(set, "}"):
		for part := range strings.SplitSeq(strings.TrimSuffix(set, "}"), ",") {
			v, ok := parseScalar(plain, strings.TrimSpace(part))
			if !ok {
				return b, false
			}
			b.Set = append(b.Set, v)
		}
		return b, true
	case strings.HasPrefix(m[2], "["):
		return b, json.Unmarshal([]byte(m[2]), &b.Set) == nil && len(b.Set) > 0
	}
	ok := parseRange(&b, m[2])
	return b, ok
}

// parseRange reads 0..120, 18.. or ..65.
func parseRange(b *anchorhold.Bound, text string) bool {
	low, high, ok := strings.Cut(text, "..")
	for _, end := range []struct {
		text string
		to   **float64
	}{{low, &b.Min}, {high, &b.Max}} {
		if end.text == "" {
			continue
		}
		n, err := strconv.ParseFloat(end.text, 64)
		ok = ok && err == nil
		*end.to = &n
	}
	return ok && (b.Min != nil || b.Max != nil)
}
