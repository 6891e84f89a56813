package output

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

func TestZ(t *testing.T) {
	for n, p := range map[string]string{"everything": "pandas.DataFrame", "arrow": "pyarrow.Table", "empty": "pandas.DataFrame"} {
		b, _ := os.ReadFile("testdata/given/" + n + ".parquet")
		e := ManifestEntry{n, "table", p, n + ".parquet"}
		_, _, err := Parse(e, b, declare(e), Limits{})
		fmt.Printf("%s %v | %v | %T\n", n, err, errors.Unwrap(err), errors.Unwrap(err))
	}
}
