//go:build unix

package main

import (
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold/api"
)

// watchOptions are the flags by which an operator watches and guards a site.
type watchOptions struct {
	metrics, log string
	limits       api.Limits
}

func (o *watchOptions) flags(c *cobra.Command) {
	d := api.DefaultLimits()
	c.Flags().StringVar(&o.metrics, "metrics", "", "show counters for Prometheus at this address of the machine, such as 127.0.0.1:9440")
	c.Flags().StringVar(&o.log, "log", "text", "how to write the log to standard error: text, json or off")
	c.Flags().Float64Var(&o.limits.Rate, "limit-rate", d.Rate, "calls a second that one person may make in the long run; 0: no limit")
	c.Flags().IntVar(&o.limits.Burst, "limit-burst", d.Burst, "calls that one person may make at once")
	c.Flags().IntVar(&o.limits.Waits, "limit-waits", d.Waits, "calls of one person that may wait for a change at the same time; 0: no limit")
	c.Flags().Float64Var(&o.limits.Strangers, "limit-strangers", d.Strangers,
		"calls a second that one address may make without a valid token, of which each invalid token counts as ten; 0: no limit")
}

// limit gives the limits, where all zero means that all are lifted.
func (o *watchOptions) limit() api.Limits {
	if o.limits == (api.Limits{}) {
		return api.Limits{Rate: -1}
	}
	return o.limits
}

// logger writes what happens to standard error, where an operator's tools take
// it from.
func (o *watchOptions) logger(a *app) (*slog.Logger, error) {
	switch o.log {
	case "text":
		return slog.New(slog.NewTextHandler(a.err, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.err, nil)), nil
	case "off":
		return slog.New(slog.DiscardHandler), nil
	}
	return nil, usagef("use --log text, json or off", "there is no log of the form %q", o.log)
}

// notify tells the service manager how the program stands (sd_notify(3));
// without one that asks for it, nothing.
func (a *app) notify(state string) {
	path := a.env("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		slog.Warn("the service manager cannot be told", "state", state)
		return
	}
	defer c.Close()
	if _, err := c.Write([]byte(state)); err != nil {
		slog.Warn("the service manager cannot be told", "state", state)
	}
}
