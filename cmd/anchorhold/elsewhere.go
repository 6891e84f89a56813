//go:build !unix

package main

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
)

// On a system that cannot hold a site, the commands for one say so: a site
// needs Linux for its sandbox. Asking, deciding and verifying work everywhere.

func newInit(*app) *cobra.Command { return needsLinux("init", "Make a new site in an empty folder") }

func newServe(*app) *cobra.Command {
	return needsLinux("serve", "Answer requests and run what was approved")
}

func newConfig(*app) *cobra.Command {
	return needsLinux("config", "Say how a site is served, once for all starts")
}

func newDoctor(*app) *cobra.Command {
	return needsLinux("doctor", "Find out whether this machine can run a site")
}

func newKey(*app) *cobra.Command {
	return needsLinux("key", "Say what protects a site's keys, and change it")
}

func newBackup(*app) *cobra.Command {
	return needsLinux("backup", "Save a site to one encrypted file, also while it serves")
}

// newRestore can ask and decide from here, about a site elsewhere.
func newRestore(a *app) *cobra.Command {
	c := needsLinux("restore", "Make a site of a backup")
	c.AddCommand(newRestoreStatus(a), newRestoreCheckpoint(a), newRestoreMissing(a), newRestoreAccept(a))
	return c
}

func newEnvAdd(*app) *cobra.Command { return needsLinux("add", "Build an environment from its lock") }

func newEnvExport(*app) *cobra.Command {
	return needsLinux("export", "Write an environment's lock and files into one archive")
}

func newEnvImport(*app) *cobra.Command {
	return needsLinux("import", "Build an environment from an archive")
}

func newDemo(*app) *cobra.Command {
	return needsLinux("demo", "Show the whole way of a question on real data")
}

// newParseOutputs stands where a site's own part is.
func newParseOutputs() *cobra.Command {
	c := needsLinux("parse-outputs", "")
	c.Hidden = true
	return c
}

// newReadAssets stands where a site's own part is.
func newReadAssets() *cobra.Command {
	c := needsLinux("read-assets", "")
	c.Hidden = true
	return c
}

// needsLinux makes a command that says why it does nothing here.
func needsLinux(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short + " (on Linux)", Args: cobra.ArbitraryArgs, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error { return elsewhere() },
	}
}

// openFolder opens a site in a folder of this machine, which cannot hold one.
func (*app) openFolder(context.Context, string) (*connection, error) { return nil, elsewhere() }

func elsewhere() error {
	return anchorhold.Errorf(anchorhold.Unavailable,
		"run the site on Linux (amd64 or arm64), or in a Linux virtual machine; asking, deciding and verifying with --url work here",
		"a site needs Linux, and this is %s", runtime.GOOS)
}
