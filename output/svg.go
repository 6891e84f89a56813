package output

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold/disclosure"
)

// Limits of a drawing.
const (
	maxSVGNodes      = 500_000
	maxSVGDepth      = 64
	maxSVGAttributes = 64
	svgSpace         = "http://www.w3.org/2000/svg"
	xlinkSpace       = "http://www.w3.org/1999/xlink"
)

// svgNode is an element of a drawing, or a text within one.
type svgNode struct {
	name       string // empty: a text
	text       string
	attributes []svgAttribute
	children   []*svgNode
	uses       bool // an element below draws another one again
	named      int  // number of its new id; 0: nothing refers to it
}

// svgAttribute is an attribute with its value in parts: texts, and between them
// the ids of other elements.
type svgAttribute struct {
	name  string
	text  string
	ref   string // id that the text refers to with %, if any
	style bool   // it is a property of the element's style
}

// parseSVG is the parser of the kind svg: what a drawing needs and nothing else.
// It is read into elements and attributes from our tables and written anew; ids
// become numbers, raster images are drawn anew, comments, metadata, titles and
// classes are left out. Scripts, links, foreign content, event handlers, style
// sheets, and references to anywhere else are refused.
func parseSVG(_ ManifestEntry, data []byte, lim Limits) (parsed, error) {
	if !utf8.Valid(data) {
		return parsed{}, refuse(badText)
	}
	r := svgReader{in: xml.NewDecoder(bytes.NewReader(data)), left: maxSVGNodes, ids: map[string]*svgNode{}, lim: lim, pixels: lim.Pixels}
	root, err := r.document()
	if err != nil {
		return parsed{}, err
	}
	w := svgWriter{ids: r.ids}
	if err := w.number(root, false); err != nil {
		return parsed{}, err
	}
	w.out.WriteString(`<svg xmlns="` + svgSpace + `" xmlns:xlink="` + xlinkSpace + `"`)
	w.inside(root)
	w.out.WriteByte('\n')
	// What a drawing shows is for a person to judge, as with a picture.
	return parsed{data: w.out.Bytes(), rows: 1, cells: disclosure.Cells{Partial: true}}, nil
}

// svgReader reads a drawing strictly.
type svgReader struct {
	in     *xml.Decoder
	left   int // nodes
	pixels int // of raster images together
	ids    map[string]*svgNode
	lim    Limits
	round  bool // Matplotlib's style sheet was there
}

// document reads the one element of a file.
func (r *svgReader) document() (*svgNode, error) {
	var root *svgNode
	for {
		token, err := r.in.Token()
		if errors.Is(err, io.EOF) && root != nil {
			if r.round {
				root.attributes = append(root.attributes, svgAttribute{name: "stroke-linejoin", text: "round"}, svgAttribute{name: "stroke-linecap", text: "butt"})
				root.sortAttributes()
			}
			return root, nil
		}
		if err != nil {
			return nil, refuseFor(badSVG, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if root != nil || t.Name.Local != "svg" || t.Name.Space != svgSpace {
				return nil, refuse(badSVG)
			}
			if root, err = r.element(t, 0); err != nil {
				return nil, err
			}
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return nil, refuse(badSVG)
			}
		case xml.Directive: // a document type, other than the plain one, could name anything
			if !plainDoctype.Match(t) {
				return nil, refuse(unsafeSVG)
			}
		}
	}
}

// element reads an element of our tables to its end.
func (r *svgReader) element(start xml.StartElement, depth int) (*svgNode, error) {
	n, text, err := r.begin(start, depth)
	if err != nil {
		return nil, err
	}
	for {
		token, err := r.in.Token()
		if err != nil {
			return nil, refuseFor(badSVG, err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			return n, nil
		case xml.CharData:
			if err := r.characters(n, string(t), text); err != nil {
				return nil, err
			}
		case xml.StartElement:
			if err := r.child(n, t, depth); err != nil {
				return nil, err
			}
		case xml.Directive, xml.ProcInst:
			return nil, refuse(unsafeSVG)
		}
	}
}

// begin reads the start of an element and says whether text in it is drawn.
func (r *svgReader) begin(start xml.StartElement, depth int) (n *svgNode, text bool, err error) {
	if r.left--; r.left < 0 || depth > maxSVGDepth || len(start.Attr) > maxSVGAttributes {
		return nil, false, refuse(largeSVG)
	}
	allowed, known := svgElements[start.Name.Local]
	if !known || start.Name.Space != svgSpace || allowed.root != (depth == 0) {
		return nil, false, refuse(unsafeSVG)
	}
	n = &svgNode{name: start.Name.Local, uses: start.Name.Local == "use"}
	return n, allowed.text, r.attributes(n, start.Attr)
}

// characters keeps text where text is drawn.
func (r *svgReader) characters(n *svgNode, text string, drawn bool) error {
	if !drawn {
		if strings.TrimSpace(text) != "" {
			return refuse(badSVG)
		}
		return nil
	}
	if len(text) > r.lim.Text || strings.ContainsFunc(text, unshown) {
		return refuse(controlText)
	}
	if r.left--; r.left < 0 {
		return refuse(largeSVG)
	}
	if last := len(n.children) - 1; last >= 0 && n.children[last].name == "" {
		n.children[last].text += text // a comment stood between
		return nil
	}
	n.children = append(n.children, &svgNode{text: text})
	return nil
}

// child reads an element within one, or passes over what is left out.
func (r *svgReader) child(n *svgNode, t xml.StartElement, depth int) error {
	switch {
	case t.Name.Space == svgSpace && oneOf(t.Name.Local, "metadata", "title", "desc"):
		return r.pass(depth)
	case t.Name.Space == svgSpace && t.Name.Local == "style":
		return r.style(t)
	}
	c, err := r.element(t, depth+1)
	if err != nil {
		return err
	}
	n.uses = n.uses || c.uses
	n.children = append(n.children, c)
	return nil
}

// pass reads to the end of what is left out, whatever it holds.
func (r *svgReader) pass(depth int) error {
	for open := 1; open > 0; {
		token, err := r.in.Token()
		if err != nil {
			return refuseFor(badSVG, err)
		}
		switch token.(type) {
		case xml.StartElement:
			open++
		case xml.EndElement:
			open--
		}
		if r.left--; r.left < 0 || open+depth > maxSVGDepth {
			return refuse(largeSVG)
		}
	}
	return nil
}

// style takes the one style sheet that Matplotlib writes, which becomes two
// attributes; a style sheet can be a program of its own.
func (r *svgReader) style(xml.StartElement) error {
	text := ""
	for {
		token, err := r.in.Token()
		if err != nil {
			return refuseFor(badSVG, err)
		}
		switch t := token.(type) {
		case xml.CharData:
			text += string(t)
		case xml.EndElement:
			if !matplotlibStyle.MatchString(text) {
				return refuse(unsafeSVG)
			}
			r.round = true
			return nil
		default:
			return refuse(unsafeSVG)
		}
		if len(text) > maxColumnName {
			return refuse(unsafeSVG)
		}
	}
}

// picture draws a raster image anew.
func (r *svgReader) picture(link string) (string, error) {
	encoded, ok := strings.CutPrefix(link, "data:image/png;base64,")
	if !ok {
		return "", refuse(unsafeSVG)
	}
	data, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", " ", "", "\t", "").Replace(encoded))
	if err != nil {
		return "", refuseFor(badSVG, err)
	}
	lim := r.lim
	lim.Pixels = r.pixels
	p, err := parseImage(ManifestEntry{}, data, lim)
	if err != nil {
		return "", err
	}
	head, err := png.DecodeConfig(bytes.NewReader(p.data))
	if err != nil {
		return "", refuseFor(badSVG, err)
	}
	r.pixels -= head.Width * head.Height
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(p.data), nil
}

// svgWriter writes a drawing anew.
type svgWriter struct {
	out   bytes.Buffer
	ids   map[string]*svgNode
	count int
}

// number gives new ids to what is referred to, in the order of the references.
// What is drawn again, as a copy or as a pattern, must not itself draw again: a
// few such levels would keep whoever looks at it busy for ever.
func (w *svgWriter) number(n *svgNode, tile bool) error {
	tile = tile || n.name == "pattern"
	if tile && n.uses {
		return refuse(unsafeSVG)
	}
	for i, a := range n.attributes {
		if a.ref == "" {
			continue
		}
		to, ok := w.ids[a.ref]
		if !ok || n.name == "use" && to.uses || tile && to.name == "pattern" {
			return refuse(unsafeSVG)
		}
		if to.named == 0 {
			w.count++
			to.named = w.count
		}
		n.attributes[i].text = strings.Replace(a.text, "%", svgID(to.named), 1)
	}
	for _, c := range n.children {
		if err := w.number(c, tile); err != nil {
			return err
		}
	}
	return nil
}

// inside writes what follows an element's name.
func (w *svgWriter) inside(n *svgNode) {
	if n.named > 0 {
		w.attribute("id", svgID(n.named))
	}
	var style []string
	for _, a := range n.attributes {
		if a.style {
			style = append(style, a.name+": "+a.text)
			continue
		}
		w.attribute(a.name, a.text)
	}
	if len(style) > 0 {
		w.attribute("style", strings.Join(style, "; "))
	}
	if len(n.children) == 0 {
		w.out.WriteString("/>")
		return
	}
	w.out.WriteByte('>')
	for _, c := range n.children {
		if c.name == "" {
			w.out.WriteString(escapeXML(c.text))
			continue
		}
		w.out.WriteString("<" + c.name)
		w.inside(c)
	}
	w.out.WriteString("</" + n.name + ">")
}

func (w *svgWriter) attribute(name, value string) {
	w.out.WriteString(" " + name + `="` + escapeXML(value) + `"`)
}
