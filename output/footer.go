package output

import (
	"encoding/binary"
)

// Bounds on a Parquet footer, checked before the library decodes it.
const (
	maxFooter        = 16 << 20
	maxFooterStructs = 250_000 // each costs a few hundred bytes once decoded
	maxFooterDepth   = 16
	maxRowGroups     = 10_000
)

// checkFooter finds the footer of a Parquet file and walks through its Thrift
// compact encoding without building anything: the library reserves memory for as
// many elements as a list claims, which a footer of ten bytes may say are a
// hundred million.
//
// Formats: https://parquet.apache.org/docs/file-format/ and
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
func checkFooter(data []byte, lim Limits) error {
	if len(data) < 12 || string(data[:4]) != "PAR1" {
		if len(data) >= 4 && string(data[:4]) == "PARE" {
			return refuse(encryptedParquet)
		}
		return refuse(notParquet)
	}
	end := len(data) - 8
	size := binary.LittleEndian.Uint32(data[end:])
	if string(data[end+4:]) != "PAR1" || int64(size) > int64(end-4) {
		return refuse(notParquet)
	}
	if size > maxFooter {
		return refuse(badFooter)
	}
	w := thriftWalker{rest: data[end-int(size) : end], lists: map[int64]uint64{}}
	w.structure(0)
	switch {
	case w.bad:
		return refuse(badFooter)
	case w.lists[fieldSchema] > uint64(3*lim.Columns+1):
		return refuse(tooManyColumns)
	case w.lists[fieldRowGroups] > maxRowGroups:
		return refuse(badFooter)
	}
	return nil
}

// Fields of FileMetaData.
const (
	fieldSchema    = 2
	fieldRowGroups = 4
)

// Types of the compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

type thriftWalker struct {
	rest    []byte
	bad     bool
	structs int
	lists   map[int64]uint64 // lengths of the outermost lists, by field
}

func (w *thriftWalker) skip(n uint64) {
	if n > uint64(len(w.rest)) {
		w.bad = true
		n = uint64(len(w.rest))
	}
	w.rest = w.rest[n:]
}

func (w *thriftWalker) byte() byte {
	if len(w.rest) == 0 {
		w.bad = true
		return 0
	}
	b := w.rest[0]
	w.rest = w.rest[1:]
	return b
}

func (w *thriftWalker) varint() uint64 {
	v, n := binary.Uvarint(w.rest)
	if n <= 0 {
		w.bad = true
		return 0
	}
	w.rest = w.rest[n:]
	return v
}

func (w *thriftWalker) structure(depth int) {
	w.structs++
	if depth > maxFooterDepth || w.structs > maxFooterStructs {
		w.bad = true
	}
	field := int64(0)
	for !w.bad {
		head := w.byte()
		if head == 0 {
			return
		}
		if delta := head >> 4; delta != 0 {
			field += int64(delta)
		} else {
			z := w.varint()
			field = int64(z>>1) ^ -int64(z&1)
		}
		if kind := head & 15; kind == thriftList && depth == 0 {
			w.lists[field] = max(w.lists[field], w.list(depth))
		} else if kind != thriftTrue && kind != thriftFalse { // their value is in the type
			w.value(kind, depth)
		}
	}
}

// value skips one value; inside lists a truth value takes a byte.
func (w *thriftWalker) value(kind byte, depth int) {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		w.skip(1)
	case thriftI16, thriftI32, thriftI64:
		w.varint()
	case thriftDouble:
		w.skip(8)
	case thriftBinary:
		w.skip(w.varint())
	case thriftList, thriftSet:
		w.list(depth)
	case thriftMap:
		w.mapping(depth)
	case thriftStruct:
		w.structure(depth + 1)
	default:
		w.bad = true
	}
}

// list skips a list and gives its length, which its bytes must make possible.
func (w *thriftWalker) list(depth int) uint64 {
	head := w.byte()
	n := uint64(head >> 4)
	if n == 15 {
		n = w.varint()
	}
	if n > uint64(len(w.rest)) || depth > maxFooterDepth {
		w.bad = true
	}
	for i := uint64(0); i < n && !w.bad; i++ {
		w.value(head&15, depth+1)
	}
	return n
}

func (w *thriftWalker) mapping(depth int) {
	n := w.varint()
	if n == 0 {
		return
	}
	kinds := w.byte()
	if n > uint64(len(w.rest)) || depth > maxFooterDepth {
		w.bad = true
	}
	for i := uint64(0); i < n && !w.bad; i++ {
		w.value(kinds>>4, depth+1)
		w.value(kinds&15, depth+1)
	}
}
