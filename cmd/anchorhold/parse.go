package main

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// parseSpan reads how long something shall hold: 30d, 2w, 12h, 90m.
func parseSpan(flag, s string) (time.Duration, error) {
	wrong := usagef("write it as 30d, 2w or 12h", "--%s %s is not a length of time", flag, s)
	unit := map[string]time.Duration{"d": day, "w": 7 * day, "h": time.Hour, "m": time.Minute}
	if s == "" {
		return 0, wrong
	}
	each, known := unit[s[len(s)-1:]]
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	if !known || err != nil || n <= 0 || n > math.MaxInt64/int64(each) {
		return 0, wrong
	}
	return time.Duration(n) * each, nil
}

// parseSize reads a number of bytes: 512MiB, 2 GiB, 1.5g.
func parseSize(flag, s string) (int64, error) {
	text := strings.ToLower(strings.ReplaceAll(s, " ", ""))
	number := strings.TrimRight(text, "bgikm")
	units := map[string]float64{"mib": 1 << 20, "gib": 1 << 30, "kib": 1 << 10, "m": 1 << 20, "g": 1 << 30, "mb": 1e6, "gb": 1e9, "b": 1, "": 1}
	unit, known := units[text[len(number):]]
	n, err := strconv.ParseFloat(number, 64)
	if !known || err != nil || !(n*unit >= 1 && n*unit < 1<<53) {
		return 0, usagef("write it as 512MiB or 2GiB", "--%s %s is not a size", flag, s)
	}
	return int64(n * unit), nil
}

// parseDays is parseSpan for what is counted in whole days; "" is 0.
func parseDays(flag, s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	span, err := parseSpan(flag, s)
	if err != nil {
		return 0, err
	}
	if span%day != 0 {
		return 0, usagef("write it as 30d or 2w", "--%s %s is not a number of days", flag, s)
	}
	return int(span / day), nil
}

// parseExpiry reads a moment in the future: a length of time from now, a date
// (until its end, local time), or an RFC 3339 time. "" is none.
func parseExpiry(s string, now time.Time) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	at, day, err := parseTime(s, now)
	if day {
		at = at.AddDate(0, 0, 1)
	}
	if err != nil {
		span, err := parseSpan("expires", s)
		if err != nil {
			return nil, usagef("write it as 30d, 12h or 2027-01-31", "--expires %s is not a length of time or a date", s)
		}
		at = now.Add(span)
	}
	return future("expires", s, at, now)
}

// parseWhen reads when something shall be done: after a length of time, or on a
// date (when it begins, local time) or at an RFC 3339 time. Neither is none.
func parseWhen(after, on string, now time.Time) (*time.Time, error) {
	switch {
	case after != "" && on != "":
		return nil, usagef("leave one out", "--after and --on do not go together")
	case after != "":
		span, err := parseSpan("after", after)
		if err != nil {
			return nil, err
		}
		return future("after", after, now.Add(span), now)
	case on == "":
		return nil, nil
	}
	at, _, err := parseTime(on, now)
	if err != nil {
		return nil, usagef("write it as 2027-01-31 or 2027-01-31T06:00:00Z", "--on %s is not a date or a time", on)
	}
	return future("on", on, at, now)
}

// parseTime reads an RFC 3339 time, or the beginning of a day in local time.
func parseTime(s string, now time.Time) (at time.Time, day bool, err error) {
	if at, err = time.Parse(time.RFC3339, s); err == nil {
		return at, false, nil
	}
	at, err = time.ParseInLocation(time.DateOnly, s, now.Location())
	return at, err == nil, err
}

func future(flag, s string, at, now time.Time) (*time.Time, error) {
	if !at.After(now) {
		return nil, usagef("name a moment in the future", "--%s %s has passed", flag, s)
	}
	at = at.UTC().Truncate(time.Second)
	return &at, nil
}

// parseValue writes what a person typed for a parameter as JSON of its declared
// type. Lists are JSON arrays, or items between commas.
func parseValue(name, typ, text string) (json.RawMessage, error) {
	if item, ok := strings.CutPrefix(typ, "list["); ok {
		return parseList(name, strings.TrimSuffix(item, "]"), text)
	}
	v, ok := parseScalar(typ, text)
	if !ok {
		return nil, usagef("write a value of that type", "--param %s=%s is not of the type %s", name, text, typ)
	}
	return v, nil
}

func parseList(name, item, text string) (json.RawMessage, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") && json.Valid([]byte(text)) {
		return json.RawMessage(text), nil
	}
	items := []json.RawMessage{}
	for part := range strings.SplitSeq(text, ",") {
		v, ok := parseScalar(item, strings.TrimSpace(part))
		if !ok {
			return nil, usagef("write them between commas, or as a JSON array", "--param %s: %q is not of the type %s", name, part, item)
		}
		items = append(items, v)
	}
	return json.Marshal(items)
}

// parseScalar reads one value of a plain type.
func parseScalar(typ, text string) (json.RawMessage, bool) {
	switch typ {
	case "int":
		n, err := strconv.ParseInt(text, 10, 64)
		return strconv.AppendInt(nil, n, 10), err == nil
	case "float":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, false
		}
		b, err := json.Marshal(f)
		return b, err == nil
	case "bool":
		switch strings.ToLower(text) {
		case "true", "yes":
			return json.RawMessage("true"), true
		case "false", "no":
			return json.RawMessage("false"), true
		}
		return nil, false
	case "str":
		b, err := json.Marshal(text)
		return b, err == nil
	}
	return nil, false
}
