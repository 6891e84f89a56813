package output

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/anchorhold/anchorhold/disclosure"
)

// Limits of a model. Depth counts messages within each other: a graph within an
// attribute of a node takes three.
const (
	maxModelDepth  = 64
	maxModelFields = 4 << 20
	maxModelText   = 64 << 10
)

// parseONNX is the parser of the kind onnx: a protocol buffer that is a
// ModelProto, every field of which is known. It is written anew with fields in
// the order of their numbers and numbers in their shortest form. Documentation,
// metadata and the producer's name are dropped; weights that lie in other files,
// and fields that are not in our tables, are refused.
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
func parseONNX(_ ManifestEntry, data []byte, lim Limits) (parsed, error) {
	m := modelWriter{fields: maxModelFields}
	out, err := m.message(messageModel, data, 0)
	if err != nil {
		return parsed{}, err
	}
	if !m.graph {
		return parsed{}, refuse(badModel)
	}
	// What a model's weights say of people is for a person to judge.
	return parsed{data: out, rows: 1, cells: disclosure.Cells{Partial: true}}, nil
}

// modelWriter writes messages anew.
type modelWriter struct {
	fields int
	graph  bool
}

func (m *modelWriter) message(name string, data []byte, depth int) ([]byte, error) {
	if depth > maxModelDepth {
		return nil, refuse(badModel)
	}
	kind, found := onnxMessages()[name], map[protowire.Number][]byte{}
	for len(data) > 0 {
		number, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil, refuse(badModel)
		}
		data = data[n:]
		field, known := kind.fields[number]
		if m.fields--; !known || m.fields < 0 {
			return nil, refuse(unknownField)
		}
		n = protowire.ConsumeFieldValue(number, wire, data)
		if n < 0 {
			return nil, refuse(badModel)
		}
		value := data[:n]
		data = data[n:]
		if err := m.field(found, number, wire, field, value, depth); err != nil {
			return nil, err
		}
	}
	m.graph = m.graph || name == messageModel && found[7] != nil
	if name == messageTensor {
		if err := checkTensor(found); err != nil {
			return nil, err
		}
	}
	var out []byte
	for number := protowire.Number(1); number <= kind.last; number++ {
		field := kind.fields[number]
		if value := found[number]; field.packed && len(value) > 0 {
			out = protowire.AppendTag(out, number, protowire.BytesType)
			out = protowire.AppendBytes(out, value)
		} else {
			out = append(out, value...)
		}
	}
	return out, nil
}

// field takes one field in canonical form: packed numbers are gathered without
// tags, others with theirs. Of a field that stands once the last holds.
func (m *modelWriter) field(found map[protowire.Number][]byte, number protowire.Number, wire protowire.Type, f protoField, value []byte, depth int) error {
	switch f.kind {
	case protoRefused:
		return refuse(externalModel)
	case protoDropped:
		return nil
	}
	if f.packed {
		return m.numbers(found, number, wire, f, value)
	}
	if wire != f.wire() {
		return refuse(badModel)
	}
	one := protowire.AppendTag(nil, number, wire)
	switch f.kind {
	case protoInt:
		v, _ := protowire.ConsumeVarint(value)
		one = protowire.AppendVarint(one, v)
	case protoFloat:
		v, _ := protowire.ConsumeFixed32(value)
		one = protowire.AppendFixed32(one, canonical32(v))
	default:
		content, _ := protowire.ConsumeBytes(value)
		inner, err := m.content(f, content, depth)
		if err != nil {
			return err
		}
		one = protowire.AppendBytes(one, inner)
	}
	if f.repeated {
		one = append(found[number], one...)
	}
	found[number] = one
	return nil
}

// content checks a text, takes bytes as they are, and writes a message anew.
func (m *modelWriter) content(f protoField, content []byte, depth int) ([]byte, error) {
	switch f.kind {
	case protoText:
		if len(content) > maxModelText || !utf8.Valid(content) || bytes.ContainsFunc(content, unicode.IsControl) {
			return nil, refuse(badModel)
		}
		return content, nil
	case protoBytes:
		return content, nil
	}
	return m.message(f.message, content, depth+1)
}

// numbers takes repeated numbers, packed or one by one.
func (m *modelWriter) numbers(found map[protowire.Number][]byte, number protowire.Number, wire protowire.Type, f protoField, value []byte) error {
	if wire == protowire.BytesType {
		value, _ = protowire.ConsumeBytes(value)
	} else if wire != f.wire() {
		return refuse(badModel)
	}
	out := found[number]
	for len(value) > 0 {
		var n int
		switch f.kind {
		case protoInt:
			var v uint64
			v, n = protowire.ConsumeVarint(value)
			out = protowire.AppendVarint(out, v)
		case protoFloat:
			var v uint32
			v, n = protowire.ConsumeFixed32(value)
			out = protowire.AppendFixed32(out, canonical32(v))
		default:
			var v uint64
			v, n = protowire.ConsumeFixed64(value)
			out = protowire.AppendFixed64(out, canonical64(v))
		}
		if n < 0 {
			return refuse(badModel)
		}
		value = value[n:]
	}
	found[number] = out
	return nil
}

func canonical32(v uint32) uint32 {
	if f := math.Float32frombits(v); f != f {
		return nan32
	}
	return v
}

func canonical64(v uint64) uint64 {
	if f := math.Float64frombits(v); f != f {
		return nan64
	}
	return v
}

// checkTensor: raw bytes are as many as type and shape say, so that none are left
// over, and floats among them have one pattern for what is not a number.
func checkTensor(found map[protowire.Number][]byte) error {
	raw := found[9]
	if raw == nil {
		return nil
	}
	_, _, tag := protowire.ConsumeTag(raw)
	content, _ := protowire.ConsumeBytes(raw[tag:])
	kind := uint64(0)
	if v := found[2]; v != nil {
		_, _, tag := protowire.ConsumeTag(v)
		kind, _ = protowire.ConsumeVarint(v[tag:])
	}
	count := uint64(1)
	for dims := found[1]; len(dims) > 0; {
		n, size := protowire.ConsumeVarint(dims)
		if n > 1<<31 || count*max(n, 1) > 1<<31 {
			return refuse(badModel)
		}
		count *= n
		dims = dims[size:]
	}
	bits, known := map[uint64]uint64{
		1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
		17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4,
	}[kind]
	if !known || (count*bits+7)/8 != uint64(len(content)) {
		return refuse(badModel)
	}
	if width := map[uint64]int{1: 4, 10: 2, 11: 8, 14: 4, 15: 8}[kind]; width > 0 {
		canonicalFloats(content, width) // within raw, which is ours
	}
	if kind == 16 {
		for at := 0; at+1 < len(content); at += 2 {
			if v := binary.LittleEndian.Uint16(content[at:]); v&0x7fff > 0x7f80 {
				binary.LittleEndian.PutUint16(content[at:], nanBF16)
			}
		}
	}
	return nil
}
