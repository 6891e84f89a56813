package disclosure_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTune(t *testing.T) {
	fs, _ := filepath.Glob("/tmp/tune/*.json")
	fp, n, miss, nl := 0, 0, 0, 0
	for _, f := range fs {
		b, _ := os.ReadFile(f)
		var as []analysis
		if err := json.Unmarshal(b, &as); err != nil {
			t.Fatal(err)
		}
		ix := indexOf(t, readCSV(t, strings.TrimSuffix(f, "json")+"csv"))
		for _, a := range as {
			cs := check(t, ix, a.cells())
			g := notPassed(cs)
			if a.Leak {
				nl++
				if g == "" {
					miss++
					fmt.Println(filepath.Base(f), "MISSED", a.Name)
				}
			} else {
				n++
				if g != "" {
					fp++
					fmt.Println(filepath.Base(f), "STOPPED", a.Name, ":", g)
					for _, c := range cs {
						if c.Result != "passed" {
							fmt.Println("      ", c.Detail)
						}
					}
				}
			}
		}
	}
	fmt.Println("ordinary", n, "stopped", fp, "leaks", nl, "missed", miss)
}
