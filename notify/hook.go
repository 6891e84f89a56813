package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/anchorhold/anchorhold"
)

// How long a receiver of hooks may take.
const (
	urlTime     = 10 * time.Second
	commandTime = 30 * time.Second
)

// Hook is the one place outside of the site that is told what happens: a
// command of the site's machine, or an address.
type Hook struct {
	Command []string                `json:"command,omitempty" maxItems:"64" doc:"program and arguments; the message is its standard input"`
	URL     string                  `json:"url,omitempty" maxLength:"2000" doc:"https, or http on this machine; the message is posted there"`
	Kinds   []anchorhold.NoticeKind `json:"kinds,omitempty" doc:"only these kinds; empty: all"`
}

func (h Hook) check() error {
	if (len(h.Command) == 0) == (h.URL == "") {
		return anchorhold.Errorf(anchorhold.Invalid, "give one of the two", "the hook needs either a command or an address")
	}
	for _, k := range h.Kinds {
		if !slices.Contains(anchorhold.NoticeKinds(), k) {
			return anchorhold.Errorf(anchorhold.Invalid, "choose pending, asked, answered, decided, finished or released", "there is no such kind of notice")
		}
	}
	if h.URL != "" {
		return webAddress("hook's address", h.URL)
	}
	if !filepath.IsAbs(h.Command[0]) {
		return anchorhold.Errorf(anchorhold.Invalid, "give the program's whole path", "the hook's program has no absolute path")
	}
	if info, err := os.Stat(h.Command[0]); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "check the path, and make it executable", "the hook's program cannot be run")
	}
	return nil
}

// webAddress refuses an address that is not safe to send to: anything but https,
// and http on this machine.
func webAddress(what, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return anchorhold.Errorf(anchorhold.Invalid, "write it like https://example.org/path", "the %s is not a web address", what)
	}
	if u.Scheme == "http" && !onThisMachine(u.Hostname()) {
		return anchorhold.Errorf(anchorhold.Invalid, "use https", "the %s would be reached in the clear", what)
	}
	return nil
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (h Hook) wants(kind anchorhold.NoticeKind) bool {
	return len(h.Kinds) == 0 || slices.Contains(h.Kinds, kind)
}

// where names the hook for the audit log, without what may be secret in an
// address or an argument.
func (h Hook) where() string {
	if h.URL == "" {
		return "command " + filepath.Base(h.Command[0])
	}
	u, err := url.Parse(h.URL)
	if err != nil {
		return "address"
	}
	return u.Scheme + "://" + u.Host
}

// message is what a hook is sent, as JSON.
type message struct {
	Type    string    `json:"type"` // "request." and the kind
	Time    time.Time `json:"timestamp"`
	Site    string    `json:"site"`
	Request string    `json:"request"`
}

// tellHook sends what waits for the hook, in order; it stops at the first that
// fails.
func (s *Service) tellHook(ctx context.Context, h Hook) error {
	notices, err := s.waiting(ctx, true)
	for _, n := range notices {
		if err == nil {
			err = s.sendHook(ctx, h, n)
		}
		if err == nil {
			err = s.told(ctx, n.ID)
		}
	}
	return err
}

// sendHook sends one notice, signed as Standard Webhooks 1.0 says: HMAC-SHA256
// over id, time and body.
func (s *Service) sendHook(ctx context.Context, h Hook, n anchorhold.Notice) error {
	body, err := json.Marshal(message{"request." + string(n.Kind), n.Created, s.Site, n.Request})
	if err != nil {
		return err
	}
	secret, err := s.secret(ctx)
	if err != nil {
		return err
	}
	signer, err := webhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	now := s.Books.Now()
	signature, err := signer.Sign(n.ID, now, body)
	if err != nil {
		return err
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	if h.URL == "" {
		return runHook(ctx, h.Command, body, n.ID, stamp, signature)
	}
	return postHook(ctx, h.URL, body, n.ID, stamp, signature)
}

func postHook(ctx context.Context, address string, body []byte, id, stamp, signature string) error {
	ctx, cancel := context.WithTimeout(ctx, urlTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "anchorhold/"+anchorhold.ProgramVersion)
	req.Header.Set(webhooks.HeaderWebhookID, id)
	req.Header.Set(webhooks.HeaderWebhookTimestamp, stamp)
	req.Header.Set(webhooks.HeaderWebhookSignature, signature)
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer c.CloseIdleConnections()
	res, err := c.Do(req) //nolint:gosec // the owner's own address, which only the site's machine may name
	if err != nil {
		return untold("the hook's address does not answer").Because(err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return untold("the hook's address answered with HTTP status " + strconv.Itoa(res.StatusCode))
	}
	return nil
}

// runHook starts the owner's own program: with the message as its input, and
// nothing of the site's environment.
func runHook(ctx context.Context, command []string, body []byte, id, stamp, signature string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	c := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // the owner's own program, which only the site's machine may name
	c.Stdin, c.Dir, c.WaitDelay = bytes.NewReader(body), "/", time.Second
	c.Env = []string{
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"WEBHOOK_ID=" + id, "WEBHOOK_TIMESTAMP=" + stamp, "WEBHOOK_SIGNATURE=" + signature,
	}
	if err := c.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return untold("the hook's program ended with status " + strconv.Itoa(exit.ExitCode()))
		}
		return untold("the hook's program does not run").Because(err)
	}
	return nil
}

func untold(what string) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Unavailable, "check it, then try `anchorhold notify test`", "%s", what)
}
