-- Leaves of contribution roots. The chain has the roots only; trainers show the leaves, and they are kept once they make the
-- root that the chain has. What is missing here can be fetched again.
CREATE TABLE leaf_sets (
    model BIGINT PRIMARY KEY,
    leaves BIGINT NOT NULL
);

CREATE TABLE leaves (
    model BIGINT NOT NULL,
    place BIGINT NOT NULL,
    contribution BIGINT NOT NULL,
    contributor BYTEA NOT NULL,
    units BIGINT NOT NULL,
    evidence BYTEA NOT NULL,
    PRIMARY KEY (model, place)
);
CREATE INDEX leaves_contributor ON leaves (contributor, model);
CREATE INDEX leaves_contribution ON leaves (contribution, model);
