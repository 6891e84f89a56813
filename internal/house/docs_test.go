package house

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Documents name files, folders, packages, Go names and make targets in code
// spans. Each of these forms must exist:
//
//	`store/sqlite`, `docs/design.md`     a folder or file of the repository
//	`books.Record`, `run.Queue.Claim`    a name in a package of ours
//	`make demo`                          a target of the Makefile
//
// A name that is only planned is written without a code span.

// builtFolders appear by building or running, so documents may name them.
var builtFolders = []string{"bin", ".venv", ".cache"}

// foreign are packages outside of this module that documents speak of, and
// `ah`, under which Python programs import ours.
var foreign = []string{"http", "sql", "sync", "ah", "np", "pa", "pd", "os", "json"}

var (
	spanPattern   = regexp.MustCompile("`([^`\n]+)`")
	fencePattern  = regexp.MustCompile("(?s)\n```.*?\n```")
	linePattern   = regexp.MustCompile(`^[\w./-]+\.(go|py|md):\d+`)
	pathPattern   = regexp.MustCompile(`^\.?[\w.-]+(/[\w.-]+)+/?$`)
	filePattern   = regexp.MustCompile(`^[\w.-]+\.(go|py|md|mod|yml|toml|cedar)$`)
	symbolPattern = regexp.MustCompile(`^([a-z][a-z0-9]*(?:/[a-z0-9_]+)*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?(\(.*\))?$`)
	targetPattern = regexp.MustCompile(`^make ([a-z-]+)$`)
	makeTarget    = regexp.MustCompile(`(?m)^([a-z-]+)(?: [a-z-]+)*:(?:[^=]|$)`)
)

func TestDocumentsSpeakOfWhatExists(t *testing.T) { report(t, checkDocuments(ours(t))) }

func TestDocumentsThatMustExist(t *testing.T) {
	house := ours(t)
	for _, p := range []string{
		"LICENSE", "NOTICE", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/design.md", "docs/threat-model.md",
	} {
		if len(house.text[p]) < 500 {
			t.Errorf("%s is missing or says next to nothing", p)
		}
	}
}

// checkDocuments looks at every code span of every document.
func checkDocuments(house *tree) []string {
	var findings []string
	for _, p := range house.paths {
		if path.Ext(p) != ".md" || strings.Contains(p, "testdata/") || strings.HasPrefix(p, "demo/data/") {
			continue
		}
		// Fenced blocks are no prose; their lines are kept for the line numbers.
		text := fencePattern.ReplaceAllStringFunc(string(house.text[p]), func(block string) string {
			return strings.Repeat("\n", strings.Count(block, "\n"))
		})
		for i, line := range strings.Split(text, "\n") {
			for _, span := range spanPattern.FindAllStringSubmatch(line, -1) {
				if wrong := house.cites(span[1], path.Dir(p)); wrong != "" {
					findings = append(findings, fmt.Sprintf("%s:%d: %#q: %s", p, i+1, span[1], wrong))
				}
			}
		}
	}
	return findings
}

// cites says what is wrong with a code span in a document in folder dir, if it
// has one of the forms above.
func (t *tree) cites(span, dir string) string {
	if linePattern.MatchString(span) {
		return "cites a line number, which will drift: cite a name"
	}
	if m := targetPattern.FindStringSubmatch(span); m != nil {
		for _, target := range makeTarget.FindAllStringSubmatch(string(t.text["Makefile"]), -1) {
			if target[1] == m[1] {
				return ""
			}
		}
		return "no such target in the Makefile"
	}
	if m := symbolPattern.FindStringSubmatch(span); m != nil && !filePattern.MatchString(span) {
		return t.citesSymbol(m[1], m[2], m[3])
	}
	if pathPattern.MatchString(span) || filePattern.MatchString(span) {
		return t.citesPath(span, dir)
	}
	return ""
}

// citesPath looks for a file or folder, from the root or beside the document. A
// span whose first part is no folder of ours is no path of ours, but a media
// type or the like.
func (t *tree) citesPath(span, dir string) string {
	span = strings.TrimSuffix(strings.TrimPrefix(span, "./"), "/")
	first, _, deep := strings.Cut(span, "/")
	if slices.Contains(builtFolders, first) {
		return ""
	}
	known := false
	for _, p := range t.paths {
		for _, c := range []string{span, path.Join(dir, span)} {
			if p == c || strings.HasPrefix(p, c+"/") {
				return ""
			}
		}
		known = known || strings.HasPrefix(p, first+"/")
		if !deep && path.Base(p) == span {
			return "" // a file's bare name
		}
	}
	if deep && !known {
		return ""
	}
	return "no such file or folder"
}

// citesSymbol looks for a package by folder or by name, and for a name in it.
func (t *tree) citesSymbol(pkg, name, member string) string {
	found := false
	for _, r := range t.rooms {
		if r.dir != pkg && r.name != pkg {
			continue
		}
		found = true
		if r.declares(name, member) {
			return ""
		}
	}
	switch {
	case found:
		return "no such name in the package"
	case slices.Contains(foreign, pkg):
		return ""
	}
	return "no package of ours"
}

// declares says whether the room, tests included, has a name at package level,
// and the type of that name a method or field called member.
func (r room) declares(name, member string) bool {
	for _, f := range r.files {
		for _, decl := range f.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				switch {
				case d.Recv == nil && d.Name.Name == name && member == "",
					d.Recv != nil && receiver(d) == name && d.Name.Name == member:
					return true
				}
			case *ast.GenDecl:
				if declaredIn(d, name, member) {
					return true
				}
			}
		}
	}
	return false
}

func declaredIn(d *ast.GenDecl, name, member string) bool {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.Name == name && (member == "" || hasMember(s.Type, member)) {
				return true
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.Name == name && member == "" {
					return true
				}
			}
		}
	}
	return false
}

// hasMember looks for a field of a struct or a method of an interface.
func hasMember(typ ast.Expr, member string) bool {
	var fields *ast.FieldList
	switch x := typ.(type) {
	case *ast.StructType:
		fields = x.Fields
	case *ast.InterfaceType:
		fields = x.Methods
	default:
		return false
	}
	for _, f := range fields.List {
		for _, n := range f.Names {
			if n.Name == member {
				return true
			}
		}
	}
	return false
}
