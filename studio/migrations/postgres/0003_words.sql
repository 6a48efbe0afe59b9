-- The words of documents, with what finding a document by them weighs.
CREATE TABLE words (
    word TEXT COLLATE "C" NOT NULL,
    document BIGINT NOT NULL,
    weight BIGINT NOT NULL,
    PRIMARY KEY (word, document)
);
CREATE INDEX words_document ON words (document);
