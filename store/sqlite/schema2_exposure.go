package sqlite

// schema2Exposure keeps limits of exposure, and what was spent of them. A sum is
// read at every question, so that no question adds the ledger up.
const schema2Exposure = `
CREATE TABLE exposure_limit (
  population TEXT NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (population, scope, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE exposure_sum (
  population TEXT NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL,
  pure INTEGER NOT NULL, rho INTEGER NOT NULL, delta INTEGER NOT NULL, plain INTEGER NOT NULL, plain_delta INTEGER NOT NULL,
  PRIMARY KEY (population, scope, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_principal ON ledger(principal);
CREATE TABLE question (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, author TEXT NOT NULL, dataset TEXT NOT NULL, state TEXT NOT NULL,
  answer TEXT NOT NULL, envelope TEXT NOT NULL, log_index INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX question_key ON question(key, state);
CREATE INDEX question_reserved ON question(state, seq) WHERE state = 'reserved';
CREATE INDEX question_author ON question(author, seq);
CREATE INDEX question_dataset ON question(dataset, seq);
`
