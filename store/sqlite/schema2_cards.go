package sqlite

// schema2Cards adds what datasets are searched by: the texts of a card and of
// its columns, and whole names (columns, tags, codes of data use). The texts are
// kept apart, because not everybody who may see a card may see its columns.
const schema2Cards = `
ALTER TABLE dataset ADD COLUMN state TEXT NOT NULL DEFAULT '';

-- Files of withdrawn datasets and of uploads that ended, until they are removed;
-- an orphan was named by no record.
CREATE TABLE given_up (blob TEXT PRIMARY KEY, at INTEGER NOT NULL, orphan INTEGER NOT NULL) STRICT;

CREATE TABLE dataset_text (
  doc INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE REFERENCES dataset(name),
  card TEXT NOT NULL, columns TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE dataset_search USING fts5(
  card, columns, content='dataset_text', content_rowid='doc', tokenize='unicode61 remove_diacritics 2', prefix='2 3'
);
CREATE TRIGGER dataset_text_added AFTER INSERT ON dataset_text BEGIN
  INSERT INTO dataset_search(rowid, card, columns) VALUES (new.doc, new.card, new.columns);
END;
CREATE TRIGGER dataset_text_changed AFTER UPDATE ON dataset_text BEGIN
  INSERT INTO dataset_search(dataset_search, rowid, card, columns) VALUES ('delete', old.doc, old.card, old.columns);
  INSERT INTO dataset_search(rowid, card, columns) VALUES (new.doc, new.card, new.columns);
END;
CREATE TABLE dataset_key (
  kind TEXT NOT NULL, value TEXT NOT NULL COLLATE NOCASE, dataset TEXT NOT NULL REFERENCES dataset(name),
  PRIMARY KEY (kind, value, dataset)
) STRICT, WITHOUT ROWID;
CREATE INDEX dataset_key_dataset ON dataset_key(dataset);

CREATE VIEW newest_version AS SELECT * FROM version v
  WHERE number = (SELECT MAX(number) FROM version w WHERE w.dataset = v.dataset AND w.asset = v.asset);
CREATE VIEW dataset_words AS SELECT d.name AS name,
  concat_ws(char(10), d.name, d.body ->> '$.title', d.body ->> '$.description',
    (SELECT group_concat(value, char(10)) FROM json_each(d.body, '$.tags')),
    (SELECT group_concat(asset, char(10)) FROM newest_version WHERE dataset = d.name)) AS card,
  coalesce((SELECT group_concat(concat_ws(char(10), c.value ->> '$.name', c.value ->> '$.description'), char(10))
    FROM newest_version v, json_each(v.body, '$.columns') c WHERE v.dataset = d.name), '') AS columns
  FROM dataset d;
CREATE VIEW dataset_names AS
  SELECT 'tag' AS kind, t.value AS value, d.name AS dataset FROM dataset d, json_each(d.body, '$.tags') t
  UNION SELECT 'duo', t.value, d.name FROM dataset d, json_each(d.body, '$.duo') t
  UNION SELECT 'column', c.value ->> '$.name', v.dataset FROM newest_version v, json_each(v.body, '$.columns') c;

INSERT INTO dataset_text(name, card, columns) SELECT name, card, columns FROM dataset_words;
INSERT OR IGNORE INTO dataset_key(kind, value, dataset) SELECT kind, value, dataset FROM dataset_names;
`
