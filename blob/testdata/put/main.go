// Command put stores standard input in the blob store in the folder that it is
// given; tests kill it on the way.
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/anchorhold/anchorhold/blob"
)

func main() {
	s, err := blob.Open(os.Args[1], bytes.Repeat([]byte{1}, 32))
	if err == nil {
		_, err = s.Put(os.Stdin, 1<<20)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
