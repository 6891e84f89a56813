package sqlite

// schema2Past keeps the audit logs that ended when the site was restored.
const schema2Past = `
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
