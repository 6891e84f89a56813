package api_test

import "strings"

// who is permitted what; everybody else is refused. "-" is nobody.
const (
	anybody   = "none applicant author researcher reviewer owner auditor elsewhere"
	users     = "author researcher reviewer owner auditor elsewhere"
	reviewers = "reviewer owner"
)

// coreOperations says for every operation who may do it on the visible dataset or
// its request (by author), and with which body. An operation that is not here
// fails the test.
func coreOperations() map[string]struct{ may, body string } {
	submission := `{"code":{"files":[{"path":"main.py","text":"def f(patients): pass"}],"entry":"main.py:f",
		"parameters":[{"name":"patients","kind":"asset","type":"dataframe"}],"outputs":[{"name":"result","kind":"any"}],"environment":"` + lock + `"},
		"assets":{"patients":{"dataset":"heart","asset":"patients"}},"purpose":"p"}`
	return map[string]struct{ may, body string }{
		"site":         {anybody, ""},
		"me":           {"applicant " + users, ""},
		"environments": {users, ""},

		"request-environment":       {"author researcher owner", `{"lock":"tiny==2.0 \\\n    --hash=sha256:` + strings.Repeat("0", 64) + `\n"}`},
		"list-environment-requests": {users, ""},
		"show-environment-request":  {"author owner", ""},
		"decide-environment":        {"owner", `{"verdict":"deny","reason":"r"}`},

		"list-users":         {"owner auditor", ""},
		"add-user":           {"owner", `{"email":"new@example.org","role":"auditor"}`},
		"add-token":          {"owner", `{}`},
		"revoke-tokens":      {"owner", ""},
		"remove-user":        {"owner", ""},
		"list-datasets":      {users, ""},
		"show-dataset":       {users, ""},
		"dataset-card":       {users, ""},
		"dataset-mock":       {users, ""},
		"freeze-dataset":     {"owner", `{"reason":"r"}`},
		"thaw-dataset":       {"owner", `{"reason":"r"}`},
		"preview-withdrawal": {"owner", ""},
		"withdraw-dataset":   {"owner", `{"reason":"r","confirm":"heart"}`},
		"edit-dataset":       {"owner", `{"title":"another"}`},
		"state-privacy":      {"owner", `{"assets":{"patients":{"row":true}},"max_groups":1,"max_rows":1}`},
		"propose-facts":      {"owner", `{}`},
		"make-mocks":         {"owner", `{}`},
		"inspect-file":       {"", `{"path":"/x"}`},
		"add-dataset":        {"", `{"name":"x","assets":[{"name":"a","path":"/x"}]}`},
		"add-version":        {"", `{"path":"/x"}`},
		"submit-request":     {"author researcher owner", submission},
		"list-requests":      {users, ""},
		"show-request":       {"author reviewer owner auditor", ""},
		"follow-request":     {"author reviewer owner auditor", ""},
		"remove-role":        {"owner", ""},
		"diff-request":       {"author reviewer owner auditor", ""},
		"decide-request":     {reviewers, `{"verdict":"approve"}`},
		"ask":                {reviewers, `{"text":"why?"}`},
		"answer":             {"author", `{"text":"so"}`},
		"withdraw-request":   {"author", ""},
		"request-reading":    {"reviewer owner auditor", ""},
		"mark-seen":          {reviewers, `{"marks":[{"path":"main.py","digest":"sha256:x","first":1,"last":1}]}`},
		"list-grants":        {users, ""},
		"show-grant":         {"author reviewer owner auditor", ""},
		"revoke-grant":       {reviewers, `{}`},
		"resume-grant":       {reviewers, ""},
		"list-runs":          {users, ""},
		"show-run":           {"author reviewer owner auditor", ""},
		"run-log":            {reviewers, ""},
		"deposit":            {"", `{"dir":"/nowhere"}`},
		"replay":             {"owner", `{"receipt":"{}"}`},
		"cancel-run":         {"author owner", ""},
		"try":                {"author researcher owner", strings.Replace(submission, `,"purpose":"p"`, "", 1)},
		"run-output":         {"", ""}, // of a run on private data: see TestWhoSeesATrial
		"list-releases":      {users, ""},
		"show-release":       {"reviewer owner auditor", ""}, // held: its author does not see it
		"decide-release":     {reviewers, `{"verdict":"deny","reason":"r"}`},
		"release-output":     {reviewers, ""},
		"release-receipt":    {"reviewer owner auditor", ""},
		"ledger":             {"owner auditor", ""},
		"exposure":           {users, ""},
		"list-queries":       {users, ""},
		"show-query":         {"author owner", ""},
		"query-record":       {"author owner auditor", ""},
		"query-answer":       {"author owner", ""},
		"query-receipt":      {"author owner auditor", ""},
		"quote-query":        {"author researcher owner", `{"sql":"SELECT COUNT(*) FROM patients"}`},
		"ask-query":          {"author researcher owner", `{"sql":"SELECT COUNT(*) FROM patients"}`},
		"set-exposure-limit": {"owner", `{"population":"heart","epsilon":"1"}`},
		"plan-exposure":      {"owner auditor", `{"events":[{"mechanism":"gaussian","sigma":2}],"delta":1e-6}`},
		"replay-exposure":    {"owner auditor", `{"population":"heart","epsilon":"1"}`},
		"audit-entries":      {"owner auditor", ""},
		"audit-checkpoint":   {users, ""},
		"audit-tile":         {users, ""},

		"show-notify":   {"owner", ""},
		"set-notify":    {"", `{}`},
		"test-notify":   {"owner", `{}`},
		"prefer-notify": {users, `{"mail":"off"}`},

		"end-notices": {anybody, ""}, "ask-end-notices": {anybody, ""},

		"application-form":   {"owner", `{"open":true}`},
		"apply":              {anybody, `{"email":"other@example.org","name":"N","purpose":"p"}`},
		"list-applications":  {"owner auditor", ""},
		"show-application":   {"applicant owner auditor", ""},
		"prove-application":  {"applicant", `{"code":"x"}`},
		"decide-application": {"owner", `{"verdict":"deny","reason":"r"}`},
		"audit-logs":         {users, ""},
	}
}
