package codec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
	"github.com/anchorhold/anchorhold/internal/flatbuffer"
)

// An Arrow IPC stream is a sequence of messages: metadata as a flatbuffer, then a
// body of buffers that lie as they would in memory. A file has the same stream
// behind eight bytes, and an index after it, which we leave alone: code at the
// site reads the stream too, so that what was indexed is what is read.
//
// We read the messages ourselves. The library allocates what a message claims and
// holds a whole batch, which may be the whole file; here each buffer is read
// piece by piece where it lies.
//
// Formats: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc

// Limits of an Arrow file.
const (
	maxArrowMetadata   = 16 << 20 // of one message
	maxArrowBody       = 64 << 20 // of one compressed batch, unpacked
	maxArrowDictionary = 64 << 20 // texts of one dictionary
	maxArrowEntries    = 4 << 20  // of one dictionary
	maxZone            = 64
	arrowContinuation  = 0xffffffff
)

const arrowMagic = "ARROW1"

// Message headers (Message.fbs).
const (
	arrowSchemaMessage     = 1
	arrowDictionaryMessage = 2
	arrowBatchMessage      = 3
)

// Arrow is the format of Arrow IPC files, which pandas and Polars also call
// Feather or IPC.
type Arrow struct{}

// Format implements Codec.
func (Arrow) Format() Format {
	return Format{
		Name: "arrow", Kind: anchorhold.KindTable, Title: "an Arrow file", Extensions: []string{".arrow", ".feather", ".ipc"},
		Media: "application/vnd.apache.arrow.file", Sniff: func(head []byte) bool { return bytes.HasPrefix(head, []byte(arrowMagic)) },
	}
}

// Open implements Codec.
func (Arrow) Open(in Input, o Options) (Reader, error) { return openArrow(in, o, 8) }

// Generate implements Codec.
func (Arrow) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	return arrowMock(ctx, card, seed, func(s ipcSchema) (ipcWriter, error) {
		return ipc.NewFileWriter(w, ipc.WithSchema(s.schema))
	})
}

// ArrowStream is the format of Arrow IPC streams.
type ArrowStream struct{}

// Format implements Codec.
func (ArrowStream) Format() Format {
	return Format{
		Name: "arrows", Kind: anchorhold.KindTable, Title: "an Arrow stream", Extensions: []string{".arrows"},
		Media: "application/vnd.apache.arrow.stream", Sniff: func(head []byte) bool {
			// The first message: the continuation mark, then a small size.
			return len(head) >= 8 && binary.LittleEndian.Uint32(head) == arrowContinuation &&
				binary.LittleEndian.Uint32(head[4:])-1 < maxArrowMetadata
		},
	}
}

// Open implements Codec.
func (ArrowStream) Open(in Input, o Options) (Reader, error) { return openArrow(in, o, 0) }

// Generate implements Codec.
func (ArrowStream) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	return arrowMock(ctx, card, seed, func(s ipcSchema) (ipcWriter, error) {
		return ipc.NewWriter(w, ipc.WithSchema(s.schema)), nil
	})
}

// arrowMock has the generator make a Parquet file, which has the same types,
// and writes its batches anew. A mock is small.
func arrowMock(ctx context.Context, card mock.Card, seed uint64, begin func(ipcSchema) (ipcWriter, error)) (int64, error) {
	var made bytes.Buffer
	rows, err := mock.Generate(ctx, card, seed, &made, mock.Parquet)
	if err != nil {
		return 0, err
	}
	f, err := file.NewParquetReader(bytes.NewReader(made.Bytes()))
	if err != nil {
		return 0, err
	}
	fr, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: batchRows}, memory.DefaultAllocator)
	if err != nil {
		return 0, err
	}
	schema, err := fr.Schema()
	if err != nil {
		return 0, err
	}
	plain := plainSchema(schema)
	w, err := begin(ipcSchema{plain})
	if err != nil {
		return 0, err
	}
	batches, err := fr.GetRecordReader(ctx, nil, nil)
	if err != nil {
		return 0, err
	}
	defer batches.Release()
	for batches.Next() {
		if err := w.Write(withSchema(batches.RecordBatch(), plain)); err != nil {
			return 0, err
		}
	}
	if err := batches.Err(); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return rows, w.Close()
}

// arrowReader reads the batches of a stream, each in windows of a bounded size.
type arrowReader struct {
	table
	in      Input
	at      int64 // where the next message begins
	cols    []anchorhold.Column
	fields  []arrowField
	batch   arrowBatch
	windows [][]Cell
	nesting nesting
	dicts   map[int64][]string
	beside  *arrowBeside // nil: not asked for
	err     error
}

// arrowBatch is the batch that is being read.
type arrowBatch struct {
	rows, done int64
	columns    []arrowColumn
	end        int64
}

func openArrow(in Input, o Options, start int64) (Reader, error) {
	if start > 0 && !streamed(in, start) {
		return nil, invalid("write it with df.write_parquet(FILE), with df.write_ipc_stream(FILE.arrows), or with pyarrow.feather.write_feather(df.to_arrow(), FILE)",
			"%s has no stream of batches before its index, as files of Polars have none", in.Name)
	}
	r := &arrowReader{in: in, at: start, dicts: map[int64][]string{}}
	m, err := r.message()
	if err != nil {
		return nil, err
	}
	if m == nil || m.header != arrowSchemaMessage {
		return nil, notArrow(in.Name, errors.New("it does not begin with a schema"))
	}
	if r.fields, err = readArrowFields(in.Name, m); err != nil {
		return nil, err
	}
	if r.cols, err = arrowColumns(in.Name, r.fields, o); err != nil {
		return nil, err
	}
	if o.Beside {
		r.beside = newArrowBeside(in, m, r.cols)
	}
	r.nesting = newNesting(r.cols)
	r.width = r.nesting.rowWidth()
	r.windows = makeBatch(r.width)
	return r, nil
}

// streamed says whether the stream that a file should have behind its first bytes
// begins there. Polars writes its schema without the mark and length of a message,
// so that only who goes by the index can read what follows.
func streamed(in Input, start int64) bool {
	mark := make([]byte, 4)
	_, err := in.At.ReadAt(mark, start)
	return err != nil || binary.LittleEndian.Uint32(mark) == arrowContinuation
}

// Columns implements Reader.
func (r *arrowReader) Columns() []anchorhold.Column {
	return append([]anchorhold.Column(nil), r.cols...)
}

// Position implements Reader.
func (r *arrowReader) Position() int64 {
	if r.batch.rows == 0 {
		return r.at
	}
	return r.batch.end - int64(float64(r.batch.end-r.at)*float64(r.batch.rows-r.batch.done)/float64(r.batch.rows))
}

// Close implements Reader.
func (r *arrowReader) Close() {}

// Next implements Reader.
func (r *arrowReader) Next() ([][]Cell, error) {
	if r.err != nil {
		return nil, r.err
	}
	if parts := r.nesting.waiting(); len(parts) > 0 {
		return parts, nil
	}
	for r.batch.done == r.batch.rows {
		if r.err = r.nextBatch(); r.err != nil {
			return nil, r.err
		}
	}
	n := int(min(int64(len(r.windows)), r.batch.rows-r.batch.done))
	n, err := r.fill(n)
	if err != nil {
		r.err = err
		return nil, err
	}
	r.batch.done += int64(n)
	r.rows += int64(n)
	return r.windows[:n], nil
}

// fill reads the next n rows of every column, or fewer where their texts are
// long.
func (r *arrowReader) fill(n int) (int, error) {
	for j := range r.batch.columns {
		fits, err := r.batch.columns[j].fits(r.batch.done, n)
		if err != nil {
			return 0, r.damaged(err)
		}
		n = min(n, fits)
	}
	for j := range r.batch.columns {
		c := &r.batch.columns[j]
		if c.field.nested() && !c.field.dictionary {
			continue
		}
		if err := c.read(r.batch.done, r.windows[:n], j); err != nil {
			return 0, r.damaged(err)
		}
		if r.beside != nil {
			if err := r.beside.column(c, r.batch.done, n, r.batch.rows); err != nil {
				return 0, r.damaged(err)
			}
		}
	}
	if r.nesting.width > 0 {
		return n, r.damaged(r.nested(n))
	}
	return n, nil
}

// Of implements Reader.
func (r *arrowReader) Of() int { return r.nesting.of() }

// Beside implements Besider.
func (r *arrowReader) Beside() Beside {
	if r.beside == nil {
		return BesideNothing
	}
	return r.beside.beside
}

func (r *arrowReader) damaged(err error) error {
	if err == nil {
		return nil
	}
	var known *anchorhold.Error
	if errors.As(err, &known) {
		return known
	}
	return notArrow(r.in.Name, err)
}

// arrowMessage is one message of a stream.
type arrowMessage struct {
	header uint8
	fb     *flatbuffer.Reader
	table  uint32 // the header's
	start  int64  // of the message
	body   int64  // where its body begins
	size   int64
	extra  int // bytes of the metadata that are accounted for elsewhere
}

var errArrow = errors.New("a length or offset lies outside of the file")

// message reads the next message's metadata and steps over its body; nil at the
// end of the stream.
func (r *arrowReader) message() (*arrowMessage, error) {
	head := make([]byte, 8)
	n, err := r.in.At.ReadAt(head, r.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, Unreadable(r.in.Name, err)
	}
	if n == 0 {
		return nil, nil //nolint:nilnil // a stream may simply end
	}
	if n < 8 || binary.LittleEndian.Uint32(head) != arrowContinuation {
		return nil, notArrow(r.in.Name, errors.New("a message has no mark"))
	}
	size := int64(binary.LittleEndian.Uint32(head[4:]))
	if size == 0 {
		return nil, nil //nolint:nilnil // the mark of the end
	}
	if size > maxArrowMetadata || r.at+8+size > r.in.Size {
		return nil, notArrow(r.in.Name, errArrow)
	}
	meta := make([]byte, size)
	if _, err := r.in.At.ReadAt(meta, r.at+8); err != nil && !errors.Is(err, io.EOF) {
		return nil, Unreadable(r.in.Name, err)
	}
	fb := &flatbuffer.Reader{B: meta}
	root := fb.Root()
	m := &arrowMessage{header: fb.U8(fb.At(root, 1)), fb: fb, start: r.at, body: r.at + 8 + size}
	m.table = fb.Table(fb.Pointer(fb.At(root, 2)))
	m.size = int64(fb.U64(fb.At(root, 3)))
	if fb.Bad || m.size < 0 || m.size > r.in.Size-m.body {
		return nil, notArrow(r.in.Name, errArrow)
	}
	r.at = m.body + (m.size+7)&^7
	return m, nil
}

// nextBatch goes to the next batch of rows, taking dictionaries on the way.
func (r *arrowReader) nextBatch() error {
	for {
		m, err := r.message()
		if err != nil {
			return err
		}
		if m == nil {
			return r.ended()
		}
		switch m.header {
		case arrowDictionaryMessage:
			err = r.dictionary(m)
		case arrowBatchMessage:
			r.batch, err = r.readBatch(m, m.table, r.fields)
			if err == nil && r.batch.rows > 0 {
				return nil
			}
		default:
			err = errors.New("a message of another kind than batches and dictionaries")
		}
		if err != nil {
			return r.damaged(err)
		}
	}
}

// ended looks at what is behind the last batch, and gives io.EOF.
func (r *arrowReader) ended() error {
	if r.beside != nil {
		if err := r.beside.end(r.in, r.at); err != nil {
			return err
		}
	}
	return io.EOF
}

// dictionary keeps the texts of a dictionary.
func (r *arrowReader) dictionary(m *arrowMessage) error {
	fb := m.fb
	id := int64(fb.U64(fb.At(m.table, 0)))
	data := fb.Table(fb.Pointer(fb.At(m.table, 1)))
	delta := fb.U8(fb.At(m.table, 2)) != 0
	var field arrowField
	known := false
	for _, f := range withParts(r.fields) {
		if f.dictionary && f.id == id {
			field, known = f, true
		}
	}
	if fb.Bad || !known {
		return errors.New("a dictionary without a column")
	}
	field.dictionary, field.parts = false, nil
	b, err := r.readBatch(m, data, []arrowField{field})
	if err != nil {
		return err
	}
	var texts []string
	if delta {
		texts = r.dicts[id]
	}
	if texts, err = r.words(&b, texts); err != nil {
		return err
	}
	r.dicts[id] = texts
	if r.beside != nil {
		r.beside.dictionary(id, delta, len(texts))
	}
	return nil
}

// words adds the texts of a dictionary's batch to those that it has.
func (r *arrowReader) words(b *arrowBatch, texts []string) ([]string, error) {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	for done := int64(0); done < b.rows; {
		n, err := b.columns[0].fits(done, int(min(b.rows-done, batchRows)))
		if err != nil {
			return nil, err
		}
		rows := makeBatch(1)[:n]
		if err := b.columns[0].read(done, rows, 0); err != nil {
			return nil, err
		}
		if r.beside != nil {
			if err := r.beside.column(&b.columns[0], done, n, b.rows); err != nil {
				return nil, err
			}
		}
		for _, row := range rows {
			texts = append(texts, row[0].Text)
			size += len(row[0].Text)
		}
		done += int64(n)
		if size > maxArrowDictionary || len(texts) > maxArrowEntries {
			return nil, anchorhold.Errorf(anchorhold.TooLarge, "write the column as plain text", "a dictionary of %s holds more than %d MiB of texts", r.in.Name, maxArrowDictionary>>20)
		}
	}
	return texts, nil
}

func notArrow(name string, cause error) error {
	return invalid("write the file again, for example with pyarrow.feather.write_feather", "%s is damaged or not an Arrow file that can be read", name).Because(cause)
}
