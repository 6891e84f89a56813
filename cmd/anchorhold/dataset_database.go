package main

import (
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/anchorhold/anchorhold/client"
)

const databaseHelp = `
A table that stays in PostgreSQL is named with --postgres and --table: it is asked
in SQL alone, there, by a role that can read and change nothing. The password is
never part of --postgres, which others on this machine can see: it is taken from
PGPASSWORD, and kept encrypted; without it the server must let the site's account
in by itself, or by its ~/.pgpass. A version of such a table says which table it
is, not which rows: the same question has the same stored answer until its owner
registers another version.`

// databaseOptions name tables of a database.
type databaseOptions struct {
	postgres string
	tables   []string
	kept     string // a table whose version changes, and not its place
}

func (o *databaseOptions) flags(fs *pflag.FlagSet) {
	fs.StringVar(&o.postgres, "postgres", "", "tables stay in this PostgreSQL: postgres://ROLE@HOST/DATABASE, or \"host=/run/postgresql user=ROLE dbname=DATABASE\"")
	list(fs, &o.tables, "table", "with --postgres, a table of it: patients=SCHEMA.TABLE, or patients for public.patients")
}

// assets are the tables that are named, in order.
func (o *databaseOptions) assets() ([]client.NewAsset, error) {
	if o.postgres == "" {
		if len(o.tables) > 0 {
			return nil, usagef("use --postgres too, or --asset patients=FILE", "--table %s is of no database", o.tables[0])
		}
		return nil, nil
	}
	if holdsPassword(o.postgres) {
		return nil, usagef("leave it out, and set PGPASSWORD for this command alone", "--postgres holds a password, which others on this machine can see")
	}
	if len(o.tables) == 0 {
		return nil, usagef("use --table patients=SCHEMA.TABLE", "no table of the database is named")
	}
	var out []client.NewAsset
	for _, given := range o.tables {
		name, at, named := strings.Cut(given, "=")
		if !named {
			at = name
		}
		schema, table, qualified := strings.Cut(at, ".")
		if !qualified {
			schema, table = "public", at
		}
		if !named {
			name = table
		}
		if name == "" || schema == "" || table == "" {
			return nil, usagef("write --table patients=SCHEMA.TABLE", "--table %s cannot be read", given)
		}
		out = append(out, client.NewAsset{Name: name, Database: &client.NewDatabase{URL: o.postgres, Password: os.Getenv("PGPASSWORD"), Schema: schema, Table: table}})
	}
	return out, nil
}

var passwordSetting = regexp.MustCompile(`(?i)(^|[\s?&])(ssl)?password\s*=`)

// holdsPassword says whether a connection string has a password in it.
func holdsPassword(text string) bool {
	if u, err := url.Parse(text); err == nil && u.User != nil {
		if _, set := u.User.Password(); set {
			return true
		}
	}
	return passwordSetting.MatchString(text)
}
