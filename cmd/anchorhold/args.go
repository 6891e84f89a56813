package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// tellArgs makes every command say in its own words what is missing on its
// command line, or too much. What a command takes stands in its usage line.
func tellArgs(c *cobra.Command) {
	for _, sub := range c.Commands() {
		tellArgs(sub)
	}
	check := c.Args
	if check == nil || c.HasSubCommands() {
		return
	}
	c.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err == nil {
			return nil
		}
		remedy := "write it like this: " + c.CommandPath() + strings.TrimPrefix(c.Use, c.Name())
		wanted := operands(c.Use)
		switch {
		case len(args) < len(wanted):
			return usagef(remedy, "no %s is given", strings.Join(wanted[len(args):], " and no "))
		case len(args) == len(wanted):
			return usagef(remedy, "%v", err)
		}
		return usagef(remedy, "%q is more than `%s` takes", args[len(args)-1], c.CommandPath())
	}
}

// operands are the words of a usage line that stand for something to name: in
// capitals, before the flags, and not in brackets.
func operands(use string) []string {
	var out []string
	for i, word := range strings.Fields(use) {
		switch {
		case i == 0:
		case strings.HasPrefix(word, "-"), strings.HasPrefix(word, "["), word == "|":
			return out
		default:
			out = append(out, word)
		}
	}
	return out
}
