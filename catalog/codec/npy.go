package codec

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// Limits of NumPy's files.
const (
	maxNpyHeader = 64 << 10
	maxTensors   = MaxColumns
	// maxUnpacked is by how much an .npz file may be smaller than what it holds,
	// so that a small file does not keep the site busy for days.
	maxUnpacked = 1000
)

const npyMagic = "\x93NUMPY"

// NPY is the format of one NumPy array. Arrays of objects are pickles, and
// refused.
type NPY struct{}

// Format implements Codec.
func (NPY) Format() Format {
	return Format{
		Name: "npy", Kind: anchorhold.KindArray, Title: "a NumPy array", Extensions: []string{".npy"},
		Media: "application/x-npy", Sniff: func(head []byte) bool { return bytes.HasPrefix(head, []byte(npyMagic)) },
	}
}

// ArrayName is the name of the one column that an array has on its card.
const ArrayName = "values"

// Open implements Codec.
func (NPY) Open(in Input, o Options) (Reader, error) {
	t, size, err := readNpyHeader(in.Name, io.NewSectionReader(in.At, 0, in.Size))
	if err != nil {
		return nil, err
	}
	n, _ := count(t.shape)
	if size+n*int64(t.dtype.size) != in.Size {
		return nil, damagedArray(in.Name, errors.New("it is longer or shorter than its shape says"))
	}
	t.name = ArrayName
	t.data = func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(in.At, size, in.Size-size)), nil
	}
	return newTensorReader(in.Name, []tensor{t}, o, true)
}

// Generate implements Codec.
func (NPY) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	made, rows, err := mockTensors(card, seed)
	if err != nil {
		return 0, err
	}
	if len(made) != 1 {
		return 0, invalid("describe one array", "an .npy file holds one array, and the card has %d", len(made))
	}
	out := bufio.NewWriter(w)
	if err := writeNpy(ctx, made[0], out); err != nil {
		return 0, err
	}
	return rows, out.Flush()
}

// npyHeader is the literal that NumPy writes, with nothing in it that would have
// to be evaluated.
var npyHeader = regexp.MustCompile(`^\{'descr': '([<|=>]?[a-zA-Z][0-9]*)', 'fortran_order': (True|False), 'shape': \(((?:[0-9]+, ?)*(?:[0-9]+)?)\), *\} *\n?$`)

// npyText gives the header's text, and how many bytes it and what stands before
// it take.
func npyText(name string, r io.Reader) ([]byte, int64, error) {
	head := make([]byte, 12)
	if _, err := io.ReadFull(r, head[:10]); err != nil || string(head[:6]) != npyMagic {
		return nil, 0, damagedArray(name, errors.New("it does not begin as an array does"))
	}
	start, size := int64(10), int64(binary.LittleEndian.Uint16(head[8:]))
	if head[6] >= 2 {
		if _, err := io.ReadFull(r, head[10:]); err != nil {
			return nil, 0, damagedArray(name, err)
		}
		start, size = 12, int64(binary.LittleEndian.Uint32(head[8:]))
	}
	if head[6] == 0 || head[6] > 3 || size > maxNpyHeader {
		return nil, 0, damagedArray(name, errors.New("a version or header that is not known"))
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, 0, damagedArray(name, err)
	}
	return text, start + size, nil
}

// readNpyHeader reads up to the numbers and gives the length of what it read.
func readNpyHeader(name string, r io.Reader) (t tensor, size int64, err error) {
	text, size, err := npyText(name, r)
	if err != nil {
		return t, 0, err
	}
	m := npyHeader.FindSubmatch(text)
	if m == nil {
		return t, 0, invalid("save an array of numbers or truth values, one array for each field", "%s is not an array of plain numbers", name)
	}
	if string(m[2]) == "True" {
		return t, 0, invalid("write each array as np.ascontiguousarray(a), with np.save or np.savez", "%s is stored column by column", name)
	}
	if t.dtype, err = npyType(name, string(m[1])); err != nil {
		return t, 0, err
	}
	for part := range strings.SplitSeq(string(m[3]), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return t, 0, damagedArray(name, err)
		}
		t.shape = append(t.shape, n)
	}
	if _, ok := count(t.shape); !ok {
		return t, 0, damagedArray(name, errors.New("a shape that no file can have"))
	}
	return t, size, nil
}

func npyType(name, descr string) (dtype, error) {
	kinds := map[byte]string{'b': "bool", 'i': "int", 'u': "uint", 'f': "float"}
	order, rest := byte('|'), descr
	if strings.ContainsRune("<|=>", rune(descr[0])) {
		order, rest = descr[0], descr[1:]
	}
	kind := kinds[rest[0]]
	switch rest[0] {
	case 'O':
		return dtype{}, invalid("convert it to numbers, for example with a.astype(\"float64\"), or offer a table", "%s holds Python objects, which would have to be unpickled", name)
	case 'b':
	default:
		bytes, _ := strconv.Atoi(rest[1:])
		kind += strconv.Itoa(8 * bytes)
	}
	t, ok := dtypeNamed(kind)
	if !ok {
		return dtype{}, invalid("convert it to whole or floating-point numbers of at most 64 bits; offer texts and times as a table", "%s holds values of the type %s, which cannot be offered", name, clip(descr, 20))
	}
	if order == '>' && t.size > 1 {
		return dtype{}, invalid("write it with a.astype(a.dtype.newbyteorder(\"<\"))", "%s is written in big-endian order", name)
	}
	return t, nil
}

// writeNpy writes an array as NumPy does, version 1.0.
func writeNpy(ctx context.Context, t mockTensor, w io.Writer) error {
	letter := map[anchorhold.ColumnType]string{anchorhold.TypeBool: "|b", anchorhold.TypeInt: "<i", anchorhold.TypeFloat: "<f"}[t.dtype.kind]
	if strings.HasPrefix(t.dtype.name, "uint") {
		letter = "<u"
	}
	if t.dtype.size == 1 {
		letter = "|" + letter[1:]
	}
	var shape strings.Builder
	for _, n := range t.shape {
		fmt.Fprintf(&shape, "%d, ", n)
	}
	axes := strings.TrimSuffix(shape.String(), " ")
	if len(t.shape) > 1 {
		axes = strings.TrimSuffix(axes, ",")
	}
	text := fmt.Sprintf("{'descr': '%s%d', 'fortran_order': False, 'shape': (%s), }", letter, t.dtype.size, axes)
	text += strings.Repeat(" ", 63-(10+len(text))%64) + "\n"
	head := append([]byte(npyMagic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(text)))
	if _, err := w.Write(append(head, text...)); err != nil {
		return err
	}
	return t.write(ctx, w)
}

// NPZ is the format of several NumPy arrays in one archive.
type NPZ struct{}

// Format implements Codec.
func (NPZ) Format() Format {
	return Format{
		Name: "npz", Kind: anchorhold.KindTensors, Title: "an archive of NumPy arrays", Extensions: []string{".npz"},
		Media: "application/x-npz", Sniff: sniffNpz,
	}
}

// sniffNpz looks for an archive whose first member is an array.
func sniffNpz(head []byte) bool {
	if len(head) < 34 || string(head[:4]) != "PK\x03\x04" {
		return false
	}
	n := int(binary.LittleEndian.Uint16(head[26:]))
	name := head[30:min(len(head), 30+n)]
	return 30+n > len(head) || bytes.HasSuffix(name, []byte(".npy"))
}

// Open implements Codec.
func (NPZ) Open(in Input, o Options) (Reader, error) {
	z, err := zip.NewReader(in.At, in.Size)
	if err != nil {
		return nil, damagedArray(in.Name, err)
	}
	if len(z.File) == 0 || len(z.File) > maxTensors {
		return nil, invalid(fmt.Sprintf("write from 1 to %d arrays into one file", maxTensors), "%s holds %d arrays", in.Name, len(z.File))
	}
	var tensors []tensor
	left := uint64(in.Size)*maxUnpacked + 1<<20
	for _, f := range z.File {
		if f.UncompressedSize64 > left {
			return nil, anchorhold.Errorf(anchorhold.TooLarge, "write it without compression", "%s unpacks to more than %d times its size", in.Name, maxUnpacked)
		}
		left -= f.UncompressedSize64
		t, err := openMember(in.Name, f)
		if err != nil {
			return nil, err
		}
		tensors = append(tensors, t)
	}
	if hides(z, in.Size) {
		return nil, invalid("write it again with np.savez", "%s holds something beside its arrays", in.Name)
	}
	return newTensorReader(in.Name, tensors, o, false)
}

// zipSlack is what may lie around a member of an archive beside its name: headers
// with their usual extra fields, and what says its sizes behind it.
const zipSlack = 30 + 24 + 64

// hides says whether an archive has room for more than its members: a comment, or
// bytes that no member is made of.
func hides(z *zip.Reader, size int64) bool {
	if z.Comment != "" {
		return true
	}
	files := slices.Clone(z.File)
	var where []int64
	for _, f := range files {
		at, err := f.DataOffset()
		if err != nil || f.Comment != "" || len(f.Extra) > 64 {
			return true
		}
		where = append(where, at)
	}
	order := make([]int, len(files))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(where[a], where[b]) })
	end, directory := int64(0), int64(22+76+24)
	for _, i := range order {
		if gap := where[i] - end; gap < 0 || gap > zipSlack+int64(len(files[i].Name)) {
			return true
		}
		end = where[i] + int64(files[i].CompressedSize64)
		directory += 46 + 64 + int64(len(files[i].Name))
	}
	return size-end > directory
}

// openMember looks at the header of one array of an archive.
func openMember(name string, f *zip.File) (tensor, error) {
	short, isArray := strings.CutSuffix(f.Name, ".npy")
	if !isArray || !utf8.ValidString(short) || f.Method != zip.Store && f.Method != zip.Deflate {
		return tensor{}, invalid("write it with np.savez, from arrays alone", "%s holds something else than arrays", name)
	}
	in, err := f.Open()
	if err != nil {
		return tensor{}, damagedArray(name, err)
	}
	defer in.Close()
	t, size, err := readNpyHeader(name, in)
	if err != nil {
		return tensor{}, err
	}
	n, _ := count(t.shape)
	if uint64(size)+uint64(n)*uint64(t.dtype.size) != f.UncompressedSize64 {
		return tensor{}, damagedArray(name, errors.New("an array is longer or shorter than its shape says"))
	}
	t.name = short
	t.data = func() (io.ReadCloser, error) {
		in, err := f.Open()
		if err != nil {
			return nil, damagedArray(name, err)
		}
		if _, err := io.CopyN(io.Discard, in, size); err != nil {
			return nil, damagedArray(name, errors.Join(err, in.Close()))
		}
		return archived{in, name}, nil
	}
	return t, nil
}

// archived tells a damaged archive from a disk that does not answer.
type archived struct {
	io.ReadCloser
	name string
}

// Read implements io.Reader.
func (m archived) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damagedArray(m.name, err)
	}
	return n, err
}

// Generate implements Codec.
func (NPZ) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	made, _, err := mockTensors(card, seed)
	if err != nil {
		return 0, err
	}
	z := zip.NewWriter(w)
	for _, t := range made {
		m, err := z.CreateHeader(&zip.FileHeader{Name: t.name + ".npy", Method: zip.Store})
		if err != nil {
			return 0, err
		}
		out := bufio.NewWriter(m)
		if err := writeNpy(ctx, t, out); err != nil {
			return 0, err
		}
		if err := out.Flush(); err != nil {
			return 0, err
		}
	}
	return int64(len(made)), z.Close()
}
