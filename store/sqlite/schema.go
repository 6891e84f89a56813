package sqlite

// migrations bring a database from one schema version to the next: entry i
// leads from version i to i+1. An entry that has been in a tagged version is
// never edited; the next change is the next entry.
//
// Every table keeps the whole record as JSON in body, beside the columns that
// are searched, sorted or joined, and the few fields that must never appear in
// JSON (secrets, blob names). A field added to a domain type needs no migration
// that way; a new search does.
var migrations = []string{schema1, schema2}

// schema2 came with version 0.2.0. Each part has a file of its own; those that
// make a table anew stand before those that add to it.
const schema2 = schema2Assets + schema2Summary + schema2Trials + schema2People + schema2Grants + schema2Cards + schema2Outputs +
	schema2Past + schema2Queue + schema2Exposure

const schema1 = `
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE principal (
  id TEXT PRIMARY KEY, email TEXT UNIQUE, body TEXT NOT NULL
) STRICT;
CREATE TABLE credential (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, principal TEXT NOT NULL REFERENCES principal(id),
  hash BLOB NOT NULL UNIQUE, body TEXT NOT NULL
) STRICT;
CREATE INDEX credential_principal ON credential(principal);

CREATE TABLE dataset (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, population TEXT NOT NULL,
  quorum INTEGER NOT NULL DEFAULT 1, body TEXT NOT NULL
) STRICT;
CREATE TABLE version (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, dataset TEXT NOT NULL REFERENCES dataset(name), asset TEXT NOT NULL,
  number INTEGER NOT NULL, body TEXT NOT NULL,
  mock_blob TEXT NOT NULL, index_blob TEXT NOT NULL, secret BLOB, stamp TEXT NOT NULL,
  UNIQUE (dataset, asset, number)
) STRICT;

CREATE TABLE request (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL UNIQUE, code_digest TEXT NOT NULL,
  author TEXT NOT NULL, study TEXT NOT NULL DEFAULT '', body TEXT NOT NULL
) STRICT;
CREATE INDEX request_author ON request(author, seq);
CREATE TABLE request_asset (
  request TEXT NOT NULL REFERENCES request(id), parameter TEXT NOT NULL,
  dataset TEXT NOT NULL, asset TEXT NOT NULL, version TEXT NOT NULL,
  PRIMARY KEY (request, parameter)
) STRICT;
CREATE INDEX request_asset_dataset ON request_asset(dataset, request);
CREATE TABLE decision (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, request TEXT NOT NULL REFERENCES request(id), opening INTEGER NOT NULL,
  dataset TEXT NOT NULL, decider TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (request, opening, dataset, decider)
) STRICT;
CREATE TABLE message (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  request TEXT NOT NULL REFERENCES request(id), body TEXT NOT NULL
) STRICT;
CREATE INDEX message_request ON message(request);
CREATE TABLE grants (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, study TEXT NOT NULL DEFAULT '', body TEXT NOT NULL
) STRICT;
CREATE INDEX grants_digest ON grants(digest);

CREATE TABLE run (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, request TEXT NOT NULL REFERENCES request(id), state TEXT NOT NULL,
  study TEXT NOT NULL DEFAULT '', claimant TEXT NOT NULL DEFAULT '', lease INTEGER NOT NULL DEFAULT 0,
  log_blob TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX run_request ON run(request);
CREATE INDEX run_open ON run(state, seq) WHERE state IN ('queued', 'running', 'checking');
CREATE TABLE output (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, run TEXT NOT NULL REFERENCES run(id), blob TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX output_run ON output(run);
CREATE TABLE release (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, output TEXT NOT NULL UNIQUE REFERENCES output(id),
  request TEXT NOT NULL REFERENCES request(id), state TEXT NOT NULL,
  envelope BLOB, log_index INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX release_state ON release(state, seq);
CREATE INDEX release_request ON release(request);

CREATE TABLE ledger (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, class TEXT NOT NULL, population TEXT NOT NULL,
  study TEXT NOT NULL DEFAULT '', principal TEXT NOT NULL, amount TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX ledger_population ON ledger(population, class);

CREATE TABLE audit_entry (
  idx INTEGER PRIMARY KEY, at INTEGER NOT NULL, hashes BLOB NOT NULL, checkpoint BLOB, ciphertext BLOB NOT NULL
) STRICT;

CREATE TABLE idempotency (
  principal TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, response BLOB NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency(at);
`
