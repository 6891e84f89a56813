package sqlite

import (
	"database/sql"
	"encoding/json"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutQuestion(q anchorhold.Question) error {
	body, err := encode(q)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO question(id, key, author, dataset, state, answer, envelope, log_index, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET state = excluded.state, answer = excluded.answer, envelope = excluded.envelope, log_index = excluded.log_index, body = excluded.body`,
		q.ID, q.Key, q.Author, q.Dataset, q.State, string(q.Answer), string(q.Envelope), q.LogIndex, body)
}

func (t *tx) Question(id string) (anchorhold.Question, error) {
	return t.question("id = ?", id)
}

func (t *tx) AnsweredQuestion(key string) (anchorhold.Question, error) {
	return t.question("seq = (SELECT min(seq) FROM question WHERE key = ? AND state = 'answered')", key)
}

func (t *tx) question(where string, args ...any) (q anchorhold.Question, err error) {
	var key, answer, envelope, body string
	var index int64
	if err := t.scan("SELECT key, answer, envelope, log_index, body FROM question WHERE "+where, args, &key, &answer, &envelope, &index, &body); err != nil {
		return q, err
	}
	err = decode(body, &q)
	q.Key, q.LogIndex = key, index
	if answer != "" {
		q.Answer = json.RawMessage(answer)
	}
	if envelope != "" {
		q.Envelope = json.RawMessage(envelope)
	}
	return q, err
}

func (t *tx) KnowsAnswer(author, key string) (known bool, err error) {
	err = t.scan("SELECT EXISTS (SELECT 1 FROM question WHERE key = ? AND state = 'answered' AND author = ?)", []any{key, author}, &known)
	return known, err
}

func (t *tx) ReservedQuestions() (out []anchorhold.Question, err error) {
	err = t.each("SELECT key, body FROM question WHERE state = 'reserved' ORDER BY seq", nil, func(r *sql.Rows) error {
		var q anchorhold.Question
		var key, body string
		if err := r.Scan(&key, &body); err != nil {
			return err
		}
		err := decode(body, &q)
		q.Key = key
		out = append(out, q)
		return err
	})
	return out, err
}

func (t *tx) ListQuestions(f store.QuestionFilter, p store.Page) ([]anchorhold.Question, string, error) {
	where, args := "1", []any{}
	for _, c := range []struct{ column, value string }{{"author", f.Author}, {"dataset", f.Dataset}} {
		if c.value != "" {
			where += " AND x." + c.column + " = ?"
			args = append(args, c.value)
		}
	}
	return list[anchorhold.Question](t, "question x", "x.body", where, args, p, nil)
}
