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
	lastReason // not a reason
)

// A sentence is what a person reads of a reason.
type sentence struct{ message, remedy string }

func (r reason) sentence() sentence {
	switch r {
	case unknownKind:
		return sentence{"the output is of a kind that does not exist", "return a table, array, text, figure or plain Python value"}
	case undeclaredOutput:
		return sentence{"the run wrote an output that the request does not declare", "declare it, or do not return it"}
	case otherKind:
		return sentence{"the output is of another kind than the request declares", "return what is declared, or declare the kind any"}
	case wrongFileName:
		return sentence{"the output's file does not have the name that its kind asks for", "return the value and let the runner write it"}
	case wrongPython:
		return sentence{"the output claims a Python type that its kind does not have", "return the value and let the runner write it"}
	case tooManyBytes:
		return sentence{"the output is larger than the limit on bytes", "aggregate before returning"}
	case tooMuchMemory:
		return sentence{"the output needs more memory to read than the limit allows", "aggregate before returning"}
	case tooManyRows:
		return sentence{"the table has more rows than the limit allows", "aggregate before returning"}
	case tooManyColumns:
		return sentence{"the table has more columns than the limit allows", "return fewer columns"}
	case tooLongText:
		return sentence{"the output has a text longer than the limit", "return shorter texts"}
	case badText:
		return sentence{"the output has a text that is not valid UTF-8", "encode texts as UTF-8"}
	}
	return r.sentenceOfFormat()
}

// sentenceOfFormat has the reasons that lie in a single format.
func (r reason) sentenceOfFormat() sentence {
	const again = "return the value and let the runner write it"
	switch r {
	case notParquet, badFooter:
		return sentence{"the table is not a complete Parquet file", again}
	case encryptedParquet:
		return sentence{"the table is an encrypted Parquet file", again}
	case badCodec:
		return sentence{"the table is compressed in a way that is not accepted", "write Parquet uncompressed or with Snappy, gzip or LZ4"}
	case badMetadata:
		return sentence{"the table's description of its columns is missing or wrong", again}
	case otherColumns:
		return sentence{"the table does not have the columns or rows that its description says", again}
	case nestedColumn, badType:
		return sentence{
			"the table has a column of a type that cannot leave",
			"use numbers, texts, truth values, dates, times, durations, decimals, categories of text, or lists of these",
		}
	case badColumnName:
		return sentence{"the table has a column name that is too long or has control characters", "rename the column"}
	case badZone:
		return sentence{"the table has a time zone that is not a plain name", "use a name such as UTC or Europe/Vienna"}
	case badPrecision:
		return sentence{"the table has a value that its declared type cannot hold", again}
	case objectArray:
		return sentence{"the array has elements that are Python objects, records or bytes", "convert it to numbers, texts or dates"}
	case badArray, badDimensions:
		return sentence{"the array is not a complete .npy file", again}
	case badJSON:
		return sentence{"the value is not valid JSON with distinct names", again}
	case deepJSON:
		return sentence{"the value is nested more deeply than the limit allows", "return a flatter value"}
	case bigInteger:
		return sentence{"the value has a whole number beyond 64 bits", "return it as text or as a float"}
	case bigNumber:
		return sentence{"the value has a number beyond what a float can hold", "return finite numbers"}
	case otherPython:
		return sentence{"the value is not of the Python type that it claims", again}
	case controlText:
		return sentence{"the text has control characters other than line ends and tabs", "remove them before returning"}
	case notPNG:
		return sentence{"the image is not a complete PNG file", "return a Matplotlib figure or a PIL image"}
	case tooManyPixels:
		return sentence{"the image has more pixels than the limit allows", "draw it smaller or with fewer dots per inch"}
	case badManifest:
		return sentence{"the run's list of outputs cannot be read", "return values and let the runner write them"}
	}
	return sentence{"the output's file is damaged", again}
}

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
	case tooManyBytes, tooMuchMemory, tooManyRows, tooManyColumns, tooLongText, tooManyPixels:
		kind = anchorhold.TooLarge
	}
	return anchorhold.Errorf(kind, s.remedy, "%s", s.message).Because(refusal{r, cause})
}
