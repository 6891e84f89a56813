//go:build unix

package main

import (
	"context"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/demo"
)

type demoOptions struct {
	once   bool
	listen string
}

func newDemo(a *app) *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole way of a question on real data",
		Long: `Opens four sites on this machine, each with the heart disease table of one
hospital, and lets a researcher ask all four: submit, deny, correct, approve,
run, release, verify. Everything is removed at the end.

Without --once the sites stay up until Ctrl-C, so that you can look around.`,
		Example: "  anchorhold demo --once",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), a, o) },
	}
	c.Flags().BoolVar(&o.once, "once", false, "end when the story is told")
	c.Flags().StringVar(&o.listen, "listen", "127.0.0.1:0", "the address of the first site; the others take the following ports")
	return c
}

func runDemo(ctx context.Context, a *app, o demoOptions) error {
	host, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return usagef("write it like 127.0.0.1:7440", "%q is not an address to listen on", o.listen)
	}
	first, err := strconv.Atoi(port)
	if err != nil {
		return usagef("give the port as a number", "%q is not an address to listen on", o.listen)
	}
	program, err := os.Executable()
	if err != nil {
		return anchorhold.Errorf(anchorhold.Internal, "start it by its full path", "the program does not find itself").Because(err)
	}
	err = demo.Run(ctx, demo.Options{Program: program, Out: a.out, Stay: !o.once, Listen: host, Port: first})
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
