package output

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// protoKind is what a field of a message holds.
type protoKind uint8

const (
	protoInt     protoKind = iota // any varint: whole numbers, truth values, choices
	protoFloat                    // 4 bytes
	protoDouble                   // 8 bytes, in lists only
	protoText                     // UTF-8 that can be shown
	protoBytes                    // anything
	protoNested                   // a message
	protoDropped                  // known, and left out
	protoRefused                  // known, and not for a result: it lies elsewhere, or says how to train or where to run
)

// protoField describes a field.
type protoField struct {
	kind     protoKind
	repeated bool
	packed   bool   // a list of numbers
	message  string // name of what it holds
}

// wire is the field's type on the wire, for a list that of one element.
func (f protoField) wire() protowire.Type {
	switch f.kind {
	case protoInt:
		return protowire.VarintType
	case protoFloat:
		return protowire.Fixed32Type
	case protoDouble:
		return protowire.Fixed64Type
	}
	return protowire.BytesType
}

// protoMessage describes a message.
type protoMessage struct {
	fields map[protowire.Number]protoField
	last   protowire.Number // the highest number of a field
}

func one(k protoKind) protoField       { return protoField{kind: k} }
func many(k protoKind) protoField      { return protoField{kind: k, repeated: true} }
func packed(k protoKind) protoField    { return protoField{kind: k, packed: true} }
func nested(message string) protoField { return protoField{kind: protoNested, message: message} }
func several(message string) protoField {
	return protoField{kind: protoNested, repeated: true, message: message}
}

// The messages by name; those that need a look as a whole have names here.
const (
	messageModel  = "model"
	messageTensor = "tensor"
)

// onnxMessages are the messages of ONNX, by the numbers of their fields.
var onnxMessages = sync.OnceValue(func() map[string]*protoMessage {
	all := map[string]*protoMessage{}
	for name, fields := range onnxFields() {
		m := &protoMessage{fields: fields}
		for n := range fields {
			m.last = max(m.last, n)
		}
		all[name] = m
	}
	return all
})

func onnxFields() map[string]map[protowire.Number]protoField {
	return map[string]map[protowire.Number]protoField{
		messageModel: {
			1: one(protoInt), 2: one(protoDropped), 3: one(protoDropped), 4: one(protoDropped), 5: one(protoInt), 6: one(protoDropped),
			7: nested("graph"), 8: several("opset"), 14: one(protoDropped), 20: one(protoRefused), 25: several("function"), 26: one(protoRefused),
		},
		"opset": {1: one(protoText), 2: one(protoInt)},
		"graph": {
			1: several("node"), 2: one(protoText), 5: several(messageTensor), 10: one(protoDropped), 11: several("value"), 12: several("value"),
			13: several("value"), 14: several("annotation"), 15: several("sparse"), 16: one(protoDropped),
		},
		"node": {
			1: many(protoText), 2: many(protoText), 3: one(protoText), 4: one(protoText), 5: several("attribute"), 6: one(protoDropped),
			7: one(protoText), 8: one(protoText), 9: one(protoDropped), 10: one(protoRefused),
		},
		"attribute": {
			1: one(protoText), 2: one(protoFloat), 3: one(protoInt), 4: one(protoBytes), 5: nested(messageTensor), 6: nested("graph"),
			7: packed(protoFloat), 8: packed(protoInt), 9: many(protoBytes), 10: several(messageTensor), 11: several("graph"), 13: one(protoDropped),
			14: nested("type"), 15: several("type"), 20: one(protoInt), 21: one(protoText), 22: nested("sparse"), 23: several("sparse"),
		},
		"value": {1: one(protoText), 2: nested("type"), 3: one(protoDropped), 4: one(protoDropped)},
		"type": {
			1: nested("shaped"), 4: nested("element"), 5: nested("mapping"), 6: one(protoText), 7: one(protoRefused), 8: nested("shaped"), 9: nested("element"),
		},
		"shaped":    {1: one(protoInt), 2: nested("shape")},
		"element":   {1: nested("type")},
		"mapping":   {1: one(protoInt), 2: nested("type")},
		"shape":     {1: several("dimension")},
		"dimension": {1: one(protoInt), 2: one(protoText), 3: one(protoText)},
		// Weights are in one of several fields; 13, and a 14 that says so, mean
		// another file. 14 is left out of what is written: without 13 it says
		// nothing.
		messageTensor: {
			1: packed(protoInt), 2: one(protoInt), 3: one(protoRefused), 4: packed(protoFloat), 5: packed(protoInt), 6: many(protoBytes),
			7: packed(protoInt), 8: one(protoText), 9: one(protoBytes), 10: packed(protoDouble), 11: packed(protoInt), 12: one(protoDropped),
			13: one(protoRefused), 14: one(protoDropped), 16: one(protoDropped),
		},
		"sparse":     {1: nested(messageTensor), 2: nested(messageTensor), 3: packed(protoInt)},
		"annotation": {1: one(protoText), 2: several("entry")},
		"entry":      {1: one(protoText), 2: one(protoText)},
		"function": {
			1: one(protoText), 4: many(protoText), 5: many(protoText), 6: many(protoText), 7: several("node"), 8: one(protoDropped),
			9: several("opset"), 10: one(protoText), 11: several("attribute"), 12: several("value"), 13: one(protoText), 14: one(protoDropped),
		},
	}
}
