package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestLinkOfAMailAsksFirst because programs follow the links of mails, too; and it
// says the same of every link, so that nobody learns which of them hold.
func TestLinkOfAMailAsksFirst(t *testing.T) {
	f := newFixture(t)
	var first string
	for _, link := range []string{"/v1/unsubscribe/pri-nobody.forged", "/v1/unsubscribe/x"} {
		w := f.call("stranger", http.MethodGet, link, "")
		text := w.Body.String()
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(text, `<form method="post">`) {
			t.Fatalf("%s: %d %s %q", link, w.Code, w.Header().Get("Content-Type"), text)
		}
		if w.Header().Get("Referrer-Policy") != "no-referrer" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("the page may load or tell: %v", w.Header())
		}
		if first == "" {
			first = text
		}
		if text != first {
			t.Errorf("%s is answered by another page", link)
		}
		if w := f.call("stranger", http.MethodPost, link, ""); w.Code != http.StatusNotFound {
			t.Errorf("a forged %s: %d", link, w.Code)
		}
	}
}
