-- The secret behind the opaque study codes of this installation.
CREATE TABLE installation (key BLOB NOT NULL);
INSERT INTO installation VALUES (randomblob(32));

-- Raw input: on disk before the device is acknowledged, read again after a crash.
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    driver TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX session_open ON session (driver, id) WHERE closed = 0;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX entry_session ON entry (session, id);

-- Studies and their facts. The order of facts is their id, never a time. A recording's identity is the hash of its
-- content; other facts have none.
CREATE TABLE study (
    code TEXT PRIMARY KEY,
    driver TEXT NOT NULL,
    cart TEXT NOT NULL,
    study_id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    numbering TEXT NOT NULL DEFAULT '{}',
    alerts TEXT NOT NULL DEFAULT '{}',
    clear_at TEXT
);
CREATE INDEX study_device_id ON study (study_id);
CREATE INDEX study_to_clear ON study (clear_at) WHERE clear_at IS NOT NULL;
CREATE TABLE fact (
    id INTEGER PRIMARY KEY,
    study TEXT NOT NULL REFERENCES study (code),
    kind TEXT NOT NULL,
    identity TEXT,
    body BLOB NOT NULL,
    received_at TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    monotonic_s REAL NOT NULL,
    device_time TEXT,
    device_offset_s REAL,
    processed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (study, identity)
);
CREATE INDEX fact_study ON fact (study, id);
CREATE INDEX fact_unprocessed ON fact (id) WHERE processed = 0;

-- What goes out, one row a result and sink. The partial index keeps the pending ones cheap to find among millions.
CREATE TABLE sequence (prefix TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    sink TEXT NOT NULL,
    study TEXT NOT NULL REFERENCES study (code),
    control_id TEXT,
    seq INTEGER,
    topic TEXT,
    retain INTEGER NOT NULL DEFAULT 0,
    payload BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    answer TEXT,
    error TEXT,
    created_at TEXT NOT NULL,
    done_at TEXT,
    UNIQUE (sink, control_id),
    UNIQUE (sink, seq)
);
CREATE INDEX outbox_pending ON outbox (sink, id) WHERE state = 'pending';
CREATE INDEX outbox_study ON outbox (study, id);
