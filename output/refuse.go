package output

import "github.com/anchorhold/anchorhold"

// reason is why an output was refused. Only its number crosses from the sandbox
// that parses to the process that holds keys, so that no text of a file can.
type reason int

// The reasons. New ones go to the end: both sides of a connection are the same
// program, but logs are read later.
const (
	damagedFile reason = iota
	unknownKind
	undeclaredOutput
	otherKind
	wrongFileName
	wrongPython
	tooManyBytes
	tooMuchMemory
	tooManyRows
	tooManyColumns
	tooLongText
	badText
	notParquet
	encryptedParquet
	badFooter
	badCodec
	badMetadata
	otherColumns
	nestedColumn
	badType
	badColumnName
	badZone
	badPrecision
	objectArray
	badArray
	badDimensions
	badJSON
	deepJSON
	bigInteger
	bigNumber
	otherPython
	controlText
	notPNG
	tooManyPixels
	badManifest
	badCSV
	badTensors
	badModel
	unknownField
	externalModel
	badSVG
	unsafeSVG
	largeSVG
	tooManySamples
	foreignSamples
	noSamples
	lastReason // not a reason
)

// A sentence is what a person reads of a reason.
type sentence struct{ message, remedy string }

// again is the remedy for what honest code does not write.
const again = "return the value and let the runner write it"

// sentences has what is said for each reason.
var sentences = [lastReason]sentence{
	damagedFile:      {"the output's file is damaged", again},
	unknownKind:      {"the output is of a kind that does not exist", "return a table, array, text, figure or plain Python value"},
	undeclaredOutput: {"the run wrote an output that the request does not declare", "declare it, or do not return it"},
	otherKind:        {"the output is of another kind than the request declares", "return what is declared, or declare the kind any"},
	wrongFileName: {
		"the output's file does not have the name that its kind asks for",
		"return the value and let the runner write it",
	},
	wrongPython:      {"the output claims a Python type that its kind does not have", "return the value and let the runner write it"},
	tooManyBytes:     {"the output is larger than the limit on bytes", "aggregate before returning"},
	tooMuchMemory:    {"the output needs more memory to read than the limit allows", "aggregate before returning"},
	tooManyRows:      {"the table has more rows than the limit allows", "aggregate before returning"},
	tooManyColumns:   {"the table has more columns than the limit allows", "return fewer columns"},
	tooLongText:      {"the output has a text longer than the limit", "return shorter texts"},
	badText:          {"the output has a text that is not valid UTF-8", "encode texts as UTF-8"},
	notParquet:       {"the table is not a complete Parquet file", again},
	badFooter:        {"the table is not a complete Parquet file", again},
	encryptedParquet: {"the table is an encrypted Parquet file", again},
	badCodec:         {"the table is compressed in a way that is not accepted", "write Parquet uncompressed or with Snappy, gzip or LZ4"},
	badMetadata:      {"the table's description of its columns is missing or wrong", again},
	otherColumns:     {"the table does not have the columns or rows that its description says", again},
	nestedColumn: {
		"the table has a column of a type that cannot leave",
		"use numbers, texts, truth values, dates, times, durations, decimals, categories of text, or lists of these",
	},
	badType: {
		"the table has a column of a type that cannot leave",
		"use numbers, texts, truth values, dates, times, durations, decimals, categories of text, or lists of these",
	},
	badColumnName: {"the table has a column name that is too long or has control characters", "rename the column"},
	badZone:       {"the table has a time zone that is not a plain name", "use a name such as UTC or Europe/Vienna"},
	badPrecision:  {"the table has a value that its declared type cannot hold", again},
	objectArray:   {"the array has elements that are Python objects, records or bytes", "convert it to numbers, texts or dates"},
	badArray:      {"the array is not a complete .npy file", again},
	badDimensions: {"the array is not a complete .npy file", again},
	badJSON:       {"the value is not valid JSON with distinct names", again},
	deepJSON:      {"the value is nested more deeply than the limit allows", "return a flatter value"},
	bigInteger:    {"the value has a whole number beyond 64 bits", "return it as text or as a float"},
	bigNumber:     {"the value has a number beyond what a float can hold", "return finite numbers"},
	otherPython:   {"the value is not of the Python type that it claims", again},
	controlText:   {"the text has control characters other than line ends and tabs", "remove them before returning"},
	notPNG:        {"the image is not a complete PNG file", "return a Matplotlib figure or a PIL image"},
	tooManyPixels: {"the image has more pixels than the limit allows", "draw it smaller or with fewer dots per inch"},
	badCSV: {
		"the table is not CSV with one header and as many fields in every row", "write it with commas, and a value in every field of a table of one column",
	},
	badTensors:    {"the tensors are not a complete safetensors file", again},
	badModel:      {"the model is not a complete ONNX file", "write it with onnx.save, in one file"},
	unknownField:  {"the model has more or other fields than ONNX had when this program was made", "write it for an earlier version of ONNX, without extensions"},
	externalModel: {"the model has weights in other files, or says how it is trained or where it runs", "write it with onnx.save, in one file, for use alone"},
	badSVG:        {"the drawing is not a complete SVG file", "return a Matplotlib figure"},
	unsafeSVG: {
		"the drawing has an element, an attribute or a reference that cannot leave", "return a Matplotlib figure; leave out scripts, links and style sheets",
	},
	largeSVG:       {"the drawing has more parts than can leave", "draw fewer points, or return the figure as an image"},
	tooManySamples: {"the sample has more rows than the owner allows", "return fewer rows; the dataset's card says how many may leave"},
	foreignSamples: {"the sample has a column that the private data do not have", "return rows as they are, with the columns' own names"},
	noSamples:      {"no owner of the data allows samples", "ask the owner to set how many rows may leave: anchorhold dataset edit NAME --samples N"},
	badManifest:    {"the run's list of outputs cannot be read", "return values and let the runner write them"},
}

func (r reason) sentence() sentence { return sentences[r] }

// refusal is the cause of the error that people see: it keeps the number for the
// way out of the sandbox, and what a library said, which goes nowhere.
type refusal struct {
	number reason
	cause  error
}

func (r refusal) Error() string { return r.number.sentence().message }

func (r refusal) Unwrap() error { return r.cause }

// refuse makes the error that people see.
func refuse(r reason) *anchorhold.Error { return refuseFor(r, nil) }

// refuseFor is refuse with what a library said.
func refuseFor(r reason, cause error) *anchorhold.Error {
	s := r.sentence()
	kind := anchorhold.Invalid
	switch r {
	case tooManyBytes, tooMuchMemory, tooManyRows, tooManyColumns, tooLongText, tooManyPixels, largeSVG, tooManySamples:
		kind = anchorhold.TooLarge
	}
	return anchorhold.Errorf(kind, s.remedy, "%s", s.message).Because(refusal{r, cause})
}
