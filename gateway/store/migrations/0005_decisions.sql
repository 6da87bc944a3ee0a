-- What people decide about what goes out. A destination that is paused keeps what is stored for it; nothing is lost.
CREATE TABLE pause (
    sink TEXT PRIMARY KEY,
    since TEXT NOT NULL,
    stated_by TEXT NOT NULL
);
-- Who sent again, gave up, paused or resumed what, when and why. `message` is NULL where a whole destination is meant.
CREATE TABLE decision (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    sink TEXT NOT NULL,
    message INTEGER REFERENCES outbox (id),
    reason TEXT,
    stated_by TEXT NOT NULL,
    decided_at TEXT NOT NULL
);
CREATE INDEX decision_message ON decision (message) WHERE message IS NOT NULL;
CREATE INDEX outbox_undelivered ON outbox (sink, id) WHERE state <> 'delivered';
