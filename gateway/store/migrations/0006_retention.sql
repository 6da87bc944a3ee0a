-- What is read is compared with its checksum (CRC-32, gateway/store/checksum.py); rows of older gateways have none.
ALTER TABLE fact ADD COLUMN checksum INTEGER;
ALTER TABLE outbox ADD COLUMN checksum INTEGER;

-- What was given up for space: the curve of a recording, the raw input of a session. The index finds what still could be.
ALTER TABLE fact ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX fact_curve ON fact (received_at, study) WHERE kind = 'recording' AND thinned = 0;
ALTER TABLE session ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX session_raw ON session (opened_at) WHERE closed = 1 AND thinned = 0;

-- What is not over yet, of which nothing is given up.
CREATE INDEX fact_unsettled ON fact (study) WHERE processed = 0;
CREATE INDEX outbox_unsettled ON outbox (study) WHERE state IN ('pending', 'parked', 'dead');

-- The studies whose facts may stem from a session: every one that was delivered to while it was open.
CREATE TABLE session_study (
    session INTEGER NOT NULL REFERENCES session (id),
    study TEXT NOT NULL REFERENCES study (code),
    PRIMARY KEY (session, study)
) WITHOUT ROWID;
-- Nobody noted it before: what is under way may stem from any session of its driver.
INSERT INTO session_study SELECT session.id, study.code FROM study JOIN session ON session.driver = study.driver
WHERE EXISTS (SELECT 1 FROM fact WHERE fact.study = study.code AND processed = 0)
    OR EXISTS (SELECT 1 FROM outbox WHERE outbox.study = study.code AND state IN ('pending', 'parked', 'dead'))
    OR 'ended' IS NOT (
        SELECT kind FROM fact WHERE fact.study = study.code AND kind IN ('recording', 'ended') ORDER BY id DESC LIMIT 1
    );
