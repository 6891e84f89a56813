package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/anchorhold/anchorhold"
)

const about = `Anchorhold lets others compute on data that they may never see.

An owner runs a site beside the data; a researcher asks with ordinary Python
code; the owner decides; only what was decided to leave ever leaves, and both
sides hold a receipt.

Where a command acts:
  --dir DIR   on the site in that folder, as the person at its machine
              (or ANCHORHOLD_DIR)
  --url URL   on a site elsewhere, with the token in ANCHORHOLD_TOKEN
              (or ANCHORHOLD_URL, or what "anchorhold login" stored)`

// newRoot builds the command tree.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "anchorhold",
		Short:         "Let others compute on data that they may never see",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       anchorhold.ProgramVersion,
		Args:          cobra.ArbitraryArgs,
		RunE:          unknownCommand,
		PersistentPreRun: func(*cobra.Command, []string) {
			a.started = true
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.dir, "dir", "", "act on the site in this folder")
	flags.StringVar(&a.url, "url", "", "act on the site at this address")
	flags.BoolVar(&a.json, "json", false, "write JSON to standard output")
	root.SetHelpTemplate(root.HelpTemplate() + exitHelp)
	root.AddGroup(
		&cobra.Group{ID: "site", Title: "For who runs a site:"},
		&cobra.Group{ID: "ask", Title: "For who asks and who decides:"},
		&cobra.Group{ID: "books", Title: "For everybody who checks:"},
	)
	add := func(group string, subs ...*cobra.Command) {
		for _, c := range subs {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("site", newInit(a), newServe(a), newDoctor(a), newUser(a), newApplication(a), newNotify(a), newDataset(a), newEnv(a))
	add("site", newConfig(a), newKey(a), newTLS(a), newBackup(a), newRestore(a), newRetention(a))
	add("ask", newLogin(a), newApply(a), newRequest(a), newGrant(a), newRun(a), newRelease(a), newQuery(a))
	add("books", newLedger(a), newAudit(a), newReceipt(a))
	root.AddCommand(newDemo(a), newVersion(a), newParseOutputs(), newReadAssets())
	tellArgs(root)
	return root
}

// group makes a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: unknownCommand}
	c.AddCommand(subs...)
	return c
}

// unknownCommand answers what is no command: cobra would print help and claim
// success.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		if !c.HasParent() {
			return c.Help()
		}
		var names []string
		for _, sub := range c.Commands() {
			names = append(names, sub.Name())
		}
		return usagef("use one of: "+strings.Join(names, ", "), "%s needs to know what to do", c.CommandPath())
	}
	remedy := "see `" + c.CommandPath() + " --help`"
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		remedy = "perhaps you mean: " + strings.Join(near, ", ")
	}
	return usagef(remedy, "%s has no command %q", c.CommandPath(), args[0])
}

// pair is one NAME=VALUE of a flag.
type pair struct{ name, value string }

// pairs reads flags of the form NAME=VALUE. With one name alone known (an only
// asset), the name may be left out.
func pairs(flag string, given []string) ([]pair, error) {
	var out []pair
	seen := map[string]bool{}
	for _, g := range given {
		name, value, ok := strings.Cut(g, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || value == "" {
			return nil, usagef("write --"+flag+" NAME=VALUE", "--%s %s names no value", flag, g)
		}
		if seen[name] {
			return nil, usagef("give each name once", "--%s %s is given twice", flag, name)
		}
		seen[name] = true
		out = append(out, pair{name, value})
	}
	return out, nil
}

// list adds a flag that may be given several times; values are kept whole,
// commas included.
func list(fs *pflag.FlagSet, to *[]string, name, usage string) {
	fs.StringArrayVar(to, name, nil, usage)
}
