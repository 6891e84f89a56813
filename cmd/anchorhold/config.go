//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

// serveFile is where a site's folder says how it is served: an object whose
// members are flags of serve without their dashes. A flag that is given on the
// command line wins. What changes what people may do (quotas, retention, mail)
// is not there: that is decided by acts, which the audit log has.
const serveFile = "serve.json"

// settings are what a site's file says: texts as a flag takes them, by key.
type settings map[string]string

// readSettings reads a site's file; without one there are none. Every key and
// value is tried on the flags of a serve command that is thrown away.
func readSettings(dir string) (settings, error) {
	path := filepath.Join(dir, serveFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return settings{}, nil
	}
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "check its owner and permissions", "%s cannot be read", path).Because(err)
	}
	var members map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&members); err != nil || dec.More() {
		return nil, anchorhold.Errorf(anchorhold.Invalid, `write one object, such as {"listen": "0.0.0.0:7440", "tls-self-signed": true}`, "%s is not a JSON object", path).Because(err)
	}
	s := settings{}
	for key, value := range members {
		var text any
		dec := json.NewDecoder(bytes.NewReader(value))
		dec.UseNumber()
		_ = dec.Decode(&text) // it was decoded before
		switch text.(type) {
		case string, bool, json.Number:
			s[key] = fmt.Sprint(text)
		default:
			return nil, anchorhold.Errorf(anchorhold.Invalid, "give a text, a number, true or false", "%s: %s has no plain value", path, key)
		}
	}
	return s, s.apply(newServe(&app{}).Flags(), path)
}

// apply puts settings into the flags that were not given.
func (s settings) apply(flags *pflag.FlagSet, from string) error {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		f := flags.Lookup(key)
		if f == nil || key == "help" || key == printUnitFlag {
			return unknownKey(key, from)
		}
		if f.Changed {
			continue
		}
		if err := flags.Set(key, s[key]); err != nil {
			return anchorhold.Errorf(anchorhold.Invalid, "it is: "+f.Usage, "%s: %q is no value for %s", from, s[key], key)
		}
		f.Changed = false // a flag that is given later still wins
	}
	return nil
}

// unknownKey names the key that is meant, where there is one like it.
func unknownKey(key, from string) error {
	known := &cobra.Command{SuggestionsMinimumDistance: 3}
	keysOf(newServe(&app{}).Flags(), func(f *pflag.Flag) {
		known.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	remedy := "see `anchorhold config show`"
	if near := known.SuggestionsFor(key); len(near) > 0 {
		remedy = "perhaps you mean: " + strings.Join(near, ", ")
	}
	return anchorhold.Errorf(anchorhold.Invalid, remedy, "%s: there is no setting %q", from, key)
}

// keysOf visits the flags of serve that can stand in the file.
func keysOf(flags *pflag.FlagSet, visit func(*pflag.Flag)) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != printUnitFlag {
			visit(f)
		}
	})
}

// settle makes a command's flags say what the site's file says, where they were
// not given.
func (a *app) settle(c *cobra.Command) error {
	dir, err := a.siteDir()
	if err != nil {
		return err
	}
	s, err := readSettings(dir)
	if err != nil {
		return err
	}
	return s.apply(c.Flags(), filepath.Join(dir, serveFile))
}

// setting is one of a site's settings as `config show` shows it.
type setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"` // "file" or "default"
	Means string `json:"means"`
}

func newConfig(a *app) *cobra.Command {
	sub := func(use, short, long string, args cobra.PositionalArgs, change func(s settings, args []string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Long: long, Args: args, RunE: func(_ *cobra.Command, args []string) error {
			return runConfig(a, change, args)
		}}
	}
	c := group("config", "Say how a site is served, once for all starts",
		sub("show --dir DIR", "Show every setting, and where it comes from", "", cobra.NoArgs, nil),
		sub("check --dir DIR", "Find mistakes in the site's file", "Reads "+serveFile+" as serve does, and fails where serve would.", cobra.NoArgs, nil),
		sub("set KEY VALUE --dir DIR", "Change a setting", "Writes the setting into "+serveFile+" of the site's folder. It holds from the next start on.", cobra.ExactArgs(2),
			func(s settings, args []string) error {
				s[args[0]] = args[1]
				return s.apply(newServe(&app{}).Flags(), "the setting")
			}),
		sub("unset KEY --dir DIR", "Take a setting back: the default holds", "", cobra.ExactArgs(1), func(s settings, args []string) error {
			if _, ok := s[args[0]]; !ok {
				return anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold config show`", "the file does not set %q", args[0])
			}
			delete(s, args[0])
			return nil
		}))
	c.Long = "A site's folder can hold " + serveFile + ": a JSON object whose members are flags of\n" +
		"`anchorhold serve` without dashes. A flag that is given wins over the file, the file over\n" +
		"the default. Quotas, retention, mail and whatever else changes what people may do has\n" +
		"commands of its own, since the audit log tells of it."
	return c
}

func runConfig(a *app, change func(settings, []string) error, args []string) error {
	dir, err := a.siteDir()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "site.json")); err != nil {
		return anchorhold.Errorf(anchorhold.NotFound, "name a site's folder with --dir", "there is no site in %s", dir)
	}
	s, err := readSettings(dir)
	if err != nil {
		return err
	}
	if change != nil {
		if err := change(s, args); err != nil {
			return err
		}
		if err := s.write(filepath.Join(dir, serveFile)); err != nil {
			return err
		}
	}
	var out []setting
	flags := newServe(&app{}).Flags()
	keysOf(flags, func(f *pflag.Flag) {
		e := setting{Key: f.Name, Value: f.Value.String(), From: "default", Means: f.Usage}
		if value, ok := s[f.Name]; ok {
			e.Value, e.From = value, "file"
		}
		out = append(out, e)
	})
	return emit(a, out, func(p *show.Printer, all []setting) {
		var rows [][]string
		for _, e := range all {
			rows = append(rows, []string{e.Key, e.Value, e.From})
		}
		p.Table("", []string{"SETTING", "VALUE", "FROM"}, rows)
	})
}

// write replaces the site's file. Numbers and truth values are written as such.
func (s settings) write(path string) error {
	members := map[string]any{}
	flags := newServe(&app{}).Flags()
	for key, value := range s {
		members[key] = value
		if kind := flags.Lookup(key).Value.Type(); kind != "string" {
			members[key] = json.RawMessage(value)
		}
	}
	text, err := json.MarshalIndent(members, "", "  ")
	if err != nil {
		return anchorhold.Errorf(anchorhold.Invalid, "write true, false or a plain number", "a setting cannot be written").Because(err)
	}
	return save.Path(path, true, bytes.NewReader(append(text, '\n')))
}
