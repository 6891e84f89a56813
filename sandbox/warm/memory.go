package warm

import (
	"bufio"
	"math"
	"os"
	"strconv"
	"strings"
)

// MemoryAtHand is how much memory programs may still take on this machine
// without driving others out, in bytes (MemAvailable of proc_meminfo(5)). Where
// that cannot be told it is 0: no session is kept ready for memory that may not
// be there.
func MemoryAtHand() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	return memoryAtHand(bufio.NewScanner(f))
}

func memoryAtHand(lines *bufio.Scanner) int64 {
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil || kib < 0 || kib > math.MaxInt64>>10 {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
