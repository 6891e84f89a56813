package output

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// svgElement says what an element may hold.
type svgElement struct {
	root bool // it is the drawing
	text bool // it draws its text
}

// svgElements are the elements that a drawing may have.
var svgElements = map[string]svgElement{
	"svg": {root: true}, "g": {}, "defs": {}, "path": {}, "rect": {}, "circle": {}, "ellipse": {}, "line": {}, "polyline": {}, "polygon": {},
	"text": {text: true}, "tspan": {text: true}, "use": {}, "clipPath": {}, "linearGradient": {}, "radialGradient": {}, "stop": {}, "image": {},
	"pattern": {},
}

// What values may be, each as a whole. None of them can hold an address.
var (
	svgNumbers   = regexp.MustCompile(`^[0-9eE+\-., %]*(px|pt|em|ex|mm|cm|in|pc)?$`)
	svgPath      = regexp.MustCompile(`^[MmLlHhVvCcSsQqTtAaZz0-9eE+\-., \n\t]*$`)
	svgTransform = regexp.MustCompile(`^((matrix|translate|scale|rotate|skewX|skewY) ?\([0-9eE+\-., ]*\)[ ,\n\t]*)*$`)
	svgWord      = regexp.MustCompile(`^[A-Za-z0-9 -]{0,64}$`)
	svgPaint     = regexp.MustCompile(`^(none|currentColor|transparent|#[0-9A-Fa-f]{3,8}|[A-Za-z]{3,24}|rgba?\([0-9., %]{1,40}\))$`)
	svgFont      = regexp.MustCompile(`^[A-Za-z0-9'", %./-]{0,200}$`)
	svgLocal     = regexp.MustCompile(`^url\(#([^\s()'"\\]{1,200})\)$`)

	matplotlibStyle = regexp.MustCompile(`^\s*\*\s*\{\s*stroke-linejoin:\s*round;\s*stroke-linecap:\s*butt;?\s*\}\s*$`)
	plainDoctype    = regexp.MustCompile(`^DOCTYPE svg( PUBLIC "-//W3C//DTD SVG 1\.1//EN"\s+"http://www\.w3\.org/Graphics/SVG/1\.1/DTD/svg11\.dtd")?$`)
)

// svgForms says what the value of an attribute, or of a property of a style, is.
var svgForms = map[*regexp.Regexp][]string{
	svgNumbers: {
		"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "fr", "dx", "dy", "width", "height", "viewBox", "offset",
		"stroke-width", "stroke-miterlimit", "stroke-dashoffset", "stroke-opacity", "fill-opacity", "stop-opacity", "opacity", "font-size",
		"textLength", "letter-spacing", "word-spacing", "rotate",
	},
	svgPath:      {"d", "points"},
	svgTransform: {"transform", "gradientTransform", "patternTransform"},
	svgWord: {
		"stroke-linecap", "stroke-linejoin", "fill-rule", "clip-rule", "text-anchor", "font-style", "font-variant", "font-weight",
		"font-stretch", "dominant-baseline", "alignment-baseline", "baseline-shift", "visibility", "display", "overflow", "preserveAspectRatio",
		"gradientUnits", "spreadMethod", "clipPathUnits", "patternUnits", "patternContentUnits",
		"image-rendering", "shape-rendering", "text-rendering", "paint-order", "vector-effect", "text-decoration", "mix-blend-mode",
		"writing-mode", "xml:space", "white-space", "lengthAdjust",
	},
	svgPaint: {"fill", "stroke", "stop-color", "color"},
	svgFont:  {"font-family", "font"},
}

// svgForm finds what the value of a name must look like.
func svgForm(name string) *regexp.Regexp {
	if name == "stroke-dasharray" {
		return svgDashes
	}
	for form, names := range svgForms {
		if slices.Contains(names, name) {
			return form
		}
	}
	return nil
}

var svgDashes = regexp.MustCompile(`^(none|[0-9eE+\-., px]*)$`)

// svgReferring are the names whose value may be another element of the drawing.
var svgReferring = []string{"fill", "stroke", "clip-path"}

// svgIgnored are attributes that draw nothing.
var svgIgnored = []string{"class", "version", "baseProfile", "role", "lang", "contentScriptType", "contentStyleType"}

// attributes takes an element's attributes, sorted by name.
func (r *svgReader) attributes(n *svgNode, all []xml.Attr) error {
	seen := map[string]bool{}
	for _, a := range all {
		name, err := svgName(a.Name)
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		if seen[name] {
			return refuse(badSVG)
		}
		seen[name] = true
		if err := r.take(n, name, a.Value); err != nil {
			return err
		}
	}
	n.sortAttributes()
	return nil
}

// svgName is the one name of an attribute here; empty for one that draws nothing.
func svgName(n xml.Name) (string, error) {
	switch n.Space {
	case "":
		ignored := n.Local == "xmlns" || slices.Contains(svgIgnored, n.Local) || strings.HasPrefix(n.Local, "aria-") || strings.HasPrefix(n.Local, "data-")
		switch {
		case ignored:
			return "", nil
		case n.Local == "href":
			return "xlink:href", nil
		}
		return n.Local, nil
	case "xmlns":
		return "", nil
	case xlinkSpace:
		if n.Local == "href" {
			return "xlink:href", nil
		}
	case xmlSpace:
		switch n.Local {
		case "lang":
			return "", nil
		case "space":
			return "xml:space", nil
		}
	}
	return "", refuse(unsafeSVG)
}

// xmlSpace is the space of xml:lang and its like.
const xmlSpace = "http://www.w3.org/XML/1998/namespace"

func (n *svgNode) sortAttributes() {
	slices.SortStableFunc(n.attributes, func(a, b svgAttribute) int { return strings.Compare(a.name, b.name) })
	n.attributes = slices.CompactFunc(n.attributes, func(a, b svgAttribute) bool { return a.name == b.name && a.style == b.style })
}

// take takes one attribute whose name is known.
func (r *svgReader) take(n *svgNode, name, value string) error {
	switch name {
	case "id":
		if _, twice := r.ids[value]; twice {
			return refuse(badSVG)
		}
		r.ids[value] = n
		return nil
	case "style":
		return r.declarations(n, value)
	case "xlink:href":
		return r.link(n, value)
	}
	a, err := svgValue(name, value)
	if err != nil {
		return err
	}
	n.attributes = append(n.attributes, a)
	return nil
}

// svgValue checks a value.
func svgValue(name, value string) (svgAttribute, error) {
	value = strings.TrimSpace(value)
	if m := svgLocal.FindStringSubmatch(value); m != nil && slices.Contains(svgReferring, name) {
		return svgAttribute{name: name, text: "url(#%)", ref: m[1]}, nil
	}
	form := svgForm(name)
	if form == nil && slices.Contains(svgReferring, name) && value == "none" {
		return svgAttribute{name: name, text: value}, nil
	}
	if form == nil || !form.MatchString(value) {
		return svgAttribute{}, refuse(unsafeSVG)
	}
	return svgAttribute{name: name, text: value}, nil
}

// declarations takes an element's style apart; of a property that stands twice
// the last holds.
func (r *svgReader) declarations(n *svgNode, style string) error {
	for declaration := range strings.SplitSeq(style, ";") {
		if strings.TrimSpace(declaration) == "" {
			continue
		}
		name, value, ok := strings.Cut(declaration, ":")
		name = strings.TrimSpace(name)
		if !ok || strings.HasPrefix(name, "xml") || !svgProperty(name) {
			return refuse(unsafeSVG)
		}
		a, err := svgValue(name, value)
		if err != nil {
			return err
		}
		a.style = true
		n.attributes = slices.DeleteFunc(n.attributes, func(b svgAttribute) bool { return b.style && b.name == name })
		n.attributes = append(n.attributes, a)
	}
	return nil
}

// svgProperty says whether a name is one of a style's: the names of properties
// have no capital letters, those of geometry are attributes alone.
func svgProperty(name string) bool {
	return strings.ToLower(name) == name && !slices.Contains([]string{"d", "points", "x", "y", "transform"}, name)
}

// link takes a reference: to an element of the drawing, or of an image its own
// bytes.
func (r *svgReader) link(n *svgNode, value string) error {
	if n.name == "image" {
		data, err := r.picture(strings.TrimSpace(value))
		if err != nil {
			return err
		}
		n.attributes = append(n.attributes, svgAttribute{name: "xlink:href", text: data})
		return nil
	}
	id, local := strings.CutPrefix(value, "#")
	if !local || id == "" || !slices.Contains([]string{"use", "linearGradient", "radialGradient", "pattern"}, n.name) {
		return refuse(unsafeSVG)
	}
	n.attributes = append(n.attributes, svgAttribute{name: "xlink:href", text: "#%", ref: id})
	return nil
}

func svgID(n int) string { return "i" + strconv.Itoa(n) }

// unshown says whether a character has no place in a drawing.
func unshown(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
}

func escapeXML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#10;", "\t", "&#9;").Replace(s)
}
