package codec

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// maxTensorHeader bounds the header of a safetensors file: a line of JSON for
// each tensor.
const maxTensorHeader = 16 << 20

// Safetensors is the format in which models are passed on: a header of JSON, then
// plain numbers.
//
// Format: https://huggingface.co/docs/safetensors/index#format
type Safetensors struct{}

// Format implements Codec.
func (Safetensors) Format() Format {
	return Format{
		Name: "safetensors", Kind: anchorhold.KindTensors, Title: "a safetensors file", Extensions: []string{".safetensors"},
		Media: "application/vnd.safetensors", Sniff: func(head []byte) bool {
			return len(head) > 9 && head[8] == '{' && binary.LittleEndian.Uint64(head) <= maxTensorHeader
		},
	}
}

// tensorTypes are the names of types of numbers in a header.
func tensorTypes() map[string]string {
	return map[string]string{
		"BOOL": "bool", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64", "U8": "uint8", "U16": "uint16",
		"U32": "uint32", "U64": "uint64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
	}
}

// Open implements Codec.
func (Safetensors) Open(in Input, o Options) (Reader, error) {
	head := make([]byte, 8)
	if n, err := in.At.ReadAt(head, 0); n < 8 {
		return nil, damagedArray(in.Name, err)
	}
	size := binary.LittleEndian.Uint64(head)
	if size > maxTensorHeader || int64(size) > in.Size-8 {
		return nil, damagedArray(in.Name, errors.New("a header that is longer than the file"))
	}
	text := make([]byte, size)
	if n, err := in.At.ReadAt(text, 8); n < len(text) {
		return nil, Unreadable(in.Name, err)
	}
	tensors, err := readTensorHeader(in, text)
	if err != nil {
		return nil, err
	}
	return newTensorReader(in.Name, tensors, o, false)
}

// described is what a header says of one tensor.
type described struct {
	Type    string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
	name    string
}

// readTensorHeader reads the header: every byte behind it belongs to exactly one
// tensor, so that nothing can lie in a gap.
func readTensorHeader(in Input, text []byte) ([]tensor, error) {
	all, err := describedTensors(text)
	if errors.Is(err, errTensorNotes) {
		return nil, invalid("write the tensors alone: save_file(tensors, FILE), without metadata", "%s holds notes beside its tensors (__metadata__)", in.Name)
	}
	if err != nil {
		return nil, damagedArray(in.Name, err)
	}
	if len(all) == 0 {
		return nil, invalid("write at least one tensor", "%s holds no tensor", in.Name)
	}
	slices.SortStableFunc(all, func(a, b described) int { return cmp.Compare(a.Offsets[0], b.Offsets[0]) })
	start := int64(8 + len(text))
	end := int64(0)
	var out []tensor
	for _, d := range all {
		numpy, known := tensorTypes()[d.Type]
		if !known {
			return nil, invalid("convert it to F32, F16, BF16 or whole numbers", "the tensor %q of %s has the type %q, which cannot be offered", clip(d.name, 80), in.Name, clip(d.Type, 20))
		}
		t := tensor{name: d.name, shape: d.Shape}
		t.dtype, _ = dtypeNamed(numpy)
		n, ok := count(d.Shape)
		if !ok || d.Offsets[0] != end || d.Offsets[1]-d.Offsets[0] != n*int64(t.dtype.size) {
			return nil, damagedArray(in.Name, errors.New("a tensor does not lie where its neighbours end"))
		}
		end = d.Offsets[1]
		at := start + d.Offsets[0]
		t.data = func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(in.At, at, n*int64(t.dtype.size))), nil
		}
		out = append(out, t)
	}
	if start+end != in.Size {
		return nil, damagedArray(in.Name, errors.New("there are bytes that belong to no tensor"))
	}
	return out, nil
}

var errTensorNotes = errors.New("notes beside the tensors")

// plainMetadata says whether the notes of a file name the library that wrote it
// and nothing else.
func plainMetadata(value []byte) bool {
	var notes map[string]string
	if json.Unmarshal(value, &notes) != nil {
		return false
	}
	for name, text := range notes {
		if name != "format" || !slices.Contains([]string{"pt", "np", "tf", "flax", "jax", "mlx"}, text) {
			return false
		}
	}
	return true
}

func describedTensors(text []byte) ([]described, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, errors.Join(errors.New("no object"), err)
	}
	var all []described
	for d.PeekKind() != '}' {
		key, err := d.ReadToken() // the decoder refuses a name that comes twice
		if err != nil {
			return nil, err
		}
		name := key.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		if name == "__metadata__" {
			// Any text may stand there, which nobody would see in a card and which would
			// leave with a mock. Libraries write which of them wrote it.
			if !plainMetadata(value) {
				return nil, errTensorNotes
			}
			continue
		}
		one := described{name: name}
		strict := json.NewDecoder(bytes.NewReader(value))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&one); err != nil {
			return nil, err
		}
		if all = append(all, one); len(all) > maxTensors {
			return nil, errors.New("too many tensors")
		}
	}
	return all, nil
}

// Generate implements Codec.
func (Safetensors) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	made, _, err := mockTensors(card, seed)
	if err != nil {
		return 0, err
	}
	names := map[string]string{}
	for st, numpy := range tensorTypes() {
		names[numpy] = st
	}
	head := []byte{'{'}
	end := int64(0)
	for i, t := range made {
		if i > 0 {
			head = append(head, ',')
		}
		head, _ = jsontext.AppendQuote(head, t.name) // fails only for what is not UTF-8
		shape, err := json.Marshal(append([]int64{}, t.shape...))
		if err != nil {
			return 0, err
		}
		size := t.values * int64(t.dtype.size)
		head = fmt.Appendf(head, `:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, names[t.dtype.name], shape, end, end+size)
		end += size
	}
	head = append(head, '}')
	for len(head)%8 != 0 {
		head = append(head, ' ')
	}
	out := bufio.NewWriter(w)
	_, err = out.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...))
	for _, t := range made {
		err = cmp.Or(err, t.write(ctx, out))
	}
	return int64(len(made)), cmp.Or(err, out.Flush())
}
