//go:build unix

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where the kernel tells of its disks; tests have one of their own.
type machine struct{ root string }

// secrecy is what is known of a volume.
type secrecy string

const (
	encrypted secrecy = "encrypted"
	plain     secrecy = "not encrypted"
	unknown   secrecy = "of a kind that does not say whether it is encrypted"
)

// deviceOf names the device on which a file lies, as the kernel numbers it.
func deviceOf(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", err
	}
	return number(uint64(st.Dev)), nil //nolint:unconvert // other systems have other types here
}

func number(dev uint64) string { return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)) }

// secrecyOf says whether a device is encrypted below its file system: by
// dm-crypt (LUKS), at whatever depth of volumes and mirrors.
func (m machine) secrecyOf(device string) secrecy {
	if major, _, _ := strings.Cut(device, ":"); major == "0" { // a file system over several devices, or over none
		source := m.source(device)
		var st unix.Stat_t
		if !strings.HasPrefix(source, "/dev/") || unix.Stat(filepath.Join(m.root, source), &st) != nil {
			return unknown
		}
		device = number(uint64(st.Rdev)) //nolint:unconvert // as above
	}
	dir := filepath.Join(m.root, "/sys/dev/block", device)
	if _, err := os.Stat(dir); err != nil || device == "" {
		return unknown
	}
	if m.crypt(dir, 0) {
		return encrypted
	}
	return plain
}

// maxDepth bounds how many layers of volumes are followed.
const maxDepth = 8

// crypt says whether a block device, or each of those that it is made of, is
// one of dm-crypt.
func (m machine) crypt(dir string, depth int) bool {
	uuid, err := os.ReadFile(filepath.Join(dir, "dm/uuid"))
	if err == nil && strings.HasPrefix(string(uuid), "CRYPT-") {
		return true
	}
	below, err := os.ReadDir(filepath.Join(dir, "slaves"))
	if err != nil || len(below) == 0 || depth == maxDepth {
		return false
	}
	for _, b := range below {
		if !m.crypt(filepath.Join(m.root, "/sys/class/block", b.Name()), depth+1) {
			return false
		}
	}
	return true
}

// source is what was mounted as a file system, by its number.
func (m machine) source(device string) string {
	f, err := os.Open(filepath.Join(m.root, "/proc/self/mountinfo"))
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		mount, rest, ok := strings.Cut(lines.Text(), " - ")
		fields, more := strings.Fields(mount), strings.Fields(rest)
		if ok && len(fields) > 2 && fields[2] == device && len(more) > 1 {
			return more[1]
		}
	}
	return ""
}
