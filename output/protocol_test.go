package output

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/disclosure"
)

// served is a client of Serve in this process.
func served(t testing.TB) *Client {
	t.Helper()
	host, guest := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(guest) }()
	t.Cleanup(func() {
		_ = host.Close()
		if err := <-ended; err != nil {
			t.Errorf("the guest ended with %v", err)
		}
	})
	return NewClient(host)
}

// Through the connection everything is as without it, refusals too.
func TestClientGivesWhatParseGives(t *testing.T) {
	entries, files := given(t)
	client := served(t)
	for _, e := range entries {
		want, wantCells, wantErr := Parse(e, files[e.File], declare(e), Limits{})
		got, cells, err := client.Parse(context.Background(), e, files[e.File], declare(e), Limits{})
		if err != nil || wantErr != nil {
			t.Fatalf("%s: %v, %v", e.File, err, wantErr)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", e.File, got, want)
		}
		if show(got, cells) != show(want, wantCells) {
			t.Errorf("%s: other cells:\n%s%s", e.File, show(got, cells), show(want, wantCells))
		}
		if len(files[e.File]) < 40 {
			continue
		}
		_, _, wantErr = Parse(e, files[e.File][:30], declare(e), Limits{})
		_, _, err = client.Parse(context.Background(), e, files[e.File][:30], declare(e), Limits{})
		if err == nil || wantErr == nil || err.Error() != wantErr.Error() || anchorhold.KindOf(err) != anchorhold.KindOf(wantErr) {
			t.Errorf("%s, cut: %v, want %v", e.File, err, wantErr)
		}
	}
}

// A parser that waits is tried before it is given anybody's file.
func TestTry(t *testing.T) {
	if err := served(t).Try(t.Context()); err != nil {
		t.Error(err)
	}
	host, guest := net.Pipe()
	defer host.Close()
	go func() { // refuses all
		defer guest.Close()
		if _, _, err := readQuestion(guest); err == nil {
			_, _ = guest.Write([]byte{answerRefused, 0, 0})
		}
	}()
	if err := NewClient(host).Try(t.Context()); err == nil {
		t.Error("a parser that refuses a number is taken for ready")
	}
}

// A guest that was taken over can waste the host's time until the deadline and
// can say no; it can neither fill its memory nor choose its words.
func TestHostileGuest(t *testing.T) {
	e := ManifestEntry{Name: "a", Kind: KindText, Python: "str", File: "a.txt"}
	accept := func(rows, columns uint32, size, stream uint64, rest string) []byte {
		b := binary.BigEndian.AppendUint32([]byte{answerOK}, rows)
		b = binary.BigEndian.AppendUint32(b, columns)
		b = binary.BigEndian.AppendUint64(b, size)
		return append(binary.BigEndian.AppendUint64(b, stream), rest...)
	}
	for name, answer := range map[string][]byte{
		"nothing":                  {},
		"half a refusal":           {answerRefused, 0},
		"no such reason":           {answerRefused, 0xff, 0xff},
		"no such status":           {7},
		"an exabyte":               accept(1, 0, 1<<60, 0, ""),
		"an exabyte of cells":      accept(1, 0, 1, 1<<60, "x"),
		"more than the limit":      accept(1, 0, 65<<20, 0, ""),
		"four billion columns":     accept(1, 1<<32-1, 1, 0, "x"),
		"less than it says":        accept(1, 0, 100, 0, "short"),
		"cells that are not cells": accept(1, 0, 1, 4, "xabcd"),
	} {
		t.Run(name, func(t *testing.T) {
			host, guest := net.Pipe()
			go func() {
				_, _, _ = readQuestion(guest)
				_, _ = guest.Write(answer)
				_ = guest.Close()
			}()
			c, cells, err := NewClient(host).Parse(context.Background(), e, []byte("x"), declare(e), Limits{})
			if err == nil || anchorhold.KindOf(err) != anchorhold.Invalid {
				t.Errorf("got %v", err)
			}
			if c.Data != nil || cells.Sheets != nil {
				t.Error("an error came with data")
			}
		})
	}
}

func TestClientStopsWaiting(t *testing.T) {
	host, guest := net.Pipe()
	defer guest.Close()
	asked := make(chan struct{})
	go func() {
		_, _, _ = readQuestion(guest)
		close(asked) // and never answers
	}()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-asked
		cancel()
	}()
	e := ManifestEntry{Name: "a", Kind: KindText, Python: "str", File: "a.txt"}
	done := make(chan error, 1)
	go func() {
		_, _, err := NewClient(host).Parse(ctx, e, []byte("x"), declare(e), Limits{})
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("still waiting")
	}
}

func TestServeRefusesNonsense(t *testing.T) {
	for name, b := range map[string]string{
		"another protocol": "GET / HTTP/1.1\r\n\r\n",
		"a long question":  protocolMagic + "\xff\xff\xff\xff",
		"no JSON":          protocolMagic + "\x00\x00\x00\x02xx",
		"too many bytes":   protocolMagic + "\x00\x00\x00\x17" + `{"bytes":9999999999999}`,
		"half a question":  protocolMagic + "\x00\x00",
	} {
		conn := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader([]byte(b)), io.Discard}
		if err := Serve(conn); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCellStream(t *testing.T) {
	cells := disclosure.Cells{Partial: true, Sheets: []disclosure.Sheet{
		{Index: 1, Labels: []disclosure.Cell{{}, disclosure.TextCell("Größe")}, Rows: [][]disclosure.Cell{
			{disclosure.IntCell(-5), disclosure.FloatCell(0.1)},
			{disclosure.TextCell("2024-01-01 10:00"), disclosure.UintCell(1<<64 - 1), {}},
		}},
		{},
	}}
	var b bytes.Buffer
	if err := WriteCells(&b, cells); err != nil {
		t.Fatal(err)
	}
	got, err := ReadCells(bytes.NewReader(b.Bytes()))
	if err != nil || show(Canonical{}, got) != show(Canonical{}, cells) || !got.Partial {
		t.Errorf("%+v, %v", got, err)
	}
	for cut := range b.Len() {
		if _, err := ReadCells(bytes.NewReader(b.Bytes()[:cut])); err == nil {
			t.Errorf("cut to %d bytes: accepted", cut)
		}
	}
	if _, err := ReadCells(bytes.NewReader(append(b.Bytes(), 0))); err == nil {
		t.Error("a byte too many was accepted")
	}
	huge := append([]byte(cellsMagic), 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f) // four billion labels
	if _, err := ReadCells(bytes.NewReader(huge)); err == nil {
		t.Error("four billion labels were accepted")
	}
}
