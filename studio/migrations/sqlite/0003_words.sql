-- The words of documents, with what finding a document by them weighs. Full-text search of SQLite's own did this before; that of PostgreSQL
-- splits and weighs in another way.
DROP TRIGGER documents_added;
DROP TRIGGER documents_removed;
DROP TRIGGER documents_changed;
DROP TABLE words;

CREATE TABLE words (
    word TEXT NOT NULL,
    document INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    PRIMARY KEY (word, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX words_document ON words (document);
