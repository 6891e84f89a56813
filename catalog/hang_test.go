package catalog

import (
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestHang(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	path := writeFile(t, "x.parquet", "")
	for i := range 20000 {
		bad := make([]byte, 12+rng.IntN(300))
		for k := range bad { bad[k] = byte(rng.IntN(256)) }
		copy(bad, "PAR1")
		if rng.IntN(2) == 0 { copy(bad[len(bad)-4:], "PAR1"); bad[len(bad)-5], bad[len(bad)-6] = 0, 0 ; bad[len(bad)-7]=byte(rng.IntN(2)); bad[len(bad)-8]=byte(rng.IntN(len(bad)))}
		os.WriteFile(path, bad, 0o600)
		done := make(chan error, 1)
		go func() {
			_, _, err := readTable(path, ReadOptions{Format: FormatParquet})
			done <- err
		}()
		select {
		case <-done:
		case <-time.After(4 * time.Second):
			buf := make([]byte, 1<<16)
			buf = buf[:runtime.Stack(buf, true)]
			os.WriteFile("/tmp/hang.parquet", bad, 0o600)
			t.Fatalf("hang at %d \n%s", i,  buf)
		}
	}
}
