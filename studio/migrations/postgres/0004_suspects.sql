-- Samples that look wrong, as the trainer of a model said it, by their places in contributions. Nothing is paid by them; what is
-- missing here can be fetched again.
CREATE TABLE suspect_sets (
    model BIGINT PRIMARY KEY,
    screened BIGINT NOT NULL
);

CREATE TABLE suspects (
    model BIGINT NOT NULL,
    contribution BIGINT NOT NULL,
    place BIGINT NOT NULL,
    score BIGINT NOT NULL,
    PRIMARY KEY (model, contribution, place)
);
CREATE INDEX suspects_contribution ON suspects (contribution);
