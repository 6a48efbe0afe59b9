-- Samples that look wrong, as the trainer of a model said it, by their places in contributions. Nothing is paid by them; what is
-- missing here can be fetched again.
CREATE TABLE suspect_sets (
    model INTEGER PRIMARY KEY,
    screened INTEGER NOT NULL
) STRICT;

CREATE TABLE suspects (
    model INTEGER NOT NULL,
    contribution INTEGER NOT NULL,
    place INTEGER NOT NULL,
    score INTEGER NOT NULL,
    PRIMARY KEY (model, contribution, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX suspects_contribution ON suspects (contribution);
