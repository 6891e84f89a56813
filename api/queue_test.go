package api_test

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
