// Command steps prints a line before and after each of three hits.
package main

import (
	"fmt"

	"github.com/anchorhold/anchorhold/failpoint"
)

func main() {
	defer fmt.Println("deferred")
	for i := range 3 {
		fmt.Println("before", i)
		failpoint.Hit("step")
		failpoint.Hit("other")
	}
	fmt.Println("end")
}
