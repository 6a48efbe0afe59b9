-- Leaves of contribution roots. The chain has the roots only; trainers show the leaves, and they are kept once they make the
-- root that the chain has. What is missing here can be fetched again.
CREATE TABLE leaf_sets (
    model INTEGER PRIMARY KEY,
    leaves INTEGER NOT NULL
) STRICT;

CREATE TABLE leaves (
    model INTEGER NOT NULL,
    place INTEGER NOT NULL,
    contribution INTEGER NOT NULL,
    contributor BLOB NOT NULL,
    units INTEGER NOT NULL,
    evidence BLOB NOT NULL,
    PRIMARY KEY (model, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX leaves_contributor ON leaves (contributor, model);
CREATE INDEX leaves_contribution ON leaves (contribution, model);
