-- Who stated a fact: the operating system's user, never a patient's datum. Nobody where a cart sent it or time passed.
ALTER TABLE fact ADD COLUMN stated_by TEXT;
