package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/store"
)

type askQuery struct {
	DatasetName
	Body question.Asked
}

// AtLevel says with which probability values shall lie in their intervals.
type AtLevel struct {
	Level float64 `query:"level" minimum:"0" exclusiveMaximum:"1" doc:"of the intervals; default: that at which it was asked for"`
}

// QueryID names a question.
type QueryID struct {
	ID string `path:"id" maxLength:"100"`
}

type showQuery struct {
	QueryID
	AtLevel
}

// loadQuery finds a question, which is its author's, and in the care of who looks
// after the dataset.
func (a *API) loadQuery(ctx context.Context, id string) (q anchorhold.Question, res policy.Resource, err error) {
	err = a.Books.View(ctx, func(tx store.Tx) error {
		q, err = tx.Question(id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = policy.Missing(policy.TypeQuery, id)
	}
	if err != nil {
		return q, res, err
	}
	about, err := a.datasetResource(ctx, q.Dataset)
	return q, policy.Resource{Type: policy.TypeQuery, ID: id, Scopes: about.Scopes, Author: q.Author}, err
}

func (a *API) onQuery(ctx context.Context, id string) ([]policy.Resource, error) {
	_, res, err := a.loadQuery(ctx, id)
	return []policy.Resource{res}, err
}

type listQueries struct {
	Paging
	Dataset string `query:"dataset" maxLength:"100"`
}

type answerForm struct {
	QueryID
	Format string `query:"format" enum:",json,arrow" doc:"default: json, the file that the receipt speaks of"`
}

// answerOperations give what was asked and answered.
func (a *API) answerOperations() {
	on := func(ctx context.Context, in *QueryID) ([]policy.Resource, error) { return a.onQuery(ctx, in.ID) }
	add(a, op("query-record", http.MethodGet, "/queries/{id}/record", "A question in SQL, and what became of it"), policy.QueryRead, on,
		func(ctx context.Context, _ policy.Permit, in *QueryID) (*body[anchorhold.Question], error) {
			q, _, err := a.loadQuery(ctx, in.ID)
			return &body[anchorhold.Question]{q}, err
		})
	add(a, op("query-answer", http.MethodGet, "/queries/{id}/answer", "The answer as a file"), policy.QueryAnswer,
		func(ctx context.Context, in *answerForm) ([]policy.Resource, error) { return a.onQuery(ctx, in.ID) }, a.answerFile)
	add(a, op("query-receipt", http.MethodGet, "/queries/{id}/receipt", "The receipt of an answer"), policy.QueryReceipt, on,
		func(ctx context.Context, _ policy.Permit, in *QueryID) (*fileBytes, error) {
			file, err := a.Questions.Receipt(ctx, in.ID)
			return &fileBytes{
				ContentType: "application/json", Disposition: `attachment; filename="receipt.json"`,
				Body: func(c huma.Context) { _, _ = c.BodyWriter().Write(file) },
			}, err
		})
}

func (a *API) answerFile(ctx context.Context, _ policy.Permit, in *answerForm) (*fileBytes, error) {
	file, err := a.Questions.AnswerFile(ctx, in.ID)
	media, name := question.Media, "answer.json"
	if err == nil && in.Format == "arrow" {
		var b bytes.Buffer
		err = question.WriteArrow(&b, file)
		file, media, name = b.Bytes(), question.ArrowMedia, "answer.arrow"
	}
	return &fileBytes{
		ContentType: media, Disposition: `attachment; filename="` + name + `"`,
		Body: func(c huma.Context) { _, _ = c.BodyWriter().Write(file) },
	}, err
}

// queryOperations answer questions in SQL, as far as limits of exposure allow.
func (a *API) queryOperations() {
	on := func(ctx context.Context, in *askQuery) ([]policy.Resource, error) {
		res, err := a.datasetResource(ctx, in.Name)
		res.Study = in.Body.Study
		return []policy.Resource{res}, err
	}
	a.answerOperations()
	add(a, op("quote-query", http.MethodPost, "/datasets/{name}/quotes", "What a question in SQL would cost, and how exact its answer would be; touches no data"), policy.QueryAsk, on,
		func(ctx context.Context, p policy.Permit, in *askQuery) (*body[question.Quote], error) {
			q, err := a.Questions.Quote(ctx, p, in.Name, in.Body)
			return &body[question.Quote]{q}, err
		})
	add(a, op("ask-query", http.MethodPost, "/datasets/{name}/queries", "Answer a question in SQL, differentially private, and charge it"), policy.QueryAsk, on,
		func(ctx context.Context, p policy.Permit, in *askQuery) (*body[question.Answer], error) {
			q, err := a.Questions.Ask(ctx, p, in.Name, in.Body)
			return &body[question.Answer]{q}, err
		})
	add(a, op("show-query", http.MethodGet, "/queries/{id}", "The answer of a question once more, with intervals at another level; nothing is charged"), policy.QueryAnswer,
		func(ctx context.Context, in *showQuery) ([]policy.Resource, error) { return a.onQuery(ctx, in.ID) },
		func(ctx context.Context, _ policy.Permit, in *showQuery) (*body[question.Answer], error) {
			asked, _, err := a.loadQuery(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			q, err := question.Answered(asked, in.Level)
			return &body[question.Answer]{q}, err
		})
	add(a, op("list-queries", http.MethodGet, "/queries", "Questions in SQL, newest first: one's own, or all for who reviews exposure"), policy.ExposureRead,
		onSite,
		func(ctx context.Context, p policy.Permit, in *listQueries) (*body[page[anchorhold.Question]], error) {
			f := store.QuestionFilter{Dataset: in.Dataset, Author: p.Principal().ID}
			if a.may(ctx, policy.ExposureReview, policy.Site()) {
				f.Author = ""
			}
			return listed(in.Paging, func(pg store.Page) (out []anchorhold.Question, next string, err error) {
				err = a.Books.View(ctx, func(tx store.Tx) error {
					out, next, err = tx.ListQuestions(f, pg)
					return err
				})
				return out, next, err
			}, func(*anchorhold.Question) bool { return true })
		})
}
