package output

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a manifest.
const (
	maxManifest  = 1 << 20
	maxOutputs   = 1000
	maxErrorText = 64 << 10
)

// Manifest is what a run says when it ends.
type Manifest struct {
	OK      bool
	Outputs []ManifestEntry
	Failure Failure // if not OK
}

// Failure is the Python error that ended a run. It may hold private values:
// owners only.
type Failure struct {
	Type      string
	Message   string
	Traceback string
}

// ParseManifest reads manifest.json. Each declared output must be there once and
// no other; what a failure says is cut to 64 KiB and freed of control
// characters, so that showing it on a terminal is harmless.
func ParseManifest(data []byte, declared []Declared) (Manifest, error) {
	if len(data) > maxManifest {
		return Manifest{}, refuse(badManifest)
	}
	v, err := readJSON(data, Limits{Depth: 8, Text: maxManifest})
	if err != nil {
		return Manifest{}, refuse(badManifest)
	}
	var m Manifest
	o := v.fields()
	if version, ok := o.take("v").integer(); !ok || version != 1 {
		return Manifest{}, refuse(badManifest)
	}
	m.OK = o.take("ok").kind == jsonTrue
	if m.OK {
		m.Outputs, err = manifestOutputs(o.take("outputs"), declared)
	} else {
		err = manifestFailure(o.take("error"), &m.Failure)
	}
	if err != nil || !o.done() {
		return Manifest{}, refuse(badManifest)
	}
	return m, nil
}

func manifestOutputs(list *jsonValue, declared []Declared) ([]ManifestEntry, error) {
	if list.kind != jsonArray || len(list.items) > maxOutputs {
		return nil, refuse(badManifest)
	}
	missing := map[string]bool{}
	for _, d := range declared {
		missing[d.Name] = true
	}
	var entries []ManifestEntry
	for _, item := range list.items {
		o := item.fields()
		e := ManifestEntry{Name: o.text("name"), Kind: o.text("kind"), Python: o.text("python"), File: o.text("file")}
		if !o.done() || !missing[e.Name] {
			return nil, refuse(badManifest)
		}
		delete(missing, e.Name)
		entries = append(entries, e)
	}
	if len(missing) > 0 {
		return nil, refuse(badManifest)
	}
	return entries, nil
}

func manifestFailure(v *jsonValue, f *Failure) error {
	o := v.fields()
	f.Type = harmless(o.text("type"))
	f.Message = harmless(o.text("message"))
	f.Traceback = harmless(o.text("traceback"))
	if !o.done() {
		return refuse(badManifest)
	}
	return nil
}

// harmless cuts a text and replaces what could steer a terminal or hide text.
func harmless(s string) string {
	if len(s) > maxErrorText {
		s = strings.ToValidUTF8(s[:maxErrorText], "")
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// allowedPython says whether an output of a kind can have been a Python type.
func allowedPython(kind, python string) bool {
	switch kind {
	case KindTable:
		return oneOf(python, "pandas.DataFrame", "pandas.Series", "pandas.Index", "pyarrow.Table", "polars.DataFrame")
	case KindSamples:
		return oneOf(python, "pandas.DataFrame", "pyarrow.Table", "polars.DataFrame")
	case KindArray:
		return python == "numpy.ndarray"
	case KindText:
		return python == "str"
	case KindCSV:
		return oneOf(python, "pandas.DataFrame", "polars.DataFrame", "str")
	case KindSVG:
		return python == "image/svg+xml"
	case KindSafetensors:
		return python == "dict"
	case KindONNX:
		return python == "onnx.ModelProto"
	case KindImage:
		return python == "image/png"
	case KindJSON:
		return oneOf(python, "int", "float", "bool", "None", "str", "list", "tuple", "dict") || numpyScalar(python) != 0
	}
	return false
}

func oneOf(s string, choices ...string) bool {
	for _, c := range choices {
		if s == c {
			return true
		}
	}
	return false
}

// numpyScalar gives the family of a NumPy scalar type: b, i, u, f or s; 0 for
// none.
func numpyScalar(python string) byte {
	switch strings.TrimPrefix(python, "numpy.") {
	case python:
		return 0
	case "bool", "bool_":
		return 'b'
	case "int8", "int16", "int32", "int64":
		return 'i'
	case "uint8", "uint16", "uint32", "uint64":
		return 'u'
	case "float16", "float32", "float64":
		return 'f'
	case "str_":
		return 's'
	}
	return 0
}
