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
	// Within names the precision instead of a price: the largest ± of any aggregate.
	Within float64 `json:"within,omitempty"`
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
	Kind      string             `json:"kind"`           // "key", an aggregate, or "expression"
	Type      string             `json:"type,omitempty"` // of a key's values
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

// QueryAnswer is an answer, and by which means it was made. docs/spec/answer.md
// says what its names mean.
type QueryAnswer struct {
	ID         string        `json:"id"`
	Version    int           `json:"v"`
	Statement  string        `json:"statement"` // digest of the question's text
	Columns    []QueryColumn `json:"columns"`
	Rows       [][]QueryCell `json:"rows"`
	Level      float64       `json:"level"`
	Mechanism  string        `json:"mechanism"`
	Population string        `json:"population"`
	Unit       []QueryUnit   `json:"unit"`
	MaxGroups  int64         `json:"max_groups"`
	MaxRows    int64         `json:"max_rows"`
	Bounds     []QueryBound  `json:"bounds"`
	Price      QueryPrice    `json:"price"`
	Again      bool          `json:"again,omitempty"` // it was there already
	Late       int           `json:"late,omitempty"`
}

// QueryUnit says whose the rows of a table are.
type QueryUnit struct {
	Asset string `json:"asset"`
	Unit  string `json:"unit"`
}

// QueryBound says by how much one unit can move an aggregate in one group.
type QueryBound struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Low  string `json:"low,omitempty"`
	High string `json:"high,omitempty"`
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

// Question reads one question, and what became of it.
func (c *Client) Question(ctx context.Context, id string) (anchorhold.Question, error) {
	return get[anchorhold.Question](ctx, c, "/queries/"+segment(id)+"/record", nil)
}

// AnswerFile fetches an answer: as json, byte for byte the file that its receipt
// speaks of, or as arrow.
func (c *Client) AnswerFile(ctx context.Context, id, format string) ([]byte, error) {
	return c.fetch(ctx, "/queries/"+segment(id)+"/answer?format="+format, maxAnswerFile)
}

// maxAnswerFile bounds the file of an answer.
const maxAnswerFile = 1 << 30

// AnswerReceipt fetches the receipt of an answer.
func (c *Client) AnswerReceipt(ctx context.Context, id string) ([]byte, error) {
	return c.fetch(ctx, "/queries/"+segment(id)+"/receipt", maxReceipt)
}
