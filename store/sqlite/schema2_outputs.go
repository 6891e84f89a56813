package sqlite

// schema2Outputs keeps which environments researchers asked for.
const schema2Outputs = `
CREATE TABLE environment_request (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, author TEXT NOT NULL, state TEXT NOT NULL, lock_text TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX environment_request_author ON environment_request(author, seq);
CREATE INDEX environment_request_state ON environment_request(state, seq);
`
