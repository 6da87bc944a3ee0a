-- When the first of a study's alerts that are over and were seen is to leave the screens.
ALTER TABLE study ADD COLUMN alerts_clear_at TEXT;
CREATE INDEX study_alerts_to_clear ON study (alerts_clear_at) WHERE alerts_clear_at IS NOT NULL;
