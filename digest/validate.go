package digest

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
)

// Limits of code and of requests. They are part of the format: code beyond them
// has no digest anywhere.
const (
	MaxFiles      = 100
	MaxCodeBytes  = 1 << 20 // all texts together
	MaxPath       = 200     // bytes of a path
	MaxParameters = 64
	MaxOutputs    = 16
	MaxIdentifier = 100  // bytes of a parameter's, output's or function's name
	MaxPurpose    = 4096 // bytes
	MaxName       = 320  // bytes of an author's or study's name
)

// AssetTypes are the forms in which a function may ask for an asset.
func AssetTypes() []string {
	return []string{"dataframe", "arrow", "numpy", "path", "polars", "batches", "tensors", "files"}
}

// AssetTypesOf are the forms that an asset of a kind has.
func AssetTypesOf(kind string) []string {
	switch kind {
	case anchorhold.KindArray:
		return []string{"numpy", "path"}
	case anchorhold.KindTensors:
		return []string{"tensors", "path"}
	case anchorhold.KindFiles:
		return []string{"files", "path"}
	}
	return []string{"dataframe", "polars", "arrow", "numpy", "batches", "path"}
}

// ValueTypes are the types that a value parameter may declare.
func ValueTypes() []string {
	return []string{"int", "float", "str", "bool", "list[int]", "list[float]", "list[str]"}
}

// OutputKinds are the kinds that an output may declare.
func OutputKinds() []string {
	return []string{"table", "array", "json", "text", "image", "csv", "svg", "safetensors", "onnx", "samples", "any"}
}

// ValidateResources says whether expectations have a digest: one thing at least
// is expected, and nothing below zero.
func ValidateResources(r anchorhold.Resources) error {
	for _, n := range []int64{r.CPUSeconds, r.Memory, r.WallSeconds} {
		if n < 0 || n > maxSafe {
			return anchorhold.Errorf(anchorhold.Invalid, "give whole numbers of seconds and bytes", "an expected resource is out of range")
		}
	}
	if r == (anchorhold.Resources{}) {
		return anchorhold.Errorf(anchorhold.Invalid, "name one, or leave them out", "no resource is expected")
	}
	return nil
}

// Sensitivities are what an output may be declared to tell.
func Sensitivities() []anchorhold.Sensitivity {
	return []anchorhold.Sensitivity{anchorhold.Aggregate, anchorhold.Model, anchorhold.Individual}
}

// ValidateCode says whether code is complete and within the limits: safe
// paths, plain text, an entry that names a file and a function, declared types
// from the lists above. It does not read the Python.
func ValidateCode(code anchorhold.Code) error {
	if err := validateFiles(code.Files); err != nil {
		return err
	}
	if err := validateEntry(code); err != nil {
		return err
	}
	if err := validateParameters(code.Parameters); err != nil {
		return err
	}
	if err := validateOutputs(code.Outputs); err != nil {
		return err
	}
	if !IsSHA256(code.Environment) {
		return anchorhold.Errorf(anchorhold.Invalid, "give the environment's lock as sha256: and 64 hexadecimal digits",
			"the code names no environment")
	}
	return nil
}

func validateFiles(files []anchorhold.File) error {
	if len(files) == 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "add the file that defines the function", "the code has no file")
	}
	if len(files) > MaxFiles {
		return anchorhold.Errorf(anchorhold.TooLarge, "send only the files that the function needs", "the code has more than %d files", MaxFiles)
	}
	var total int
	seen := map[string]bool{}
	for _, f := range files {
		if err := validatePath(f.Path); err != nil {
			return err
		}
		folded := strings.ToLower(f.Path)
		if seen[folded] {
			return anchorhold.Errorf(anchorhold.Invalid, "rename one; upper and lower case count as the same",
				"two files of the code have the path %s", f.Path)
		}
		seen[folded] = true
		if !isText(f.Text) {
			return anchorhold.Errorf(anchorhold.Invalid, "save it as UTF-8 text", "%s is not UTF-8 text without NUL", f.Path)
		}
		total += len(f.Text)
	}
	if total > MaxCodeBytes {
		return anchorhold.Errorf(anchorhold.TooLarge, "send code only, no data", "the code is larger than %d bytes", MaxCodeBytes)
	}
	return noFileIsFolder(seen)
}

// noFileIsFolder refuses "a" beside "a/b", which no file system can hold.
func noFileIsFolder(paths map[string]bool) error {
	for p := range paths {
		for i := range len(p) {
			if p[i] == '/' && paths[p[:i]] {
				return anchorhold.Errorf(anchorhold.Invalid, "rename one", "%s is both a file and a folder of the code", p[:i])
			}
		}
	}
	return nil
}

// validatePath allows slash-separated segments of ASCII letters, digits, "_",
// "-" and ".", none of which begins with "." or "-": no dot segments, no
// options, no hidden files, nothing invisible for a reviewer to overlook.
func validatePath(path string) error {
	ok := path != "" && len(path) <= MaxPath
	for seg := range strings.SplitSeq(path, "/") {
		ok = ok && seg != "" && seg[0] != '.' && seg[0] != '-' && strings.Trim(seg, pathChars) == ""
	}
	if !ok {
		return anchorhold.Errorf(anchorhold.Invalid,
			"use relative paths of ASCII letters, digits, _, - and ., at most 200 bytes long", "a file of the code has an unsafe path")
	}
	return nil
}

const (
	letters    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	identChars = letters + "0123456789"
	pathChars  = identChars + "-."
)

// isIdentifier allows ASCII names only: Python reads other letters after
// normalising them, so that two spellings would be one name.
func isIdentifier(s string) bool {
	return s != "" && len(s) <= MaxIdentifier && strings.Trim(s, identChars) == "" && strings.Contains(letters, s[:1])
}

func badName(what string) error {
	return anchorhold.Errorf(anchorhold.Invalid, "use ASCII letters, digits and _, not beginning with a digit",
		"a %s's name is not a plain identifier", what)
}

// isText says whether s is UTF-8 without NUL.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func validateEntry(code anchorhold.Code) error {
	path, fn, ok := strings.Cut(code.Entry, ":")
	if !ok || !isIdentifier(fn) {
		return anchorhold.Errorf(anchorhold.Invalid, "write it as main.py:function", "the entry point has the wrong form")
	}
	isEntry := func(f anchorhold.File) bool { return f.Path == path }
	if !strings.HasSuffix(path, ".py") || !slices.ContainsFunc(code.Files, isEntry) {
		return anchorhold.Errorf(anchorhold.Invalid, "name one of the code's .py files", "the entry point is in no file of the code")
	}
	return nil
}

func validateParameters(ps []anchorhold.Parameter) error {
	if len(ps) > MaxParameters {
		return anchorhold.Errorf(anchorhold.TooLarge, "pass fewer", "the code declares more than %d parameters", MaxParameters)
	}
	seen := map[string]bool{}
	for _, p := range ps {
		if !isIdentifier(p.Name) {
			return badName("parameter")
		}
		if seen[p.Name] {
			return anchorhold.Errorf(anchorhold.Invalid, "rename one", "two parameters are called %s", p.Name)
		}
		seen[p.Name] = true
		if err := validateParameter(p); err != nil {
			return err
		}
	}
	return nil
}

func validateParameter(p anchorhold.Parameter) error {
	types := AssetTypes()
	switch p.Kind {
	case "asset":
		if p.Default != nil {
			return anchorhold.Errorf(anchorhold.Invalid, "bind it in the request", "the asset parameter %s has a default", p.Name)
		}
	case "value":
		types = ValueTypes()
	default:
		return anchorhold.Errorf(anchorhold.Invalid, "declare it as asset or value", "the parameter %s has an unknown kind", p.Name)
	}
	if !slices.Contains(types, p.Type) {
		return anchorhold.Errorf(anchorhold.Invalid, "declare it as one of "+strings.Join(types, ", "),
			"the %s parameter %s has an unknown type", p.Kind, p.Name)
	}
	if p.Default != nil {
		if _, err := checkValue(p, p.Default); err != nil {
			return err
		}
	}
	return nil
}

func validateOutputs(outs []anchorhold.OutputDecl) error {
	if len(outs) == 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "declare what the function returns", "the code declares no output")
	}
	if len(outs) > MaxOutputs {
		return anchorhold.Errorf(anchorhold.TooLarge, "return fewer", "the code declares more than %d outputs", MaxOutputs)
	}
	seen := map[string]bool{}
	for _, o := range outs {
		if !isIdentifier(o.Name) {
			return badName("output")
		}
		if seen[o.Name] {
			return anchorhold.Errorf(anchorhold.Invalid, "rename one", "two outputs are called %s", o.Name)
		}
		seen[o.Name] = true
		if !slices.Contains(OutputKinds(), o.Kind) {
			return anchorhold.Errorf(anchorhold.Invalid, "declare it as one of "+strings.Join(OutputKinds(), ", "),
				"the output %s has an unknown kind", o.Name)
		}
		if err := validateSensitivity(o); err != nil {
			return err
		}
	}
	return nil
}

func validateSensitivity(o anchorhold.OutputDecl) error {
	implied := anchorhold.SensitivityOf(o.Kind)
	switch {
	case o.Sensitivity == "":
		return nil
	case !slices.Contains(Sensitivities(), o.Sensitivity):
		return anchorhold.Errorf(anchorhold.Invalid, "declare it as aggregate, model or individual", "the output %s has an unknown sensitivity", o.Name)
	case o.Sensitivity == implied: // the same would have two digests
		return anchorhold.Errorf(anchorhold.Invalid, "leave its sensitivity out", "the output %s is %s by its kind", o.Name, implied)
	case implied == anchorhold.Individual:
		return anchorhold.Errorf(anchorhold.Invalid, "leave its sensitivity out", "the output %s holds rows, and is individual", o.Name)
	}
	return nil
}
