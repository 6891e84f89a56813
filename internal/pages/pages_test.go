package pages

import (
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
)

// fileKiB is how much of this process in memory lies in files.
func fileKiB(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		t.Fatal("the kernel does not say how much lies in files")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReleaseForgetsAndTheProgramGoesOn(t *testing.T) {
	if runtime.GOOS != "linux" {
		Release()
		return
	}
	before := fileKiB(t)
	Release()
	if after := fileKiB(t); after >= before {
		t.Errorf("%d KiB of files before, %d after", before, after)
	}
	if regexp.MustCompile(`^a+$`).FindString("aaa") != "aaa" {
		t.Error("the program does not go on")
	}
}
