package question_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

var errTest = errors.New("it broke")

// last is the newest question.
func (b *bench) last() (q anchorhold.Question) {
	b.t.Helper()
	if err := b.View(b.t.Context(), func(tx store.Tx) error {
		list, _, err := tx.ListQuestions(store.QuestionFilter{}, store.Page{Limit: 1})
		if err == nil {
			q = list[0]
		}
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return q
}

// arrowSchema gives the columns of an Arrow file and what its metadata says.
func arrowSchema(t *testing.T, data []byte) (columns []string, metadata map[string]string) {
	t.Helper()
	r, err := ipc.NewFileReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Schema().Fields() {
		columns = append(columns, f.Name+": "+f.Type.String())
	}
	return columns, r.Schema().Metadata().ToMap()
}
