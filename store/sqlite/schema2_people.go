package sqlite

// schema2People keeps what is to be told to whom, and applications for accounts.
const schema2People = `
CREATE TABLE notice (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, recipient TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX notice_recipient ON notice(recipient, seq);

CREATE TABLE application (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, principal TEXT NOT NULL UNIQUE REFERENCES principal(id), state TEXT NOT NULL, at INTEGER NOT NULL,
  code_hash BLOB, tries INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX application_state ON application(state, seq);
`
