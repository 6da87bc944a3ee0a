-- Under which of the patients a study was filed for a message went out: what was sent for one is taken back for that one.
ALTER TABLE outbox ADD COLUMN filing INTEGER NOT NULL DEFAULT 1;
