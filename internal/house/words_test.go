package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

func TestEveryPackageSaysWhy(t *testing.T) { report(t, checkPackageComments(ours(t))) }

func TestEveryExportedNameIsDocumented(t *testing.T) { report(t, checkExported(ours(t))) }

// checkPackageComments wants three lines or more from each package: why it
// exists, what it promises, what it must never do.
func checkPackageComments(house *tree) []string {
	var findings []string
	for _, r := range house.rooms {
		var comments []string
		files := r.code()
		if len(files) == 0 {
			files = r.files // a package of tests alone says so in a test
		}
		for _, f := range files {
			if f.ast.Doc != nil {
				comments = append(comments, f.ast.Doc.Text())
			}
		}
		begins := "Package " + r.name + " "
		if r.name == "main" {
			begins = "Command " + r.dir[strings.LastIndex(r.dir, "/")+1:] + " "
		}
		switch {
		case len(comments) == 0:
			findings = append(findings, fmt.Sprintf("%s: no package comment: say why it exists, what it promises and what it must never do", r.dir))
		case len(comments) > 1:
			findings = append(findings, fmt.Sprintf("%s: %d package comments: keep one", r.dir, len(comments)))
		case !strings.HasPrefix(comments[0], begins):
			findings = append(findings, fmt.Sprintf("%s: the package comment begins with %q, not with %q", r.dir, firstWords(comments[0]), begins))
		case lines(comments[0]) < 3:
			findings = append(findings, fmt.Sprintf("%s: a package comment of %d lines: three at least", r.dir, lines(comments[0])))
		}
	}
	return findings
}

func firstWords(s string) string {
	words := strings.Fields(s)
	return strings.Join(words[:min(3, len(words))], " ")
}

// lines counts the lines that hold something.
func lines(s string) int {
	n := 0
	for _, l := range strings.Split(s, "\n") {
		if strings.TrimSpace(l) != "" {
			n++
		}
	}
	return n
}

// checkExported wants a comment for each exported name that others can reach:
// types, functions, methods of exported types and of interfaces, constants and
// variables (a group's comment serves its lines).
func checkExported(house *tree) []string {
	var findings []string
	for _, r := range house.rooms {
		if r.name == "main" {
			continue // nobody can import it
		}
		for _, f := range r.code() {
			for _, decl := range f.ast.Decls {
				for _, name := range undocumented(house, decl) {
					findings = append(findings, fmt.Sprintf("%s: exported %s.%s has no comment", house.at(name.Pos()), r.name, name.Name))
				}
			}
		}
	}
	return findings
}

// undocumented lists the exported names of one declaration without a comment.
func undocumented(t *tree, decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && reachable(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, undocumentedType(t, d, s)...)
			case *ast.ValueSpec:
				if s.Doc == nil && s.Comment == nil && (d.Doc == nil || d.Tok != token.CONST && d.Tok != token.VAR) {
					names = append(names, exported(s.Names)...)
				}
			}
		}
		return names
	}
	return nil
}

// undocumentedMethods looks at an interface's methods: they are the contract. A
// comment holds for the methods that follow it without an empty line.
func undocumentedMethods(t *tree, contract *ast.InterfaceType) []*ast.Ident {
	var names []*ast.Ident
	said := 0 // the line down to which the last comment holds
	for _, m := range contract.Methods.List {
		line := t.fset.Position(m.Pos()).Line
		if m.Doc == nil && m.Comment == nil && line != said+1 {
			names = append(names, exported(m.Names)...)
			continue
		}
		said = t.fset.Position(m.End()).Line
	}
	return names
}

// undocumentedType looks at a type and, in an interface, at its methods.
func undocumentedType(t *tree, d *ast.GenDecl, s *ast.TypeSpec) []*ast.Ident {
	if !s.Name.IsExported() {
		return nil
	}
	var names []*ast.Ident
	if s.Doc == nil && s.Comment == nil && (d.Doc == nil || d.Lparen.IsValid()) {
		names = append(names, s.Name)
	}
	if contract, ok := s.Type.(*ast.InterfaceType); ok {
		names = append(names, undocumentedMethods(t, contract)...)
	}
	return names
}

func exported(names []*ast.Ident) []*ast.Ident {
	var list []*ast.Ident
	for _, n := range names {
		if n.IsExported() {
			list = append(list, n)
		}
	}
	return list
}

// reachable says whether a function can be named from outside: a method of an
// unexported type cannot, other than through an interface, which has the words.
func reachable(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	return ast.IsExported(receiver(d))
}

// receiver names the type that a method belongs to.
func receiver(d *ast.FuncDecl) string {
	expr := d.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}
