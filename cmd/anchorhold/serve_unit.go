//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/packaging/systemd"
)

const printUnitFlag = "print-unit"

// unit is what serve --print-unit answers.
type unit struct {
	Unit string `json:"unit"`
}

// printUnit prints the unit that serves this site with the flags that were
// given. What the site's file sets stays there, and holds for the service too.
func (a *app) printUnit(flags *pflag.FlagSet) error {
	dir, err := a.siteDir()
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return anchorhold.Errorf(anchorhold.Invalid, "give absolute paths", "the paths of the program and the site are not known").Because(err)
	}
	command := []string{program, "serve", "--dir", dir}
	flags.Visit(func(f *pflag.Flag) {
		value := f.Value.String()
		switch f.Name {
		case "dir", "json", printUnitFlag:
			return
		case "tls-cert", "tls-key", "state": // a service starts in another folder
			if abs, e := filepath.Abs(value); e == nil {
				value = abs
			}
		}
		command = append(command, "--"+f.Name+"="+value)
	})
	return emit(a, unit{systemd.Unit(command, dir)}, func(p *show.Printer, u unit) {
		for line := range strings.Lines(u.Unit) {
			p.Printf("%s\n", strings.TrimSuffix(line, "\n"))
		}
	})
}
