package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// module is the path that our own imports begin with.
const module = "github.com/anchorhold/anchorhold"

// source is one Go file.
type source struct {
	path string // relative to the root, with slashes
	test bool
	ast  *ast.File
}

// room is one package's folder with its files.
type room struct {
	dir   string // "." for the root package
	name  string // package name, without _test
	files []source
}

// code gives the files that are built into the program.
func (r room) code() []source {
	var list []source
	for _, f := range r.files {
		if !f.test {
			list = append(list, f)
		}
	}
	return list
}

// tree is the repository as git sees it: every file that is tracked or that
// would be, and the Go files parsed.
type tree struct {
	fset  *token.FileSet
	paths []string
	text  map[string][]byte
	rooms []room
}

// load reads the named files of fsys and parses those of Go. Folders named
// testdata hold inputs of tests, which are read but not parsed.
func load(fsys fs.FS, paths []string) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), text: map[string][]byte{}}
	rooms := map[string]*room{}
	for _, p := range paths {
		text, err := fs.ReadFile(fsys, p)
		if err != nil {
			return nil, err
		}
		t.paths, t.text[p] = append(t.paths, p), text
		if path.Ext(p) != ".go" || strings.Contains("/"+p, "/testdata/") {
			continue
		}
		file, err := parser.ParseFile(t.fset, p, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		dir := path.Dir(p)
		if rooms[dir] == nil {
			rooms[dir] = &room{dir: dir, name: strings.TrimSuffix(file.Name.Name, "_test")}
		}
		rooms[dir].files = append(rooms[dir].files, source{p, strings.HasSuffix(p, "_test.go"), file})
	}
	for _, r := range rooms {
		t.rooms = append(t.rooms, *r)
	}
	sort.Slice(t.rooms, func(i, j int) bool { return t.rooms[i].dir < t.rooms[j].dir })
	return t, nil
}

// find gives the room in a folder.
func (t *tree) find(dir string) (room, bool) {
	for _, r := range t.rooms {
		if r.dir == dir {
			return r, true
		}
	}
	return room{}, false
}

// at names a place as file:line, for messages.
func (t *tree) at(pos token.Pos) string {
	p := t.fset.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// ours loads this repository.
func ours(t *testing.T) *tree {
	t.Helper()
	root := repository(t)
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir, list.Stderr = root, os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git cannot list the repository's files (the tests need a clone, not an archive): %v", err)
	}
	var paths []string
	for _, p := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		// A file that was removed but not yet committed is still listed.
		if info, err := os.Lstat(filepath.Join(root, p)); err == nil && info.Mode().IsRegular() {
			paths = append(paths, p)
		}
	}
	loaded, err := load(os.DirFS(root), paths)
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded.rooms) < 5 {
		t.Fatalf("only %d packages found: the rules would hold of nothing", len(loaded.rooms))
	}
	return loaded
}

// repository finds the folder of go.mod above the test's own.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil &&
			bytes.HasPrefix(text, []byte("module "+module+"\n")) {
			return dir
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		t.Fatal("no go.mod of " + module + " above the working folder")
	}
}

// report fails the test once per finding.
func report(t *testing.T, findings []string) {
	t.Helper()
	for _, f := range findings {
		t.Error(f)
	}
}
