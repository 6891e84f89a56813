// Package pythonsdk carries the collector of the Python package into Go
// programs, because a function must have one code digest however it is
// submitted: gathering is written once, in Python, and used by both.
//
// It promises one program that any Python from 3.9 on runs from its standard
// input without finding, reading or writing a file of ours. It must never hold
// rules of its own: the files are carried as they are. The test pipes the
// program into a real interpreter and compares it with the package's own files.
package pythonsdk

import (
	"embed"
	"encoding/json"
	"strings"
)

//go:embed anchorhold/_collect/*.py
var files embed.FS

// modules are the collector's files in the order of their imports.
var modules = [...]string{"source", "names", "constants", "order", "modules", "entry", "outputs", "gather", "whole", "available", "command"}

// prologue defines load, which makes a module from its text.
const prologue = `import sys, types
package = types.ModuleType("_collect")
package.__path__ = []
sys.modules["_collect"] = package
def load(name, text):
    module = types.ModuleType("_collect." + name)
    module.__package__ = "_collect"
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    exec(compile(text, "<collector: " + name + ">", "exec"), module.__dict__)
`

// epilogue runs the command line of the collector.
const epilogue = "sys.exit(sys.modules[\"_collect.command\"].main(sys.argv[1:]))\n"

// Collector is the collector as one Python program, to be piped into
//
//	python3 -I - PATH [--entry ENTRY] [--asset PARAMETER]... [--output OUTPUT]... [--environment LOCK]
//	[--package NAME]...
//
// It reads a file and the modules beside it, or a folder, executes nothing, and prints
// {"code","shown"}, or {"error":{"message","remedy"}} with exit status 1.
func Collector() string {
	var b strings.Builder
	b.WriteString(prologue)
	for _, name := range modules {
		text, err := files.ReadFile("anchorhold/_collect/" + name + ".py")
		if err != nil {
			panic("pythonsdk: a file of the collector was not embedded: " + name)
		}
		b.WriteString("load(" + literal(name) + ", " + literal(string(text)) + ")\n")
	}
	b.WriteString(epilogue)
	return b.String()
}

// literal writes text as a string that Python and JSON read alike.
func literal(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic("pythonsdk: text has no JSON form")
	}
	return string(data)
}
