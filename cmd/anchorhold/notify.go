package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newNotify(a *app) *cobra.Command {
	c := group("notify", "Tell people and programs what waits and what happened",
		newNotifyShow(a), newNotifyHook(a), newNotifyMail(a), newNotifyTest(a), newNotifyOff(a), newNotifyPrefer(a))
	c.Long = `Tells by mail, and by one hook, that a request or an output waits for a decision
(pending), that somebody asked or answered, and that something was decided, has
finished or was released. A message holds the kind, the request's id and the
site's name, and nothing that private data could have shaped.`
	return c
}

func newNotifyShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show where notices go",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSite(c.Context(), a, func(ctx context.Context, s *client.Client) error {
				n, err := s.Notify(ctx)
				if err != nil {
					return err
				}
				return emit(a, n, printNotify)
			})
		},
	}
}

func printNotify(p *show.Printer, n client.NotifyConfig) {
	hook, mail := "off", "off"
	if n.Hook != nil {
		hook = n.Hook.URL + strings.Join(n.Hook.Command, " ")
		if len(n.Hook.Kinds) > 0 {
			hook += " (only: " + joined(n.Hook.Kinds) + ")"
		}
	}
	if n.Mail != nil {
		mail = "by " + n.Mail.Server + " from " + n.Mail.From
	}
	p.Printf("hook  %s\nmail  %s\n", hook, mail)
}

func joined(kinds []anchorhold.NoticeKind) string {
	var out []string
	for _, k := range kinds {
		out = append(out, string(k))
	}
	return strings.Join(out, ", ")
}

// withSite acts on the site that a command names.
func withSite(ctx context.Context, a *app, fn func(context.Context, *client.Client) error) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return fn(ctx, c.Client)
}

// changeNotify changes where notices go and shows the result.
func changeNotify(ctx context.Context, a *app, change func(*client.NotifyConfig)) error {
	return withSite(ctx, a, func(ctx context.Context, s *client.Client) error {
		n, err := s.Notify(ctx)
		if err != nil {
			return err
		}
		change(&n)
		secret, err := s.SetNotify(ctx, n)
		if err != nil {
			return err
		}
		type set struct {
			client.NotifyConfig
			Secret string `json:"secret,omitempty"`
		}
		if n.Hook == nil {
			secret = ""
		}
		return emit(a, set{n, secret}, func(p *show.Printer, v set) {
			printNotify(p, v.NotifyConfig)
			if v.Secret != "" {
				p.Printf("\nWhat is sent to the hook is signed (Standard Webhooks) with:\n\n  %s\n", v.Secret)
			}
		})
	})
}

func newNotifyHook(a *app) *cobra.Command {
	var kinds []string
	c := &cobra.Command{
		Use:   "hook URL | hook -- PROGRAM [ARGUMENT...]",
		Short: "Tell an address, or a program of the site's machine, what happens",
		Long: `Posts each notice as JSON to an address, or starts a program with it as its
standard input. Both are signed in the way of Standard Webhooks: the headers
webhook-id, webhook-timestamp and webhook-signature, or for a program the
variables WEBHOOK_ID, WEBHOOK_TIMESTAMP and WEBHOOK_SIGNATURE. A notice may come
twice, with the same id; one that fails is tried again for three days.`,
		Example: "  anchorhold notify hook https://chat.example.org/hooks/7 --kind pending\n  anchorhold notify hook -- /usr/local/bin/tell-us",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			h := client.NotifyHook{Command: args}
			if strings.HasPrefix(args[0], "http://") || strings.HasPrefix(args[0], "https://") {
				h = client.NotifyHook{URL: args[0]}
			}
			for _, k := range kinds {
				h.Kinds = append(h.Kinds, anchorhold.NoticeKind(k))
			}
			return changeNotify(c.Context(), a, func(n *client.NotifyConfig) { n.Hook = &h })
		},
	}
	list(c.Flags(), &kinds, "kind", "only this kind: "+joined(anchorhold.NoticeKinds())+" (may be given several times)")
	return c
}

func newNotifyMail(a *app) *cobra.Command {
	var m client.NotifyMail
	var public string
	c := &cobra.Command{
		Use:   "mail --server HOST:PORT --from ADDRESS",
		Short: "Write to people by a mail server",
		Long: `Writes to deciders what waits for them, and to authors what became of their
requests. Everybody may choose to be written to at once, gathered hourly or
daily, or not at all: anchorhold notify prefer.`,
		Example: "  anchorhold notify mail --server smtp.example.org:587 --from anchorhold@example.org --user site --password-file /etc/anchorhold/smtp",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return changeNotify(c.Context(), a, func(n *client.NotifyConfig) {
				n.Mail = &m
				if public != "" {
					n.PublicURL = public
				}
			})
		},
	}
	c.Flags().StringVar(&m.Server, "server", "", "the mail server, as HOST:PORT")
	c.Flags().StringVar(&m.From, "from", "", "the address that mails come from")
	c.Flags().StringVar(&m.Security, "security", "", "starttls (default), tls, or none, for a server on this machine")
	c.Flags().StringVar(&m.User, "user", "", "who the site is to the mail server")
	c.Flags().StringVar(&m.PasswordFile, "password-file", "", "a file on the site's machine that holds the password")
	c.Flags().StringVar(&public, "public-url", "", "the site's address as people reach it, for the link that ends mails")
	return c
}

func newNotifyTest(a *app) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "test",
		Short: "Send a test to the hook, and by mail to an address",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSite(c.Context(), a, func(ctx context.Context, s *client.Client) error {
				if err := s.TestNotify(ctx, to); err != nil {
					return err
				}
				return emit(a, done{to, "sent"}, func(p *show.Printer, _ done) { p.Printf("Sent.\n") })
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "the address to write to (default: only the hook is tested)")
	return c
}

func newNotifyOff(a *app) *cobra.Command {
	return &cobra.Command{
		Use:       "off hook|mail",
		Short:     "Stop the hook, or all mail",
		ValidArgs: []string{"hook", "mail"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(c *cobra.Command, args []string) error {
			return changeNotify(c.Context(), a, func(n *client.NotifyConfig) {
				if args[0] == "hook" {
					n.Hook = nil
				} else {
					n.Mail = nil
				}
			})
		},
	}
}

func newNotifyPrefer(a *app) *cobra.Command {
	frequencies := []string{
		string(anchorhold.FrequencyEach), string(anchorhold.FrequencyHourly), string(anchorhold.FrequencyDaily), string(anchorhold.FrequencyOff),
	}
	return &cobra.Command{
		Use:       "prefer each|hourly|daily|off",
		Short:     "Say how often you are written to",
		ValidArgs: frequencies,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(c *cobra.Command, args []string) error {
			return withSite(c.Context(), a, func(ctx context.Context, s *client.Client) error {
				if err := s.PreferNotify(ctx, anchorhold.Frequency(args[0])); err != nil {
					return err
				}
				return emit(a, done{"", args[0]}, func(p *show.Printer, d done) { p.Printf("You are written to: %s.\n", d.Done) })
			})
		},
	}
}
