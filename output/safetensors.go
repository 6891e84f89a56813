package output

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold/disclosure"
)

// The safetensors format: 8 bytes of length, a JSON header that says of each
// tensor its type, its shape and where its bytes lie, and these bytes.
// https://huggingface.co/docs/safetensors
const (
	maxTensors      = 100_000
	maxTensorHeader = 32 << 20
	tensorAlign     = 8
)

// tensorType says how the elements of a tensor are read: as NumPy would.
type tensorType struct {
	kind byte
	size int
}

func tensorTypeOf(name string) (tensorType, bool) {
	t, ok := map[string]tensorType{
		"BOOL": {'b', 1}, "U8": {'u', 1}, "I8": {'i', 1}, "U16": {'u', 2}, "I16": {'i', 2}, "U32": {'u', 4}, "I32": {'i', 4},
		"U64": {'u', 8}, "I64": {'i', 8}, "F16": {'f', 2}, "BF16": {bfloat, 2}, "F32": {'f', 4}, "F64": {'f', 8},
	}[name]
	return t, ok
}

// bfloat marks 16 bits that are the upper half of a float32: NumPy has no name
// for it.
const bfloat = 'B'

// tensor is one entry of the header.
type tensor struct {
	name, dtype string
	npyHeader
	start, end int64
}

// parseSafetensors is the parser of the kind safetensors. Tensors are sorted by
// name, lie side by side, and have one bit pattern for each value; metadata, which
// could be any text, is dropped.
func parseSafetensors(_ ManifestEntry, data []byte, lim Limits) (parsed, error) {
	tensors, body, err := readTensors(data, lim)
	if err != nil {
		return parsed{}, err
	}
	header := &jsonValue{kind: jsonObject}
	var out []byte
	b := cellBuilder{left: lim.Cells}
	for _, t := range tensors {
		elements, err := t.elements(body[t.start:t.end], lim)
		if err != nil {
			return parsed{}, err
		}
		start := int64(len(out))
		out = append(out, elements...)
		header.names = append(header.names, t.name)
		header.items = append(header.items, t.describe(start, int64(len(out))))
		b.addTensor(t, elements, lim)
	}
	head := header.append(nil)
	for len(head)%tensorAlign != 0 {
		head = append(head, ' ')
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	file = append(append(file, head...), out...)
	return parsed{data: file, rows: len(tensors), cells: b.cells()}, nil
}

// readTensors reads the header and checks that the tensors' bytes are all of the
// file: none overlap, and nothing lies between or after them.
func readTensors(data []byte, lim Limits) ([]tensor, []byte, error) {
	if len(data) < 8 {
		return nil, nil, refuse(badTensors)
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxTensorHeader || n > uint64(len(data)-8) {
		return nil, nil, refuse(badTensors)
	}
	body := data[8+n:]
	v, err := readJSON(data[8:8+n], Limits{Depth: 4, Text: maxColumnName})
	if err != nil || v.kind != jsonObject || len(v.names) > maxTensors {
		return nil, nil, refuse(badTensors)
	}
	tensors := make([]tensor, 0, len(v.names))
	for i, name := range v.names {
		if name == "__metadata__" {
			continue
		}
		t, ok := readTensor(name, v.items[i], int64(len(body)), lim)
		if !ok {
			return nil, nil, refuse(badTensors)
		}
		tensors = append(tensors, t)
	}
	slices.SortFunc(tensors, func(a, b tensor) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end)) })
	at := int64(0)
	for _, t := range tensors {
		// An empty tensor shares its place with the next.
		if t.start != at {
			return nil, nil, refuse(badTensors)
		}
		at = t.end
	}
	if at != int64(len(body)) || len(tensors) == 0 {
		return nil, nil, refuse(badTensors)
	}
	slices.SortFunc(tensors, func(a, b tensor) int { return strings.Compare(a.name, b.name) })
	return tensors, body, nil
}

func readTensor(name string, v *jsonValue, most int64, lim Limits) (t tensor, ok bool) {
	f := v.fields()
	t.name, t.dtype = name, f.text("dtype")
	kind, known := tensorTypeOf(t.dtype)
	if t.kind, t.size = kind.kind, kind.size; !known || name == "" || !isPlainText(name) {
		return t, false
	}
	isWhole := func(v *jsonValue) bool { n, ok := v.integer(); return ok && n >= 0 && n <= most }
	t.count = 1
	for _, axis := range f.list("shape", isWhole) {
		n, _ := axis.integer()
		if t.shape = append(t.shape, n); len(t.shape) > maxNpyAxes || n > lim.Bytes || t.count*n > lim.Bytes {
			return t, false
		}
		t.count *= n
	}
	offsets := f.list("data_offsets", isWhole)
	if len(offsets) != 2 || !f.done() {
		return t, false
	}
	t.start, _ = offsets[0].integer()
	t.end, _ = offsets[1].integer()
	return t, t.start <= t.end && t.end <= most && t.end-t.start == t.count*int64(t.size)
}

// elements gives the elements with one pattern of bits for each value.
func (t tensor) elements(body []byte, lim Limits) ([]byte, error) {
	if t.kind != bfloat {
		return t.canonicalElements(body, lim)
	}
	body = slices.Clone(body)
	for part := range slices.Chunk(body, 2) {
		if v := binary.LittleEndian.Uint16(part); v&0x7fff > 0x7f80 {
			binary.LittleEndian.PutUint16(part, nanBF16)
		}
	}
	return body, nil
}

// nanBF16 is the one pattern of a bfloat16 that is not a number.
const nanBF16 = 0x7fc0

// describe is the header's entry, members in the order that the format's own
// library writes.
func (t tensor) describe(start, end int64) *jsonValue {
	whole := func(n int64) *jsonValue { return &jsonValue{kind: jsonInteger, text: strconv.FormatInt(n, 10)} }
	shape := &jsonValue{kind: jsonArray}
	for _, n := range t.shape {
		shape.items = append(shape.items, whole(n))
	}
	return &jsonValue{
		kind: jsonObject, names: []string{"dtype", "shape", "data_offsets"},
		items: []*jsonValue{{kind: jsonString, text: t.dtype}, shape, {kind: jsonArray, items: []*jsonValue{whole(start), whole(end)}}},
	}
}

// addTensor adds a tensor's name and its values.
func (b *cellBuilder) addTensor(t tensor, elements []byte, lim Limits) {
	if t.kind == bfloat || t.count > int64(b.left) {
		b.partial = true
		return
	}
	b.addSheet(disclosure.Sheet{Labels: []disclosure.Cell{disclosure.TextCell(t.name)}})
	cells := t.cells(elements, lim)
	b.partial = b.partial || cells.Partial
	for _, sheet := range cells.Sheets {
		b.addSheet(sheet)
	}
}
