package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
)

func newUser(a *app) *cobra.Command {
	return group("user", "Add people, give them tokens, take them back",
		newUserAdd(a), newUserLs(a), newUserToken(a), newUserRm(a), newUserQuota(a))
}

type userAddOptions struct {
	roles          []string
	scope, expires string
}

func newUserAdd(a *app) *cobra.Command {
	var o userAddOptions
	c := &cobra.Command{
		Use:   "add EMAIL --role ROLE",
		Short: "Add a person, or give one a further role; prints a token, once",
		Long: `Adds a person with a role, or gives a known person a further role, and prints
a token. The token is shown this once and is stored nowhere.

Roles: owner, reviewer, researcher, auditor.`,
		Example: "  anchorhold user add ana@example.org --role researcher --expires 90d\n" +
			"  anchorhold user add eva@example.org --role reviewer@dataset:heart --role researcher",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runUserAdd(c.Context(), a, args[0], o) },
	}
	list(c.Flags(), &o.roles, "role", "owner, reviewer, researcher or auditor, or ROLE@SCOPE (several if given several times)")
	c.Flags().StringVar(&o.scope, "scope", "", "where the role holds: site (default), dataset:NAME or study:NAME")
	c.Flags().StringVar(&o.expires, "expires", "", "how long the token holds, such as 90d (default: a year)")
	return c
}

func runUserAdd(ctx context.Context, a *app, email string, o userAddOptions) error {
	roles, err := rolesOf(o.roles, o.scope)
	if err != nil {
		return err
	}
	days, err := parseDays("expires", o.expires)
	if err != nil {
		return err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	issued, err := c.AddUser(ctx, client.NewUser{Email: email, Role: roles[0].Role, Scope: roles[0].Scope, Also: roles[1:], ExpiresDays: days})
	if err != nil {
		return err
	}
	a.sayUnknown(ctx, c.Client, roles)
	where := siteAddress(ctx, c)
	return emit(a, issued, func(p *show.Printer, t client.IssuedToken) {
		var words []string
		for _, r := range roles {
			word := string(r.Role)
			if r.Scope != "" && r.Scope != anchorhold.ScopeSite {
				word += " at " + r.Scope
			}
			words = append(words, word)
		}
		p.Printf("%s may now act as %s.\n", t.Email, strings.Join(words, ", "))
		printToken(p, t, where)
	})
}

// sayUnknown tells of roles for datasets that there are not: meant for later, or
// a slip of the keyboard that its owner would learn of from the new colleague.
func (a *app) sayUnknown(ctx context.Context, c *client.Client, roles []client.NewRole) {
	for _, r := range roles {
		name, ok := strings.CutPrefix(r.Scope, "dataset:")
		if !ok {
			continue
		}
		if _, err := c.Dataset(ctx, name); anchorhold.KindOf(err) == anchorhold.NotFound {
			show.NewPrinter(a.err).Printf("There is no dataset %s: the role holds once there is.\n", name)
		}
	}
}

// rolesOf reads roles as ROLE or ROLE@SCOPE; those without a scope have the
// common one.
func rolesOf(given []string, scope string) ([]client.NewRole, error) {
	var out []client.NewRole
	for _, g := range given {
		name, at, own := strings.Cut(g, "@")
		if !own {
			at = scope
		}
		if !slices.Contains(anchorhold.Roles(), anchorhold.Role(name)) || own && at == "" {
			return nil, usagef("use --role owner, reviewer, researcher or auditor, or such as --role reviewer@dataset:NAME", "%q is not a role", g)
		}
		out = append(out, client.NewRole{Role: anchorhold.Role(name), Scope: at})
	}
	if len(out) == 0 {
		return nil, usagef("use --role owner, reviewer, researcher or auditor", "it is not said in which role")
	}
	return out, nil
}

// siteAddress is what people connect to, where the site says so.
func siteAddress(ctx context.Context, c *connection) string {
	if s, err := c.Site(ctx); err == nil && s.Connect != "" {
		return "'" + strings.ReplaceAll(s.Connect, "'", "") + "'"
	}
	return "URL"
}

func printToken(p *show.Printer, t client.IssuedToken, where string) {
	p.Printf("Token, shown this once, good until %s:\n\n  %s\n\n", show.Time(t.Expires), t.Token)
	p.Printf("Hand it over where nobody else reads it; it is used with: anchorhold login %s --token -\n", where)
}

func newUserLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the people of a site",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return runUserLs(c.Context(), a) },
	}
}

func runUserLs(ctx context.Context, a *app) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	users, err := client.Collect(c.Users(ctx), 0)
	if err != nil {
		return err
	}
	return emit(a, users, func(p *show.Printer, users []anchorhold.Principal) {
		var rows [][]string
		for _, u := range users {
			state := "active"
			if u.Disabled {
				state = "removed"
			}
			rows = append(rows, []string{u.Name(), roles(u), state, show.Time(u.Created)})
		}
		p.Table("There are no users yet; add one with `anchorhold user add`.", []string{"WHO", "ROLES", "STATE", "SINCE"}, rows)
	})
}

// namesOf gives people their names in place of ids, where the caller may know
// the site's users.
func namesOf(ctx context.Context, c *client.Client) func(id string) string {
	names := map[string]string{}
	for u, err := range c.Users(ctx) {
		if err != nil {
			break
		}
		names[u.ID] = u.Name()
	}
	return func(id string) string {
		if name, ok := names[id]; ok {
			return name
		}
		return show.Who(id)
	}
}

type userTokenOptions struct {
	expires string
	revoke  bool
}

func newUserToken(a *app) *cobra.Command {
	var o userTokenOptions
	c := &cobra.Command{
		Use:   "token EMAIL",
		Short: "Give a person a further token, or end all of them",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return runUserToken(c.Context(), a, args[0], o) },
	}
	c.Flags().StringVar(&o.expires, "expires", "", "how long the token holds, such as 90d (default: a year)")
	c.Flags().BoolVar(&o.revoke, "revoke", false, "end every token of the person instead")
	return c
}

// done is what a command answers that has nothing else to say.
type done struct {
	Email string `json:"email"`
	Done  string `json:"done"`
}

func runUserToken(ctx context.Context, a *app, email string, o userTokenOptions) error {
	if o.revoke && o.expires != "" {
		return usagef("leave one out", "--revoke and --expires do not go together")
	}
	days, err := parseDays("expires", o.expires)
	if err != nil {
		return err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if o.revoke {
		if err := c.RevokeTokens(ctx, email); err != nil {
			return err
		}
		return emit(a, done{email, "tokens revoked"}, func(p *show.Printer, d done) {
			p.Printf("No token of %s holds any more.\n", d.Email)
		})
	}
	issued, err := c.IssueToken(ctx, email, days)
	if err != nil {
		return err
	}
	issued.Email = email
	where := siteAddress(ctx, c)
	return emit(a, issued, func(p *show.Printer, t client.IssuedToken) { printToken(p, t, where) })
}

func newUserRm(a *app) *cobra.Command {
	role, scope := "", ""
	c := &cobra.Command{
		Use:   "rm EMAIL",
		Short: "End a person's access, or with --role one role; what they did stays in the books",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runUserRm(c.Context(), a, args[0], anchorhold.Binding{Role: anchorhold.Role(role), Scope: scope})
		},
	}
	c.Flags().StringVar(&role, "role", "", "take this role alone, and leave the others")
	c.Flags().StringVar(&scope, "scope", "", "with --role: where it holds: site (default), dataset:NAME or study:NAME")
	return c
}

func runUserRm(ctx context.Context, a *app, email string, b anchorhold.Binding) error {
	switch {
	case b.Role == "" && b.Scope != "":
		return usagef("use --role ROLE, or leave out --scope to end all access", "no role is named")
	case b.Role != "" && !slices.Contains(anchorhold.Roles(), b.Role):
		return usagef("use --role owner, reviewer, researcher or auditor", "%q is not a role", b.Role)
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if b.Role != "" {
		if err := c.RemoveRole(ctx, email, b); err != nil {
			return err
		}
		return emit(a, done{email, "role removed"}, func(p *show.Printer, d done) {
			p.Printf("%s is %s there no longer.\n", d.Email, b.Role)
		})
	}
	if err := c.DisableUser(ctx, email); err != nil {
		return err
	}
	return emit(a, done{email, "removed"}, func(p *show.Printer, d done) {
		p.Printf("%s has no access any more.\n", d.Email)
	})
}
