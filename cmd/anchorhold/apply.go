package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newApply(a *app) *cobra.Command {
	var in client.Applying
	c := &cobra.Command{
		Use:   "apply URL --email ADDRESS --name NAME --purpose TEXT",
		Short: "Ask a site for an account",
		Long: `Asks a site for an account. A code is mailed to the address; prove it with
"anchorhold apply prove CODE". What you log in with is kept as by "anchorhold
login", and holds once an owner has said yes.`,
		Example: "  anchorhold apply https://data.hospital.example --email ana@example.org --name 'Ana Lima' --affiliation 'IPC' --purpose 'Age and diagnosis'",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runApply(c.Context(), a, args[0], in) },
	}
	c.Flags().StringVar(&in.Email, "email", "", "your e-mail address")
	c.Flags().StringVar(&in.Name, "name", "", "your name")
	c.Flags().StringVar(&in.Affiliation, "affiliation", "", "where you work")
	c.Flags().StringVar(&in.Purpose, "purpose", "", "what for")
	c.AddCommand(newApplyProve(a), newApplyShow(a))
	return c
}

func runApply(ctx context.Context, a *app, url string, in client.Applying) error {
	c, err := client.New(url, client.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	site, err := c.Site(ctx)
	if err != nil {
		return err
	}
	applied, err := c.Apply(ctx, in)
	if err != nil {
		return err
	}
	if _, err := a.keepLogin(stored{URL: c.Address(), Token: applied.Token, Key: site.Key}); err != nil {
		return err
	}
	return emit(a, applied, func(p *show.Printer, v client.Applied) {
		p.Printf("Application %s is made. A code was mailed to %s: enter it with `anchorhold apply prove CODE`.\n", v.Application.ID, v.Application.Email)
	})
}

// asApplicant acts at the site that one has applied to. Who acts in a site's own
// folder has not applied to it.
func asApplicant(ctx context.Context, a *app, fn func(context.Context, *client.Client) error) error {
	t, err := a.address()
	if err != nil {
		return err
	}
	c, err := a.dial(t)
	if err != nil {
		return err
	}
	defer c.Close()
	return fn(ctx, c.Client)
}

func newApplyProve(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "prove CODE",
		Short: "Enter the code that was mailed to you",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return asApplicant(c.Context(), a, func(ctx context.Context, s *client.Client) error {
				app, err := s.ProveApplication(ctx, args[0])
				return shown(a, app, err)
			})
		},
	}
}

func newApplyShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show how your application stands",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return asApplicant(c.Context(), a, func(ctx context.Context, s *client.Client) error {
				app, err := s.Application(ctx, "mine")
				if err == nil || anchorhold.KindOf(err) != anchorhold.NotFound {
					return shown(a, app, err)
				}
				me, unknown := s.Me(ctx)
				if unknown != nil || me.Applicant {
					return err
				}
				return emit(a, me, func(p *show.Printer, me anchorhold.Principal) {
					p.Printf("You have an account here: %s. No application of yours is open.\n", me.Name())
				})
			})
		},
	}
}

func shown(a *app, app anchorhold.Application, err error) error {
	if err != nil {
		return err
	}
	return emit(a, app, printApplication)
}

func printApplication(p *show.Printer, app anchorhold.Application) {
	p.Printf("application  %s\nstate        %s\nwho          %s <%s>\n", app.ID, string(app.State), app.Name, app.Email)
	if app.Affiliation != "" {
		p.Printf("affiliation  %s\n", app.Affiliation)
	}
	p.Printf("purpose      %s\n", app.Purpose)
	if app.DeciderName != "" {
		p.Printf("decided by   %s\n", show.Who(app.DeciderName))
	}
	if app.Reason != "" {
		p.Printf("reason       %s\n", app.Reason)
	}
}

func newApplication(a *app) *cobra.Command {
	return group("application", "See and decide who asks for an account",
		newApplicationForm(a, "open", "Let strangers ask for an account (mail must be set: anchorhold notify mail)", true),
		newApplicationForm(a, "close", "Take no applications any more", false),
		newApplicationLs(a), newApplicationShow(a), newApplicationAccept(a), newApplicationDecline(a))
}

func newApplicationForm(a *app, use, short string, open bool) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSite(c.Context(), a, func(ctx context.Context, s *client.Client) error {
				if err := s.SetApplicationForm(ctx, open); err != nil {
					return err
				}
				return emit(a, map[string]bool{"open": open}, func(p *show.Printer, v map[string]bool) {
					if v["open"] {
						p.Printf("The form is open: anchorhold apply URL\n")
					} else {
						p.Printf("The form is closed.\n")
					}
				})
			})
		},
	}
}

func newApplicationLs(a *app) *cobra.Command {
	var state string
	c := &cobra.Command{
		Use:   "ls",
		Short: "List who asks for an account",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSite(c.Context(), a, func(ctx context.Context, s *client.Client) error {
				apps, err := client.Collect(s.Applications(ctx, anchorhold.ApplicationState(state)), 0)
				if err != nil {
					return err
				}
				return emit(a, apps, func(p *show.Printer, apps []anchorhold.Application) {
					var rows [][]string
					for _, app := range apps {
						rows = append(rows, []string{app.ID, string(app.State), app.Name, app.Email, app.Affiliation, show.Time(app.Created)})
					}
					p.Table("Nobody asks for an account.", []string{"ID", "STATE", "NAME", "E-MAIL", "AFFILIATION", "SINCE"}, rows)
				})
			})
		},
	}
	c.Flags().StringVar(&state, "state", "", "only unproved, open, accepted or declined ones")
	return c
}

func newApplicationShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show one application",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSite(c.Context(), a, func(ctx context.Context, s *client.Client) error {
				app, err := s.Application(ctx, args[0])
				if err != nil {
					return err
				}
				return emit(a, app, printApplication)
			})
		},
	}
}

func newApplicationAccept(a *app) *cobra.Command {
	w := client.ApplicationWord{Verdict: anchorhold.Approve}
	var role string
	c := &cobra.Command{
		Use:   "accept ID",
		Short: "Make the account; the applicant's token holds from now on",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			w.Role = anchorhold.Role(role)
			return decideApplication(c.Context(), a, args[0], w)
		},
	}
	c.Flags().StringVar(&role, "role", string(anchorhold.RoleResearcher), "owner, reviewer, researcher or auditor")
	c.Flags().StringVar(&w.Scope, "scope", "", "where the role holds: site (default), dataset:NAME or study:NAME")
	return c
}

func newApplicationDecline(a *app) *cobra.Command {
	w := client.ApplicationWord{Verdict: anchorhold.Deny}
	c := &cobra.Command{
		Use:   "decline ID --reason TEXT",
		Short: "Decline, with a reason that the applicant reads",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return decideApplication(c.Context(), a, args[0], w)
		},
	}
	c.Flags().StringVar(&w.Reason, "reason", "", "why")
	return c
}

func decideApplication(ctx context.Context, a *app, id string, w client.ApplicationWord) error {
	return withSite(ctx, a, func(ctx context.Context, s *client.Client) error {
		app, err := s.DecideApplication(ctx, id, w)
		if err != nil {
			return err
		}
		return emit(a, app, printApplication)
	})
}
