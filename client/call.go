package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/anchorhold/anchorhold"
)

// Limits of what a site may answer: an answer is foreign bytes.
const (
	maxAnswer  = 64 << 20 // one JSON document
	maxProblem = 64 << 10 // one error
	maxRetry   = 30 * time.Second
)

// call is one act: a method, a path below /v1 and what goes with it.
type call struct {
	method string
	path   string // escaped
	query  url.Values
	body   []byte // nil for none
	media  string // of the body; empty: JSON
	key    string // idempotency key; empty for reads
	accept string
}

// read makes a call that changes nothing.
func read(path string, query url.Values) call {
	return call{method: http.MethodGet, path: path, query: query, accept: "application/json"}
}

// write makes a call that changes something, under a fresh idempotency key.
func write(method, path string, body any) (call, error) {
	c := call{method: method, path: path, key: rand.Text(), accept: "application/json"}
	if body == nil {
		return c, nil
	}
	var err error
	c.body, err = json.Marshal(body)
	if err != nil {
		return call{}, anchorhold.Errorf(anchorhold.Invalid, "", "the request cannot be written as JSON").Because(err)
	}
	return c, nil
}

// get reads one JSON document.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	return decode[T](c.do(ctx, read(path, query)))
}

// send changes something and reads the JSON document that answers.
func send[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	act, err := write(method, path, body)
	if err != nil {
		var zero T
		return zero, err
	}
	return decode[T](c.do(ctx, act))
}

// remove takes something away.
func (c *Client) remove(ctx context.Context, path string) error {
	return c.act(ctx, http.MethodDelete, path, nil)
}

// act changes something and has no use for the answer's content.
func (c *Client) act(ctx context.Context, method, path string, body any) error {
	w, err := write(method, path, body)
	if err != nil {
		return err
	}
	res, err := c.do(ctx, w)
	if err != nil {
		return err
	}
	drain(res.Body)
	return nil
}

// stream reads bytes of any type; the caller closes the body.
func (c *Client) stream(ctx context.Context, path string) (io.ReadCloser, error) {
	r := read(path, nil)
	r.accept = "*/*"
	res, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// fetch reads bytes of any type up to a limit.
func (c *Client) fetch(ctx context.Context, path string, limit int64) ([]byte, error) {
	body, err := c.stream(ctx, path)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readAll(body, limit)
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "try again", "the site's answer broke off").Because(err)
	}
	if int64(len(data)) > limit {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "", "the site's answer is longer than %d bytes", limit)
	}
	return data, nil
}

func decode[T any](res *http.Response, err error) (T, error) {
	var v T
	if err != nil {
		return v, err
	}
	defer drain(res.Body)
	data, err := readAll(res.Body, maxAnswer)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, notASite().Because(err)
	}
	return v, nil
}

// do sends a call until it is answered, refused, or tried too often.
func (c *Client) do(ctx context.Context, act call) (*http.Response, error) {
	for n := 1; ; n++ {
		res, err := c.once(ctx, act)
		wait, again := c.again(n, res, err)
		switch {
		case !again && err != nil:
			return nil, c.unreachable(ctx, err)
		case !again:
			return c.answered(res)
		}
		if res != nil {
			drain(res.Body)
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// once sends a call a single time.
func (c *Client) once(ctx context.Context, act call) (*http.Response, error) {
	target := c.base.String() + "/v1" + act.path
	if len(act.query) > 0 {
		target += "?" + act.query.Encode()
	}
	var body io.Reader
	if act.body != nil {
		body = bytes.NewReader(act.body)
	}
	r, err := http.NewRequestWithContext(ctx, act.method, target, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", act.accept)
	r.Header.Set("User-Agent", "anchorhold/"+anchorhold.ProgramVersion)
	if act.body != nil {
		r.Header.Set("Content-Type", cmp.Or(act.media, "application/json"))
	}
	if act.key != "" {
		r.Header.Set("Idempotency-Key", act.key)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(r)
	if err == nil {
		c.learn(res.Header)
	}
	return res, err
}

// again says whether a further attempt can help, and after how long. Every call
// may be repeated: reads change nothing, and writes carry their key.
func (c *Client) again(n int, res *http.Response, err error) (time.Duration, bool) {
	if n >= c.attempts {
		return 0, false
	}
	wait := c.backoff(n + 1)
	if err != nil {
		return wait, transient(err)
	}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return max(wait, retryAfter(res.Header)), true
	}
	return 0, false
}

// transient says whether a connection's failure may pass by itself.
func transient(err error) bool {
	var certificate *tls.CertificateVerificationError
	var ours *anchorhold.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &certificate), errors.As(err, &ours):
		return false
	}
	return true
}

// retryAfter reads the site's wish in seconds, within reason.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetry)
}

// doubling waits 200 ms before the second attempt and twice as long before
// each further one, plus up to half of it, so that many clients spread.
func doubling(n int) time.Duration {
	base := 200 * time.Millisecond << min(max(n-2, 0), 6)
	return base + mathrand.N(base/2)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unreachable turns a failed connection into a sentence.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var ours *anchorhold.Error
	if errors.As(err, &ours) {
		return ours
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return anchorhold.Errorf(anchorhold.Unavailable,
			"check the address; if its owner gave you a connection string (https://...#sha256=...) use that, if a certificate: `anchorhold login URL --ca FILE`",
			"the certificate of %s cannot be trusted", c.base.Host).Because(err)
	}
	return anchorhold.Errorf(anchorhold.Unavailable, "check the address and that the site is running, then try again",
		"the site at %s cannot be reached", c.base).Because(err)
}

// answered passes a good answer on and turns a refusal into its error.
func (c *Client) answered(res *http.Response) (*http.Response, error) {
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil
	}
	defer drain(res.Body)
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give the address that the site itself serves",
			"the address answers with a redirect, which a client with a token does not follow")
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if media != "application/problem+json" && media != "application/json" {
		return nil, c.unexplained(res)
	}
	data, err := readAll(res.Body, maxProblem)
	if err != nil {
		return nil, bare(res.StatusCode)
	}
	return nil, parseProblem(res.StatusCode, data)
}

// problem is an RFC 9457 document with the members that a site adds.
type problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Kind   string `json:"kind"`
	Remedy string `json:"remedy"`
}

// parseProblem turns a problem document into the error that it tells of. A kind
// that this version does not know is replaced by the status's.
func parseProblem(status int, data []byte) *anchorhold.Error {
	var p problem
	if json.Unmarshal(data, &p) != nil || p.Detail == "" && p.Title == "" {
		return bare(status)
	}
	message := p.Detail
	if message == "" {
		message = p.Title
	}
	return &anchorhold.Error{Kind: kindOf(p.Kind, status), Message: message, Remedy: p.Remedy}
}

func kindOf(kind string, status int) anchorhold.Kind {
	switch k := anchorhold.Kind(kind); k {
	case anchorhold.Invalid, anchorhold.Unauthenticated, anchorhold.Denied, anchorhold.NotFound,
		anchorhold.Conflict, anchorhold.TooLarge, anchorhold.Unavailable, anchorhold.Internal:
		return k
	}
	switch status {
	case http.StatusUnauthorized:
		return anchorhold.Unauthenticated
	case http.StatusForbidden:
		return anchorhold.Denied
	case http.StatusNotFound:
		return anchorhold.NotFound
	case http.StatusConflict:
		return anchorhold.Conflict
	case http.StatusRequestEntityTooLarge:
		return anchorhold.TooLarge
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return anchorhold.Unavailable
	}
	if status >= 400 && status < 500 {
		return anchorhold.Invalid
	}
	return anchorhold.Internal
}

// plainToTLS is how servers begin to answer plain HTTP where they speak TLS.
const plainToTLS = "Client sent an HTTP request to an HTTPS server"

// unexplained is the error of an answer that is no document of a site: of a door
// that speaks TLS, perhaps, which was spoken to in plain HTTP.
func (c *Client) unexplained(res *http.Response) error {
	head := make([]byte, len(plainToTLS))
	_, err := io.ReadFull(res.Body, head)
	if err == nil && c.base.Scheme == "http" && res.StatusCode == http.StatusBadRequest && string(head) == plainToTLS {
		return anchorhold.Errorf(anchorhold.Invalid,
			"use the connection string that the site's owner hands out: https://"+c.base.Host+", with #sha256=... where the site's key is its own",
			"the site at %s speaks TLS, and the address says http", c.base.Host)
	}
	return bare(res.StatusCode)
}

// bare is the error of an answer without a readable problem.
func bare(status int) *anchorhold.Error {
	return anchorhold.Errorf(kindOf("", status), "check that the address is that of an Anchorhold site",
		"the address answered with HTTP status %d and no explanation", status)
}

func notASite() *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Invalid, "check that the address is that of an Anchorhold site",
		"the answer is not what a site says")
}
