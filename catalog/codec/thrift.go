package codec

import (
	"encoding/binary"
	"strconv"
)

// thriftReader walks through what is written in Thrift's compact protocol, by which
// a Parquet file describes itself. The Parquet library passes over fields that it
// does not know and takes the last of two; here every one of them is shown.
//
// Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
type thriftReader struct {
	b    []byte
	at   int
	bad  bool // cut off, or not in order
	seen func(path string, text []byte, number int64)
}

const maxThriftDepth = 12

func (t *thriftReader) byte() byte {
	if t.at >= len(t.b) {
		t.bad = true
		return 0
	}
	t.at++
	return t.b[t.at-1]
}

func (t *thriftReader) uvarint() uint64 {
	v, n := binary.Uvarint(t.b[t.at:])
	if n <= 0 {
		t.bad = true
		return 0
	}
	t.at += n
	return v
}

func (t *thriftReader) take(n uint64) []byte {
	if n > uint64(len(t.b)-t.at) {
		t.bad = true
		return nil
	}
	t.at += int(n)
	return t.b[t.at-int(n) : t.at]
}

// structure reads a structure whose fields are shown as PATH.FIELD.
func (t *thriftReader) structure(path string, depth int) {
	if depth > maxThriftDepth {
		t.bad = true
	}
	last := int64(0)
	for !t.bad {
		head := t.byte()
		if head == 0 {
			return
		}
		id := last + int64(head>>4)
		if head>>4 == 0 {
			u := t.uvarint()
			id = int64(u>>1) ^ -int64(u&1)
		}
		if id <= last {
			t.bad = true
			return
		}
		last = id
		name := strconv.FormatInt(id, 10)
		if path != "" {
			name = path + "." + name
		}
		t.value(name, head&15, depth, false)
	}
}

func (t *thriftReader) value(path string, kind byte, depth int, listed bool) {
	switch kind {
	case 1, 2:
		if listed {
			t.byte()
		}
		t.seen(path, nil, int64(kind))
	case 3:
		t.seen(path, nil, int64(int8(t.byte())))
	case 4, 5, 6:
		u := t.uvarint()
		t.seen(path, nil, int64(u>>1)^-int64(u&1))
	case 7:
		t.take(8)
		t.seen(path, nil, 0)
	case 8:
		t.seen(path, t.take(t.uvarint()), 0)
	case 9, 10:
		head := t.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = t.uvarint()
		}
		for range n {
			if t.bad {
				return
			}
			t.value(path, head&15, depth, true)
		}
	case 12:
		t.seen(path, nil, 0)
		t.structure(path, depth+1)
	default:
		t.bad = true
	}
}
