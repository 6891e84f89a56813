package sqlite

// schema2Queue lets the queue be shared: a run has an author and a priority,
// as has a dataset for the runs over it; turn says when each author's run was last claimed, spent what their runs used
// on each day, quota what they may; the quota of nobody is that of everybody
// without one. What a request shows of its runs is found by an index each. It
// comes after schema2Trials.
const schema2Queue = `
ALTER TABLE run ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dataset ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
UPDATE run SET author = (SELECT q.author FROM request q WHERE q.id = run.request) WHERE request IS NOT NULL;
DROP INDEX run_open;
CREATE INDEX run_open ON run(state, side, priority, author, seq) WHERE state IN ('queued', 'running', 'checking');
DROP INDEX run_request;
CREATE INDEX run_request ON run(request, side);
CREATE INDEX release_held ON release(request) WHERE state = 'held';

CREATE TABLE turn (author TEXT PRIMARY KEY, turn INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
CREATE TABLE spent (
  author TEXT NOT NULL, day INTEGER NOT NULL, cpu_seconds REAL NOT NULL, PRIMARY KEY (author, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE quota (author TEXT PRIMARY KEY, queued INTEGER NOT NULL, cpu_seconds REAL NOT NULL) STRICT, WITHOUT ROWID;
`
