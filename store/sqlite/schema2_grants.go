package sqlite

// schema2Grants keys grants by the digest of the code that they cover. Those of
// version 0.1 were keyed by the digest of the whole request; they are given what
// the request says, and stay exactly as narrow as they were.
const schema2Grants = `
ALTER TABLE grants ADD COLUMN code_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN request TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN live INTEGER NOT NULL DEFAULT 0; -- not revoked, and uses are left
UPDATE grants SET
  request = r.id, code_digest = r.code_digest,
  live = grants.body ->> '$.revoked' IS NULL AND grants.body ->> '$.used' < grants.body ->> '$.uses',
  body = json_set(grants.body,
    '$.code_digest', r.code_digest, '$.entry', r.body ->> '$.code.entry',
    '$.author', r.author, '$.author_name', r.body ->> '$.author_name', '$.purpose', r.body ->> '$.purpose',
    '$.assets', json(r.body -> '$.assets'), '$.parameters', json(r.body -> '$.parameters'))
  FROM request r WHERE r.id = grants.body ->> '$.request';
DROP INDEX grants_digest;
CREATE INDEX grants_code ON grants(code_digest, seq) WHERE live;
CREATE INDEX grants_request ON grants(request);
CREATE TABLE grant_dataset (
  grants TEXT NOT NULL REFERENCES grants(id), dataset TEXT NOT NULL,
  PRIMARY KEY (grants, dataset)
) STRICT, WITHOUT ROWID;
CREATE INDEX grant_dataset_dataset ON grant_dataset(dataset, grants);
CREATE TABLE grant_person (
  grants TEXT NOT NULL REFERENCES grants(id), person TEXT NOT NULL, -- the author's id, addresses, or everybody
  PRIMARY KEY (grants, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX grant_person_person ON grant_person(person, grants);
INSERT INTO grant_person(grants, person) SELECT g.id, r.author FROM grants g JOIN request r ON r.id = g.request;
INSERT INTO grant_dataset(grants, dataset)
  SELECT DISTINCT g.id, a.dataset FROM grants g JOIN request_asset a ON a.request = g.request;
CREATE TABLE seen (seq INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX seen_digest ON seen(digest, seq);
`
