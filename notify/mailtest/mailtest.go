// Package mailtest is a mail server on loopback that keeps what it is sent, for
// the tests of rooms that write mail.
//
// It is a real SMTP server, so that what is tested is what is sent. It promises
// nothing to production code, which must not import it.
package mailtest

import (
	"io"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// Letter is one mail that arrived.
type Letter struct {
	To     string
	Header mail.Header
	Text   string
	Raw    string
}

// Server keeps every mail that it is sent.
type Server struct {
	Address string // host:port

	mu       sync.Mutex
	letters  []Letter
	named    []string
	refusing bool
}

// New starts a server until the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: l.Addr().String()}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.named = append(s.named, c.Hostname())
		return &session{server: s}, nil
	}))
	server.Domain, server.AllowInsecureAuth = "localhost", true
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return s
}

// Refuse makes the server refuse every mail, or take them again.
func (s *Server) Refuse(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusing = refuse
}

// Take gives the mails that arrived since the last call.
func (s *Server) Take() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.letters
	s.letters = nil
	return out
}

// Named is what each client called itself.
func (s *Server) Named() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.named)
}

type session struct {
	server *Server
	to     string
}

// Mail implements smtp.Session.
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.refusing {
		return &smtp.SMTPError{Code: 451, Message: "not now"}
	}
	s.server.letters = append(s.server.letters, Letter{To: s.to, Header: m.Header, Text: string(text), Raw: string(raw)})
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() {}

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }
