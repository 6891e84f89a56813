package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
)

// socketTransport dials a Unix socket whatever the address of the request.
func socketTransport(path string) *http.Transport {
	var d net.Dialer
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
	}
}

// handlerTransport answers requests by calling a handler in a goroutine; the
// body of the answer streams through a pipe.
type handlerTransport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI = in.URL.RequestURI()
	in.Host = in.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, pipe := io.Pipe()
	w := &handlerWriter{header: http.Header{}, pipe: pipe, ready: make(chan struct{})}
	go func() {
		defer in.Body.Close()
		defer w.finish()
		t.handler.ServeHTTP(w, in)
	}()
	select {
	case <-w.ready:
	case <-r.Context().Done():
		body.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: body, ContentLength: -1, Request: r,
	}, nil
}

// handlerWriter hands the handler's answer to the waiting round trip as soon as
// its header is complete.
type handlerWriter struct {
	header http.Header
	pipe   *io.PipeWriter
	once   sync.Once
	ready  chan struct{}
	status int
	sent   http.Header
}

// Header implements http.ResponseWriter.
func (w *handlerWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter; informational codes are skipped.
func (w *handlerWriter) WriteHeader(status int) {
	if status < http.StatusOK {
		return
	}
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

// Write implements http.ResponseWriter.
func (w *handlerWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(p)
}

// Flush implements http.Flusher: what was written has already gone.
func (w *handlerWriter) Flush() { w.WriteHeader(http.StatusOK) }

// finish ends the answer. A handler that panics is a fault of the site: it is
// answered with 500, and an answer that was begun breaks off.
func (w *handlerWriter) finish() {
	if recover() != nil {
		w.WriteHeader(http.StatusInternalServerError)
		w.pipe.CloseWithError(io.ErrUnexpectedEOF)
		return
	}
	w.WriteHeader(http.StatusOK)
	w.pipe.Close()
}
