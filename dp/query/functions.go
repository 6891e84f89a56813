package query

import "strings"

// function is one that questions may call. Its arguments are written as
// letters: n a number, t a text, b a truth value, d a date, s a timestamp, D
// either, T a constant text, I a constant whole number from 0, and ? before
// those that may be left out.
type function struct {
	op     string
	args   string
	result class
	part   string // which part of a date
}

// functions are those that give the same in every engine, for every value.
// What is not here (logarithms, powers, regular expressions, case folding
// beyond ASCII, formatting) differs between engines or can fail.
func functions(name string) (function, bool) {
	f, ok := map[string]function{
		"abs":              {"abs", "n", num, ""},
		"sign":             {"sign", "n", num, ""},
		"floor":            {"floor", "n", num, ""},
		"ceil":             {"ceil", "n", num, ""},
		"ceiling":          {"ceil", "n", num, ""},
		"round":            {"round", "n?I", num, ""},
		"sqrt":             {"sqrt", "n", num, ""},
		"width_bucket":     {"bucket", "nnnI", num, ""},
		"mod":              {"%", "nn", num, ""},
		"%":                {"%", "nn", num, ""},
		"//":               {"//", "nn", num, ""},
		"divide":           {"//", "nn", num, ""},
		"*":                {"*", "nn", num, ""},
		"/":                {"/", "nn", num, ""},
		"lower":            {"lower", "t", txt, ""},
		"lcase":            {"lower", "t", txt, ""},
		"upper":            {"upper", "t", txt, ""},
		"ucase":            {"upper", "t", txt, ""},
		"length":           {"length", "t", num, ""},
		"len":              {"length", "t", num, ""},
		"char_length":      {"length", "t", num, ""},
		"character_length": {"length", "t", num, ""},
		"trim":             {"trim", "t?T", txt, ""},
		"ltrim":            {"ltrim", "t?T", txt, ""},
		"rtrim":            {"rtrim", "t?T", txt, ""},
		"substring":        {"substr", "tI?I", txt, ""},
		"substr":           {"substr", "tI?I", txt, ""},
		"left":             {"left", "tI", txt, ""},
		"right":            {"right", "tI", txt, ""},
		"replace":          {"replace", "tTT", txt, ""},
		"starts_with":      {"startswith", "tt", boolean, ""},
		"prefix":           {"startswith", "tt", boolean, ""},
		"^@":               {"startswith", "tt", boolean, ""},
		"ends_with":        {"endswith", "tt", boolean, ""},
		"suffix":           {"endswith", "tt", boolean, ""},
		"contains":         {"contains", "tt", boolean, ""},
		"strpos":           {"strpos", "tt", num, ""},
		"instr":            {"strpos", "tt", num, ""},
		"position":         {"strpos", "tt", num, ""},
		"~~":               {"like", "tT", boolean, ""},
		"year":             {"part", "D", num, "year"},
		"quarter":          {"part", "D", num, "quarter"},
		"month":            {"part", "D", num, "month"},
		"week":             {"part", "D", num, "week"},
		"weekofyear":       {"part", "D", num, "week"},
		"day":              {"part", "D", num, "day"},
		"dayofmonth":       {"part", "D", num, "day"},
		"dayofyear":        {"part", "D", num, "doy"},
		"dayofweek":        {"part", "D", num, "dow"},
		"isodow":           {"part", "D", num, "isodow"},
		"hour":             {"part", "s", num, "hour"},
		"minute":           {"part", "s", num, "minute"},
	}[name]
	return f, ok
}

// parts are the parts of dates by all their names; true where only a
// timestamp has it.
func parts(name string) (part string, ofTime, ok bool) {
	part, ok = map[string]string{
		"year": "year", "years": "year", "quarter": "quarter", "quarters": "quarter", "month": "month", "months": "month",
		"week": "week", "weeks": "week", "day": "day", "days": "day", "doy": "doy", "dayofyear": "doy", "dow": "dow",
		"dayofweek": "dow", "isodow": "isodow", "hour": "hour", "hours": "hour", "minute": "minute", "minutes": "minute",
	}[name]
	return part, part == "hour" || part == "minute", ok
}

// aggregate is how an aggregate is called: its kind by name.
func aggregate(name string) (string, bool) {
	fn, ok := map[string]string{
		"count": "count", "count_star": "count", "count_if": "countif", "countif": "countif", "sum": "sum", "avg": "avg", "mean": "avg",
		"min": "min", "max": "max", "variance": "var_samp", "var_samp": "var_samp", "var_pop": "var_pop", "stddev": "stddev_samp",
		"stddev_samp": "stddev_samp", "stddev_pop": "stddev_pop", "median": "quantile", "quantile_cont": "quantile",
		"quantile": "quantile", "quantile_disc": "quantile", "percentile_cont": "quantile", "percentile_disc": "quantile",
		"approx_quantile": "quantile", "approx_quantiles": "quantiles", "quantiles": "quantiles",
		"covar_pop": "covar_pop", "covar_samp": "covar_samp", "corr": "corr", "regr_slope": "regr_slope", "regr_intercept": "regr_intercept",
	}[name]
	return fn, ok
}

// ofPairs says whether an aggregate is over two numbers, y and x.
func ofPairs(fn string) bool {
	return fn == "corr" || strings.HasPrefix(fn, "covar_") || strings.HasPrefix(fn, "regr_")
}

func isAggregate(name string) bool {
	_, ok := aggregate(name)
	return ok
}
