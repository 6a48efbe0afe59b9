-- What finalised blocks say. Everything here follows from the chain alone: an index made anew is equal to one that grew.
--
-- `record` is the SCALE encoding of the chain's record. Columns beside it are for searching and sorting. Amounts are decimal
-- text of 39 digits, so that they sort as numbers. Accounts and hashes are blobs of 32 bytes.

CREATE TABLE chain (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    genesis BLOB NOT NULL
) STRICT;

-- The newest row is the cursor: it is written in the same transaction as all that the block changed.
CREATE TABLE blocks (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    time_ms INTEGER,
    events INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    block INTEGER NOT NULL,
    place INTEGER NOT NULL,
    extrinsic INTEGER,
    pallet TEXT NOT NULL,
    name TEXT NOT NULL,
    fields BLOB NOT NULL,
    PRIMARY KEY (block, place)
) STRICT, WITHOUT ROWID;

-- Which entities a block changed.
CREATE TABLE changes (
    block INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (block, kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE datanets (
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    name TEXT NOT NULL,
    domain TEXT NOT NULL,
    licence TEXT NOT NULL,
    owner BLOB NOT NULL,
    status TEXT NOT NULL,
    access TEXT NOT NULL,
    price TEXT NOT NULL,
    updated_block INTEGER NOT NULL
) STRICT;
CREATE INDEX datanets_owner ON datanets (owner);

CREATE TABLE curators (
    datanet INTEGER NOT NULL,
    account BLOB NOT NULL,
    PRIMARY KEY (datanet, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX curators_account ON curators (account);

CREATE TABLE contributions (
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    datanet INTEGER NOT NULL,
    contributor BLOB NOT NULL,
    status TEXT NOT NULL,
    samples INTEGER NOT NULL,
    root BLOB NOT NULL,
    blob BLOB NOT NULL,
    decided_block INTEGER,
    curator BLOB,
    is_removed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX contributions_datanet ON contributions (datanet, id);
CREATE INDEX contributions_contributor ON contributions (contributor, id);
CREATE INDEX contributions_root ON contributions (root);

CREATE TABLE versions (
    datanet INTEGER NOT NULL,
    number INTEGER NOT NULL,
    record BLOB NOT NULL,
    samples INTEGER NOT NULL,
    publisher BLOB NOT NULL,
    PRIMARY KEY (datanet, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE version_contributions (
    contribution INTEGER NOT NULL,
    datanet INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (contribution, datanet, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    datanet INTEGER NOT NULL,
    grantee BLOB NOT NULL,
    status TEXT NOT NULL,
    decided_block INTEGER,
    is_pruned INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX grants_datanet ON grants (datanet, id);
CREATE INDEX grants_grantee ON grants (grantee, id);

CREATE TABLE base_models (
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    name TEXT NOT NULL,
    owner BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    requester BLOB NOT NULL,
    trainer BLOB,
    stage TEXT NOT NULL,
    base INTEGER NOT NULL,
    changed_block INTEGER NOT NULL,
    is_forgotten INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX jobs_requester ON jobs (requester, id);
CREATE INDEX jobs_trainer ON jobs (trainer, id);
CREATE INDEX jobs_stage ON jobs (stage, id);

CREATE TABLE job_data (
    job INTEGER NOT NULL,
    datanet INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (job, datanet, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_data_datanet ON job_data (datanet, job);

CREATE TABLE job_history (
    job INTEGER NOT NULL,
    block INTEGER NOT NULL,
    place INTEGER NOT NULL,
    event TEXT NOT NULL,
    stage TEXT NOT NULL,
    account BLOB,
    amount TEXT,
    detail TEXT,
    PRIMARY KEY (job, block, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE models (
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    title TEXT NOT NULL,
    owner BLOB NOT NULL,
    status TEXT NOT NULL,
    base INTEGER NOT NULL,
    job INTEGER NOT NULL,
    loss INTEGER NOT NULL,
    paid_in TEXT NOT NULL,
    first_with_adapter INTEGER
) STRICT;
CREATE INDEX models_owner ON models (owner);
CREATE INDEX models_job ON models (job);

CREATE TABLE model_data (
    model INTEGER NOT NULL,
    datanet INTEGER NOT NULL,
    version INTEGER NOT NULL,
    "grant" INTEGER NOT NULL,
    PRIMARY KEY (model, datanet, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_data_datanet ON model_data (datanet, model);

CREATE TABLE deployments (
    model INTEGER NOT NULL,
    operator BLOB NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (model, operator)
) STRICT, WITHOUT ROWID;
CREATE INDEX deployments_operator ON deployments (operator);

CREATE TABLE streams (
    model INTEGER PRIMARY KEY,
    record BLOB NOT NULL
) STRICT;

CREATE TABLE ledgers (
    model INTEGER NOT NULL,
    operator BLOB NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (model, operator)
) STRICT, WITHOUT ROWID;

CREATE TABLE offers (
    model INTEGER NOT NULL,
    operator BLOB NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (model, operator)
) STRICT, WITHOUT ROWID;

CREATE TABLE channels (
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    app BLOB NOT NULL,
    operator BLOB NOT NULL
) STRICT;

CREATE TABLE trainers (
    account BLOB PRIMARY KEY,
    record BLOB NOT NULL,
    settled INTEGER NOT NULL,
    since_block INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Money that moved to somebody, one row for each receiver.
CREATE TABLE payouts (
    block INTEGER NOT NULL,
    place INTEGER NOT NULL,
    part INTEGER NOT NULL,
    account BLOB,
    role TEXT NOT NULL,
    reason TEXT NOT NULL,
    model INTEGER,
    job INTEGER,
    datanet INTEGER,
    contribution INTEGER,
    leaf INTEGER,
    amount TEXT NOT NULL,
    payer BLOB,
    PRIMARY KEY (block, place, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX payouts_account ON payouts (account, block);
CREATE INDEX payouts_model ON payouts (model, block);
CREATE INDEX payouts_datanet ON payouts (datanet, block);

-- Sums over payouts, kept so that a page costs the same however long the history is.
CREATE TABLE totals (
    subject TEXT NOT NULL,
    id BLOB NOT NULL,
    role TEXT NOT NULL,
    amount TEXT NOT NULL,
    payouts INTEGER NOT NULL,
    PRIMARY KEY (subject, id, role)
) STRICT, WITHOUT ROWID;

-- Sales: what was paid in, and what of it went to contributors.
CREATE TABLE sales (
    model INTEGER NOT NULL,
    block INTEGER NOT NULL,
    place INTEGER NOT NULL,
    amount TEXT NOT NULL,
    contributors TEXT NOT NULL,
    payer BLOB NOT NULL,
    PRIMARY KEY (model, block, place)
) STRICT, WITHOUT ROWID;

-- What can be searched by words.
CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, id)
) STRICT;
CREATE VIRTUAL TABLE words USING fts5 (
    title, body, content = 'documents', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
CREATE TRIGGER documents_added AFTER INSERT ON documents BEGIN
    INSERT INTO words (rowid, title, body) VALUES (new.number, new.title, new.body);
END;
CREATE TRIGGER documents_removed AFTER DELETE ON documents BEGIN
    INSERT INTO words (words, rowid, title, body) VALUES ('delete', old.number, old.title, old.body);
END;
CREATE TRIGGER documents_changed AFTER UPDATE ON documents BEGIN
    INSERT INTO words (words, rowid, title, body) VALUES ('delete', old.number, old.title, old.body);
    INSERT INTO words (rowid, title, body) VALUES (new.number, new.title, new.body);
END;
