-- The newest number whose events are not kept for a replay any more; what was sent and answered stays in the ledger.
ALTER TABLE sequence ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0;

-- What the broker holds for screens that come later: the newest event of each retained topic that is not cleared.
CREATE TABLE retained (
    sink TEXT NOT NULL,
    topic TEXT NOT NULL,
    event INTEGER NOT NULL REFERENCES outbox (id),
    PRIMARY KEY (sink, topic)
);
INSERT INTO retained SELECT sink, topic, id FROM (
    SELECT sink, topic, max(id) AS id, payload FROM outbox WHERE retain = 1 GROUP BY sink, topic
) WHERE length(payload) > 0;
