package sqlite

// schema2Past keeps the audit logs that ended when the site was restored.
const schema2Past = `
-- Version 0.1 kept whole answers for repeated calls; now only what says what was
-- done is kept, and who repeats such a call is told that it was.
UPDATE idempotency SET response = CAST('null' AS BLOB);

CREATE TABLE past_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  origin TEXT NOT NULL UNIQUE, vkey TEXT NOT NULL, size INTEGER NOT NULL, continuation BLOB NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE TABLE past_entry (
  log INTEGER NOT NULL REFERENCES past_log(seq), idx INTEGER NOT NULL,
  at INTEGER NOT NULL, hashes BLOB NOT NULL, checkpoint BLOB, ciphertext BLOB NOT NULL,
  PRIMARY KEY (log, idx)
) STRICT;
`
