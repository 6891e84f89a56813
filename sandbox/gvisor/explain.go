//go:build linux && (amd64 || arm64)

package gvisor

import (
	"errors"
	"os"
	"strings"
)

// hindrance is a known reason why sandboxes do not start on a host.
type hindrance struct {
	says    string // in gVisor's words; "" when the setting alone tells
	setting string // file of the kernel's settings; "" when the words alone tell
	value   string // of the setting, when it hinders
	what    string
	remedy  string
}

func hindrances() []hindrance {
	return []hindrance{
		{
			setting: "/proc/sys/user/max_user_namespaces", value: "0",
			what: "user namespaces are switched off on this host", remedy: "allow them: sysctl user.max_user_namespaces=16384",
		},
		{
			setting: "/proc/sys/kernel/unprivileged_userns_clone", value: "0",
			what: "ordinary users may not make user namespaces on this host", remedy: "allow it: sysctl kernel.unprivileged_userns_clone=1",
		},
		{
			says: "permi", setting: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", value: "1",
			what:   "AppArmor keeps this program from using user namespaces",
			remedy: "install an AppArmor profile for it with the rule 'userns,', or set sysctl kernel.apparmor_restrict_unprivileged_userns=0",
		},
		{
			says: "sidecar",
			what: "its links in gvisor-bin beside the program are missing", remedy: "start the site again, which makes them anew",
		},
		{
			says: "no space left",
			what: "the disk of the state directory is full, or too many namespaces exist", remedy: "make room, or raise the settings below user.max_*_namespaces",
		},
		{
			says: "operation not permitted",
			what: "the host does not allow it", remedy: "in a container, allow user namespaces (its seccomp profile forbids them as a rule); see the cause",
		},
	}
}

// explainStart turns what gVisor said of a failed start into a sentence with a
// remedy. The text itself becomes the cause.
func explainStart(log string) error {
	return explain(log, os.ReadFile)
}

func explain(log string, read func(string) ([]byte, error)) error {
	cause := errors.New(strings.TrimSpace(cut(log)))
	for _, h := range hindrances() {
		if !strings.Contains(log, h.says) {
			continue
		}
		if h.setting != "" {
			b, err := read(h.setting)
			if err != nil || strings.TrimSpace(string(b)) != h.value {
				continue
			}
		}
		return startError(h.remedy, "%s", h.what).Because(cause)
	}
	return startError("see the cause in the site's log", "its kernel did not come up").Because(cause)
}
