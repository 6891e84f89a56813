package sqlite

// schema2Assets keeps uploads that have not become an asset yet, and where the
// copy of one that has lies.
const schema2Assets = `
ALTER TABLE version ADD COLUMN private_blob TEXT NOT NULL DEFAULT '';

CREATE TABLE upload (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, principal TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
`
