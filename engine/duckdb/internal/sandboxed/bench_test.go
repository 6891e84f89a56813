//go:build linux && (amd64 || arm64)

package sandboxed

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb"
	"github.com/anchorhold/anchorhold/engine/duckdb/duckdbtest"
	"github.com/anchorhold/anchorhold/sandbox"
)

// native starts the worker without a boundary: what the machine can do.
type native struct{ sandbox.Sandbox }

func (native) Start(_ context.Context, s sandbox.Spec) (sandbox.Session, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	host, guest := os.NewFile(uintptr(fds[0]), "host"), os.NewFile(uintptr(fds[1]), "guest")
	defer guest.Close()
	defer host.Close()
	c, err := net.FileConn(host)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("no Unix socket")
	}
	cmd := exec.Command(s.Binds[0].Host)
	cmd.Env, cmd.ExtraFiles = s.Env, []*os.File{guest}
	return &process{conn, cmd}, cmd.Start()
}

type process struct {
	conn *net.UnixConn
	cmd  *exec.Cmd
}

func (p *process) Begin(context.Context, sandbox.Limits) error { return nil }
func (p *process) Conn() *net.UnixConn                         { return p.conn }
func (p *process) Finish()                                     { p.Kill() }

func (p *process) Wait(context.Context) (sandbox.Result, error) {
	return sandbox.Result{}, p.cmd.Wait()
}

func (p *process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // by the signal
}

// table writes a Parquet file of that many rows in 8 groups.
func table(b *testing.B, rows int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "rows.parquet")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "k", Type: arrow.PrimitiveTypes.Int32}, {Name: "x", Type: arrow.PrimitiveTypes.Float64}}, nil)
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDictionaryDefault(false)),
		pqarrow.DefaultWriterProps())
	if err != nil {
		b.Fatal(err)
	}
	build := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	keys, _ := build.Field(0).(*array.Int32Builder)
	values, _ := build.Field(1).(*array.Float64Builder)
	for at := 0; at < rows; {
		for range min(1<<20, rows-at) {
			keys.Append(int32(at * 2654435761 >> 7 & 7))
			values.Append(float64(at*2654435761&0xffffff) / 1000)
			at++
		}
		if err := w.Write(build.NewRecordBatch()); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// 20 million rows in 8 groups: as DuckDB answers on this machine by itself, and in
// the sandbox with and without a session that is kept. Each figure is the least
// of several.
func BenchmarkGroups(b *testing.B) {
	const rows, rounds = 20_000_000, 5
	of := duckdb.Dataset{
		Name: "rows", Open: duckdbtest.Files(table(b, rows)),
		Tables: []duckdb.Table{{Name: "rows", Format: "parquet", Columns: []engine.Column{{Name: "k", Type: anchorhold.TypeInt}, {Name: "x", Type: anchorhold.TypeFloat}}}},
	}
	const raw = `SELECT k, COUNT(*) AS n, CAST(SUM(x) AS BIGINT) AS s, CAST(AVG(x) AS BIGINT) AS a FROM rows GROUP BY k`
	const bounded = `SELECT k, COUNT(*) AS n, SUM(CAST(FLOOR(LEAST(GREATEST(x, 0), 10000) * 64 + 0.5) AS BIGINT)) AS s, COUNT(x) AS a FROM rows GROUP BY k`
	var columns []engine.Column
	for _, name := range []string{"k", "n", "s", "a"} {
		columns = append(columns, engine.Column{Name: name, Type: anchorhold.TypeInt})
	}
	sealed := workers(b, box(b))
	open := &duckdb.Workers{Sandbox: native{}, Program: sealed.Program, Memory: sealed.Memory}
	kinds := []struct {
		unit, sql string
		w         *duckdb.Workers
		cold      bool
	}{
		{"ms/native", raw, open, false},
		{"ms/native-bounded", bounded, open, false},
		{"ms/sandbox", raw, sealed, false},
		{"ms/sandbox-bounded", bounded, sealed, false},
		{"ms/sandbox-cold", bounded, sealed, true},
	}
	for b.Loop() {
		best := map[string]time.Duration{}
		for range rounds { // each in turn, so that a busy machine is so for all
			for _, k := range kinds {
				e := k.w.Engine("somebody", of)
				if k.cold {
					e.Close()
				}
				start := time.Now()
				p, err := e.Partials(b.Context(), engine.Statement{SQL: k.sql, Columns: columns, MaxRows: 8})
				if err != nil || p.Rows != 8 {
					b.Fatal(err)
				}
				if took := time.Since(start); best[k.unit] == 0 || took < best[k.unit] {
					best[k.unit] = took
				}
			}
		}
		for unit, took := range best {
			b.ReportMetric(float64(took.Microseconds())/1000, unit)
		}
		b.ReportMetric(float64(best["ms/sandbox-bounded"])/float64(best["ms/native"]), "times")
	}
	if err := open.Close(); err != nil {
		b.Fatal(err)
	}
}
