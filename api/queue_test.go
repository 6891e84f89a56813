package api_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
)

// queueOperations are the rows about who waits for whom.
func queueOperations() map[string]struct{ may, body string } {
	return map[string]struct{ may, body string }{
		"prioritize-run":  {"owner", `{"priority":"high"}`},
		"show-queue":      {"owner", ""},
		"show-quota":      {"owner", ""},
		"set-quota":       {"owner", `{"queued":5,"cpu_seconds":0}`},
		"show-user-quota": {"owner", ""},
		"set-user-quota":  {"owner", `{"queued":5,"cpu_seconds":60}`},
	}
}

// emptyIsAbsent knows the operations that are permitted but find nothing here: a
// receipt of a release that is held, tiles of an empty log.
func emptyIsAbsent(id string, w *httptest.ResponseRecorder) bool {
	return w.Code == http.StatusNotFound && slices.Contains([]string{"release-receipt", "query-receipt", "audit-tile", "audit-checkpoint", "end-notices"}, id)
}
