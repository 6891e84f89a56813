package sqlite

// schema2Trials makes room for runs that belong to no request: trials on the
// mocks. A column cannot lose its NOT NULL, so the table is made anew, with
// every index that it had. trial keeps what a run on the mocks executes, for as
// long as it is kept.
const schema2Trials = `
CREATE TABLE run_new (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, side TEXT NOT NULL DEFAULT '' CHECK (side IN ('', 'mock', 'replay')),
  request TEXT REFERENCES request(id), state TEXT NOT NULL,
  study TEXT NOT NULL DEFAULT '', claimant TEXT NOT NULL DEFAULT '', lease INTEGER NOT NULL DEFAULT 0,
  log_blob TEXT NOT NULL, body TEXT NOT NULL,
  CHECK (side = 'mock' OR request IS NOT NULL)
) STRICT;
INSERT INTO run_new(seq, id, request, state, study, claimant, lease, log_blob, body)
  SELECT seq, id, request, state, study, claimant, lease, log_blob, body FROM run;
DROP TABLE run;
ALTER TABLE run_new RENAME TO run;
CREATE INDEX run_request ON run(request);
CREATE INDEX run_open ON run(state, seq) WHERE state IN ('queued', 'running', 'checking');
CREATE INDEX run_side ON run(side, seq);

CREATE TABLE trial (
  run TEXT PRIMARY KEY REFERENCES run(id), author TEXT NOT NULL, created INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE lint (code_digest TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE INDEX trial_author ON trial(author, created);
CREATE INDEX trial_created ON trial(created);
CREATE INDEX output_blob ON output(blob);
CREATE INDEX run_log ON run(log_blob);
`
