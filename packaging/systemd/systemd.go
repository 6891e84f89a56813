// Package systemd holds the unit under which a site is a service.
//
// It exists so that the unit in the repository and the one that the program
// prints for a machine are one text. It promises that what stands in ExecStart
// reaches the program as it was given, whatever characters it has; nothing but
// ExecStart and the folder that may be written differs from the file. Tests of
// the command have systemd itself read what it gives.
package systemd

import (
	_ "embed"
	"strings"
)

//go:embed anchorhold.service
var template string

// Unit is the unit that starts a command for a site's folder, which the service
// may write.
func Unit(command []string, dir string) string {
	var words []string
	for i, word := range command {
		word = quote(word)
		if i > 0 { // after the program, $ names a variable
			word = strings.ReplaceAll(word, "$", "$$")
		}
		words = append(words, word)
	}
	_, text, _ := strings.Cut(template, "\n[Unit]\n")
	var out strings.Builder
	out.WriteString("[Unit]\n")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "ExecStart=") {
			line = "ExecStart=" + strings.Join(words, " ") + "\nReadWritePaths=" + quote(dir) + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// quote writes a word so that systemd neither splits nor expands it.
func quote(word string) string {
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "\n", `\n`).Replace(word)
	if word == "" || strings.ContainsAny(word, " \t'\";\\") {
		return `"` + word + `"`
	}
	return word
}
