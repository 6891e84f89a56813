// Package postgrestest starts the PostgreSQL that Debian has installed, for tests: on
// a Unix socket in a folder of its own, for as long as a test runs.
//
// Nothing but tests may use it.
package postgrestest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Start starts the newest one that is installed and gives the folder of its socket.
// Everybody who can enter that may connect as anybody; "postgres" owns all. end
// stops it.
func Start(settings ...string) (dir string, end func() error, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", nil, fmt.Errorf("there is no PostgreSQL; `.ci/machine test` installs it (%w)", err)
	}
	slices.Sort(found)
	bin := filepath.Dir(found[len(found)-1])
	// A socket's path is short, and a test's own folder has a long one.
	if dir, err = os.MkdirTemp("", "pg"); err != nil {
		return "", nil, err
	}
	if os.Geteuid() == 0 {
		if out, err := exec.Command("chown", "postgres", dir).CombinedOutput(); err != nil {
			return "", nil, fmt.Errorf("%w\n%s", err, out)
		}
	}
	data := filepath.Join(dir, "data")
	options := "-c listen_addresses='' -c unix_socket_directories=" + dir + " -c fsync=off"
	for _, s := range settings {
		options += " -c " + s
	}
	for _, command := range [][]string{
		{"initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"},
		{"pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"), "-o", options, "start"},
	} {
		if err := as(filepath.Join(bin, command[0]), command[1:]...); err != nil {
			return "", nil, err
		}
	}
	return dir, func() error {
		err := as(filepath.Join(bin, "pg_ctl"), "-D", data, "-m", "fast", "-w", "stop")
		if err == nil {
			err = os.RemoveAll(dir)
		}
		return err
	}, nil
}

// as runs a program of PostgreSQL, which refuses to run as root.
func as(program string, args ...string) error {
	if os.Geteuid() == 0 {
		args = append([]string{"--reuid", "postgres", "--regid", "postgres", "--clear-groups", program}, args...)
		program = "setpriv"
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return nil
}
