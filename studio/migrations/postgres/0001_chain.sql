-- What finalised blocks say. Everything here follows from the chain alone: an index made anew is equal to one that grew.
--
-- `record` is the SCALE encoding of the chain's record. Columns beside it are for searching and sorting. Amounts are decimal
-- text of 39 digits, so that they sort as numbers. Accounts and hashes are 32 bytes. Text sorts by its bytes, as in
-- SQLite.

CREATE TABLE chain (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    genesis BYTEA NOT NULL
);

-- The newest row is the cursor: it is written in the same transaction as all that the block changed.
CREATE TABLE blocks (
    number BIGINT PRIMARY KEY,
    hash BYTEA NOT NULL,
    time_ms BIGINT,
    events BIGINT NOT NULL
);

CREATE TABLE events (
    block BIGINT NOT NULL,
    place BIGINT NOT NULL,
    extrinsic BIGINT,
    pallet TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    fields BYTEA NOT NULL,
    PRIMARY KEY (block, place)
);

-- Which entities a block changed.
CREATE TABLE changes (
    block BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (block, kind, id)
);

CREATE TABLE datanets (
    id BIGINT PRIMARY KEY,
    record BYTEA NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    domain TEXT COLLATE "C" NOT NULL,
    licence TEXT COLLATE "C" NOT NULL,
    owner BYTEA NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    access TEXT COLLATE "C" NOT NULL,
    price TEXT COLLATE "C" NOT NULL,
    updated_block BIGINT NOT NULL
);
CREATE INDEX datanets_owner ON datanets (owner);

CREATE TABLE curators (
    datanet BIGINT NOT NULL,
    account BYTEA NOT NULL,
    PRIMARY KEY (datanet, account)
);
CREATE INDEX curators_account ON curators (account);

CREATE TABLE contributions (
    id BIGINT PRIMARY KEY,
    record BYTEA NOT NULL,
    datanet BIGINT NOT NULL,
    contributor BYTEA NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    samples BIGINT NOT NULL,
    root BYTEA NOT NULL,
    blob BYTEA NOT NULL,
    decided_block BIGINT,
    curator BYTEA,
    is_removed BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX contributions_datanet ON contributions (datanet, id);
CREATE INDEX contributions_contributor ON contributions (contributor, id);
CREATE INDEX contributions_root ON contributions (root);

CREATE TABLE versions (
    datanet BIGINT NOT NULL,
    number BIGINT NOT NULL,
    record BYTEA NOT NULL,
    samples BIGINT NOT NULL,
    publisher BYTEA NOT NULL,
    PRIMARY KEY (datanet, number)
);

CREATE TABLE version_contributions (
    contribution BIGINT NOT NULL,
    datanet BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (contribution, datanet, number)
);

CREATE TABLE grants (
    id BIGINT PRIMARY KEY,
    record BYTEA NOT NULL,
    datanet BIGINT NOT NULL,
    grantee BYTEA NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    decided_block BIGINT,
    is_pruned BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX grants_datanet ON grants (datanet, id);
CREATE INDEX grants_grantee ON grants (grantee, id);

CREATE TABLE base_models (
    id BIGINT PRIMARY KEY,
    record BYTEA NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    owner BYTEA NOT NULL,
    content BYTEA NOT NULL
);

CREATE TABLE jobs (
    id BIGINT PRIMARY KEY,
    record BYTEA NOT NULL,
    requester BYTEA NOT NULL,
    trainer BYTEA,
    stage TEXT COLLATE "C" NOT NULL,
    base BIGINT NOT NULL,
    changed_block BIGINT NOT NULL,
    is_forgotten BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX jobs_requester ON jobs (requester, id);
CREATE INDEX jobs_trainer ON jobs (trainer, id);
CREATE INDEX jobs_stage ON jobs (stage, id);

CREATE TABLE job_data (
    job BIGINT NOT NULL,
    datanet BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (job, datanet, version)
);
CREATE INDEX job_data_datanet ON job_data (datanet, job);

CREATE TABLE job_history (
    job BIGINT NOT NULL,
    block BIGINT NOT NULL,
    place BIGINT NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    stage TEXT COLLATE "C" NOT NULL,
    account BYTEA,
    amount TEXT COLLATE "C",
    detail TEXT COLLATE "C",
    PRIMARY KEY (job, block, place)
);

CREATE TABLE models (
    id BIGINT PRIMARY KEY,
    record BYTEA NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    owner BYTEA NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    base BIGINT NOT NULL,
    job BIGINT NOT NULL,
    loss BIGINT NOT NULL,
    paid_in TEXT COLLATE "C" NOT NULL,
    first_with_adapter BIGINT
);
CREATE INDEX models_owner ON models (owner);
CREATE INDEX models_job ON models (job);

CREATE TABLE model_data (
    model BIGINT NOT NULL,
    datanet BIGINT NOT NULL,
    version BIGINT NOT NULL,
    "grant" BIGINT NOT NULL,
    PRIMARY KEY (model, datanet, version)
);
CREATE INDEX model_data_datanet ON model_data (datanet, model);

CREATE TABLE deployments (
    model BIGINT NOT NULL,
    operator BYTEA NOT NULL,
    record BYTEA NOT NULL,
    PRIMARY KEY (model, operator)
);
CREATE INDEX deployments_operator ON deployments (operator);

CREATE TABLE streams (
    model BIGINT PRIMARY KEY,
    record BYTEA NOT NULL
);

CREATE TABLE ledgers (
    model BIGINT NOT NULL,
    operator BYTEA NOT NULL,
    record BYTEA NOT NULL,
    PRIMARY KEY (model, operator)
);

CREATE TABLE offers (
    model BIGINT NOT NULL,
    operator BYTEA NOT NULL,
    record BYTEA NOT NULL,
    PRIMARY KEY (model, operator)
);

CREATE TABLE channels (
    id BIGINT PRIMARY KEY,
    record BYTEA NOT NULL,
    app BYTEA NOT NULL,
    operator BYTEA NOT NULL
);

CREATE TABLE trainers (
    account BYTEA PRIMARY KEY,
    record BYTEA NOT NULL,
    settled BIGINT NOT NULL,
    since_block BIGINT NOT NULL
);

-- Money that moved to somebody, one row for each receiver.
CREATE TABLE payouts (
    block BIGINT NOT NULL,
    place BIGINT NOT NULL,
    part BIGINT NOT NULL,
    account BYTEA,
    role TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    model BIGINT,
    job BIGINT,
    datanet BIGINT,
    contribution BIGINT,
    leaf BIGINT,
    amount TEXT COLLATE "C" NOT NULL,
    payer BYTEA,
    PRIMARY KEY (block, place, part)
);
CREATE INDEX payouts_account ON payouts (account, block);
CREATE INDEX payouts_model ON payouts (model, block);
CREATE INDEX payouts_datanet ON payouts (datanet, block);

-- Sums over payouts, kept so that a page costs the same however long the history is.
CREATE TABLE totals (
    subject TEXT COLLATE "C" NOT NULL,
    id BYTEA NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    amount TEXT COLLATE "C" NOT NULL,
    payouts BIGINT NOT NULL,
    PRIMARY KEY (subject, id, role)
);

-- Sales: what was paid in, and what of it went to contributors.
CREATE TABLE sales (
    model BIGINT NOT NULL,
    block BIGINT NOT NULL,
    place BIGINT NOT NULL,
    amount TEXT COLLATE "C" NOT NULL,
    contributors TEXT COLLATE "C" NOT NULL,
    payer BYTEA NOT NULL,
    PRIMARY KEY (model, block, place)
);

-- What can be searched by words.
CREATE TABLE documents (
    number BIGINT PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    UNIQUE (kind, id)
);
