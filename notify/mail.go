package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// smtpTime is how long one mail may take.
const smtpTime = 30 * time.Second

// Mail is the server by which people are written to.
type Mail struct {
	Server       string `json:"server" maxLength:"300" doc:"host:port"`
	From         string `json:"from" maxLength:"254"`
	Security     string `json:"security,omitempty" enum:"starttls,tls,none" doc:"starttls (default), tls, or none, which only a server on this machine may have"`
	User         string `json:"user,omitempty" maxLength:"254"`
	PasswordFile string `json:"password_file,omitempty" maxLength:"4096" doc:"absolute path on the site's machine; read at each mail"`
}

func (m Mail) check() error {
	host, _, err := m.address()
	if err != nil {
		return err
	}
	if a, err := netmail.ParseAddress(m.From); err != nil || a.Address != m.From {
		return anchorhold.Errorf(anchorhold.Invalid, "write it like anchorhold@example.org", "the sender is not an e-mail address")
	}
	switch m.Security {
	case "", "starttls", "tls":
	case "none":
		if !onThisMachine(host) {
			return anchorhold.Errorf(anchorhold.Invalid, "use starttls or tls", "mail would leave this machine in the clear")
		}
	default:
		return anchorhold.Errorf(anchorhold.Invalid, "choose starttls, tls or none", "there is no such security")
	}
	if (m.User == "") != (m.PasswordFile == "") {
		return anchorhold.Errorf(anchorhold.Invalid, "give both, or neither", "the mail server needs a user together with a password file")
	}
	if m.PasswordFile != "" && !filepath.IsAbs(m.PasswordFile) {
		return anchorhold.Errorf(anchorhold.Invalid, "give the path from the root", "the password file has no absolute path")
	}
	return nil
}

func (m Mail) address() (host string, port int, err error) {
	host, text, err := net.SplitHostPort(m.Server)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || host == "" || port < 1 || port > 65535 {
		return "", 0, anchorhold.Errorf(anchorhold.Invalid, "write it like smtp.example.org:587", "this is not the address of a mail server")
	}
	return host, port, nil
}

// domain is that of the address which mails come from. It stands wherever a mail
// would name this machine otherwise, whose name is nobody's business.
func (m Mail) domain() string {
	from, err := netmail.ParseAddress(m.From)
	if err != nil {
		return "localhost"
	}
	return from.Address[strings.LastIndexByte(from.Address, '@')+1:]
}

// client speaks to the server.
func (m Mail) client() (*mail.Client, error) {
	host, port, err := m.address()
	if err != nil {
		return nil, err
	}
	options := []mail.Option{mail.WithPort(port), mail.WithTimeout(smtpTime), mail.WithHELO(m.domain())}
	switch m.Security {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if m.User != "" {
		password, err := os.ReadFile(m.PasswordFile)
		if err != nil {
			return nil, untold("the mail server's password cannot be read").Because(err)
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(m.User), mail.WithPassword(strings.TrimSpace(string(password))))
	}
	return mail.NewClient(host, options...)
}

// letter is one mail to one person.
type letter struct {
	to, subject, text string
	unsubscribe       string // address; empty: none
}

func (m Mail) send(ctx context.Context, l letter) error {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(msg.From(m.From), msg.To(l.to)); err != nil {
		return err
	}
	msg.SetDateWithValue(time.Now().UTC())
	msg.SetMessageIDWithValue(rand.Text() + "@" + m.domain())
	msg.Subject(l.subject)
	msg.SetBodyString(mail.TypeTextPlain, l.text)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no machine answers a machine
	if l.unsubscribe != "" {                             // RFC 8058: one click, no login
		msg.SetGenHeader("List-Unsubscribe", "<"+l.unsubscribe+">")
		msg.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	c, err := m.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, smtpTime)
	defer cancel()
	if err := c.DialAndSendWithContext(ctx, msg); err != nil {
		return untold("the mail server did not take a mail").Because(err)
	}
	return nil
}

// tellPeople writes to everybody for whom enough has been gathered: one mail
// with all that waits for them.
func (s *Service) tellPeople(ctx context.Context, c Config) error {
	notices, err := s.waiting(ctx, false)
	if err != nil {
		return err
	}
	var order []string
	by := map[string][]anchorhold.Notice{}
	for _, n := range notices {
		if by[n.Recipient] == nil {
			order = append(order, n.Recipient)
		}
		by[n.Recipient] = append(by[n.Recipient], n)
	}
	var failed error
	for _, id := range order { // one whose address is refused must not keep the others waiting
		if err := s.tellPerson(ctx, c, id, by[id]); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// tellPerson writes to one person, unless there is time to gather more.
func (s *Service) tellPerson(ctx context.Context, c Config, id string, notices []anchorhold.Notice) error {
	var who anchorhold.Principal
	err := s.Books.View(ctx, func(tx store.Tx) (err error) {
		who, err = tx.Principal(id)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && writable(who, "") {
		if s.Books.Now().Sub(notices[0].Created) < who.Mail.Gathers() {
			return nil
		}
		l := letter{to: who.Email, subject: s.subject(notices), text: s.text(notices, c.PublicURL)}
		if c.PublicURL != "" {
			if l.unsubscribe, err = s.unsubscribeLink(ctx, c.PublicURL, who.ID); err != nil {
				return err
			}
			l.text += "\nTo get no more of these: " + l.unsubscribe + "\n"
		}
		if err := c.Mail.send(ctx, l); err != nil {
			return err
		}
	}
	ids := make([]string, len(notices))
	for i, n := range notices {
		ids[i] = n.ID
	}
	return s.told(ctx, ids...)
}

// sentence says what a notice tells, in words that are safe to send.
func sentence(kind anchorhold.NoticeKind) string {
	switch kind {
	case anchorhold.NoticePending:
		return "waits for a decision"
	case anchorhold.NoticeAsked:
		return "has a question to you"
	case anchorhold.NoticeAnswered:
		return "has an answer of its author"
	case anchorhold.NoticeDecided:
		return "was decided on"
	case anchorhold.NoticeFinished:
		return "has ended a run"
	case anchorhold.NoticeReleased:
		return "has an answer that you can fetch"
	}
	return "has changed"
}

func (s *Service) subject(notices []anchorhold.Notice) string {
	if len(notices) == 1 {
		return "[" + s.Site + "] a request " + sentence(notices[0].Kind)
	}
	return "[" + s.Site + "] " + strconv.Itoa(len(notices)) + " things happened to requests"
}

func (s *Service) text(notices []anchorhold.Notice, at string) string {
	var b strings.Builder
	b.WriteString("At the site " + s.Site + ":\n\n")
	for _, n := range notices {
		b.WriteString("  " + n.Created.UTC().Format("2006-01-02 15:04") + " UTC  request " + n.Request + " " + sentence(n.Kind) + "\n")
	}
	b.WriteString("\nSee it with: anchorhold request show ID")
	if at != "" {
		b.WriteString(" --url " + at)
	}
	b.WriteString("\nTo be written to once a day, or not at all: anchorhold notify prefer daily|off\n")
	return b.String()
}
