package site

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The operator's page lists every metric of ours, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	t.Setenv("ANCHORHOLD_ENVS", t.TempDir())
	dir := filepath.Join(t.TempDir(), "site")
	if _, err := Init(context.Background(), dir, InitOptions{Name: "secret-name"}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := s.newMetrics()
	m.Called("show-request", 200, time.Second, false)
	m.Called("follow-request", 200, time.Hour, true)
	m.Limited("person")
	m.Waiting(1)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	shown := w.Body.String()
	for _, want := range []string{
		`anchorhold_calls_total{operation="show-request",status="200"} 1`, `anchorhold_limited_total{why="person"} 1`, "anchorhold_waits 1",
		`anchorhold_runs{state="queued"} 0`, "anchorhold_held_outputs 0", "anchorhold_log_entries 1", "anchorhold_call_seconds_count 1",
	} {
		if !strings.Contains(shown, want+"\n") {
			t.Errorf("there is no %s in\n%s", want, shown)
		}
	}
	for _, private := range []string{"secret-name", dir, DefaultAdmin} {
		if strings.Contains(shown, private) {
			t.Errorf("the metrics hold %q", private)
		}
	}
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	names := func(text, pattern string) (out []string) {
		for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			out = append(out, found[1])
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	if are, said := names(shown, `# TYPE (anchorhold_\w+) `), names(string(page), "\\| `(anchorhold_\\w+)`"); !slices.Equal(are, said) {
		t.Errorf("there are %q, documented are %q", are, said)
	}
}

func TestMetricsStayOnTheMachine(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:9440", "nonsense"} {
		if l, err := listenMetrics(address); err == nil {
			l.Close()
			t.Errorf("metrics are shown on %s", address)
		}
	}
	l, err := listenMetrics("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
