package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/account"
)

// Query is a question in SQL.
type Query struct {
	SQL   string  `json:"sql"`
	Study string  `json:"study,omitempty"`
	Level float64 `json:"level,omitempty"` // of the intervals; 0: 0.95
}

// QueryPrice is what an answer costs: as an (ε, δ) guarantee by itself, and in the
// currencies of limits.
type QueryPrice struct {
	Epsilon   account.Epsilon `json:"epsilon"`
	Delta     account.Delta   `json:"delta"`
	Pure      account.Epsilon `json:"pure"`
	Rho       account.Rho     `json:"rho"`
	ZCDPDelta account.Delta   `json:"zcdp_delta"`
}

// QueryColumn is a column of an answer. PlusMinus is the half-width of its
// intervals, where that depends on no data; of quantiles Ranks says by how many rows
// one may be off its place.
type QueryColumn struct {
	Name      string             `json:"name"`
	Kind      string             `json:"kind"` // "key", an aggregate, or "expression"
	PlusMinus *float64           `json:"plus_minus,omitempty"`
	BySize    map[string]float64 `json:"plus_minus_by_group_size,omitempty"`
	Ranks     *float64           `json:"plus_minus_ranks,omitempty"`
	Noise     *QueryNoise        `json:"noise,omitempty"` // where a value is one released number
}

// QueryNoise is how large the noise of a column's values is: the scale of Laplace
// noise, or σ.
type QueryNoise struct {
	Mechanism string  `json:"mechanism"`
	Scale     float64 `json:"scale"`
}

// QueryQuote is what an answer would cost, and how exact it would be.
type QueryQuote struct {
	Price QueryPrice    `json:"price"`
	Items []QueryColumn `json:"items"`
	Level float64       `json:"level"`
}

// QueryCell is one value, with the interval of an aggregate, or of each of a list.
type QueryCell struct {
	Value any      `json:"value"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`

	Ends [][2]float64 `json:"ends,omitempty"`
}

// QueryAnswer is an answer.
type QueryAnswer struct {
	ID         string        `json:"id"`
	Columns    []QueryColumn `json:"columns"`
	Rows       [][]QueryCell `json:"rows"`
	Level      float64       `json:"level"`
	Price      QueryPrice    `json:"price"`
	Mechanism  string        `json:"mechanism"`
	Population string        `json:"population"`
	Again      bool          `json:"again,omitempty"` // it was there already
	Late       int           `json:"late,omitempty"`
}

// QuoteQuery says what a question would cost; nothing is charged.
func (c *Client) QuoteQuery(ctx context.Context, dataset string, q Query) (QueryQuote, error) {
	return send[QueryQuote](ctx, c, http.MethodPost, "/datasets/"+segment(dataset)+"/quotes", q)
}

// AskQuery has a question answered, and charged.
func (c *Client) AskQuery(ctx context.Context, dataset string, q Query) (QueryAnswer, error) {
	return send[QueryAnswer](ctx, c, http.MethodPost, "/datasets/"+segment(dataset)+"/queries", q)
}

// AnswerOf gives an answer once more, with its intervals at a level, or for 0
// at that at which it was asked for; nothing is charged.
func (c *Client) AnswerOf(ctx context.Context, id string, level float64) (QueryAnswer, error) {
	at := url.Values{}
	if level != 0 {
		at.Set("level", strconv.FormatFloat(level, 'g', -1, 64))
	}
	return get[QueryAnswer](ctx, c, "/queries/"+segment(id), at)
}

// Queries lists questions, newest first.
func (c *Client) Queries(ctx context.Context, dataset string) iter.Seq2[anchorhold.Question, error] {
	return pages[anchorhold.Question](ctx, c, "/queries", filter("dataset", dataset))
}
