package catalog

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
)

// canary is planted in the cells of bad files: no error may show it.
const canary = "Zq7secret"

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readTable reads a whole table: its columns as "name type" and its rows.
func readTable(path string, o ReadOptions) (columns []string, rows [][]Cell, err error) {
	table, err := Open(path, o)
	if err != nil {
		return nil, nil, err
	}
	defer table.Close()
	for {
		batch, err := table.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		for _, row := range batch {
			kept := make([]Cell, len(row))
			for i, c := range row {
				c.Text = strings.Clone(c.Text)
				kept[i] = c
			}
			rows = append(rows, kept)
		}
	}
	for _, c := range table.Columns() {
		columns = append(columns, c.Name+" "+string(c.Type))
	}
	return columns, rows, nil
}

// checkRefusal holds an error against what every refusal promises: it is for
// people, it says what to do, and it shows no cell.
func checkRefusal(t *testing.T, err error, want string) {
	t.Helper()
	var e *anchorhold.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an error for people that contains %q", err, want)
	}
	if !strings.Contains(e.Error(), want) {
		t.Errorf("got %q, want %q in it", e.Error(), want)
	}
	if e.Remedy == "" {
		t.Errorf("no remedy in %q", e.Message)
	}
	if e.Kind == anchorhold.Internal {
		t.Errorf("an owner's file is called our fault: %q", e.Message)
	}
	if strings.Contains(e.Error(), canary) {
		t.Errorf("a cell is shown: %q", e.Error())
	}
}
