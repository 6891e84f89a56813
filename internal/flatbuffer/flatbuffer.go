// Package flatbuffer reads single facts out of flatbuffers that nobody vouches
// for, such as the metadata of Arrow files.
//
// It promises that every offset is checked against the bytes at hand, that
// nothing is allocated beyond their number, and that it follows only where it is
// told to: no children without end, as generated readers have them. It never
// panics on any bytes; the fuzz targets of its users hold that.
//
// Format: https://flatbuffers.dev/internals/
package flatbuffer

import "encoding/binary"

// Reader reads at positions; Bad is set when one lies outside.
type Reader struct {
	B   []byte
	Bad bool
}

// need says whether n bytes lie at a position. Position 0 holds the root offset
// and can be nothing else: it stands for an absent field.
func (f *Reader) need(at, n uint32) bool {
	if uint64(at)+uint64(n) > uint64(len(f.B)) {
		f.Bad = true
	}
	return !f.Bad
}

// U64 reads eight bytes; absent ones are 0.
func (f *Reader) U64(at uint32) uint64 {
	if at == 0 || !f.need(at, 8) {
		return 0
	}
	return binary.LittleEndian.Uint64(f.B[at:])
}

// U32 reads four bytes.
func (f *Reader) U32(at uint32) uint32 {
	if !f.need(at, 4) {
		return 0
	}
	return binary.LittleEndian.Uint32(f.B[at:])
}

// U16 reads two bytes.
func (f *Reader) U16(at uint32) uint16 {
	if !f.need(at, 2) {
		return 0
	}
	return binary.LittleEndian.Uint16(f.B[at:])
}

// U8 reads a byte; an absent one is 0.
func (f *Reader) U8(at uint32) uint8 {
	if at == 0 || !f.need(at, 1) {
		return 0
	}
	return f.B[at]
}

// Root is the position of the outermost table.
func (f *Reader) Root() uint32 { return f.Table(f.U32(0)) }

// Table is a table's position, checked to have a readable vtable.
func (f *Reader) Table(at uint32) uint32 {
	if at == 0 {
		f.Bad = true
	}
	f.U32(at)
	return at
}

// At gives the position of a table's i-th field, 0 where it is absent.
func (f *Reader) At(table, i uint32) uint32 {
	back := int64(int32(f.U32(table)))
	vtable := int64(table) - back
	if f.Bad || vtable < 0 || vtable+4 > int64(len(f.B)) {
		f.Bad = true
		return 0
	}
	size := uint32(f.U16(uint32(vtable)))
	if 4+2*i+2 > size {
		return 0
	}
	offset := f.U16(uint32(vtable) + 4 + 2*i)
	if offset == 0 {
		return 0
	}
	return table + uint32(offset)
}

// Pointer follows an offset.
func (f *Reader) Pointer(at uint32) uint32 {
	if at == 0 {
		return 0
	}
	to := uint64(at) + uint64(f.U32(at))
	if to > uint64(len(f.B)) {
		f.Bad = true
		return 0
	}
	return uint32(to)
}

// Tables gives the positions of the tables in a vector, which may be absent.
func (f *Reader) Tables(at uint32) []uint32 {
	start, n := f.Vector(at, 4)
	if n == 0 {
		return nil
	}
	tables := make([]uint32, n)
	for i := range tables {
		tables[i] = f.Pointer(start + 4*uint32(i))
	}
	return tables
}

// Vector gives the position of the first of n items of so many bytes each; n is
// 0 where the vector is absent.
func (f *Reader) Vector(at, item uint32) (start, n uint32) {
	at = f.Pointer(at)
	if at == 0 {
		return 0, 0
	}
	n = f.U32(at)
	if f.Bad || uint64(n)*uint64(item) > uint64(len(f.B)) || !f.need(at+4, item*n) {
		f.Bad = true
		return 0, 0
	}
	return at + 4, n
}

// Text gives a string of at most so many bytes.
func (f *Reader) Text(at, longest uint32) string {
	at = f.Pointer(at)
	if at == 0 {
		return ""
	}
	n := f.U32(at)
	if f.Bad || n > longest || !f.need(at+4, n) {
		f.Bad = true
		return ""
	}
	return string(f.B[at+4 : at+4+n])
}
