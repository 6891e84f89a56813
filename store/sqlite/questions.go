package sqlite

import (
	"encoding/json"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutQuestion(q anchorhold.Question) error {
	body, err := encode(q)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO question(id, key, author, dataset, state, answer, body) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET state = excluded.state, answer = excluded.answer, body = excluded.body`,
		q.ID, q.Key, q.Author, q.Dataset, q.State, string(q.Answer), body)
}

func (t *tx) Question(id string) (anchorhold.Question, error) {
	return t.question("id = ?", id)
}

func (t *tx) AnsweredQuestion(key string) (anchorhold.Question, error) {
	return t.question("seq = (SELECT min(seq) FROM question WHERE key = ? AND state = 'answered')", key)
}

func (t *tx) question(where string, args ...any) (q anchorhold.Question, err error) {
	var key, answer, body string
	if err := t.scan("SELECT key, answer, body FROM question WHERE "+where, args, &key, &answer, &body); err != nil {
		return q, err
	}
	err = decode(body, &q)
	if q.Key = key; answer != "" {
		q.Answer = json.RawMessage(answer)
	}
	return q, err
}

func (t *tx) KnowsAnswer(author, key string) (known bool, err error) {
	err = t.scan("SELECT EXISTS (SELECT 1 FROM question WHERE key = ? AND state = 'answered' AND author = ?)", []any{key, author}, &known)
	return known, err
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
