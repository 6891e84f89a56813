package api_test

import (
	"context"
	"maps"

	"github.com/anchorhold/anchorhold/api"
)

// plainDoor has no key; nobody whom the tests know may change it.
type plainDoor struct{ api.TLSDoor }

func (plainDoor) TLSKeys(context.Context) (api.TLSKeys, error) { return api.TLSKeys{}, nil }

// operations are those of coreOperations, of the queue, and of what keeps a site
// over years.
func operations() map[string]struct{ may, body string } {
	all := coreOperations()
	maps.Copy(all, queueOperations())
	maps.Copy(all, map[string]struct{ may, body string }{
		"audit-logs":         {users, ""},
		"make-backup":        {"", `{"passphrase":"correct horse battery staple"}`},
		"backups":            {"owner auditor", ""},
		"restored":           {"owner auditor", ""},
		"restore-checkpoint": {"", `{"checkpoint":"c"}`},
		"restore-accept":     {"", `{"reason":"r"}`},
		"restore-missing":    {"", `{"first":0,"entries":[]}`},
		"tls":                {"owner auditor", ""},
		"rotate-tls":         {"", `{}`},
		"withdraw-tls":       {"", ""},
		"switch-tls":         {"", ""},
		"retention":          {"owner auditor", ""},
		"set-retention":      {"owner", `{"days":9}`},
		"sweep":              {"owner", `{}`},
	})
	maps.Copy(all, uploadOperations())
	return all
}
