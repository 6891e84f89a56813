package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// mayWrite lists variables of packages that are written or hold a lock, each
// with its reason. It is meant to stay empty.
var mayWrite = map[string]string{
	"failpoint/failpoint.hits": "counts hits in programs built for tests; released ones do not contain it",
}

func TestNothingHappensOnImport(t *testing.T) { report(t, checkInit(ours(t))) }

func TestNoWrittenGlobals(t *testing.T) { report(t, checkGlobals(ours(t), mayWrite)) }

func TestTheProgramEndsInMainOnly(t *testing.T) { report(t, checkExits(ours(t))) }

// checkInit finds init functions: wiring stays in sight, in constructors.
func checkInit(house *tree) []string {
	var findings []string
	each(house, func(r room, f source, d *ast.FuncDecl) {
		if d.Recv == nil && d.Name.Name == "init" {
			findings = append(findings, house.at(d.Pos())+": an init function: do it in a constructor that somebody calls")
		}
	})
	return findings
}

// exits are the functions that end the process.
var exits = map[string][]string{
	"os":                     {"Exit"},
	"syscall":                {"Exit"},
	"golang.org/x/sys/unix":  {"Exit"},
	"log":                    {"Fatal", "Fatalf", "Fatalln"},
	"runtime":                {"Goexit"},
	"github.com/spf13/cobra": {"CheckErr"},
}

// checkExits finds calls that end the process anywhere but in func main.
func checkExits(house *tree) []string {
	var findings []string
	each(house, func(r room, f source, d *ast.FuncDecl) {
		if d.Body == nil || r.name == "main" && d.Recv == nil && d.Name.Name == "main" {
			return
		}
		names := importNames(f.ast)
		ast.Inspect(d.Body, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(exits[names[x.Name]], sel.Sel.Name) {
				findings = append(findings, fmt.Sprintf("%s: %s.%s outside func main: return an error", house.at(sel.Pos()), x.Name, sel.Sel.Name))
			}
			return true
		})
	})
	return findings
}

// each visits every function of the program.
func each(house *tree, visit func(room, source, *ast.FuncDecl)) {
	for _, r := range house.rooms {
		for _, f := range r.code() {
			for _, decl := range f.ast.Decls {
				if d, ok := decl.(*ast.FuncDecl); ok {
					visit(r, f, d)
				}
			}
		}
	}
}

// importNames maps the name under which a file knows a package to its path.
func importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

// checkGlobals finds variables of packages that something outside tests writes
// to or takes the address of, and those that can only be meant to change.
//
// It resolves names with go/types over our own packages alone: others are empty
// to it, which leaves our own variables resolved.
func checkGlobals(house *tree, permitted map[string]string) []string {
	c := &checker{house: house, done: map[string]*types.Package{}, info: &types.Info{Uses: map[*ast.Ident]types.Object{}}}
	for _, r := range house.rooms {
		c.check(r)
	}
	written := map[string]string{} // variable: what was seen
	for _, r := range house.rooms {
		for _, f := range r.code() {
			for _, decl := range f.ast.Decls {
				if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR {
					c.changeable(r, g, written)
				}
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				c.writes(n, written)
				return true
			})
		}
	}
	var findings []string
	for _, name := range slices.Sorted(maps.Keys(written)) {
		if _, ok := permitted[name]; !ok {
			findings = append(findings, fmt.Sprintf("%s: %s: make it a field of what uses it, handed in", name, written[name]))
		}
	}
	for name := range permitted {
		if _, ok := written[name]; !ok {
			findings = append(findings, name+" is permitted to be written but is not: take the line out")
		}
	}
	return findings
}

// checker resolves names within our own packages.
type checker struct {
	house *tree
	done  map[string]*types.Package
	info  *types.Info
}

// Import gives our own packages from source and empty ones for all others.
func (c *checker) Import(p string) (*types.Package, error) {
	if rest, ok := strings.CutPrefix(p, module); ok {
		dir := strings.TrimPrefix(rest, "/")
		if dir == "" {
			dir = "."
		}
		if r, ok := c.house.find(dir); ok {
			return c.check(r), nil
		}
	}
	pkg := types.NewPackage(p, path.Base(p))
	pkg.MarkComplete()
	return pkg, nil
}

func (c *checker) check(r room) *types.Package {
	if pkg := c.done[r.dir]; pkg != nil {
		return pkg
	}
	var files []*ast.File
	for _, f := range r.code() {
		files = append(files, f.ast)
	}
	// Errors are expected, since packages from outside are empty here, and they
	// do not keep our own names from being resolved.
	conf := types.Config{Importer: c, Error: func(error) {}}
	pkg, _ := conf.Check(path.Join(module, r.dir), c.house.fset, files, c.info)
	c.done[r.dir] = pkg
	return pkg
}

// writes notes the package variable that a node writes or gives the address of.
func (c *checker) writes(n ast.Node, written map[string]string) {
	note := func(e ast.Expr, how string) {
		if v := c.global(e); v != nil {
			written[qualified(v)] = fmt.Sprintf("a package variable %s at %s", how, c.house.at(n.Pos()))
		}
	}
	switch s := n.(type) {
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE {
			for _, left := range s.Lhs {
				note(left, "written")
			}
		}
	case *ast.IncDecStmt:
		note(s.X, "written")
	case *ast.UnaryExpr:
		if s.Op == token.AND {
			note(s.X, "whose address is taken")
		}
	case *ast.RangeStmt:
		if s.Tok == token.ASSIGN {
			note(s.Key, "written")
			note(s.Value, "written")
		}
	}
}

// global gives the package variable at the bottom of x, x.f, x[i] or *x.
func (c *checker) global(e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if v := c.packageVar(x.Sel); v != nil {
				return v
			}
			e = x.X
		case *ast.Ident:
			return c.packageVar(x)
		default:
			return nil
		}
	}
}

func (c *checker) packageVar(id *ast.Ident) *types.Var {
	if id == nil {
		return nil
	}
	if v, ok := c.info.Uses[id].(*types.Var); ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
		return v
	}
	return nil
}

func qualified(v *types.Var) string {
	dir := strings.TrimPrefix(strings.TrimPrefix(v.Pkg().Path(), module), "/")
	return path.Join(dir, v.Pkg().Name()) + "." + v.Name()
}

// changeable notes variables whose type is only good for changing state.
func (c *checker) changeable(r room, g *ast.GenDecl, written map[string]string) {
	for _, spec := range g.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok || v.Type == nil {
			continue
		}
		sel, ok := v.Type.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") {
			for _, name := range v.Names {
				written[path.Join(r.dir, r.name)+"."+name.Name] = "a package variable of type " + x.Name + "." + sel.Sel.Name
			}
		}
	}
}
